-- Buckets, open balances, ledger and source rows agree by entity and currency.
select legal_entity, currency, bucket_difference, balance_difference, source_difference, difference_cause
from {{ ref('reconciliation') }}
where difference_cause <> 'none'
