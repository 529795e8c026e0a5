{{ config(
    schema='core',
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    pre_hook="{% if is_incremental() %}delete from {{ this }} where as_of_date >= {{ as_of_date() }}{% endif %}"
) }}
-- What each night saw: a row where a metric met a trigger (amber or red), and one row (clear) on the first night it was
-- safely back. A night that could not measure the metric leaves no row, so a warning is not resolved by missing data.
-- Earlier nights cannot be measured again, so the history is kept; a night run again replaces itself and later ones.
-- Any metric of a customer that the catalogue knows can have a rule.
{%- set aliases = {'customer_cutoff': 'features', 'fct_exposure': 'exposure', 'customer_score': 'score', 'warning_signal': none} %}
{%- set customer_metrics = metrics(grain='customer') %}

with facts as (

    select
        customer.customer_code,
        {%- for metric in customer_metrics %}
        cast({{ metric_value(metric, aliases) }} as double) as {{ metric.metric }},
        {%- if metric.is_feature %}
        prior.{{ metric.column }} as prior_{{ metric.metric }},
        {%- endif %}
        {%- endfor %}
        exposure.net_exposure_reporting,
        -- Arrears as material as default takes them: residues and rounding differences warn of nothing.
        exposure.overdue_amount_reporting > cast({{ parameter('default_amount') }} as {{ money() }})
        and exposure.overdue_amount_reporting
        > cast({{ parameter('default_share') }} as decimal(9, 6)) * exposure.open_receivables_reporting
            as has_material_arrears,
        exposure.exposure_reporting > cast({{ parameter('default_amount') }} as {{ money() }}) as has_material_exposure
    from {{ ref('dim_customer') }} as customer
    left join {{ ref('customer_cutoff') }} as features
        on features.customer_code = customer.customer_code and features.is_as_of
    left join {{ ref('customer_cutoff_prior') }} as prior
        on prior.customer_code = customer.customer_code and prior.cutoff_date = {{ as_of_date() }}
    left join {{ ref('fct_exposure') }} as exposure on exposure.customer_code = customer.customer_code
    left join {{ ref('customer_score') }} as score on score.customer_code = customer.customer_code

),

measured as (

    select
        facts.customer_code,
        facts.net_exposure_reporting,
        rule.*,
        case
            -- Below it the measure is as good as zero, so that what was raised is resolved.
            when rule.material_part = 'arrears' and not facts.has_material_arrears then 0
            when rule.material_part = 'exposure' and not facts.has_material_exposure then 0
            else
                case rule.metric
                    {%- for metric in customer_metrics %}
                    when '{{ metric.metric }}' then facts.{{ metric.metric }}
                    {%- endfor %}
                end
        end as value,
        case rule.metric
            {%- for metric in customer_metrics if metric.is_feature %}
            when '{{ metric.metric }}' then facts.prior_{{ metric.metric }}
            {%- endfor %}
        end as prior_value
    from facts
    cross join {{ active_policy('warning_rule') }} as rule

),

settings as (

    select
        {{ policy_value('warning_setting', 'setting', 'hysteresis_share') }} as hysteresis_share,
        {{ policy_value('warning_setting', 'setting', 'red_urgency_factor') }} as red_urgency_factor

),

judged as (

    select
        measured.*,
        settings.red_urgency_factor,
        case
            when {{ meets_trigger('measured.value', 'measured.red', 'measured.direction') }} then 'red'
            when {{ meets_trigger('measured.value', 'measured.amber', 'measured.direction') }} then 'amber'
            -- Between the trigger and the safe side of it nothing is raised and nothing resolved.
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
    where judged.level in ('amber', 'red') or (judged.level = 'clear' and last_signal.level in ('amber', 'red'))
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
    description || ': ' || {{ measure_text('value', 'unit') }}
    || ' (' || coalesce('amber ' || {{ measure_text('amber', 'unit') }}, '')
    || case when amber is not null and red is not null then ', ' else '' end
    || coalesce('red ' || {{ measure_text('red', 'unit') }}, '') || ')'
    || coalesce('; half a year before ' || {{ measure_text('prior_value', 'unit') }}, '') as evidence_text,
    cast(version as integer) as rule_version
from signals
