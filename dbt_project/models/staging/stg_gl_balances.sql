select
    accepted.source_system,
    cast(accepted.balance_date as date) as balance_date,
    accepted.legal_entity,
    accepted.currency,
    accepted.account,
    cast(accepted.balance as {{ money() }}) as balance,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(accepted.balance_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.balance_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('gl_balances') }}
