select
    accepted.source_system,
    accepted.source_system || '|' || accepted.invoice_id as document_id,
    accepted.invoice_id,
    accepted.document_type,
    accepted.customer_id,
    accepted.legal_entity,
    cast(accepted.issue_date as date) as issue_date,
    cast(accepted.due_date as date) as due_date,
    accepted.currency,
    cast(accepted.amount as decimal(18, 2)) as amount,
    cast(accepted.tax_amount as decimal(18, 2)) as tax_amount,
    accepted.order_id,
    cast(accepted.cleared_date as date) as cleared_date,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ value_known_at('accepted.cleared_date', 'cast(accepted.issue_date as date)', 'history') }} as cleared_known_at,
    {{ known_at('cast(accepted.issue_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.issue_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('invoices') }}
left join {{ value_history('invoices', 'cleared_date') }} as history
    on accepted.source_system = history.source_system
    and accepted._row_key = history._row_key
    and accepted._occurrence = history._occurrence
