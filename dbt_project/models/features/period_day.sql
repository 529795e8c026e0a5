with boundaries as (

    select distinct period_end from {{ ref('cutoff_period') }}

),

days as (

    select series.day
    from {{ day_series(
        '(select least((select min(recognised_date) from ' ~ ref('ledger_entry') ~ '), (select min(period_end) from '
        ~ ref('cutoff_period') ~ ')))', as_of_date()
    ) }} as series

)

select
    days.day,
    min(boundaries.period_end) over (order by days.day desc rows unbounded preceding) as period_end,
    min(cutoff.cutoff_date) over (order by days.day desc rows unbounded preceding) as first_cutoff_date
from days
left join boundaries on boundaries.period_end = days.day
left join {{ ref('cutoff') }} as cutoff on cutoff.cutoff_date = days.day
