-- What an application takes off a document, it takes from a receipt or credit memo: both sides add up to zero, between
-- currencies by their value in reporting currency, the exchange difference apart.
select entry.currency, sum(entry.amount) as amount
from {{ ref('ledger_entry') }} as entry
inner join {{ ref('document') }} as counter on entry.counter_document_id = counter.document_id
where counter.currency = entry.currency
group by entry.currency
having sum(entry.amount) <> 0

union all

select {{ reporting_currency() }} as currency, sum(entry.amount_reporting) as amount
from {{ ref('ledger_entry') }} as entry
inner join {{ ref('document') }} as counter on entry.counter_document_id = counter.document_id
where counter.currency <> entry.currency and entry.entry_kind <> 'exchange_difference'
having sum(entry.amount_reporting) <> 0
