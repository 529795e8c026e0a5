{# SQL boolean: does `value` meet `trigger`, in the way the rule's `direction` says? NULL where either is unknown. #}
{% macro meets_trigger(value, trigger, direction) -%}
    case {{ direction }}
        when 'at_least' then {{ value }} >= {{ trigger }}
        when 'more_than' then {{ value }} > {{ trigger }}
        when 'at_most' then {{ value }} <= {{ trigger }}
        when 'less_than' then {{ value }} < {{ trigger }}
    end
{%- endmacro %}

{# A measure as a reader wants it: shares as percent, others rounded, with the unit. #}
{% macro measure_text(value, unit) -%}
    case
        when {{ unit }} = 'share' then cast(cast(round({{ value }} * 100, 1) as decimal(18, 1)) as {{ dbt.type_string() }}) || ' %'
        when {{ unit }} = 'amount'
            then {{ money_text('cast(' ~ value ~ ' as ' ~ money() ~ ')', reporting_currency()) }} || ' ' || {{ reporting_currency() }}
        when {{ unit }} in ('days', 'count', 'classes')
            then cast(cast(round({{ value }}, 0) as decimal(18, 0)) as {{ dbt.type_string() }}) || case {{ unit }} when 'count' then '' else ' ' || {{ unit }} end
        else cast(cast(round({{ value }}, 2) as decimal(18, 2)) as {{ dbt.type_string() }}) || case {{ unit }} when 'ratio' then ' times' when 'index' then '' else ' ' || {{ unit }} end
    end
{%- endmacro %}
