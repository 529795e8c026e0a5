{%- set lead = 'cast(' ~ policy_value('warning_setting', 'setting', 'recall_lead_days') ~ ' as integer)' -%}
-- Were the warnings right, and how early: precision, recall, lead and amounts by basis, of all warnings, by family and by the
-- rule that spoke, beside plain rules given as many customers. Warnings whose horizon has not passed are in no figure.
with matured as (

    -- What came true early counts when its horizon has passed, or only the right ones would be counted.
    select * from {{ ref('warning_outcome') }} where matures_on <= {{ as_of_date() }}

),

episode as (

    select
        basis, 'all' as scope, 'all' as scope_id, rule_version, severity, customer_code, opened_on, matures_on, is_event,
        event_date, lead_days, amount_at_risk_reporting, event_amount_reporting, was_treated
    from matured

    union all

    select
        basis, 'family', family, rule_version, severity, customer_code, opened_on, matures_on, is_event,
        event_date, lead_days, amount_at_risk_reporting, event_amount_reporting, was_treated
    from matured

    union all

    select
        basis, 'rule', rule_id, rule_version, severity, customer_code, opened_on, matures_on, is_event,
        event_date, lead_days, amount_at_risk_reporting, event_amount_reporting, was_treated
    from matured

    union all

    select
        'replayed', 'baseline', scope_id, null, severity, customer_code, opened_on, matures_on, is_event,
        event_date, {{ days_between('opened_on', 'event_date') }}, amount_at_risk_reporting, event_amount_reporting, null
    from {{ ref('warning_replay') }}
    where kind = 'baseline' and is_news

),

by_severity as (

    select episode.*, 'any' as severity_scope from episode
    union all
    select episode.*, 'red' from episode where severity = 'red' and scope <> 'baseline'

),

counted as (

    select
        basis,
        scope,
        scope_id,
        severity_scope as severity,
        max(rule_version) as rule_version,
        min(opened_on) as opened_from,
        max(opened_on) as opened_to,
        count(*) as episode_count,
        sum(case when is_event then 1 else 0 end) as event_episode_count,
        sum(case when was_treated then 1 else 0 end) as treated_count,
        sum(case when was_treated and is_event then 1 else 0 end) as treated_event_count,
        sum(case when not was_treated then 1 else 0 end) as untreated_count,
        sum(case when not was_treated and is_event then 1 else 0 end) as untreated_event_count,
        percentile_cont(0.5) within group (order by case when is_event then lead_days end) as lead_days_median,
        percentile_cont(0.25) within group (order by case when is_event then lead_days end) as lead_days_first_quartile
    from by_severity
    group by basis, scope, scope_id, severity_scope

),

-- Only events that a month-end with this much lead could see coming could have been warned of in time, and none of
-- customers that were warned of when the replay begins: since when, nobody can say.
event as (

    select
        population.customer_code,
        population.event_date,
        max(population.event_amount_reporting) as event_amount_reporting
    from {{ ref('warning_population') }} as population
    left join {{ ref('warning_replay') }} as standing
        on standing.kind = 'warning' and not standing.is_news
        and population.customer_code = standing.customer_code and population.event_date = standing.event_date
    where standing.customer_code is null and population.is_event and {{ days_between('population.cutoff_date', 'population.event_date') }} >= {{ lead }}
        and population.cutoff_date > (select min(cutoff_date) from {{ ref('warning_population') }})
    group by population.customer_code, population.event_date

),

caught as (

    select
        by_severity.basis,
        by_severity.scope,
        by_severity.scope_id,
        by_severity.severity_scope as severity,
        count(distinct event.customer_code) as caught_event_count,
        sum(event.event_amount_reporting) as caught_amount_reporting
    from (
        select distinct basis, scope, scope_id, severity_scope, customer_code, event_date
        from by_severity
        where is_event and lead_days >= {{ lead }}
    ) as by_severity
    inner join event
        on by_severity.customer_code = event.customer_code and by_severity.event_date = event.event_date
    where by_severity.basis = 'replayed'
    group by by_severity.basis, by_severity.scope, by_severity.scope_id, by_severity.severity_scope

),

