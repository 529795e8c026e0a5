select
    entry_id,
    source_system,
    document_id,
    document_kind,
    entry_kind,
    counter_document_id,
    customer_code,
    legal_entity,
    effective_date,
    known_at,
    recognised_date,
    currency,
    amount,
    amount_reporting,
    load_id
from {{ ref('ledger_entry') }}
