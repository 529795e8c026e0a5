-- Limit = min(need, capacity x grade factor, policy cap); the insured part stands apart. Every part is shown.
with rules as (

    select rule_id, scope, key, value from {{ active_policy('limit_rule') }} as limit_rule

),

setting as (

    select
        {%- for rule in [
            'policy_cap', 'minimum_limit', 'rounding_step', 'default_terms', 'collection_days', 'need_headroom',
            'growth_cap', 'equity_share', 'turnover_share', 'payment_record_months'
        ] %}
        max(case when rule_id = '{{ rule }}' then value end) as {{ rule }}{{ ',' if not loop.last }}
        {%- endfor %}
    from rules

),

red_warning as (

    select distinct customer_code from {{ ref('warning') }} where state = 'open' and severity = 'red'

),

aged as (

    select
        customer_code,
        sum(overdue_61_90_amount_reporting + overdue_91_plus_amount_reporting)
        > cast({{ parameter('default_amount') }} as {{ money() }})
        and sum(overdue_61_90_amount_reporting + overdue_91_plus_amount_reporting)
        > cast({{ parameter('default_share') }} as decimal(9, 6)) * sum(open_amount_reporting) as has_material_61_plus
    from {{ ref('fct_ar_aging') }}
    where as_of_date = {{ as_of_date() }}
    group by customer_code

),

facts as (

    select
        score.customer_code,
        score.customer_name,
        score.score_status,
        score.status_reason,
        score.grade,
        score.grade_rank,
        score.data_depth,
        score.pd,
        customer.segment,
        coalesce(customer.payment_terms_days, setting.default_terms) as terms_days,
        features.months_of_history,
        features.sales_12m_amount_reporting,
        features.sales_3m_amount_reporting,
        features.paid_12m_amount_reporting,
        features.equity_amount_reporting,
        features.revenue_amount_reporting,
        exposure.exposure_reporting,
        exposure.net_exposure_reporting,
        exposure.orders_status,
        coalesce(exposure.delivered_not_invoiced_reporting, 0) + coalesce(exposure.open_orders_reporting, 0)
            as ordered_reporting,
        coalesce(red_warning.customer_code is not null, false) as has_red_warning,
        coalesce(aged.has_material_61_plus, false) as has_material_61_plus,
        exposure.insured_reporting,
        exposure.credit_limit_reporting as current_limit_reporting,
        grade_rule.value as grade_factor,
        least(setting.policy_cap, coalesce(segment_rule.value, setting.policy_cap)) as policy_cap_reporting,
        setting.minimum_limit,
        setting.rounding_step,
        setting.collection_days,
        setting.need_headroom,
        setting.growth_cap,
        setting.equity_share,
        setting.turnover_share,
        setting.payment_record_months
    from {{ ref('customer_score') }} as score
    cross join setting
    inner join {{ ref('dim_customer') }} as customer on customer.customer_code = score.customer_code
    left join {{ ref('customer_cutoff') }} as features
        on features.customer_code = score.customer_code and features.is_as_of
    left join {{ ref('fct_exposure') }} as exposure on exposure.customer_code = score.customer_code
    left join red_warning on red_warning.customer_code = score.customer_code
    left join aged on aged.customer_code = score.customer_code
    left join rules as grade_rule on grade_rule.scope = 'grade' and grade_rule.key = score.grade
    left join rules as segment_rule on segment_rule.scope = 'segment' and segment_rule.key = customer.segment

),

-- Sales of a year: the last 12 months (a shorter history is stretched to a year), or the last quarter times four where
-- that is more, up to the growth cap.
forecast as (

    select
        facts.*,
        sales_12m_amount_reporting * 12.0 / greatest(1, least(12, months_of_history)) as yearly_sales,
        sales_3m_amount_reporting * 4 as recent_yearly_sales
    from facts

),

parts as (

    select
        forecast.*,
        {{ reporting_money('least(greatest(yearly_sales, recent_yearly_sales), yearly_sales * growth_cap)') }}
            as forecast_sales_reporting,
        -- What is not stated does not bind: least() passes over an unknown turnover.
        case
            when equity_amount_reporting is not null
                then greatest(0, least(
                    equity_amount_reporting * equity_share,
                    coalesce(revenue_amount_reporting * turnover_share, equity_amount_reporting * equity_share)
                ))
        end as financial_capacity,
        case
            when paid_12m_amount_reporting > 0
                then paid_12m_amount_reporting / greatest(1, least(12, months_of_history)) * payment_record_months
        end as record_capacity
    from forecast

),

-- A statement does not take away what the payment record has shown: the greater of both is the capacity.
carried as (

    select
        parts.*,
        case
            when financial_capacity >= coalesce(record_capacity, 0) then 'financials'
            when record_capacity is not null then 'payment_record'
            else 'none'
        end as capacity_basis,
        case
            when financial_capacity >= coalesce(record_capacity, 0) then financial_capacity
            else record_capacity
        end as capacity
    from parts

),