population as (

    select
        avg(case when is_event then 1.0 else 0.0 end) as base_rate,
        count(*) as customer_month_count
    from {{ ref('warning_population') }}
    -- At the first month-end nothing can be news.
    where cutoff_date > (select min(cutoff_date) from {{ ref('warning_population') }})

),

every_event as (

    select count(*) as event_count, sum(event_amount_reporting) as event_amount_reporting from event

),

-- Every leading rule is there, also one that no past month-end can be asked about.
listed as (

    select basis, scope, scope_id, severity from counted

    union

    select 'replayed', 'rule', rule_id, 'any' from {{ active_policy('warning_rule') }} as rule where role = 'leads'

)

select
    {{ as_of_date() }} as as_of_date,
    listed.basis,
    listed.scope,
    listed.scope_id,
    listed.severity,
    case when counted.episode_count is null then 'no_matured_warning' else 'measured' end as status,
    cast(counted.rule_version as integer) as rule_version,
    counted.opened_from,
    counted.opened_to,
    cast(coalesce(counted.episode_count, 0) as integer) as episode_count,
    cast(coalesce(counted.event_episode_count, 0) as integer) as event_episode_count,
    cast(counted.event_episode_count as double) / counted.episode_count as precision_share,
    {{ wilson_bound('counted.event_episode_count', 'counted.episode_count', '-') }} as precision_lower_95,
    {{ wilson_bound('counted.event_episode_count', 'counted.episode_count', '+') }} as precision_upper_95,
    cast(case when listed.basis = 'replayed' then population.base_rate end as double) as base_rate,
    cast(
        case when listed.basis = 'replayed'
            then cast(counted.event_episode_count as double) / counted.episode_count / nullif(population.base_rate, 0)
        end as double
    ) as lift,
    cast(case when listed.basis = 'replayed' then every_event.event_count end as integer) as event_count,
    cast(case when listed.basis = 'replayed' and counted.episode_count is not null then coalesce(caught.caught_event_count, 0) end as integer)
        as caught_event_count,
    cast(
        case when listed.basis = 'replayed' and counted.episode_count is not null
            then cast(coalesce(caught.caught_event_count, 0) as double) / nullif(every_event.event_count, 0)
        end as double
    ) as recall_share,
    cast(
        case when listed.basis = 'replayed' and counted.episode_count is not null
            then cast(coalesce(caught.caught_amount_reporting, 0) as double) / nullif(every_event.event_amount_reporting, 0)
        end as double
    ) as recall_amount_share,
    cast(caught.caught_amount_reporting as {{ money() }}) as caught_amount_reporting,
    cast(counted.lead_days_median as double) as lead_days_median,
    cast(counted.lead_days_first_quartile as double) as lead_days_first_quartile,
    cast(
        case when listed.basis = 'replayed'
            -- A month has 365.25 / 12 / 7 weeks.
            then 1000.0 * counted.episode_count / nullif(population.customer_month_count, 0) / (365.25 / 12 / 7)
        end as double
    ) as openings_per_1000_customers_week,
    cast(counted.treated_count as integer) as treated_count,
    cast(counted.treated_event_count as double) / nullif(counted.treated_count, 0) as treated_precision_share,
    cast(counted.untreated_event_count as double) / nullif(counted.untreated_count, 0) as untreated_precision_share
from listed
cross join population
cross join every_event
left join counted
    on listed.basis = counted.basis and listed.scope = counted.scope and listed.scope_id = counted.scope_id
    and listed.severity = counted.severity
left join caught
    on listed.basis = caught.basis and listed.scope = caught.scope and listed.scope_id = caught.scope_id
    and listed.severity = caught.severity
