-- Features are taken at the as-of date (to score) and at month-ends with enough history before them (to train).
with ledger_start as (

    select min(recognised_date) as first_day
    from {{ ref('ledger_entry') }}

),

month_ends as (

    select
        days.day as cutoff_date,
        ledger_start.first_day
    from {{ day_series('(select min(recognised_date) from ' ~ ref('ledger_entry') ~ ')', as_of_date()) }} as days
    cross join ledger_start
    where days.day = {{ month_end('days.day') }} and days.day < {{ as_of_date() }}

),

-- Half a year of history before the first lesson; a model of a shorter horizon needs no more than its horizon.
trained as (

    select cutoff_date
    from month_ends
    where cutoff_date >= {{ add_months('first_day', [6, parameter('horizon_months') | int] | min) }}

),

every_cutoff as (

    select cutoff_date, false as is_as_of from trained
    union all
    select {{ as_of_date() }}, true

)

select
    cutoff_date,
    is_as_of,
    {{ months_before('cutoff_date', 6) }} as six_months_before,
    -- The month-end whose features are the prior values in reasons.
    {{ month_end_offset('cutoff_date', -6) }} as prior_cutoff_date
from every_cutoff
