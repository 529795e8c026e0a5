-- What comes in over 13 weeks: open amounts by the share of each expected to be paid in the week, by selling company and
-- currency. Week 14 holds what is expected later, week 0 what cannot be forecast.
with forecast as (

    select
        risk.legal_entity,
        risk.currency,
        risk.open_amount,
        risk.forecast_status,
        forecast.*
    from {{ ref('invoice_late_risk') }} as risk
    left join {{ source('ml', 'invoice_forecast') }} as forecast on risk.document_id = forecast.document_id

),

spread as (

    {% for week in range(1, 14) -%}
    select legal_entity, currency, {{ week }} as week_number, open_amount * week_{{ week }}_share as expected_amount
    from forecast
    where forecast_status = 'available'
    union all
    {% endfor -%}
    select
        legal_entity,
        currency,
        14,
        open_amount * greatest(0, 1{% for week in range(1, 14) %} - week_{{ week }}_share{% endfor %})
    from forecast
    where forecast_status = 'available'
    union all
    select legal_entity, currency, 0, cast(open_amount as double)
    from forecast
    where forecast_status <> 'available'

)

select
    {{ as_of_date() }} as as_of_date,
    legal_entity,
    currency,
    cast(week_number as integer) as week_number,
    case when week_number > 0 then {{ add_days(as_of_date(), '(7 * (week_number - 1) + 1)') }} end as week_start,
    {{ rounded_money('sum(expected_amount)', 'currency') }} as expected_amount
from spread
group by legal_entity, currency, week_number
