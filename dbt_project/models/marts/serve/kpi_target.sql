-- Each KPI of the whole company on the as-of date, beside its target.
{%- set kpis = [
    'dso_days', 'average_days_delinquent', 'overdue_share', 'overdue_91_plus_share', 'collection_effectiveness_index',
    'bad_debt_rate', 'credit_cost_ratio', 'approval_hours_median', 'approval_within_4_business_hours_share',
    'coverage_customer_share', 'coverage_receivables_share', 'utilisation'
] %}
with latest as (

    select *
    from {{ ref('kpi_monthly') }}
    where measured_on = {{ as_of_date() }} and legal_entity = 'all' and segment = 'all' and currency_view = 'reporting'

),

actual as (
    {% for kpi in kpis %}
    select '{{ kpi }}' as kpi, cast({{ kpi }} as double) as actual_value from latest
    union all
    {%- endfor %}
    select
        'expected_credit_loss_share',
        cast(sum(expected_credit_loss_reporting) as double) / nullif(sum(balance_reporting), 0)
    from {{ ref('provision_matrix') }}

)

select
    {{ as_of_date() }} as as_of_date,
    goal.kpi,
    goal.description,
    goal.unit,
    goal.direction,
    actual.actual_value,
    cast(goal.target_value as decimal(18, 4)) as target_value,
    goal.target_date,
    goal.owner,
    cast(
        case goal.direction
            when 'at_most' then actual.actual_value - goal.target_value
            else goal.target_value - actual.actual_value
        end as double
    ) as distance_to_target,
    case
        when actual.actual_value is null then 'not_available'
        when goal.direction = 'at_most' and actual.actual_value <= goal.target_value then 'reached'
        when goal.direction = 'at_least' and actual.actual_value >= goal.target_value then 'reached'
        else 'missed'
    end as status,
    {{ days_between(as_of_date(), 'goal.target_date') }} as days_left,
    cast(goal.version as integer) as policy_version
from {{ active_policy('kpi_goal') }} as goal
left join actual on actual.kpi = goal.kpi
