{#
  The catalogue of metrics. A metric is written once, at the column that holds it (`config: meta: metric:` in the model's
  .yml) or, where no table has a column for it, in the `metrics` of the model that computes it; docs/extending.md.
#}

{#
  Metrics in order of table and column, as dicts: metric, grain, unit, direction, definition, schema, table, column (none where
  it has no column), expression (none where its table computes the column by hand), is_feature, is_flow (of one month), known_without_ledger.
  dbt fills `graph` in runs of its own; where a manifest is given, and in unit tests, variable metric_tables stands for it.
#}
{% macro metrics(grain=none, table=none) -%}
    {%- set nodes = var('metric_tables', none) or graph.get('nodes', {}) -%}
    {%- set found = [] -%}
    {%- for node in nodes.values() | sort(attribute='name') -%}
        {%- set meta = node.get('config', {}).get('meta', {}) -%}
        {%- if meta.metric_grain and grain in (none, meta.metric_grain) and table in (none, node.name) -%}
            {%- for name, column in node.columns.items() -%}
                {%- set metric = column.get('config', {}).get('meta', {}).get('metric') -%}
                {%- if metric -%}
                    {%- do found.append(_metric(node, dict(metric, definition=column.description), name, name)) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- for metric in meta.get('metrics', []) -%}
                {%- do found.append(_metric(node, metric, metric.name, none)) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if execute and not found -%}
        {{ exceptions.raise_compiler_error(
            "no metric is known of " ~ (table or grain or "any table") ~ ": pass variable metric_tables, as orchestration/dbt_runner.py does."
        ) }}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{% macro _metric(node, written, name, column) -%}
    {%- set valid = ['lower_is_better', 'higher_is_better', 'neither'] -%}
    {%- if not written.get('unit') or written.get('direction') not in valid or not written.get('definition') -%}
        {{ exceptions.raise_compiler_error(
            "metric " ~ name ~ " of " ~ node.name ~ " needs a unit, a direction (" ~ valid | join(', ')
            ~ ") and a definition; received unit " ~ written.get('unit') ~ ", direction " ~ written.get('direction') ~ "."
        ) }}
    {%- endif -%}
    {{ return({
        'metric': written.get('name', name), 'grain': node.config.meta.metric_grain, 'unit': written.unit,
        'direction': written.direction, 'definition': written.definition, 'schema': node.schema, 'table': node.name,
        'column': column, 'expression': written.get('expression'), 'is_feature': written.get('is_feature', false),
        'is_flow': written.get('is_flow', false),
        'known_without_ledger': written.get('known_without_ledger', false)
    }) }}
{%- endmacro %}

{#
  SQL expression of `metric` in a model that reads its table under the alias `aliases` has for it. A metric without a column is
  its expression, which names aliases itself.
#}
{% macro metric_value(metric, aliases) -%}
    {%- if metric.table not in aliases -%}
        {{ exceptions.raise_compiler_error(
            "metric " ~ metric.metric ~ " (a " ~ metric.grain ~ "'s) is of " ~ metric.table ~ ", which " ~ model.name
            ~ " does not read; it reads " ~ aliases | join(', ') ~ "."
        ) }}
    {%- endif -%}
    {{ return(aliases[metric.table] ~ '.' ~ metric.column if metric.column else '(' ~ metric.expression ~ ')') }}
{%- endmacro %}

{# A text as a SQL string. #}
{% macro sql_text(value) -%}
    {%- if value is none -%} cast(null as {{ dbt.type_string() }})
    {%- else -%} {{ dbt.string_literal(dbt.escape_single_quotes(value)) }}
    {%- endif -%}
{%- endmacro %}

{# Table expression: the catalogue's metrics of one grain, or all, as rows. #}
{% macro metric_rows(grain=none) -%}
    (
        {%- for metric in metrics(grain) %}
        select
            {{ sql_text(metric.metric) }} as metric, {{ sql_text(metric.grain) }} as grain,
            {{ sql_text(metric.unit) }} as unit, {{ sql_text(metric.direction) }} as direction,
            {{ sql_text(metric.definition | trim) }} as definition,
            {{ sql_text(metric.schema ~ '.' ~ metric.table) }} as table_name,
            {{ sql_text(metric.column) }} as column_name, {{ sql_text(metric.expression) }} as expression,
            {{ 'true' if metric.is_feature else 'false' }} as is_feature
        {{- ' union all' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
