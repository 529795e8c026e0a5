with stated as (
    select
        request.*,
        xref.customer_code,
        -- A decision later than the as-of date was not taken yet.
        case when cast(request.decided_at as date) <= {{ as_of_date() }} then request.decided_at end as decided_by_then
    from {{ ref('stg_credit_requests') }} as request
    inner join {{ source('core', 'customer_xref') }} as xref
        on request.source_system = xref.source_system and request.customer_id = xref.customer_id
    where request.known_at <= {{ as_of_date() }}
),

holiday as (
    select stated.source_system, stated.request_id,
        sum({{ hours_on_holiday('calendar.holiday_date', 'stated.requested_at', 'stated.decided_by_then') }}) as hours
    from stated
    inner join {{ business_holidays() }} as calendar
        on calendar.holiday_date between cast(stated.requested_at as date) and cast(stated.decided_by_then as date)
    group by stated.source_system, stated.request_id
)

select
    stated.source_system || '|' || stated.request_id as request_key,
    stated.source_system,
    stated.request_id,
    stated.customer_code,
    stated.requested_at,
    stated.decided_by_then as decided_at,
    case when stated.decided_by_then is null then 'open' else stated.decision end as decision,
    stated.currency,
    stated.amount,
    {{ in_reporting_currency('stated.amount', 'stated.currency', 'fx_rate.rate') }} as amount_reporting,
    cast({{ dbt.datediff('stated.requested_at', 'stated.decided_by_then', 'second') }} / 3600.0 as double)
        as approval_hours,
    cast(
        {{ business_hours('stated.requested_at', 'stated.decided_by_then') }} - coalesce(holiday.hours, 0) as double
    ) as approval_business_hours,
    stated.override_reason
from stated
left join {{ ref('fx_rate') }} as fx_rate
    on stated.currency = fx_rate.currency and fx_rate.rate_date = cast(stated.requested_at as date)
left join holiday on stated.source_system = holiday.source_system and stated.request_id = holiday.request_id
