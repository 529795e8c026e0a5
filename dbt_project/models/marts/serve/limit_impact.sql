-- What the recommendations would do to limits that are granted today, before anybody acts on them: whom policy cuts, blocks
-- or frees, with the exposure and the yearly sales behind it. `trade-credit simulate` says the same of another policy.
select
    {{ as_of_date() }} as as_of_date,
    customer_code,
    customer_name,
    grade,
    decision,
    decision_rule,
    current_limit_reporting,
    recommended_limit_reporting,
    limit_change_reporting,
    case
        when current_limit_reporting is null or recommended_limit_reporting is null then 'not_comparable'
        when recommended_limit_reporting = 0 and current_limit_reporting > 0 then 'blocked'
        when current_limit_reporting > 0
            and recommended_limit_reporting <= current_limit_reporting * 0.75 then 'cut_by_a_quarter'
        when recommended_limit_reporting < current_limit_reporting then 'cut'
        when recommended_limit_reporting > current_limit_reporting then 'freed'
        else 'unchanged'
    end as impact,
    exposure_reporting,
    cast(greatest(exposure_reporting - recommended_limit_reporting, 0) as {{ money() }}) as exposure_above_reporting,
    forecast_sales_reporting as yearly_sales_reporting
from {{ ref('limit_recommendation') }}
