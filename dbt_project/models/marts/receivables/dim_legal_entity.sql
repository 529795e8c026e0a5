select
    legal_entity,
    min(issue_date) as first_document_date,
    max(issue_date) as last_document_date,
    count(distinct currency) as currency_count,
    count(distinct customer_code) as customer_count
from {{ ref('document') }}
group by legal_entity
