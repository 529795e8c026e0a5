{#
  Rows that share the `key` or whose key is incomplete, that lack a column of `there`, or hold in a column of `values`
  something other than what is listed there. One question a table, and each list one text: dbt takes longer over a test
  than the engine does, and renders each argument by itself.
#}
{% test sound_rows(model, key=[], there=[], values={}) %}
{%- set text = dbt.type_string() -%}
{%- if key %}
select
    '{{ key | join(', ') }} not unique or incomplete' as broken,
    {% for column in key %}coalesce(cast({{ column }} as {{ text }}), 'NULL'){{ " || '|' || " if not loop.last }}{% endfor %} as found,
    count(*) as row_count
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1{% for column in key %} or {{ column }} is null{% endfor %}
{%- endif %}
{%- for column in there %}
{{ 'union all' if key or not loop.first }}
select '{{ column }} missing' as broken, 'NULL' as found, count(*) as row_count
from {{ model }}
where {{ column }} is null
having count(*) > 0
{%- endfor %}
{%- for column, listed in values.items() %}
{{ 'union all' if key or there or not loop.first }}
select '{{ column }} is none of {{ listed }}' as broken, cast({{ column }} as {{ text }}) as found, count(*) as row_count
from {{ model }}
where cast({{ column }} as {{ text }}) not in ('{{ listed.split(', ') | join("', '") }}')
group by {{ column }}
{%- endfor %}
{% endtest %}
