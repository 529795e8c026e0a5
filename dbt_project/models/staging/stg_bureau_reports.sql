select
    accepted.source_system,
    accepted.report_id,
    accepted.registration_no,
    cast(accepted.report_date as date) as report_date,
    cast(accepted.score as integer) as score,
    cast(accepted.risk_class as integer) as risk_class,
    accepted.currency,
    cast(accepted.recommended_limit as {{ money() }}) as recommended_limit,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.report_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.report_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('bureau_reports') }}
