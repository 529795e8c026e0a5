select
    accepted.source_system,
    accepted.application_id,
    accepted.kind,
    accepted.from_document_id,
    accepted.invoice_id,
    accepted.reverses_application_id,
    cast(accepted.applied_date as date) as applied_date,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.from_amount as {{ money() }}) as from_amount,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.applied_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.applied_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('payment_applications') }}
