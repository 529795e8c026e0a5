select
    accepted.source_system,
    accepted.source_system || '|receipt:' || accepted.payment_id as document_id,
    accepted.payment_id,
    accepted.customer_id,
    accepted.legal_entity,
    cast(accepted.received_date as date) as received_date,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    accepted.method,
    cast(accepted.reversed_at as date) as reversed_at,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ value_known_at('accepted.reversed_at', 'cast(accepted.received_date as date)', 'history') }} as reversed_known_at,
    {{ known_at('cast(accepted.received_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.received_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('payments') }}
left join {{ value_history('payments', 'reversed_at') }} as history
    on accepted.source_system = history.source_system
    and accepted._row_key = history._row_key
    and accepted._occurrence = history._occurrence
