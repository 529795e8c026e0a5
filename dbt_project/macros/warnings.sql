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
            then {{ whole_number_text(value) }} || case {{ unit }} when 'count' then '' else ' ' || {{ unit }} end
        else cast(cast(round({{ value }}, 2) as decimal(18, 2)) as {{ dbt.type_string() }}) || case {{ unit }} when 'ratio' then ' times' when 'index' then '' else ' ' || {{ unit }} end
    end
{%- endmacro %}

{# A whole number with its thousands apart. #}
{% macro whole_number_text(value) -%}
    {{ adapter.dispatch('whole_number_text')(value) }}
{%- endmacro %}

{% macro duckdb__whole_number_text(value) -%}
    format('{:,}', cast(round({{ value }}, 0) as bigint))
{%- endmacro %}

{# SQL expression: the value of the metric that column `name` names, of the columns of `relation` called like metrics. #}
{% macro metric_by_name(name, metrics, relation) -%}
    case {{ name }}
        {%- for metric in metrics %}
        when '{{ metric.metric }}' then {{ relation }}.{{ metric.metric }}
        {%- endfor %}
    end
{%- endmacro %}

{#
  The evidence of a rule as a sentence: what it measures, how much, from where on that matters, and what it was before. Of a
  row with the columns of warning_rule, value, prior_value and prior_date.
#}
{% macro evidence_text() -%}
    description || ': ' || {{ measure_text('value', 'unit') }}
    || ' (' || coalesce('amber ' || {{ measure_text('amber', 'unit') }}, '')
    || case when amber is not null and red is not null then ', ' else '' end
    || coalesce('red ' || {{ measure_text('red', 'unit') }}, '') || ')'
    || coalesce(
        '; on ' || {{ day_text('prior_date') }} || ' ' || {{ measure_text('prior_value', 'unit') }}, ''
    )
{%- endmacro %}

{# A day as a reader wants it: 31 May 2026. #}
{% macro day_text(date) -%}
    {{ adapter.dispatch('day_text')(date) }}
{%- endmacro %}

{% macro duckdb__day_text(date) -%}
    strftime({{ date }}, '%-d %B %Y')
{%- endmacro %}

{#
  A bound (sign - or +) of the 95 % interval of Wilson (1927) for `hits` of `cases`: unlike hits/cases +- it never leaves 0 to 1,
  and of few cases it says that little is known.
#}
{% macro wilson_bound(hits, cases, sign) -%}
    {%- set z = '1.959963984540054' -%}
    cast(
        ({{ hits }} + {{ z }} * {{ z }} / 2
            {{ sign }} {{ z }} * sqrt(
                cast({{ hits }} as double) * ({{ cases }} - {{ hits }}) / {{ cases }} + {{ z }} * {{ z }} / 4
            )
        ) / ({{ cases }} + {{ z }} * {{ z }}) as double
    )
{%- endmacro %}
