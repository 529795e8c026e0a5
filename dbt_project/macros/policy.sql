{# What the .yml of a policy table says of it: columns, key, values (orchestration/policy.py reads and passes it). #}
{% macro policy_table(seed_name) -%}
    {{ return(parameter('policy_tables')[seed_name] if execute else {'columns': [], 'key': [], 'values': []}) }}
{%- endmacro %}

{#
  Table expression: the rows of a policy table in force on the as-of date, of each key the latest valid one; a row without
  values ends its key.
#}
{% macro active_policy(seed_name) -%}
    {%- set table = policy_table(seed_name) -%}
    (
        select {{ table['columns'] | join(', ') or '*' }}
        from (
            select
                policy.*,
                row_number() over (
                    {%- if table['key'] %}partition by {{ table['key'] | join(', ') }} {% endif -%}
                    order by policy.valid_from desc
                ) as policy_place
            from {{ ref(seed_name) }} as policy
            where policy.valid_from <= {{ as_of_date() }}
        ) as policy
        where policy.policy_place = 1
        {%- if table['values'] %}
            and not ({% for value in table['values'] %}{{ value }} is null{{ ' and ' if not loop.last }}{% endfor %})
        {%- endif %}
    )
{%- endmacro %}

{# Statement after a policy table is loaded: the company's file in place of the program's rows, where it has one. #}
{% macro take_company_policy(relation) -%}
    {%- if execute -%}
        {%- set file = parameter('policy_files').get(relation.identifier) -%}
        {%- if file -%}
            {{ adapter.dispatch('replace_by_file', 'trade_credit')(relation, file) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__replace_by_file(relation, file) -%}
    delete from {{ relation }};
    insert into {{ relation }} by name
    select * from read_csv('{{ file | replace("'", "''") }}', header = true, all_varchar = true)
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
