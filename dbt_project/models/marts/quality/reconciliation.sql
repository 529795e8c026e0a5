-- Receivables by entity and currency on the as-of date, arrived at in independent ways: buckets, open balances, ledger
-- sum, source rows, and the general ledger's control account where given. Every difference has a column and a cause.
with bucket as (
    select
        legal_entity,
        currency,
        sum(
            current_amount + overdue_1_30_amount + overdue_31_60_amount + overdue_61_90_amount + overdue_91_plus_amount
        ) as bucket_amount,
        sum(unapplied_cash_amount) as unapplied_cash_amount,
        sum(credit_amount) as credit_amount
    from {{ ref('receivable_balance') }}
    where as_of_date = {{ as_of_date() }}
    group by legal_entity, currency
),

balance as (
    select legal_entity, currency, sum(balance) as balance_amount
    from {{ ref('invoice_balance') }}
    where valid_to = cast('9999-12-31' as date)
    group by legal_entity, currency
),

ledger as (
    select legal_entity, currency, sum(amount) as ledger_amount
    from {{ ref('ledger_entry') }}
    group by legal_entity, currency
),

landed as (
    select
        legal_entity,
        currency,
        sum(receivable_amount) as source_amount,
        -- A document delivered twice is booked once in the general ledger.
        sum(case when state = 'quarantined' and occurrence = 1 then receivable_amount else 0 end)
            as quarantined_once_amount,
        {%- for state in ['quarantined', 'not_yet_known', 'waiting'] %}
        sum(case when state = '{{ state }}' then receivable_amount else 0 end) as {{ state }}_amount{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('source_posting') }}
    group by legal_entity, currency
),

-- Entries that no single source row states: receipts and settlements derived from a clearing date, reversed receipts,
-- and value moved between entities by applying one entity's receipt to another's document.
derived as (
    select document.legal_entity, document.currency, sum(entry.amount) as derived_amount
    from {{ ref('ledger_entry') }} as entry
    inner join {{ ref('document') }} as document on entry.document_id = document.document_id
    left join {{ ref('document') }} as counter on entry.counter_document_id = counter.document_id
    where entry.entry_kind = 'receipt_reversal'
        or (entry.entry_kind = 'receipt' and document.source_table = 'cleared_date')
        or (entry.entry_kind = 'adjustment' and entry.entry_id like '%|cleared:%')
        or (counter.document_id is not null and counter.legal_entity <> document.legal_entity)
        or (entry.entry_kind = 'application_reversal' and counter.document_id is null)
    group by document.legal_entity, document.currency
),

control_account as (
    select legal_entity, currency, balance_date, balance
    from (
        select
            stated.*,
            row_number() over (
                partition by legal_entity, currency order by balance_date desc, source_system, occurrence
            ) as recency
        from {{ ref('stg_gl_balances') }} as stated
        where account = 'receivables_control' and known_at <= {{ as_of_date() }}
    ) as ranked
    where recency = 1
),

at_closing as (
    select
        control_account.legal_entity,
        control_account.currency,
        sum(entry.amount) as ledger_amount,
        sum(case when entry.known_at > control_account.balance_date then entry.amount else 0 end) as late_amount
    from control_account
    inner join {{ ref('ledger_entry') }} as entry
        on control_account.legal_entity = entry.legal_entity
        and control_account.currency = entry.currency
        and entry.effective_date <= control_account.balance_date
    group by control_account.legal_entity, control_account.currency
),

entity_currency as (
    select legal_entity, currency from ledger
    union
    select legal_entity, currency from landed where source_amount <> 0
    union
    select legal_entity, currency from control_account
),

compared as (
    select
        coalesce(entity_currency.legal_entity, 'not stated') as legal_entity,
        coalesce(entity_currency.currency, 'not stated') as currency,
        coalesce(bucket.bucket_amount, 0) as bucket_amount,
        coalesce(bucket.credit_amount, 0) as credit_amount,
        coalesce(bucket.unapplied_cash_amount, 0) as unapplied_cash_amount,
        coalesce(balance.balance_amount, 0) as balance_amount,
        coalesce(ledger.ledger_amount, 0) as ledger_amount,
        coalesce(landed.source_amount, 0) as source_amount,
        coalesce(derived.derived_amount, 0) as derived_amount,
        coalesce(landed.quarantined_amount, 0) as quarantined_amount,
        coalesce(landed.quarantined_once_amount, 0) as quarantined_once_amount,
        coalesce(landed.not_yet_known_amount, 0) as not_yet_known_amount,
        coalesce(landed.waiting_amount, 0) as waiting_amount,
        control_account.balance_date as gl_balance_date,
        control_account.balance as gl_balance,
        case when control_account.balance is not null then coalesce(at_closing.ledger_amount, 0) end
            as ledger_at_gl_balance_date,
        coalesce(at_closing.late_amount, 0) as late_amount
    from entity_currency
    {%- for part in ['bucket', 'balance', 'ledger', 'landed', 'derived', 'control_account', 'at_closing'] %}
    left join {{ part }}
        on entity_currency.legal_entity = {{ part }}.legal_entity and entity_currency.currency = {{ part }}.currency
    {%- endfor %}
),

measured as (
    select
        *,
        bucket_amount + credit_amount + unapplied_cash_amount - balance_amount as bucket_difference,
        balance_amount - ledger_amount as balance_difference,
        source_amount + derived_amount - quarantined_amount - not_yet_known_amount - waiting_amount - ledger_amount
            as source_difference,
        gl_balance - ledger_at_gl_balance_date as gl_difference
    from compared
)

select
    {{ as_of_date() }} as as_of_date,
    legal_entity,
    currency,
    {%- for column in [
        'bucket_amount', 'credit_amount', 'unapplied_cash_amount', 'balance_amount', 'ledger_amount', 'source_amount',
        'derived_amount', 'quarantined_amount', 'not_yet_known_amount', 'waiting_amount', 'bucket_difference',
        'balance_difference', 'source_difference'
    ] %}
    cast({{ column }} as decimal(18, 2)) as {{ column }},
    {%- endfor %}
    gl_balance_date,
    cast(gl_balance as decimal(18, 2)) as gl_balance,
    cast(ledger_at_gl_balance_date as decimal(18, 2)) as ledger_at_gl_balance_date,
    cast(gl_difference as decimal(18, 2)) as gl_difference,
    case
        when bucket_difference <> 0 then 'buckets do not add up to the open balance'
        when balance_difference <> 0 then 'open balances do not add up to the ledger'
        when source_difference <> 0 then 'source rows do not add up to the ledger'
        else 'none'
    end as difference_cause,
    case
        when gl_balance is null then 'not_available'
        when gl_difference = 0 then 'reconciled'
        when gl_difference = -late_amount then 'entries known after the balance date'
        when gl_difference = quarantined_once_amount then 'rows in quarantine'
        when gl_difference = waiting_amount then 'rows waiting for a row they depend on'
        when gl_difference = quarantined_once_amount + waiting_amount then 'rows in quarantine or waiting'
        else 'unexplained'
    end as gl_status
from measured
