select
    accepted.source_system,
    accepted.survey_id,
    accepted.customer_id,
    cast(accepted.survey_date as date) as survey_date,
    cast(accepted.score as integer) as score,
    cast(accepted.scale_max as integer) as scale_max,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.survey_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.survey_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('surveys') }}
