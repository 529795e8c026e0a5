-- One pass over each source of facts; every window of every feature is a sum over these rows.
with xref as (

    select source_system, customer_id, customer_code
    from {{ source('core', 'customer_xref') }}

),

discounted as (

    select document_id, min(recognised_date) as discount_recognised_date
    from {{ ref('ledger_entry') }}
    where entry_kind = 'discount' and is_standing
    group by document_id

),

entries as (

    select
        entry.customer_code,
        entry.document_id,
        entry.entry_kind,
        entry.posting_type,
        period_day.period_end,
        entry.amount_reporting,
        -- A debit memo that pays out a credit is a refund: nobody owes it and nobody is late with it.
        entry.document_kind in ('invoice', 'debit_memo') and refund.entry_id is null as is_receivable,
        -- Late is what the money did, not when we heard of it: the day of the payment against the due date.
        greatest(0, {{ days_between('entry.due_date', 'entry.effective_date') }}) as days_beyond_terms,
        discount_day.period_end <= period_day.period_end as is_discounted,
        refund.entry_id is not null as is_refund
    from {{ ref('ledger_entry') }} as entry
    inner join {{ ref('period_day') }} as period_day on period_day.day = entry.recognised_date
    left join discounted on discounted.document_id = entry.document_id
    left join {{ ref('refund') }} as refund on refund.entry_id = entry.entry_id
    left join {{ ref('period_day') }} as discount_day on discount_day.day = discounted.discount_recognised_date

),

ledger_facts as (

    select
        customer_code,
        period_end,
        sum(case when entry_kind in ('invoice', 'debit_memo') or is_refund then amount_reporting end) as sales_amount,
        sum(case when entry_kind = 'credit_memo' then -amount_reporting end) as credit_memo_amount,
        sum(case when entry_kind = 'cash_application' and is_receivable then -amount_reporting end) as paid_amount,
        sum(case when entry_kind = 'cash_application' and is_receivable and days_beyond_terms > 0
            then -amount_reporting end) as paid_late_amount,
        sum(case when entry_kind = 'cash_application' and is_receivable
            then -cast(amount_reporting as double) * days_beyond_terms end) as paid_amount_days,
        sum(case when entry_kind = 'cash_application' and is_receivable
            then -cast(amount_reporting as double) * days_beyond_terms * days_beyond_terms end) as paid_amount_days_squared,
        sum(case when entry_kind = 'cash_application' and is_receivable and is_discounted
            then -amount_reporting end) as paid_discounted_amount,
        max(case when entry_kind = 'cash_application' and is_receivable then days_beyond_terms end) as max_days_beyond_terms,
        sum(case when entry_kind = 'receipt_reversal' then case posting_type when 'reversing' then -1 else 1 end end) as reversal_count
    from entries
    group by customer_code, period_end

),

written_off as (

    select
        write_off.customer_code,
        period_day.period_end,
        sum(write_off.amount_reporting) as write_off_amount
    from {{ ref('write_off') }} as write_off
    inner join {{ ref('period_day') }} as period_day on period_day.day = write_off.recognised_date
    group by write_off.customer_code, period_day.period_end

),

settled as (

    select
        balance.customer_code,
        period_day.period_end,
        count(*) as settled_count
    from {{ ref('invoice_balance_known') }} as balance
    inner join {{ ref('period_day') }} as period_day on period_day.day = balance.valid_from
    where balance.balance = 0 and not balance.is_cancelled and balance.document_kind in ('invoice', 'debit_memo')
    group by balance.customer_code, period_day.period_end

),

-- An order counts from the day it was placed, whatever became of it: its later status was not known then.
ordered as (

    select
        xref.customer_code,
        period_day.period_end,
        sum({{ in_reporting_currency('orders.amount', 'orders.currency', 'fx_rate.rate') }}) as order_amount
    from {{ ref('stg_orders') }} as orders
    inner join xref on xref.source_system = orders.source_system and xref.customer_id = orders.customer_id
    inner join {{ ref('period_day') }} as period_day on period_day.day = orders.known_at
    left join {{ ref('fx_rate') }} as fx_rate
        on fx_rate.currency = orders.currency and fx_rate.rate_date = orders.order_date
    group by xref.customer_code, period_day.period_end

),

disputed as (

    select
        xref.customer_code,
        period_day.period_end,
        count(*) as dispute_count
    from {{ ref('stg_disputes') }} as disputes
    inner join xref on xref.source_system = disputes.source_system and xref.customer_id = disputes.customer_id
    inner join {{ ref('period_day') }} as period_day on period_day.day = disputes.known_at
    group by xref.customer_code, period_day.period_end

),

dunned as (

    select
        xref.customer_code,
        period_day.period_end,
        max(actions.dunning_level) as dunning_level
    from {{ ref('stg_collection_actions') }} as actions
    inner join xref on xref.source_system = actions.source_system and xref.customer_id = actions.customer_id
    inner join {{ ref('period_day') }} as period_day on period_day.day = actions.known_at
    group by xref.customer_code, period_day.period_end

)
{%- set parts = {
    'ledger_facts': [
        'sales_amount', 'credit_memo_amount', 'paid_amount', 'paid_late_amount', 'paid_amount_days',
        'paid_amount_days_squared', 'paid_discounted_amount', 'max_days_beyond_terms', 'reversal_count'
    ],
    'written_off': ['write_off_amount'],
    'settled': ['settled_count'],
    'ordered': ['order_amount'],
    'disputed': ['dispute_count'],
    'dunned': ['dunning_level'],
} %}

, customer_periods as (
    {% for part in parts %}
    select customer_code, period_end from {{ part }}
    {{ 'union' if not loop.last }}
    {%- endfor %}

)

select
    customer_periods.customer_code,
    customer_periods.period_end
    {%- for part, columns in parts.items() %}
    {%- for column in columns %},
    {{ part }}.{{ column }}
    {%- endfor %}
    {%- endfor %}
from customer_periods
{%- for part in parts %}
left join {{ part }}
    on {{ part }}.customer_code = customer_periods.customer_code and {{ part }}.period_end = customer_periods.period_end
{%- endfor %}
