-- A view, because the rules over the marts are judged after the marts are built: publishing copies what it then shows.
{{ config(materialized='view') }}
select
    as_of_date,
    table_name,
    rule_id,
    dimension,
    severity,
    owner,
    status,
    cast(rows_checked as bigint) as rows_checked,
    cast(rows_failed as bigint) as rows_failed,
    cast(rows_failed_old as bigint) as rows_failed_old,
    cast(rows_quarantined as bigint) as rows_quarantined,
    max_failed_share,
    expected,
    message,
    remedy
from {{ source('ops', 'dq_result') }}
where as_of_date <= {{ as_of_date() }}
