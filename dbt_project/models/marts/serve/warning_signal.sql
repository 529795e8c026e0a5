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
{%- set feature_metrics = [
    'days_beyond_terms_change', 'overdue_share', 'oldest_days_past_due', 'utilisation_change_60d', 'broken_promises_90d',
    'bureau_class_change_6m', 'altman_z2', 'concentration_share'
] %}

with facts as (

    select
        customer.customer_code,
        {%- for metric in feature_metrics %}
        features.{{ metric }},
        prior.{{ metric }} as prior_{{ metric }},
        {%- endfor %}
        -- A spread below a day would make every change look large.
        case when features.days_beyond_terms_spread_12m >= 1
            then features.days_beyond_terms_change / features.days_beyond_terms_spread_12m end
            as days_beyond_terms_own_deviation,
        case when features.days_beyond_terms_change >= 0 then features.order_surge_ratio
            when features.days_beyond_terms_change < 0 and features.order_surge_ratio is not null then 0 end as order_surge_while_not_faster,
        cast(features.legal_notice_count_90d as double) as legal_notice_count_90d,
        exposure.utilisation as utilisation_share,
        prior.receivables_utilisation_share as prior_utilisation_share,
        score.pd_ratio_30d,
        exposure.net_exposure_reporting
    from {{ ref('dim_customer') }} as customer
    left join {{ ref('customer_cutoff') }} as features
        on features.customer_code = customer.customer_code and features.is_as_of
    left join {{ ref('customer_cutoff_prior') }} as prior
        on prior.customer_code = customer.customer_code and prior.cutoff_date = {{ as_of_date() }}
    left join {{ ref('fct_exposure') }} as exposure on exposure.customer_code = customer.customer_code
    left join {{ ref('customer_score') }} as score on score.customer_code = customer.customer_code

),

measured as (
    {%- set metrics = [
        ('days_beyond_terms_own_deviation', 'null'), ('order_surge_while_not_faster', 'null'),
        ('legal_notice_count_90d', 'null'), ('utilisation_share', 'null'), ('pd_ratio_30d', 'null')
    ] %}
    {%- for metric in feature_metrics %}
    {%- do metrics.append((metric, 'prior_' ~ metric)) %}
    {%- endfor %}
    {% for metric, prior in metrics %}
    select
        customer_code,
        '{{ metric }}' as metric,
        cast({{ metric }} as double) as value,
        cast({{ prior }} as double) as prior_value,
        net_exposure_reporting
    from facts
    where {{ metric }} is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

settings as (

    select
        {{ policy_value('warning_setting', 'setting', 'hysteresis_share') }} as hysteresis_share,
        {{ policy_value('warning_setting', 'setting', 'red_urgency_factor') }} as red_urgency_factor

),

judged as (

    select
        measured.customer_code,
        rule.rule_id,
        rule.family,
        rule.metric,
        rule.version,
        rule.amber,
        rule.red,
        rule.unit,
        rule.direction,
        rule.valid_days,
        rule.urgency,
        rule.description,
        measured.value,
        measured.prior_value,
        measured.net_exposure_reporting,
        settings.red_urgency_factor,
        case
            when {{ meets_trigger('measured.value', 'rule.red', 'rule.direction') }} then 'red'
            when {{ meets_trigger('measured.value', 'rule.amber', 'rule.direction') }} then 'amber'
            -- Between the trigger and the safe side of it nothing is raised and nothing resolved.
            when {{ meets_trigger(
                'measured.value',
                "(coalesce(rule.amber, rule.red) + case when rule.direction in ('at_least', 'more_than') then -1 else 1 end"
                ~ " * settings.hysteresis_share * abs(coalesce(rule.amber, rule.red)))", 'rule.direction'
            ) }} then 'near'
            else 'clear'
        end as level
    from measured
    cross join settings
    inner join {{ active_policy('warning_rule') }} as rule on rule.metric = measured.metric

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
    cast(net_exposure_reporting as decimal(18, 2)) as amount_at_risk_reporting,
    description || ': ' || {{ measure_text('value', 'unit') }}
    || ' (' || coalesce('amber ' || {{ measure_text('amber', 'unit') }}, '')
    || case when amber is not null and red is not null then ', ' else '' end
    || coalesce('red ' || {{ measure_text('red', 'unit') }}, '') || ')'
    || coalesce('; half a year before ' || {{ measure_text('prior_value', 'unit') }}, '') as evidence_text,
    cast(version as integer) as rule_version
from signals
