select
    accepted.source_system,
    accepted.customer_id,
    accepted.legal_entity,
    cast(accepted.valid_from as date) as valid_from,
    cast(accepted.valid_to as date) as valid_to,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.insured_amount as {{ money() }}) as insured_amount,
    accepted.approved_by,
    accepted.reason,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.valid_from as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.valid_from as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('credit_limits') }}
