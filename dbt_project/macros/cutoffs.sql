{# The day `months` months (a SQL integer) before a cut-off: month-ends stay month-ends, other days keep their number. #}
{% macro months_before(cutoff, months) -%}
    case
        when {{ cutoff }} = {{ month_end(cutoff) }}
            then {{ add_days(dbt.dateadd('month', '(1 - ' ~ months ~ ')', month_start(cutoff)), -1) }}
        else cast({{ dbt.dateadd('month', '(-(' ~ months ~ '))', cutoff) }} as date)
    end
{%- endmacro %}

{# Whole months from `start` to `stop`, counting only completed ones. #}
{% macro months_between(start, stop) -%}
    (
        {{ dbt.datediff(start, stop, 'month') }}
        - case when {{ add_months(start, dbt.datediff(start, stop, 'month')) }} > {{ stop }} then 1 else 0 end
    )
{%- endmacro %}

{# Table expression with one column `number`: 1 to `last`. #}
{% macro numbers(last) -%}
    ({% for number in range(1, last + 1) %}select {{ number }} as number{{ ' union all ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# Median of a fixed list of SQL expressions, none of them NULL. #}
{% macro median_of(expressions) -%}
    {{ return(adapter.dispatch('median_of', 'trade_credit')(expressions)) }}
{%- endmacro %}

{% macro duckdb__median_of(expressions) -%}
    list_median([{{ expressions | join(', ') }}])
{%- endmacro %}

{# Sum in reporting currency; NULL where any summed amount other than zero has no rate, because part of a sum is no sum. #}
{% macro sum_in_reporting_currency(amount, currency, rate) -%}
    case
        when max(case when {{ amount }} <> 0 and {{ currency }} <> {{ reporting_currency() }} and {{ rate }} is null then 1 else 0 end) = 0
            then coalesce(sum({{ in_reporting_currency(amount, currency, rate) }}), 0)
    end
{%- endmacro %}
