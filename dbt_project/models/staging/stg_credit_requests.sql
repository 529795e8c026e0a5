select
    accepted.source_system,
    accepted.request_id,
    accepted.customer_id,
    cast(accepted.requested_at as timestamp) as requested_at,
    cast(accepted.decided_at as timestamp) as decided_at,
    accepted.decision,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    accepted.override_reason,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(cast(accepted.requested_at as timestamp) as date)') }} as known_at,
    {{ latest_known_at('cast(cast(accepted.requested_at as timestamp) as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('credit_requests') }}
