-- The months KPIs are given for. A month is measured on its last day, the current one on the as-of date.
select
    {{ month_start('as_of_date') }} as month_start_date,
    as_of_date as measured_on,
    is_month_end as is_complete
from {{ ref('aging_date') }}
where is_month_end or as_of_date = {{ as_of_date() }}
