-- The calendar that business hours are counted by must be one policy has holidays for.
select '{{ var("business_calendar") }}' as business_calendar
where not exists (
    select 1 from {{ active_policy('business_holiday') }} as holiday where holiday.calendar = '{{ var("business_calendar") }}'
)
