select
    accepted.source_system,
    accepted.action_id,
    accepted.customer_id,
    accepted.invoice_id,
    cast(accepted.action_date as date) as action_date,
    cast(accepted.dunning_level as integer) as dunning_level,
    cast(accepted.promise_date as date) as promise_date,
    accepted.currency,
    cast(accepted.promise_amount as {{ money() }}) as promise_amount,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.action_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.action_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('collection_actions') }}
