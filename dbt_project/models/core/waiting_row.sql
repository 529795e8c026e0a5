-- Accepted rows that are not used yet because a row they depend on is missing or itself in quarantine.
{% set customer_tables = [
    'orders', 'credit_limits', 'credit_requests', 'disputes', 'collection_actions', 'surveys', 'invoices', 'payments'
] %}
{% for table in customer_tables %}
select
    '{{ table }}' as source_table,
    row.source_system,
    row.row_key,
    row.occurrence,
    'customer ' || row.customer_id || ' has no customer code' as reason,
    row.load_id
from {{ ref('stg_' ~ table) }} as row
left join {{ source('core', 'customer_xref') }} as customer
    on row.source_system = customer.source_system and row.customer_id = customer.customer_id
where customer.customer_code is null and row.known_at <= {{ as_of_date() }}

union all
{% endfor %}

select
    'payment_applications' as source_table,
    row.source_system,
    row.row_key,
    row.occurrence,
    case
        when target.document_id is null then 'document ' || row.invoice_id || ' is not in the ledger'
        when target.currency <> row.currency
            then 'document ' || row.invoice_id || ' is in ' || target.currency || ', the application in ' || row.currency
        when row.from_document_id is null then 'no document the value comes from is given'
        else 'document ' || row.from_document_id || ' is not in the ledger, or not in ' || row.currency
    end as reason,
    row.load_id
from {{ ref('stg_payment_applications') }} as row
left join {{ ref('application') }} as posted
    on posted.application_id = row.source_system || '|' || row.application_id
left join {{ ref('document') }} as target
    on target.document_id = row.source_system || '|' || row.invoice_id
where posted.application_id is null and row.known_at <= {{ as_of_date() }}
