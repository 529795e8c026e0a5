{%- set never = "cast('9999-12-31' as date)" -%}
{%- set newer = parameter('stray_newer_documents') | int -%}
{%- set reaches = [newer, 3 * newer, 10 * newer] -%}
{%- set bases = {'occurred': 'invoice_balance', 'known': 'invoice_balance_known'} -%}
-- Documents that newer ones overtook: {{ parameter('stray_days_past_due') }} or more days past due and open, though the
-- customer has since paid {{ newer }} or more documents issued after it, worth at least as much together. Who pays what
-- is newer is able to pay; what stays behind is most likely paid, credited or never received, and nobody has matched it.
-- From stray_from on it drives no default and no warning, until a person answers that it is owed.
-- The newer documents are the next {{ reaches | join(', ') }} paid ones in order of issue, the first of these runs that is
-- worth enough: each run is complete on one day, so a past day's answer never rests on what was paid later.
with balance as (

    {%- for basis, model in bases.items() %}
    select '{{ basis }}' as basis, balance.customer_code, balance.currency, balance.document_id, balance.due_date,
        balance.valid_from, balance.valid_to, balance.balance, document.issue_date, document.amount
    from {{ ref(model) }} as balance
    inner join {{ ref('document') }} as document on balance.document_id = document.document_id
    where balance.document_kind in ('invoice', 'debit_memo') and balance.valid_from <= {{ as_of_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

run as (

    select
        *,
        row_number() over (partition by basis, customer_code, currency, issue_date order by document_id) as place,
        {%- for reach in reaches %}
        case when count(*) over run_{{ reach }} = {{ reach }} then max(paid_on) over run_{{ reach }} end as paid_on_{{ reach }},
        sum(amount) over run_{{ reach }} as amount_{{ reach }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('paid_document') }}
    window
        {%- for reach in reaches %}
        run_{{ reach }} as (
            partition by basis, customer_code, currency order by issue_date, document_id
            rows between current row and {{ reach - 1 }} following
        ){{ ',' if not loop.last }}
        {%- endfor %}

),

late as (

    select basis, customer_code, currency, document_id, issue_date, min(due_date) as due_date,
        max(valid_to) as open_to, max(balance) as amount
    from balance
    where balance > 0
        and {{ add_days('due_date', parameter('stray_days_past_due')) }} < least(valid_to, {{ add_days(as_of_date(), 1) }})
    group by basis, customer_code, currency, document_id, issue_date

),

-- Of every day of issue the next one of which a document was paid; days, not documents, so that no customer with
-- thousands of both multiplies them.
issue_day as (

    select
        basis, customer_code, currency, issue_date,
        min(case when is_paid = 1 then issue_date end) over (
            partition by basis, customer_code, currency order by issue_date
            rows between 1 following and unbounded following
        ) as next_paid_date
    from (
        select basis, customer_code, currency, issue_date, max(is_paid) as is_paid
        from (
            select basis, customer_code, currency, issue_date, 1 as is_paid from run
            union all
            select basis, customer_code, currency, issue_date, 0 from late
        ) as issued
        group by basis, customer_code, currency, issue_date
    ) as by_day

),

measured as (

    select
        late.*,
        {%- for reach in reaches %}
        run.paid_on_{{ reach }},
        run.amount_{{ reach }}{{ ',' if not loop.last }}
        {%- endfor %}
    from late
    inner join issue_day
        on late.basis = issue_day.basis and late.customer_code = issue_day.customer_code
        and late.currency = issue_day.currency and late.issue_date = issue_day.issue_date
    inner join run
        on issue_day.basis = run.basis and issue_day.customer_code = run.customer_code
        and issue_day.currency = run.currency and issue_day.next_paid_date = run.issue_date and run.place = 1

),

timed as (

    select
        *,
        greatest(
            {{ add_days('due_date', parameter('stray_days_past_due')) }},
            least(
                {%- for reach in reaches %}
                coalesce(case when amount_{{ reach }} >= amount then paid_on_{{ reach }} end, {{ never }}){{ ',' if not loop.last }}
                {%- endfor %}
            )
        ) as stray_from
    from measured

)

select
    timed.basis,
    timed.document_id,
    timed.customer_code,
    timed.stray_from,
    timed.open_to as stray_to
from timed
left join (
    select source_system || '|' || document_no as document_id, answer
    from {{ source('ops', 'document_answer') }}
    where from_document_no is null and decided_on <= {{ as_of_date() }}
    qualify row_number() over (partition by source_system, document_no order by decided_on desc, answer) = 1
) as answered
    on timed.document_id = answered.document_id
where timed.stray_from <= {{ as_of_date() }} and timed.stray_from < timed.open_to
    and coalesce(answered.answer, 'stray') <> 'owed'
