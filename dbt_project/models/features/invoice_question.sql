{%- set check_day = add_days(as_of_date(), '-cast(' ~ policy_value('lateness_rule', 'rule', 'check_days') ~ ' as integer)') -%}
{%- set late_days = 'cast(' ~ policy_value('lateness_rule', 'rule', 'late_days') ~ ' as integer)' -%}
-- When will it be paid? One row for each time a document is asked about while it is open, with what its customer's payments
-- had shown by then, as known on that day: tonight (to forecast), on the check day (to hold forecasts against what came), and
-- for a document of the past on one of the thirty days before it fell due (to learn from). What is not paid yet is no missing
-- answer: it is known not to have been paid so far.
with known as (

    select
        document.document_id,
        document.customer_code,
        document.legal_entity,
        document.currency,
        document.issue_date,
        document.due_date,
        document.amount,
        document.known_at,
        occurred.paid_on,
        -- A payment that arrives late says then how late it was, and nothing before.
        paid.paid_on as paid_known_on,
        balance.document_id is not null as is_open
    from {{ ref('document') }} as document
    left join {{ ref('paid_document') }} as paid
        on paid.basis = 'known' and document.document_id = paid.document_id
    left join {{ ref('paid_document') }} as occurred
        on occurred.basis = 'occurred' and paid.document_id = occurred.document_id
    left join {{ ref('invoice_balance_known') }} as balance
        on document.document_id = balance.document_id and balance.balance > 0
        and balance.valid_from <= {{ as_of_date() }} and balance.valid_to > {{ as_of_date() }}
    where
        document.document_kind in ('invoice', 'debit_memo')
        and document.issue_date <= {{ as_of_date() }} and document.known_at <= {{ as_of_date() }}
        -- A due date that cannot be right says nothing of lateness.
        and document.due_date is not null and document.due_date_basis <> 'issue_date'
        and (paid.document_id is not null or balance.document_id is not null)

),

asked as (

    select
        known.*,
        'learn' as purpose,
        greatest(
            known.issue_date, known.known_at, {{ add_days('known.due_date', '-1 - cast(' ~ row_hash(['known.document_id']) ~ ' % 30 as integer)') }}
        ) as asked_on
    from known

    union all

    select known.*, 'check' as purpose, {{ check_day }} as asked_on from known
    where known.issue_date <= {{ check_day }} and known.known_at <= {{ check_day }}

    union all

    select known.*, 'tonight' as purpose, {{ as_of_date() }} as asked_on from known where known.is_open

),

question as (

    select *
    from (
        select
            asked.*,
            row_number() over (
                partition by purpose order by {{ row_hash(['document_id']) }}, document_id
            ) as place
        from asked
        where
            asked_on < coalesce(paid_known_on, cast('9999-12-31' as date))
            and (purpose = 'tonight' or asked_on < {{ as_of_date() }})
            -- How customers paid longer ago than two years says little of today.
            and (purpose <> 'learn' or asked_on >= {{ add_months(as_of_date(), -24) }})
    ) as ranked
    where
        purpose = 'tonight'
        or place <= cast({{ policy_value('lateness_rule', 'rule', 'learned_documents_max') }} as integer)

),

-- What a customer's payments have shown by a day is a running sum of what happened before it.
event as (

    select
        customer_code,
        paid_known_on as day,
        0 as ord,
        {{ days_between('due_date', 'paid_on') }} as days_late,
        amount as paid_amount,
        {{ iso_weekday('paid_on') }} as weekday,
        case when paid_known_on > greatest(due_date, known_at) then -1 else 0 end as overdue_change,
        cast(null as {{ dbt.type_string() }}) as question_id
    from known
    where paid_known_on is not null

    union all

    select customer_code, greatest({{ add_days('due_date', 1) }}, known_at), 0, null, null, null, 1, null
    from known
    where coalesce(paid_known_on, cast('9999-12-31' as date)) > greatest(due_date, known_at)

    union all

    select customer_code, asked_on, 1, null, null, null, 0, purpose || '|' || document_id
    from question

),

shown as (

    select
        customer_code,
        day,
        question_id,
        count(days_late) over so_far as paid_count,
        avg(cast(days_late as double)) over so_far as days_late_mean,
        stddev_pop(days_late) over so_far as days_late_spread,
        avg(case when days_late > 0 then 1.0 when days_late is not null then 0.0 end) over so_far as late_share,
        avg(case when days_late > {{ late_days }} then 1.0 when days_late is not null then 0.0 end) over so_far as very_late_share,
        avg(cast(paid_amount as double)) over so_far as paid_amount_mean,
        {%- for weekday in range(1, 6) %}
        avg(case when weekday = {{ weekday }} then 1.0 when weekday is not null then 0.0 end) over so_far as weekday_{{ weekday }}_share,
        {%- endfor %}
        sum(overdue_change) over so_far as overdue_count,
        count(days_late) over lately as recent_paid_count,
        avg(cast(days_late as double)) over lately as recent_days_late_mean,
        avg(case when days_late > {{ late_days }} then 1.0 when days_late is not null then 0.0 end) over lately
            as recent_very_late_share,
        max(case when days_late is not null then day end) over so_far as last_paid_on,
        {%- for step in [1, 2, 3] %}
        {{ last_known('days_late', step, 'customer_code', 'day, ord, question_id') }} as last_{{ step }}_days_late{{ ',' if not loop.last }}
        {%- endfor %}
    from event
    window
        so_far as (partition by customer_code order by day, ord rows between unbounded preceding and current row),
        lately as (partition by customer_code order by day range between interval 60 day preceding and current row)

)

select
    question.purpose,
    question.document_id,
    question.customer_code,
    question.legal_entity,
    question.currency,
    question.issue_date,
    question.due_date,
    question.asked_on,
    question.paid_on,
    question.paid_known_on,
    cast({{ days_between('question.asked_on', 'question.due_date') }} as integer) as days_to_due,
    cast({{ days_between('question.issue_date', 'question.due_date') }} as integer) as terms_days,
    cast(question.amount as double) as amount,
    cast(question.amount as double) / nullif(shown.paid_amount_mean, 0) as amount_ratio,
    shown.paid_count,
    shown.days_late_mean,
    shown.days_late_spread,
    shown.late_share,
    shown.very_late_share,
    {%- for weekday in range(1, 6) %}
    shown.weekday_{{ weekday }}_share,
    {%- endfor %}
    cast(shown.overdue_count as integer) as overdue_count,
    shown.recent_paid_count,
    shown.recent_days_late_mean,
    shown.recent_very_late_share,
    cast({{ days_between('shown.last_paid_on', 'question.asked_on') }} as integer) as days_since_payment,
    shown.last_1_days_late,
    shown.last_2_days_late,
    shown.last_3_days_late
from question
inner join shown on question.purpose || '|' || question.document_id = shown.question_id
