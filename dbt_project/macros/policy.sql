{# Table expression: the rows of the policy version in force on the as-of date. #}
{% macro active_policy(seed_name) -%}
    (
        select policy.*
        from {{ ref(seed_name) }} as policy
        where policy.valid_from = (
            select max(valid_from) from {{ ref(seed_name) }} where valid_from <= {{ as_of_date() }}
        )
    )
{%- endmacro %}

{# Scalar expression: one named value of the active version of a key-value policy table. #}
{% macro policy_value(seed_name, key_column, key) -%}
    (
        select max(named.value)
        from {{ active_policy(seed_name) }} as named
        where named.{{ key_column }} = '{{ key }}'
    )
{%- endmacro %}
