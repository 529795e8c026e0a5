{# Calendar arithmetic. Every macro takes SQL expressions and returns a SQL date or integer. #}

{% macro add_days(date, days) -%}
    cast({{ dbt.dateadd('day', days, date) }} as date)
{%- endmacro %}

{# The same day of the month `months` later; the last day where the month is shorter. #}
{% macro add_months(date, months) -%}
    cast({{ dbt.dateadd('month', months, date) }} as date)
{%- endmacro %}

{# Whole days from `start` to `stop`; negative where stop lies before start. #}
{% macro days_between(start, stop) -%}
    {{ dbt.datediff(start, stop, 'day') }}
{%- endmacro %}

{% macro month_start(date) -%}
    cast({{ dbt.date_trunc('month', date) }} as date)
{%- endmacro %}

{% macro month_end(date) -%}
    {{ add_days(add_months(month_start(date), 1), -1) }}
{%- endmacro %}

{# The end of the month `months` months away from the month `date` lies in. #}
{% macro month_end_offset(date, months) -%}
    {{ add_days(add_months(month_start(date), months + 1), -1) }}
{%- endmacro %}

{# Table expression with one column `day`: every day from `start` to `stop`, both included. #}
{% macro day_series(start, stop) -%}
    {{ return(adapter.dispatch('day_series', 'trade_credit')(start, stop)) }}
{%- endmacro %}

{% macro duckdb__day_series(start, stop) -%}
    (select cast(unnest(generate_series({{ start }}, {{ stop }}, interval 1 day)) as date) as day)
{%- endmacro %}

{#
  Weekday working hours between two timestamps: Monday to Friday, from var business_hours_from to business_hours_to.
  Holidays count as worked; take off hours_on_holiday for each of them. NULL where either is NULL.
#}
{% macro business_hours(start, stop) -%}
    ({{ _business_seconds(stop) }} - {{ _business_seconds(start) }}) / 3600.0
{%- endmacro %}

{# The part of business_hours(start, stop) that falls on the day `holiday`, for one that start and stop enclose. #}
{% macro hours_on_holiday(holiday, start, stop) -%}
    {{ business_hours(
        'greatest(' ~ start ~ ', cast(' ~ holiday ~ ' as timestamp))',
        'least(' ~ stop ~ ', cast(' ~ add_days(holiday, 1) ~ ' as timestamp))'
    ) }}
{%- endmacro %}

{# Working seconds from Monday 2000-01-03 to a timestamp. #}
{% macro _business_seconds(moment) -%}
    {%- set day_seconds = (parameter('business_hours_to') - parameter('business_hours_from')) * 3600 -%}
    {%- set days = dbt.datediff("cast('2000-01-03' as date)", moment, 'day') -%}
    {%- set seconds_today = dbt.datediff(dbt.date_trunc('day', moment), moment, 'second') -%}
    (
        cast(floor(({{ days }}) / 7.0) as bigint) * 5 * {{ day_seconds }}
        + least(mod({{ days }}, 7), 5) * {{ day_seconds }}
        + case
            when mod({{ days }}, 7) < 5
                then least(greatest({{ seconds_today }} - {{ parameter('business_hours_from') * 3600 }}, 0), {{ day_seconds }})
            else 0
        end
    )
{%- endmacro %}

{# The day of the week after ISO 8601: 1 Monday to 7 Sunday. #}
{% macro iso_weekday(date) -%}
    {{ adapter.dispatch('iso_weekday')(date) }}
{%- endmacro %}

{% macro duckdb__iso_weekday(date) -%}
    isodow({{ date }})
{%- endmacro %}

{# The value of `column` that was known `step` known values before this row (1: the latest). #}
{% macro last_known(column, step, partition_by, order_by) -%}
    {{ adapter.dispatch('last_known')(column, step, partition_by, order_by) }}
{%- endmacro %}

{% macro duckdb__last_known(column, step, partition_by, order_by) -%}
    lag({{ column }}, {{ step }} ignore nulls) over (partition by {{ partition_by }} order by {{ order_by }})
{%- endmacro %}
