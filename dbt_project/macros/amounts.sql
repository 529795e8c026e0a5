{# How amounts are held, rounded and written: the type of money and the decimals of its currencies. #}

{#
  The type of every amount: four decimals are the most a currency has (ISO 4217), and what is left of 38 digits holds
  sums of any currency. Mixing it in CASE, COALESCE or UNION with a DECIMAL(38) of fewer decimals takes these decimals
  away, so what is rounded is cast back.
#}
{% macro money() -%}
    decimal(38, 4)
{%- endmacro %}

{# How many decimals amounts in reporting currency have. #}
{% macro reporting_decimals() -%}
    {{ parameter('reporting_decimals') }}
{%- endmacro %}

{# A computed amount in reporting currency, rounded as that currency is. #}
{% macro reporting_money(amount) -%}
    cast(round({{ amount }}, {{ reporting_decimals() }}) as {{ money() }})
{%- endmacro %}

{# `amount` in reporting currency, rounded to its decimals; NULL where `rate` is missing. #}
{% macro in_reporting_currency(amount, currency, rate) -%}
    case
        when {{ currency }} = {{ reporting_currency() }} then cast({{ amount }} as {{ money() }})
        else {{ reporting_money('cast(' ~ amount ~ ' as ' ~ money() ~ ') * ' ~ rate) }}
    end
{%- endmacro %}

{# A computed amount in the currency of its row, rounded as that currency is. #}
{% macro rounded_money(amount, currency) -%}
    {{ return(adapter.dispatch('rounded_money', 'trade_credit')(amount, currency)) }}
{%- endmacro %}

{% macro duckdb__rounded_money(amount, currency) -%}
    ops.rounded_money({{ amount }}, {{ currency }})
{%- endmacro %}

{# An amount as a reader wants it, with the decimals of its currency. #}
{% macro money_text(amount, currency) -%}
    {{ return(adapter.dispatch('money_text', 'trade_credit')(amount, currency)) }}
{%- endmacro %}

{% macro duckdb__money_text(amount, currency) -%}
    ops.money_text({{ amount }}, {{ currency }})
{%- endmacro %}
