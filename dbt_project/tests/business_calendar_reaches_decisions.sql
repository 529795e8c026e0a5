{{ config(severity='warn') }}
-- Decisions in a year policy has no holidays for: their business hours count every weekday as worked.
select {{ dbt.date_trunc('year', 'decision.decided_at') }} as decided_in_year, count(*) as decision_count
from {{ ref('fct_credit_decision') }} as decision
where decision.decided_at is not null
    and not exists (
        select 1
        from {{ active_policy('business_holiday') }} as holiday
        where holiday.calendar = '{{ var("business_calendar") }}'
            and {{ dbt.date_trunc('year', 'holiday.holiday_date') }} = {{ dbt.date_trunc('year', 'decision.decided_at') }}
    )
group by {{ dbt.date_trunc('year', 'decision.decided_at') }}
