-- From the first document to one year after the as-of date. Weekdays are counted from Monday 2000-01-03.
with calendar as (
    select day
    from {{ day_series(
        month_start('(select coalesce(min(issue_date), ' ~ as_of_date() ~ ') from ' ~ ref('document') ~ ')'),
        month_end_offset(as_of_date(), 12)
    ) }} as days
)

select
    day as date_day,
    {{ month_start('day') }} as month_start_date,
    {{ month_end('day') }} as month_end_date,
    cast(extract(year from day) as integer) as year_number,
    cast(extract(quarter from day) as integer) as quarter_number,
    cast(extract(month from day) as integer) as month_number,
    cast(mod(mod({{ days_between("cast('2000-01-03' as date)", 'day') }}, 7) + 7, 7) + 1 as integer) as iso_weekday_number,
    mod(mod({{ days_between("cast('2000-01-03' as date)", 'day') }}, 7) + 7, 7) < 5 as is_weekday,
    day = {{ month_end('day') }} as is_month_end,
    day <= {{ as_of_date() }} as is_past
from calendar
