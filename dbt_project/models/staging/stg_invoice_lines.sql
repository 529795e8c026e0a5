select
    accepted.source_system,
    accepted.invoice_id,
    cast(accepted.line_no as integer) as line_no,
    accepted.product_id,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ known_at('cast(null as date)') }} as known_at,
    {{ latest_known_at('cast(null as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('invoice_lines') }}
