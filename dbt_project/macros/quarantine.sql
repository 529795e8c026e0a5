{# The quarantine of every contract table, as one relation. #}

{# Table expression: every row in quarantine, with its table. #}
{% macro quarantined_rows() -%}
    (
        {%- for table in contract_tables() %}
        select
            '{{ table }}' as table_name, rule_id, owner, reason, remedy, source_system, _row_key, _occurrence, amount,
            currency, first_quarantined_on
        from {{ source('quarantine', table) }}
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    )
{%- endmacro %}
