-- A month's cost is known once the month is over.
{% set event_date = month_end('cast(accepted.cost_month as date)') %}

select
    accepted.source_system,
    cast(accepted.cost_month as date) as cost_month,
    accepted.legal_entity,
    accepted.cost_kind,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at(event_date) }} as known_at,
    {{ latest_known_at(event_date) }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('credit_costs') }}
