{# Reading accepted rows: when the company came to know a value, under the landing's version history. #}

{#
  Subquery over staging.accepted_<table>: every column, plus _first_updated_at, the updated_at of the first version.
  Only rows that changed after the first load are looked up in the version history, so a quiet night stays cheap.
#}
{% macro accepted_rows(table_name) -%}
    (
        select accepted.*,
            case
                when accepted._loaded_at > accepted._first_loaded_at then first_version.updated_at
                else accepted.updated_at
            end as _first_updated_at
        from {{ source('staging', 'accepted_' ~ table_name) }} as accepted
        left join (
            select version.source_system, version._row_key, version._occurrence, min(version.updated_at) as updated_at
            from {{ source('raw', table_name) }} as version
            inner join {{ source('staging', 'accepted_' ~ table_name) }} as changed
                on version.source_system = changed.source_system
                and version._row_key = changed._row_key
                and version._occurrence = changed._occurrence
            where version._is_backfill and changed._first_is_backfill and changed._loaded_at > changed._first_loaded_at
            group by version.source_system, version._row_key, version._occurrence
        ) as first_version
            on accepted.source_system = first_version.source_system
            and accepted._row_key = first_version._row_key
            and accepted._occurrence = first_version._occurrence
    ) as accepted
{%- endmacro %}

{#
  The day it was first known that the row exists. A row of the source's first load is taken as known on the day the
  source first wrote it, where it says so (created_at), else on its event date: updated_at moves with every later change
  (an invoice is touched when it is paid), says nothing of the beginning, and only stands in where the row has neither.
  Later rows are known on the night that landed them. NULL only where a first load gives none of the three.
#}
{% macro known_at(event_date) -%}
    greatest(
        {{ event_date }},
        case
            when _first_is_backfill then coalesce(
                cast(cast(accepted.created_at as timestamp) as date), {{ event_date }},
                cast(cast(_first_updated_at as timestamp) as date)
            )
            else cast(_first_loaded_at as date)
        end
    )
{%- endmacro %}

{#
  The day the values as they stand now were known: for a first load the day the source last wrote the row. Values that
  carry a date of their own (a clearing, a settlement) have value_known_at instead.
#}
{% macro latest_known_at(event_date) -%}
    greatest(
        {{ event_date }},
        case
            when _is_backfill then coalesce(cast(cast(updated_at as timestamp) as date), {{ event_date }})
            else cast(_loaded_at as date)
        end
    )
{%- endmacro %}

{#
  Subquery: for rows that changed after they were first landed, the first night on which `column` had its present
  value (first_set_on), and whether the first load had it already (set_by_backfill).
#}
{% macro value_history(table_name, column) -%}
    (
        select version.source_system, version._row_key, version._occurrence,
            min(cast(version._loaded_at as date)) as first_set_on,
            max(case when version._is_backfill then 1 else 0 end) = 1 as set_by_backfill
        from {{ source('raw', table_name) }} as version
        inner join {{ source('staging', 'accepted_' ~ table_name) }} as changed
            on version.source_system = changed.source_system
            and version._row_key = changed._row_key
            and version._occurrence = changed._occurrence
            and version.{{ column }} = changed.{{ column }}
        where changed._loaded_at > changed._first_loaded_at
        group by version.source_system, version._row_key, version._occurrence
    )
{%- endmacro %}

{# The day the date in `column` was known; `history` is the alias of value_history joined on the row's identity. #}
{% macro value_known_at(column, event_date, history) -%}
    case
        when {{ column }} is null then null
        when {{ history }}.first_set_on is null or {{ history }}.set_by_backfill
            then greatest(cast({{ column }} as date), {{ known_at(event_date) }})
        else greatest(cast({{ column }} as date), {{ history }}.first_set_on)
    end
{%- endmacro %}
