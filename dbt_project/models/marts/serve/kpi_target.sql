-- Each KPI of the whole company, beside its target: balances and 12-month figures on the as-of date, flows of one month
-- (an index of collection, times of approval) in the last complete month, since a month of one day says nothing.
{%- set rows_of = {
    'kpi_monthly': 'latest', 'provision_matrix': ref('provision_matrix'),
    'limit_recommendation': ref('limit_recommendation'), 'source_delay': ref('source_delay')
} %}
with company as (

    select *
    from {{ ref('kpi_monthly') }}
    where measured_on <= {{ as_of_date() }} and legal_entity = 'all' and segment = 'all' and currency_view = 'reporting'

),

latest as (

    select * from company where measured_on = {{ as_of_date() }}

),

closed_month as (

    select *
    from company
    where measured_on = (select max(measured_on) from company where is_complete)

),

actual as (
    {%- for metric in metrics(grain='company') %}
    select
        '{{ metric.metric }}' as kpi,
        cast({{ metric_value(metric, dict.fromkeys(rows_of, 'kpi_monthly')) }} as double) as actual_value,
        {{ 'kpi_monthly.measured_on' if metric.is_flow else as_of_date() }} as measured_on
    from {{ 'closed_month' if metric.is_flow else rows_of[metric.table] }} as {{ metric.table }}
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
    actual.measured_on,
    cast(goal.baseline_value as decimal(18, 4)) as baseline_value,
    goal.baseline_date,
    cast(goal.target_value as decimal(18, 4)) as target_value,
    goal.target_date,
    goal.owner,
    cast(
        case goal.direction
            when 'at_most' then actual.actual_value - goal.target_value
            else goal.target_value - actual.actual_value
        end as double
    ) as distance_to_target,
    -- Of the change promised from the baseline, the part reached so far; below 0 where it went the other way.
    cast(
        (actual.actual_value - goal.baseline_value) / nullif(goal.target_value - goal.baseline_value, 0) as double
    ) as promised_change_share,
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
