-- Every row and cent a source file delivers is in the ledger or in a named place outside it.
select source_system, source_table, source_file, currency, row_count_difference, amount_difference
from {{ ref('reconciliation_source') }}
where difference_cause = 'unexplained'
