-- Accepted rows not used yet because a row they depend on is missing or held, by table and reason.
select
    {{ as_of_date() }} as as_of_date,
    source_table,
    source_system,
    reason,
    count(*) as row_count
from {{ ref('waiting_row') }}
group by source_table, source_system, reason