bounded as (

    select
        carried.*,
        -- The need counts what the exposure counts: sales under way to payment, and what is ordered and not yet billed. Sales
        -- come in lumps, so a limit for the average would be breached at every peak.
        case
            when coalesce(orders_status, 'available') <> 'not_convertible'
                then {{ reporting_money(
                    'forecast_sales_reporting * (terms_days + collection_days) / 365.0 * need_headroom'
                    ~ ' + coalesce(ordered_reporting, 0)'
                ) }}
        end as need_reporting,
        {{ reporting_money('capacity') }} as capacity_reporting,
        {{ reporting_money('capacity * grade_factor') }} as graded_capacity_reporting
    from carried

),

limited as (

    select
        bounded.*,
        case
            when score_status = 'in_default' then 0
            when score_status = 'not_scored' or need_reporting is null or graded_capacity_reporting is null then null
            else least(need_reporting, graded_capacity_reporting, policy_cap_reporting)
        end as unrounded_limit
    from bounded

),

recommended as (

    select
        limited.*,
        cast(
            case
                when unrounded_limit < minimum_limit then 0
                else floor(unrounded_limit / rounding_step) * rounding_step
            end as {{ money() }}
        ) as recommended_limit_reporting,
        case
            when score_status = 'in_default' then 'in_default'
            when unrounded_limit is null then null
            when unrounded_limit = graded_capacity_reporting then 'capacity'
            when unrounded_limit = need_reporting then 'need'
            else 'policy_cap'
        end as binding_part,
        case
            when score_status = 'in_default' or unrounded_limit is not null then 'available'
            else 'not_available'
        end as recommendation_status,
        case
            when score_status = 'in_default' or unrounded_limit is not null then null
            when score_status = 'not_scored' then coalesce(status_reason, 'The customer has no score')
            when need_reporting is null then 'There are no sales to forecast the need from'
            when graded_capacity_reporting is null then 'There is neither a financial statement nor a payment record'
        end as not_available_reason
    from limited

),

decided as (

    select
        recommended.customer_code,
        rule.rule_id,
        rule.decision,
        rule.description,
        row_number() over (partition by recommended.customer_code order by rule.rule_order) as precedence
    from recommended
    inner join {{ active_policy('decision_rule') }} as rule
        on (rule.score_status is null or rule.score_status = recommended.score_status)
        and (rule.grade_rank_min is null or recommended.grade_rank >= rule.grade_rank_min)
        and (rule.grade_rank_max is null or recommended.grade_rank <= rule.grade_rank_max)
        and (rule.data_depth is null or position(recommended.data_depth in rule.data_depth) > 0)
        and (rule.amount_max is null or recommended.recommended_limit_reporting <= rule.amount_max)
        and (rule.need_max is null or least(recommended.need_reporting, recommended.policy_cap_reporting) <= rule.need_max)
        and (
            rule.condition is null
            or rule.condition = 'red_warning_open' and recommended.has_red_warning
            or rule.condition = 'overdue_61_plus' and recommended.has_material_61_plus
            or rule.condition = 'exposure_above_limit'
            and coalesce(recommended.exposure_reporting > recommended.recommended_limit_reporting, true)
        )
        and (
            rule.cut_share_min is null
            or recommended.current_limit_reporting > 0
            and recommended.current_limit_reporting - recommended.recommended_limit_reporting
            >= rule.cut_share_min * recommended.current_limit_reporting
        )

)

select
    {{ as_of_date() }} as as_of_date,
    recommended.customer_code,
    recommended.customer_name,
    recommended.score_status,
    recommended.grade,
    recommended.data_depth,
    recommended.recommendation_status,
    recommended.not_available_reason,
    recommended.forecast_sales_reporting,
    cast(recommended.terms_days as integer) as terms_days,
    recommended.need_reporting,
    recommended.capacity_basis,
    recommended.capacity_reporting,
    cast(recommended.grade_factor as decimal(9, 4)) as grade_factor,
    recommended.graded_capacity_reporting,
    cast(recommended.policy_cap_reporting as {{ money() }}) as policy_cap_reporting,
    recommended.binding_part,
    recommended.recommended_limit_reporting,
    recommended.current_limit_reporting,
    cast(recommended.recommended_limit_reporting - recommended.current_limit_reporting as {{ money() }})
        as limit_change_reporting,
    recommended.insured_reporting,
    recommended.exposure_reporting,
    recommended.net_exposure_reporting,
    decided.decision,
    decided.rule_id as decision_rule,
    decided.description as decision_reason
from recommended
left join decided on decided.customer_code = recommended.customer_code and decided.precedence = 1
