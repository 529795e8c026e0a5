{{ config(
    schema='core',
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    pre_hook="{% if is_incremental() %}delete from {{ this }} where as_of_date >= {{ as_of_date() }}{% endif %}"
) }}
-- What each night saw: a row where a metric met a trigger (amber or red), rows (near) while it is not safely back, and one
-- row (clear) on the first night it is. A night that could not measure the metric leaves no row, so a warning is not
-- resolved by missing data. Earlier nights cannot be measured again, so the history is kept; a night run again replaces
-- itself and later ones. Any metric of a customer that the catalogue knows can have a rule.
{%- set aliases = {'customer_cutoff': 'features', 'fct_exposure': 'exposure', 'customer_score': 'score', 'warning_signal': none} %}
{%- set customer_metrics = metrics(grain='customer') %}
{%- set money_floor = 'cast(' ~ parameter('default_amount') ~ ' as ' ~ money() ~ ')' %}

with settings as (

    select
        {{ policy_value('warning_setting', 'setting', 'hysteresis_share') }} as hysteresis_share,
        {{ policy_value('warning_setting', 'setting', 'red_urgency_factor') }} as red_urgency_factor,
        {{ policy_value('warning_setting', 'setting', 'peers_min') }} as peers_min

),

peer as (

    select
        features.customer_code,
        count(*) over (partition by substr(customer.industry_code, 1, 2), customer.country) as peer_count,
        percent_rank() over (
            partition by substr(customer.industry_code, 1, 2), customer.country order by features.days_beyond_terms_3m
        ) as faster_share
    from {{ ref('customer_cutoff') }} as features
    inner join {{ ref('dim_customer') }} as customer on features.customer_code = customer.customer_code
    where
        features.is_as_of and features.days_beyond_terms_3m is not null
        and customer.industry_code is not null and customer.country is not null

),

facts as (

    select
        customer.customer_code,
        {%- for metric in customer_metrics %}
        cast({{ metric_value(metric, aliases) }} as double) as {{ metric.metric }},
        {%- if metric.is_feature %}
        prior.{{ metric.column }} as prior_{{ metric.metric }},
        {%- endif %}
        {%- endfor %}
        prior.prior_cutoff_date as prior_date,
        exposure.net_exposure_reporting,
        -- What is not known is taken to be at stake.
        coalesce(exposure.exposure_reporting, 1) <> 0 or coalesce(exposure.open_receivables_reporting, 1) <> 0 as has_stake,
        -- Arrears as material as default takes them: residues and rounding differences warn of nothing.
        exposure.overdue_amount_reporting > {{ money_floor }}
        and exposure.overdue_amount_reporting
        > cast({{ parameter('default_share') }} as decimal(9, 6)) * exposure.open_receivables_reporting
            as has_material_arrears,
        exposure.exposure_reporting > {{ money_floor }} as has_material_exposure
    from {{ ref('dim_customer') }} as customer
    cross join settings
    left join {{ ref('customer_cutoff') }} as features
        on features.customer_code = customer.customer_code and features.is_as_of
    left join {{ ref('customer_cutoff_prior') }} as prior
        on prior.customer_code = customer.customer_code and prior.cutoff_date = {{ as_of_date() }}
    left join peer on customer.customer_code = peer.customer_code
    left join {{ ref('fct_exposure') }} as exposure on exposure.customer_code = customer.customer_code
    left join {{ ref('customer_score') }} as score on score.customer_code = customer.customer_code
    where not coalesce(features.is_in_default_at_cutoff, false)

),

measured as (

    select
        facts.customer_code,
        facts.net_exposure_reporting,
        facts.prior_date,
        rule.*,
        facts.has_stake
        and case rule.material_part
            when 'arrears' then coalesce(facts.has_material_arrears, false)
            when 'exposure' then coalesce(facts.has_material_exposure, false)
            else true
        end
        and (
            rule.only_if_metric is null
            or coalesce({{ metric_by_name('rule.only_if_metric', customer_metrics, 'facts') }}, 0) >= rule.only_if_at_least
        ) as counts,
        {{ metric_by_name('rule.metric', customer_metrics, 'facts') }} as value,
        case rule.metric
            {%- for metric in customer_metrics if metric.is_feature %}
            when '{{ metric.metric }}' then facts.prior_{{ metric.metric }}
            {%- endfor %}
        end as prior_value
    from facts
    cross join {{ active_policy('warning_rule') }} as rule

),

judged as (

    select
        measured.*,
        settings.red_urgency_factor,
        case
            -- What does not matter, or depends on what is not so, is as good as safely back.
            when not measured.counts then 'clear'
            when {{ meets_trigger('measured.value', 'measured.red', 'measured.direction') }} then 'red'
            when {{ meets_trigger('measured.value', 'measured.amber', 'measured.direction') }} then 'amber'
            when {{ meets_trigger(
                'measured.value',
                "(coalesce(measured.amber, measured.red) + case when measured.direction in ('at_least', 'more_than') then -1 else 1 end"
                ~ " * settings.hysteresis_share * abs(coalesce(measured.amber, measured.red)))", 'measured.direction'
            ) }} then 'near'
            else 'clear'
        end as level
    from measured
    cross join settings
    where measured.value is not null

),

{%- if is_incremental() %}
last_signal as (

    select customer_code, rule_id, level
    from (
        select
            customer_code,
            rule_id,
            level,
            row_number() over (partition by customer_code, rule_id order by as_of_date desc) as recency
        from {{ this }}
        where as_of_date < {{ as_of_date() }}
    ) as ranked
    where recency = 1

),
{%- endif %}

signals as (

    select judged.*
    from judged
    {%- if is_incremental() %}
    left join last_signal
        on last_signal.customer_code = judged.customer_code and last_signal.rule_id = judged.rule_id
    where judged.level in ('amber', 'red') or last_signal.level in ('amber', 'red', 'near')
    {%- else %}
    where judged.level in ('amber', 'red')
    {%- endif %}

)

select
    {{ as_of_date() }} as as_of_date,
    customer_code,
    rule_id,
    family,
    level,
    metric,
    value,
    prior_value,
    cast(amber as decimal(18, 4)) as amber,
    cast(red as decimal(18, 4)) as red,
    unit,
    direction,
    cast(valid_days as integer) as valid_days,
    cast(urgency * case when level = 'red' then red_urgency_factor else 1 end as decimal(9, 2)) as urgency,
    cast(net_exposure_reporting as {{ money() }}) as amount_at_risk_reporting,
    {{ evidence_text() }} as evidence_text,
    cast(version as integer) as rule_version,
    role,
    prior_date
from signals
