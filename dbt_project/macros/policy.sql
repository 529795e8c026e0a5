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

{# Table expression with one column `holiday_date`: the company's days without business hours; empty for calendar none. #}
{% macro business_holidays() -%}
    {%- set own = parameter('business_holidays') -%}
    (
        {%- for day in own or [] %}
        select cast('{{ day }}' as date) as holiday_date
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- else %}
        select named.holiday_date
        from {{ active_policy('business_holiday') }} as named
        where named.calendar = '{{ parameter("business_calendar") }}'
        {%- endfor %}
    )
{%- endmacro %}
