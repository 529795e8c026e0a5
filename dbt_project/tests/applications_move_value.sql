-- What an application takes off a document, it takes from a receipt or credit memo: both sides add up to zero.
select currency, sum(amount) as amount
from {{ ref('ledger_entry') }}
where counter_document_id is not null
group by currency
having sum(amount) <> 0
