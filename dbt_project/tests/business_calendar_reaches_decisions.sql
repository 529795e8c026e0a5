{{ config(severity='warn') }}
-- Decisions in a year the calendar has no holidays for: their business hours count every weekday as worked.
select {{ dbt.date_trunc('year', 'decision.decided_at') }} as decided_in_year, count(*) as decision_count
from {{ ref('fct_credit_decision') }} as decision
where decision.decided_at is not null
    and '{{ parameter("business_calendar") }}' <> 'none'
    and not exists (
        select 1
        from {{ business_holidays() }} as holiday
        where {{ dbt.date_trunc('year', 'holiday.holiday_date') }} = {{ dbt.date_trunc('year', 'decision.decided_at') }}
    )
group by {{ dbt.date_trunc('year', 'decision.decided_at') }}
