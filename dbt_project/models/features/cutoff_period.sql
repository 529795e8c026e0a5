-- Every window of every feature is a whole number of periods, so facts are summed once a period and
-- windows are sums over periods, however many cut-offs and features there are.
with windows as (

    select
        cutoff.cutoff_date,
        months.number as months_back,
        {{ months_before('cutoff.cutoff_date', 'months.number') }} as window_start,
        {{ months_before('cutoff.cutoff_date', '(months.number - 1)') }} as window_end
    from {{ ref('cutoff') }} as cutoff
    cross join {{ numbers(24) }} as months

),

boundaries as (

    select window_start as period_end from windows
    union
    select window_end from windows
    union
    select {{ add_days('cutoff_date', -60) }} from {{ ref('cutoff') }}

)

select
    windows.cutoff_date,
    boundaries.period_end,
    windows.months_back,
    boundaries.period_end > {{ add_days('windows.cutoff_date', -60) }} as is_in_last_60_days
from windows
inner join boundaries
    on boundaries.period_end > windows.window_start and boundaries.period_end <= windows.window_end
