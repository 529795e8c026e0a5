-- The one ledger: every change of a receivable, debit positive. Figures about money are sums over it.
with posting as (
    select
        document_id || '|' || document_kind as entry_id,
        source_system,
        document_id,
        document_kind as entry_kind,
        cast(null as {{ dbt.type_string() }}) as counter_document_id,
        issue_date as effective_date,
        known_at,
        amount,
        load_id
    from {{ ref('document') }}

    union all

    select
        document_id || '|receipt_reversal' as entry_id,
        source_system,
        document_id,
        'receipt_reversal' as entry_kind,
        cast(null as {{ dbt.type_string() }}) as counter_document_id,
        closed_on as effective_date,
        greatest(closed_known_at, known_at) as known_at,
        -amount as amount,
        load_id
    from {{ ref('document') }}
    where document_kind = 'receipt' and closed_on is not null

    union all

    select
        application_id || '|to' as entry_id,
        source_system,
        document_id,
        {{ application_entry_kind('application_kind') }} as entry_kind,
        origin_document_id as counter_document_id,
        effective_date,
        known_at,
        -amount as amount,
        load_id
    from {{ ref('application') }}

    union all

    -- The other side: the receipt or credit memo has given the value away.
    select
        application_id || '|from' as entry_id,
        source_system,
        origin_document_id as document_id,
        {{ application_entry_kind('application_kind') }} as entry_kind,
        document_id as counter_document_id,
        effective_date,
        known_at,
        amount,
        load_id
    from {{ ref('application') }}
    where origin_document_id is not null
)

select
    posting.entry_id,
    posting.source_system,
    posting.document_id,
    document.document_kind,
    posting.entry_kind,
    posting.counter_document_id,
    document.customer_code,
    document.legal_entity,
    posting.effective_date,
    posting.known_at,
    greatest(posting.effective_date, posting.known_at) as recognised_date,
    document.currency,
    cast(posting.amount as decimal(18, 2)) as amount,
    {{ in_reporting_currency('posting.amount', 'document.currency', 'fx_rate.rate') }} as amount_reporting,
    posting.load_id
from posting
inner join {{ ref('document') }} as document on posting.document_id = document.document_id
left join {{ ref('fx_rate') }} as fx_rate
    on document.currency = fx_rate.currency and posting.effective_date = fx_rate.rate_date
