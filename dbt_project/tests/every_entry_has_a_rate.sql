-- A ledger entry in a foreign currency needs a rate on or before its day: none is guessed.
select currency, min(effective_date) as first_day, max(effective_date) as last_day, count(*) as entry_count
from {{ ref('ledger_entry') }}
where amount_reporting is null
group by currency
