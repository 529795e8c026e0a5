-- The calendar that business hours are counted by must be one policy has holidays for; `none` is the one without any.
select '{{ parameter("business_calendar") }}' as business_calendar
where '{{ parameter("business_calendar") }}' <> 'none' and not exists (select 1 from {{ business_holidays() }} as holiday)
