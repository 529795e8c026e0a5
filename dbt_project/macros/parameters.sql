{#
  A parameter of the company. dbt_project.yml gives none a value: the configuration does (orchestration/settings.py), and
  orchestration/night.py hands all of them to dbt. Parsing needs no value, where 0 stands in; running without one is an error.
#}
{% macro parameter(name) -%}
    {%- if execute and var(name, none) is none -%}
        {{ exceptions.raise_compiler_error(
            "variable " ~ name ~ " was not passed, and it has no value of its own here: run `trade-credit run`, or pass"
            ~ " `--vars` with all that orchestration.night.dbt_variables gives."
        ) }}
    {%- endif -%}
    {{ return(var(name, 0)) }}
{%- endmacro %}

{# The day the run answers for, as a SQL date. Parsing needs no value; running without one is an error. #}
{% macro as_of_date() -%}
    {%- set value = var('as_of_date', none) -%}
    {%- if execute and not modules.re.fullmatch('\\d{4}-\\d{2}-\\d{2}', value | string) -%}
        {{ exceptions.raise_compiler_error(
            "as_of_date must be a day written YYYY-MM-DD, received " ~ value
            ~ ". Pass --vars '{\"as_of_date\": \"2026-10-31\"}'."
        ) }}
    {%- endif -%}
    cast('{{ value }}' as date)
{%- endmacro %}

{# The same day as the text that load_id carries. #}
{% macro as_of_text() -%}
    '{{ var("as_of_date", none) }}'
{%- endmacro %}

{# ISO 4217 code of the currency every *_reporting amount is stated in, as a SQL string. #}
{% macro reporting_currency() -%}
    '{{ parameter("reporting_currency") }}'
{%- endmacro %}
