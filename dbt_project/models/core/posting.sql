-- What the accepted rows of tonight come to, as postings: the ledger books what is new or different among them.
with posted as (
    select
        document_id || '|' || document_kind as posting_id,
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
        document_id || '|receipt_reversal' as posting_id,
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
        application_id || '|to' as posting_id,
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
        application_id || '|from' as posting_id,
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
    posted.posting_id,
    posted.source_system,
    document.customer_id,
    document.customer_code,
    posted.document_id,
    document.document_kind,
    posted.entry_kind,
    posted.counter_document_id,
    document.legal_entity,
    document.due_date,
    posted.effective_date,
    posted.known_at,
    document.currency,
    cast(posted.amount as decimal(18, 2)) as amount,
    {{ in_reporting_currency('posted.amount', 'document.currency', 'fx_rate.rate') }} as amount_reporting,
    posted.load_id
from posted
inner join {{ ref('document') }} as document on posted.document_id = document.document_id
left join {{ ref('fx_rate') }} as fx_rate
    on document.currency = fx_rate.currency and posted.effective_date = fx_rate.rate_date
