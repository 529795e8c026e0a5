{# SQL boolean: does any source deliver this contract table? What an absent table feeds is NULL, never zero. #}
{% macro is_available(table_name) -%}
    exists (
        select 1
        from {{ source('ops', 'source_table') }} as availability
        where availability.table_name = '{{ table_name }}' and availability.is_provided
    )
{%- endmacro %}
