{%- set priors = {
    'exact_amount': 0.9, 'sum_of_oldest': 0.85, 'less_discount': 0.7, 'oldest_first': 0.4, 'rest_of_receipt': 0.1
} -%}
{%- set prior_weight = 20 -%}
{%- set most_discount_share = 0.05 -%}
{%- set sample_days = 365 -%}
-- For every receipt and credit memo with a rest that nobody applied: the documents it most likely pays. Nothing of it is
-- booked. The rule that fits best speaks: the amount of one document, the oldest documents whose sum it is, one document
-- less a discount of up to {{ most_discount_share * 100 }} %, else the oldest first. A rest of a receipt that was applied in
-- part is an overpayment more often than it pays something.
-- How often a rule is right is measured by the company's own receipts of the last {{ sample_days }} days: each is held
-- against the documents open on the morning it came, and against those it was then applied to. Few cases lean on the
-- assumed share, which weighs like {{ prior_weight }} cases.
with item as (

    select
        true as is_open, balance.document_id, balance.customer_code, balance.legal_entity, balance.currency,
        {{ as_of_date() }} as open_on, -balance.balance as amount,
        balance.document_kind = 'receipt' and -balance.balance < abs(document.amount) as is_rest
    from {{ ref('invoice_balance') }} as balance
    inner join {{ ref('document') }} as document on balance.document_id = document.document_id
    where balance.balance < 0 and balance.document_kind in ('receipt', 'credit_memo')
        and balance.valid_from <= {{ as_of_date() }} and balance.valid_to > {{ as_of_date() }}

    union all

    select
        false, document_id, customer_code, legal_entity, currency,
        {{ add_days('issue_date', -1) }}, -amount, false
    from {{ ref('document') }}
    where document_kind = 'receipt' and source_table = 'payments' and amount < 0 and closed_on is null
        and issue_date > {{ add_days(as_of_date(), -sample_days) }} and issue_date <= {{ as_of_date() }}
        -- A sample of one in sixteen is enough where there are many.
        and (
            substring(md5(document_id), 1, 1) = '0'
            or (select count(*) from {{ ref('document') }} where document_kind = 'receipt') < 100000
        )

),

applied as (

    select origin_document_id, document_id
    from {{ ref('application') }}
    where application_kind = 'cash' and origin_document_id is not null
    group by origin_document_id, document_id
    having sum(amount) > 0

),

candidate as (

    select
        item.is_open, item.document_id as from_document_id, item.amount, item.is_rest,
        owed.document_id, owed.due_date, owed.balance,
        sum(owed.balance) over oldest_first as running_amount,
        count(*) over (
            partition by item.is_open, item.document_id, owed.balance
        ) as same_amount_count,
        row_number() over oldest_first as place
    from item
    inner join {{ ref('invoice_balance') }} as owed
        on item.customer_code = owed.customer_code and item.currency = owed.currency
        and item.legal_entity = owed.legal_entity
        and owed.balance > 0 and owed.document_kind in ('invoice', 'debit_memo')
        and owed.valid_from <= item.open_on and owed.valid_to > item.open_on
    where item.is_open or item.document_id in (select origin_document_id from applied)
    window oldest_first as (
        partition by item.is_open, item.document_id order by owed.due_date, owed.document_id
        rows between unbounded preceding and current row
    )

),

compared as (

    select
        *,
        balance = amount as is_exact,
        amount < balance and amount >= (1 - {{ most_discount_share }}) * balance as is_discounted
    from candidate

),

fitted as (

    select
        *,
        max(case when is_exact then 1 else 0 end) over item_window as has_exact,
        max(case when running_amount = amount and place > 1 then place else 0 end) over item_window as sum_place,
        max(case when is_discounted then 1 else 0 end) over item_window as has_discounted
    from compared
    window item_window as (partition by is_open, from_document_id)

),

ruled as (

    select
        *,
        case
            when has_exact = 1 then 'exact_amount'
            when sum_place > 0 then 'sum_of_oldest'
            when has_discounted = 1 and not is_rest then 'less_discount'
            when is_rest then 'rest_of_receipt'
            else 'oldest_first'
        end as rule
    from fitted

),

suggested as (

    select *
    from ruled
    where (rule = 'exact_amount' and is_exact)
        or (rule = 'sum_of_oldest' and place <= sum_place)
        or (rule = 'less_discount' and is_discounted)
        or (rule in ('oldest_first', 'rest_of_receipt') and running_amount - balance < amount)
    -- Of several that fit alike the oldest.
    qualify rule in ('sum_of_oldest', 'oldest_first', 'rest_of_receipt')
        or row_number() over (partition by is_open, from_document_id order by place) = 1

),

measured as (

    select
        suggested.rule,
        count(*) as case_count,
        sum(case when applied.document_id is not null then 1 else 0 end) as right_count
    from suggested
    left join applied
        on suggested.from_document_id = applied.origin_document_id and suggested.document_id = applied.document_id
    where not suggested.is_open
    group by suggested.rule

)

select
    {{ as_of_date() }} as as_of_date,
    suggested.from_document_id || '>' || suggested.document_id as match_id,
    origin.document_kind as from_document_kind,
    origin.source_system,
    origin.document_no as from_document_no,
    origin.issue_date as from_date,
    origin.customer_code,
    origin.legal_entity,
    origin.currency,
    cast(suggested.amount as {{ money() }}) as unapplied_amount,
    suggested.document_id,
    target.document_no as invoice_no,
    target.due_date,
    cast(suggested.balance as {{ money() }}) as open_amount,
    cast(
        least(suggested.balance, suggested.amount - case
            when suggested.rule in ('exact_amount', 'less_discount') then 0
            else suggested.running_amount - suggested.balance
        end) as {{ money() }}
    ) as suggested_amount,
    suggested.rule,
    cast(
        (coalesce(measured.right_count, 0) + {{ prior_weight }} * case suggested.rule
            {%- for rule, share in priors.items() %} when '{{ rule }}' then {{ share }}{% endfor %} end)
        / (coalesce(measured.case_count, 0) + {{ prior_weight }}.0) as double
    ) as match_probability,
    cast(coalesce(measured.case_count, 0) as bigint) as measured_count,
    case suggested.rule
        when 'exact_amount' then 'The amount is that of this document'
            || case when suggested.same_amount_count > 1
                then ', the oldest of ' || cast(suggested.same_amount_count as {{ dbt.type_string() }}) || ' alike' else '' end
        when 'sum_of_oldest' then 'The amount is the sum of the ' || cast(suggested.sum_place as {{ dbt.type_string() }})
            || ' oldest open documents'
        when 'less_discount' then 'The amount is that of this document less a discount of '
            || cast(cast((suggested.balance - suggested.amount) / suggested.balance * 100 as decimal(5, 2)) as {{ dbt.type_string() }})
            || ' %'
        when 'rest_of_receipt' then 'A rest of a receipt that was applied in part; more often an overpayment'
        else 'No amount fits; the oldest open documents first'
    end as reason,
    'Accounts Receivable' as owner
from suggested
inner join {{ ref('document') }} as origin on suggested.from_document_id = origin.document_id
inner join {{ ref('document') }} as target on suggested.document_id = target.document_id
left join measured on suggested.rule = measured.rule
left join {{ source('ops', 'document_answer') }} as answered
    on target.source_system = answered.source_system and target.document_no = answered.document_no
    and origin.document_no = answered.from_document_no and answered.decided_on <= {{ as_of_date() }}
where suggested.is_open and answered.answer is null
