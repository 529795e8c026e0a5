{# Made from orchestration/sources/contract.py by `python -m orchestration.sources.contract_doc`; a test holds the two together. #}

{# Every contract table. #}
{% macro contract_tables() -%}
    {{ return([
        'customers',
        'invoices',
        'payments',
        'payment_applications',
        'orders',
        'credit_limits',
        'credit_requests',
        'disputes',
        'collection_actions',
        'financial_statements',
        'bureau_reports',
        'legal_events',
        'fx_rates',
        'gl_balances',
        'credit_costs',
        'products',
        'invoice_lines',
        'surveys',
    ]) }}
{%- endmacro %}

{# Contract tables whose rows cannot be used before their customer has a code. #}
{% macro tables_of_customers() -%}
    {{ return([
        'invoices',
        'payments',
        'orders',
        'credit_limits',
        'credit_requests',
        'disputes',
        'collection_actions',
        'surveys',
    ]) }}
{%- endmacro %}
