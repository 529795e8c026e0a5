-- Each KPI of the whole company on the as-of date, beside its target.
{%- set rows_of = {'kpi_monthly': 'latest', 'provision_matrix': ref('provision_matrix')} %}
with latest as (

    select *
    from {{ ref('kpi_monthly') }}
    where measured_on = {{ as_of_date() }} and legal_entity = 'all' and segment = 'all' and currency_view = 'reporting'

),

actual as (
    {%- for metric in metrics(grain='company') %}
    select '{{ metric.metric }}' as kpi, cast({{ metric_value(metric, {'kpi_monthly': 'kpi_monthly', 'provision_matrix': none}) }} as double) as actual_value
    from {{ rows_of[metric.table] }} as {{ metric.table }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}

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
