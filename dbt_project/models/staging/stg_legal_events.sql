select
    accepted.source_system,
    accepted.event_id,
    accepted.registration_no,
    cast(accepted.event_date as date) as event_date,
    cast(accepted.published_at as date) as published_at,
    accepted.kind,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.published_at as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.published_at as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('legal_events') }}
