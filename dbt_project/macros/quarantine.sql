{# The quarantine of every contract table, as one relation. #}

{% macro contract_tables() -%}
    {{ return([
        'customers', 'invoices', 'payments', 'payment_applications', 'orders', 'credit_limits', 'credit_requests',
        'disputes', 'collection_actions', 'financial_statements', 'bureau_reports', 'legal_events', 'fx_rates',
        'gl_balances', 'credit_costs', 'products', 'invoice_lines', 'surveys'
    ]) }}
{%- endmacro %}

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
