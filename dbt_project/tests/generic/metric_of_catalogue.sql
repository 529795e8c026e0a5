{#
  Rows of a policy seed whose metric the catalogue does not know, or whose unit or direction is not the metric's. A metric
  that is better low is watched for high values (a trigger at_least or more_than) and wanted low (a goal at_most).
  `wants`: the seed's direction is a goal; else it is a trigger. `named_only`: unit and direction of the row are another
  metric's, and a row may name none.
#}
{% test metric_of_catalogue(model, column_name, grain, wants=false, named_only=false) %}
with catalogue as (
    select * from {{ metric_rows(grain) }} as listed
),

near as (
    select
        policy.{{ column_name }} as received,
        catalogue.metric,
        row_number() over (
            partition by policy.{{ column_name }}
            order by levenshtein(policy.{{ column_name }}, catalogue.metric), catalogue.metric
        ) as nearness
    from (select distinct {{ column_name }} from {{ model }}) as policy
    cross join catalogue
)

select
    policy.version,
    policy.{{ column_name }},
    case
        when catalogue.metric is null
            then 'is no metric of a {{ grain }}; did you mean ' || near.metric || '? mart.metric_definition lists all'
        when policy.unit <> catalogue.unit
            then 'has unit ' || policy.unit || ', which is ' || catalogue.unit || ' in the catalogue of metrics'
        else 'is ' || catalogue.direction || ' in the catalogue of metrics, so ' || policy.direction || ' is the wrong way round'
    end as problem
from {{ model }} as policy
left join catalogue on catalogue.metric = policy.{{ column_name }}
left join near on near.received = policy.{{ column_name }} and near.nearness = 1
where policy.{{ column_name }} is not null and catalogue.metric is null
    {%- if not named_only %}
    or catalogue.metric is null
    or policy.unit <> catalogue.unit
    or (
        catalogue.direction = 'lower_is_better'
        and policy.direction in ({{ "'at_least', 'more_than'" if wants else "'at_most', 'less_than'" }})
    )
    or (
        catalogue.direction = 'higher_is_better'
        and policy.direction in ({{ "'at_most', 'less_than'" if wants else "'at_least', 'more_than'" }})
    )
    {%- endif %}
{% endtest %}
