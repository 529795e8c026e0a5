-- How many of the customers that a model may learn from or score have each feature, cut-off by cut-off: a feature that was
-- empty when a model learned says nothing when it speaks tonight. Zero everywhere is as dumb as empty everywhere.
{%- set features = metrics(table='customer_cutoff') | selectattr('is_feature') | list %}
with population as (

    -- models_ml.labels.population, of customers with a ledger: models learn from these alone.
    select *
    from {{ ref('customer_cutoff') }}
    where months_of_history is not null
        and not coalesce(is_in_default_at_cutoff, false)
        and not (
            coalesce(sales_12m_amount_reporting = 0 and open_amount_reporting = 0, false)
            and not coalesce(order_surge_ratio > 0, false)
        )
        and (
            months_of_history >= {{ policy_value('score_rule', 'rule', 'history_months_min') }}
            or coalesce(has_financials, false) or coalesce(has_bureau, false)
        )

),

counted as (

    select
        cutoff_date,
        is_as_of,
        count(*) as customer_count
        {%- for feature in features %},
        count({{ feature.column }}) as known_{{ loop.index }},
        sum(case when {{ feature.column }} <> 0 then 1 else 0 end) as nonzero_{{ loop.index }}
        {%- endfor %}
    from population
    group by cutoff_date, is_as_of

),

listed as (
    {%- for feature in features %}
    select
        '{{ feature.metric }}' as feature,
        cutoff_date,
        is_as_of,
        customer_count,
        known_{{ loop.index }} as known_count,
        nonzero_{{ loop.index }} as nonzero_count
    from counted
    {{- ' union all' if not loop.last }}
    {%- endfor %}

)

select
    feature,
    cutoff_date,
    is_as_of,
    cast(customer_count as bigint) as customer_count,
    cast(known_count as bigint) as known_count,
    cast(nonzero_count as bigint) as nonzero_count,
    cast(known_count as double) / customer_count as available_share,
    cast(nonzero_count as double) / customer_count as nonzero_share
from listed
