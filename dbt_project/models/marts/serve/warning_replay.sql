{{ config(schema='core', access='private') }}
{%- set metrics_then = [{'metric': 'pd'}, {'metric': 'pd_ratio_30d'}] + (metrics(table='customer_cutoff') | selectattr('column') | list) -%}
{%- set replayed = "('" ~ metrics_then | map(attribute='metric') | join("', '") ~ "')" -%}
-- What the rules in force would have said at past month-ends, as far as these were known then, and two plain rules beside
-- them: so warnings have a record from the first night on. A rule opens a warning at a month-end where it is met and was not
-- met at the one before; what stands at the first of all is no news. Rules on
-- facts that are not kept for month-ends, such as exposure with its orders, are not replayed.
with facts as (

    select
        population.customer_code,
        population.cutoff_date,
        population.pd,
        population.pd_ratio_30d,
        features.material_days_past_due > 0 as has_material_arrears,
        features.exposure_amount_reporting > cast({{ parameter('default_amount') }} as {{ money() }}) as has_material_exposure,
        features.overdue_share * features.open_amount_reporting as overdue_amount,
        {%- for metric in metrics_then[2:] %}
        cast(features.{{ metric.column }} as double) as {{ metric.metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('warning_population') }} as population
    inner join {{ ref('customer_cutoff') }} as features
        on population.customer_code = features.customer_code and population.cutoff_date = features.cutoff_date

),

cutoffs as (

    select
        cutoff_date,
        lag(cutoff_date) over (order by cutoff_date) as previous_cutoff_date,
        min(cutoff_date) over () as first_date
    from (select distinct cutoff_date from facts) as each

),

met as (

    select
        facts.customer_code,
        facts.cutoff_date,
        facts.overdue_amount,
        rule.family,
        rule.rule_id,
        rule.version as rule_version,
        rule.urgency,
        {{ metric_by_name('rule.metric', metrics_then, 'facts') }} as value,
        rule.red,
        rule.amber,
        rule.direction
    from facts
    cross join {{ active_policy('warning_rule') }} as rule
    where
        rule.role = 'leads'
        and rule.metric in {{ replayed }}
        and (rule.only_if_metric is null or rule.only_if_metric in {{ replayed }})
        and case rule.material_part
            when 'arrears' then coalesce(facts.has_material_arrears, false)
            when 'exposure' then coalesce(facts.has_material_exposure, false)
            else true
        end
        and (
            rule.only_if_metric is null
            or coalesce({{ metric_by_name('rule.only_if_metric', metrics_then, 'facts') }}, 0) >= rule.only_if_at_least
        )

),

rated as (

    select
        met.*,
        case
            when {{ meets_trigger('value', 'red', 'direction') }} then 'red'
            when {{ meets_trigger('value', 'amber', 'direction') }} then 'amber'
        end as severity
    from met

),

-- Of a family's rules the most severe speaks for it, as it does in a night.
flagged as (

    select 'warning' as kind, family as scope_id, rule_id, rule_version, severity, customer_code, cutoff_date, overdue_amount
    from (
        select
            rated.*,
            row_number() over (
                partition by customer_code, cutoff_date, family
                order by case severity when 'red' then 1 else 2 end, urgency desc, rule_id
            ) as rank_in_family
        from rated
        where severity is not null
    ) as ranked
    where rank_in_family = 1

    union all

    select 'baseline', 'overdue_more_than_30_days', null, null, 'amber', customer_code, cutoff_date, overdue_amount
    from facts
    where oldest_days_past_due > 30

    union all

    select 'baseline', 'altman_distress_zone', null, null, 'amber', customer_code, cutoff_date, overdue_amount
    from facts
    where {{ altman_zone('altman_z2') }} = 'distress'

),

opened as (

    select flagged.*, flagged.cutoff_date > cutoffs.first_date as is_news
    from flagged
    inner join cutoffs on flagged.cutoff_date = cutoffs.cutoff_date
    left join flagged as before
        on flagged.kind = before.kind and flagged.scope_id = before.scope_id
        and flagged.customer_code = before.customer_code and before.cutoff_date = cutoffs.previous_cutoff_date
    where before.customer_code is null

),

volume as (

    select cutoff_date, count(distinct customer_code) as customer_count
    from opened
    where kind = 'warning' and is_news
    group by cutoff_date

),

-- A plain rule is given as many customers a month-end as all warnings took, the largest arrears first.
measured as (

    select *
    from (
        select
            opened.*,
            row_number() over (
                partition by kind, scope_id, cutoff_date order by overdue_amount desc nulls last, customer_code
            ) as plain_rank
        from opened
    ) as ranked
    where kind = 'warning' or not is_news or plain_rank <= (select max(customer_count) from volume where volume.cutoff_date = ranked.cutoff_date)

)

select
    measured.kind,
    measured.scope_id,
    measured.rule_id,
    measured.rule_version,
    measured.severity,
    measured.is_news,
    population.customer_code,
    population.cutoff_date as opened_on,
    population.horizon_end_date as matures_on,
    population.amount_at_risk_reporting,
    population.is_event,
    population.event_date,
    population.event_kind,
    population.event_amount_reporting
from measured
inner join {{ ref('warning_population') }} as population
    on measured.customer_code = population.customer_code and measured.cutoff_date = population.cutoff_date
