-- Receivables by entity, currency and day, arrived at in independent ways: buckets, open balances, ledger sum, source
-- rows, and the general ledger's control account where given. Every difference has a column and a cause.
{% set states = ['quarantined', 'not_yet_known', 'waiting'] %}
{% set late = 'entries recorded after the balance date' %}
{% set held = 'rows in quarantine' %}
{% set waiting = 'rows waiting for a row they depend on' %}
{#- What may explain a difference to the control account: any of the three parts, or several together. #}
{% set explanations = [
    '0', 'late_amount', 'held_amount', 'depending_amount', 'late_amount + held_amount',
    'late_amount + depending_amount', 'held_amount + depending_amount', 'late_amount + held_amount + depending_amount'
] %}

with reconciled_day as (
    select as_of_date as balance_date from {{ ref('aging_date') }}
    union
    select balance_date
    from {{ ref('stg_gl_balances') }}
    where account = 'receivables_control' and known_at <= {{ as_of_date() }} and balance_date <= {{ as_of_date() }}
),

control_account as (
    select legal_entity, currency, balance_date, balance, is_latest or load_id = {{ as_of_text() }} as is_checked
    from (
        select
            stated.*,
            row_number() over (
                partition by legal_entity, currency, balance_date order by source_system, occurrence
            ) as preference,
            max(balance_date) over (partition by legal_entity, currency) = balance_date as is_latest
        from {{ ref('stg_gl_balances') }} as stated
        where account = 'receivables_control' and known_at <= {{ as_of_date() }} and balance_date <= {{ as_of_date() }}
    ) as ranked
    where preference = 1
),

bucket as (
    select
        as_of_date as balance_date,
        legal_entity,
        currency,
        sum(
            current_amount + overdue_1_30_amount + overdue_31_60_amount + overdue_61_90_amount + overdue_91_plus_amount
        ) as bucket_amount,
        sum(unapplied_cash_amount) as unapplied_cash_amount,
        sum(credit_amount) as credit_amount
    from {{ ref('receivable_balance') }}
    group by as_of_date, legal_entity, currency
),

-- Open balances change only where a period begins.
balance_change as (
    select
        legal_entity,
        currency,
        valid_from as change_date,
        sum(balance) as balance_amount
    from (
        select legal_entity, currency, valid_from, balance from {{ ref('invoice_balance') }}
        union all
        select legal_entity, currency, valid_to as valid_from, -balance
        from {{ ref('invoice_balance') }}
        where valid_to < cast('9999-12-31' as date)
    ) as edge
    group by legal_entity, currency, valid_from
),

ledger_change as (
    select legal_entity, currency, effective_date as change_date, sum(amount) as ledger_amount
    from {{ ref('ledger_entry') }}
    group by legal_entity, currency, effective_date
),

source_change as (
    select
        legal_entity,
        currency,
        event_date as change_date,
        sum(receivable_amount) as source_amount,
        {%- for state in states %}
        sum(case when state = '{{ state }}' then receivable_amount else 0 end) as {{ state }}_amount
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('source_posting') }}
    group by legal_entity, currency, event_date
),

-- Entries that no single source row states: receipts and settlements derived from a clearing date, reversed receipts,
-- recoveries, and value moved between entities or currencies by applying one's receipt to another's document.
derived_change as (
    select entry.legal_entity, entry.currency, entry.effective_date as change_date, sum(entry.amount) as derived_amount
    from {{ ref('ledger_entry') }} as entry
    inner join {{ ref('document') }} as document on entry.document_id = document.document_id
    left join {{ ref('document') }} as counter on entry.counter_document_id = counter.document_id
    where entry.is_standing
        and (
            entry.entry_kind in ('receipt_reversal', 'write_off_recovery')
            or (entry.entry_kind = 'receipt' and document.source_table = 'cleared_date')
            or (entry.entry_kind = 'adjustment' and entry.posting_id like '%|cleared:%')
            or counter.legal_entity <> document.legal_entity
            or counter.currency <> document.currency
            or (entry.entry_kind = 'application_reversal' and counter.document_id is null)
        )
    group by entry.legal_entity, entry.currency, entry.effective_date
),

entity_currency as (
    select legal_entity, currency from ledger_change
    union
    select legal_entity, currency from source_change where source_amount <> 0
    union
    select legal_entity, currency from control_account
),

