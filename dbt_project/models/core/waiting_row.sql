-- Accepted rows that are not used yet because a row they depend on is missing or itself in quarantine.
{% for table in tables_of_customers() %}
select
    '{{ table }}' as source_table,
    accepted.source_system,
    accepted.row_key,
    accepted.occurrence,
    'customer ' || accepted.customer_id || ' has no customer code' as reason,
    accepted.load_id
from {{ ref('stg_' ~ table) }} as accepted
left join {{ source('core', 'customer_xref') }} as customer
    on accepted.source_system = customer.source_system and accepted.customer_id = customer.customer_id
where customer.customer_code is null and accepted.known_at <= {{ as_of_date() }}

union all
{% endfor %}

select
    'payment_applications' as source_table,
    accepted.source_system,
    accepted.row_key,
    accepted.occurrence,
    case
        when target.document_id is null then 'document ' || accepted.invoice_id || ' is not in the ledger'
        when target.currency <> accepted.currency
            then 'document ' || accepted.invoice_id || ' is in ' || target.currency || ', the application in ' || accepted.currency
        when accepted.from_document_id is null then 'no document the value comes from is given'
        else 'document ' || accepted.from_document_id || ' is not in the ledger, or not in ' || accepted.currency
    end as reason,
    accepted.load_id
from {{ ref('stg_payment_applications') }} as accepted
left join {{ ref('application') }} as posted
    on posted.application_id = accepted.source_system || '|' || accepted.application_id
left join {{ ref('document') }} as target
    on target.document_id = accepted.source_system || '|' || accepted.invoice_id
where posted.application_id is null and accepted.known_at <= {{ as_of_date() }}
