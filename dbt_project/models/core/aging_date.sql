-- The days for which balances are kept ready: each of the last {{ parameter('daily_aging_days') }} days and every month-end
-- since the first document.
with calendar as (
    select day
    from {{ day_series('(select min(issue_date) from ' ~ ref('document') ~ ')', as_of_date()) }} as days
)

select
    day as as_of_date,
    day = {{ month_end('day') }} as is_month_end
from calendar
where day = {{ month_end('day') }}
    or day > {{ add_days(as_of_date(), -parameter('daily_aging_days')) }}