change as (
    {%- for part, columns in [
        ('balance_change', ['balance_amount']), ('ledger_change', ['ledger_amount']),
        ('source_change', ['source_amount', 'quarantined_amount', 'not_yet_known_amount', 'waiting_amount']),
        ('derived_change', ['derived_amount'])
    ] %}
    select
        legal_entity,
        currency,
        change_date,
        {%- for column in [
            'balance_amount', 'ledger_amount', 'source_amount', 'quarantined_amount', 'not_yet_known_amount',
            'waiting_amount', 'derived_amount'
        ] %}
        {{ column if column in columns else '0' }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ part }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

cumulated as (
    select
        reconciled_day.balance_date,
        entity_currency.legal_entity,
        entity_currency.currency,
        {%- for column in [
            'balance_amount', 'ledger_amount', 'source_amount', 'quarantined_amount', 'not_yet_known_amount',
            'waiting_amount', 'derived_amount'
        ] %}
        coalesce(sum(change.{{ column }}), 0) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from reconciled_day
    cross join entity_currency
    left join change
        on change.legal_entity is not distinct from entity_currency.legal_entity
        and change.currency is not distinct from entity_currency.currency
        and change.change_date <= reconciled_day.balance_date
    group by reconciled_day.balance_date, entity_currency.legal_entity, entity_currency.currency
),

-- What the control account may hold otherwise than the ledger: changes recorded after the balance date, and rows not
-- in the ledger. A document delivered twice is booked once in the general ledger.
late_change as (
    select control_account.balance_date, control_account.legal_entity, control_account.currency,
        sum(entry.amount) as late_amount
    from control_account
    inner join {{ ref('ledger_entry') }} as entry
        on control_account.legal_entity = entry.legal_entity
        and control_account.currency = entry.currency
        and entry.effective_date <= control_account.balance_date
        and entry.recorded_date > control_account.balance_date
    group by control_account.balance_date, control_account.legal_entity, control_account.currency
),

held_row as (
    select control_account.balance_date, control_account.legal_entity, control_account.currency,
        sum(case when posting.state = 'quarantined' then posting.receivable_amount else 0 end) as held_amount,
        sum(case when posting.state = 'waiting' then posting.receivable_amount else 0 end) as depending_amount
    from control_account
    inner join {{ ref('source_posting') }} as posting
        on control_account.legal_entity = posting.legal_entity
        and control_account.currency = posting.currency
        and posting.recorded_date <= control_account.balance_date
        and ((posting.state = 'quarantined' and posting.occurrence = 1) or posting.state = 'waiting')
    group by control_account.balance_date, control_account.legal_entity, control_account.currency
),

compared as (
    select
        cumulated.*,
        coalesce(bucket.bucket_amount, 0) as bucket_amount,
        coalesce(bucket.credit_amount, 0) as credit_amount,
        coalesce(bucket.unapplied_cash_amount, 0) as unapplied_cash_amount,
        aging_date.as_of_date is not null as has_buckets,
        control_account.balance as gl_balance,
        coalesce(control_account.is_checked, false) as is_gl_checked,
        coalesce(-late_change.late_amount, 0) as late_amount,
        coalesce(held_row.held_amount, 0) as held_amount,
        coalesce(held_row.depending_amount, 0) as depending_amount
    from cumulated
    left join {{ ref('aging_date') }} as aging_date on cumulated.balance_date = aging_date.as_of_date
    {%- for part in ['bucket', 'control_account', 'late_change', 'held_row'] %}
    left join {{ part }}
        on cumulated.balance_date = {{ part }}.balance_date
        and cumulated.legal_entity = {{ part }}.legal_entity
        and cumulated.currency = {{ part }}.currency
    {%- endfor %}
),

measured as (
    select
        *,
        case when has_buckets then bucket_amount + credit_amount + unapplied_cash_amount - balance_amount else 0 end
            as bucket_difference,
        balance_amount - ledger_amount as balance_difference,
        source_amount + derived_amount - quarantined_amount - not_yet_known_amount - waiting_amount - ledger_amount
            as source_difference,
        gl_balance - ledger_amount as gl_difference,
        -- What is left of it by the explanation that leaves least, so that a cent off is a cent.
        least({% for part in explanations %}abs(gl_balance - ledger_amount - ({{ part }})){{ ', ' if not loop.last }}{% endfor %})
            as least_unexplained
    from compared
)

select
    {{ as_of_date() }} as as_of_date,
    balance_date,
    coalesce(legal_entity, 'not stated') as legal_entity,
    coalesce(currency, 'not stated') as currency,
    {%- for column in ['bucket_amount', 'credit_amount', 'unapplied_cash_amount'] %}
    cast(case when has_buckets then {{ column }} end as {{ money() }}) as {{ column }},
    {%- endfor %}
    {%- for column in [
        'balance_amount', 'ledger_amount', 'source_amount', 'derived_amount', 'quarantined_amount',
        'not_yet_known_amount', 'waiting_amount', 'bucket_difference', 'balance_difference', 'source_difference',
        'gl_balance', 'gl_difference'
    ] %}
    cast({{ column }} as {{ money() }}) as {{ column }},
    {%- endfor %}
    cast(
        case
            {%- for part in explanations %}
            when abs(gl_difference - ({{ part }})) = least_unexplained then gl_difference - ({{ part }})
            {%- endfor %}
        end as {{ money() }}
    ) as gl_unexplained,
    case
        when bucket_difference <> 0 then 'buckets do not add up to the open balance'
        when balance_difference <> 0 then 'open balances do not add up to the ledger'
        when source_difference <> 0 then 'source rows do not add up to the ledger'
        else 'none'
    end as difference_cause,
    case
        when gl_balance is null then 'not_available'
        when gl_difference = 0 then 'reconciled'
        when gl_difference = late_amount then '{{ late }}'
        when gl_difference = held_amount then '{{ held }}'
        when gl_difference = depending_amount then '{{ waiting }}'
        when gl_difference = late_amount + held_amount then '{{ late }}; {{ held }}'
        when gl_difference = late_amount + depending_amount then '{{ late }}; {{ waiting }}'
        when gl_difference = held_amount + depending_amount then '{{ held }}; {{ waiting }}'
        when gl_difference = late_amount + held_amount + depending_amount
            then '{{ late }}; {{ held }}; {{ waiting }}'
        -- A day that agreed when its balance came in is not asked again after rows have been put right.
        when not is_gl_checked then 'changed since it was checked'
        else 'unexplained'
    end as gl_status
from measured
where ledger_amount <> 0 or source_amount <> 0 or gl_balance is not null or balance_amount <> 0
