select
    accepted.source_system,
    accepted.dispute_id,
    accepted.customer_id,
    accepted.invoice_id,
    cast(accepted.opened_date as date) as opened_date,
    cast(accepted.closed_date as date) as closed_date,
    accepted.reason,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ value_known_at('accepted.closed_date', 'cast(accepted.opened_date as date)', 'history') }} as closed_known_at,
    {{ known_at('cast(accepted.opened_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.opened_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('disputes') }}
left join {{ value_history('disputes', 'closed_date') }} as history
    on accepted.source_system = history.source_system
    and accepted._row_key = history._row_key
    and accepted._occurrence = history._occurrence
