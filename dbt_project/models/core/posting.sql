-- What the accepted rows of tonight come to, as postings: the ledger books what is new or different among them.
with application as (
    select
        application.*,
        target.document_kind,
        origin.currency as origin_currency,
        target_rate.rate,
        origin_rate.rate as origin_rate
    from {{ ref('application') }} as application
    inner join {{ ref('document') }} as target on application.document_id = target.document_id
    left join {{ ref('document') }} as origin on application.origin_document_id = origin.document_id
    left join {{ ref('fx_rate') }} as target_rate
        on origin.currency <> application.currency
        and application.currency = target_rate.currency and application.effective_date = target_rate.rate_date
    left join {{ ref('fx_rate') }} as origin_rate
        on origin.currency <> application.currency
        and origin.currency = origin_rate.currency and application.effective_date = origin_rate.rate_date
),

posted as (
    select
        document_id || '|' || document_kind as posting_id,
        source_system,
        document_id,
        document_kind as entry_kind,
        cast(null as {{ dbt.type_string() }}) as counter_document_id,
        issue_date as effective_date,
        known_at,
        amount,
        cast(null as {{ money() }}) as stated_amount_reporting,
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
        cast(null as {{ money() }}) as stated_amount_reporting,
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
        -- What comes from no document lowers what the document stands for: a debt falls, and so does a credit.
        case when document_kind = 'credit_memo' and origin_document_id is null then amount else -amount end as amount,
        cast(null as {{ money() }}) as stated_amount_reporting,
        load_id
    from application

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
        origin_amount as amount,
        -- Between currencies both sides move the same value; what they differ by stands in an entry of its own.
        case when origin_currency <> currency then {{ in_reporting_currency('amount', 'currency', 'rate') }} end
            as stated_amount_reporting,
        load_id
    from application
    where origin_document_id is not null

    union all

    select
        application_id || '|exchange' as posting_id,
        source_system,
        origin_document_id as document_id,
        'exchange_difference' as entry_kind,
        document_id as counter_document_id,
        effective_date,
        known_at,
        0 as amount,
        {{ in_reporting_currency('origin_amount', 'origin_currency', 'origin_rate') }}
        - {{ in_reporting_currency('amount', 'currency', 'rate') }} as stated_amount_reporting,
        load_id
    from application
    where origin_currency <> currency
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
    cast(posted.amount as {{ money() }}) as amount,
    coalesce(
        posted.stated_amount_reporting, {{ in_reporting_currency('posted.amount', 'document.currency', 'fx_rate.rate') }}
    ) as amount_reporting,
    posted.load_id
from posted
inner join {{ ref('document') }} as document on posted.document_id = document.document_id
left join {{ ref('fx_rate') }} as fx_rate
    on document.currency = fx_rate.currency and posted.effective_date = fx_rate.rate_date
