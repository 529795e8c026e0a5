{#
  Tables and views replaced in place, in one statement. dbt builds a table aside, renames the old one, renames the new
  one, looks for indexes and drops the old one, for engines that cannot do better: some ten statements and twice as many
  macros a model, a tenth of a small night. DuckDB replaces in one transaction, so readers see the old or the new.
#}
{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {{ return(_replaced_in_place('table', _contracted(compiled_code))) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb', supported_languages=['sql'] %}
    {{ return(_replaced_in_place('view', _contracted(compiled_code))) }}
{% endmaterialization %}

{% macro _replaced_in_place(kind, query) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type=kind) -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if existing is not none and existing.type != kind %}
        {%- do adapter.drop_relation(existing) %}
    {%- endif %}
    {%- call statement('main') %}
        create or replace {{ kind }} {{ target }} as (
            {{ query }}
        )
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{%- endmacro %}

{# The model's query; where it has a contract, held to it and in the contract's order of columns. #}
{% macro _contracted(query) -%}
    {%- if config.get('contract').enforced %}
        {{- get_assert_columns_equivalent(query) }}
        {{- get_select_subquery(query) }}
    {%- else %}
        {{- query }}
    {%- endif %}
{%- endmacro %}
