{# Measures of receivables: aging buckets, payment index and Altman Z'', each stated once. #}

{# Aging bucket of an open amount by its days past due. #}
{% macro aging_bucket(days_past_due) -%}
    case
        when {{ days_past_due }} <= 0 then 'current'
        when {{ days_past_due }} <= 30 then '1-30'
        when {{ days_past_due }} <= 60 then '31-60'
        when {{ days_past_due }} <= 90 then '61-90'
        else '91+'
    end
{%- endmacro %}

{#
  Payment index of one paid document, 20 to 100, from the days it was paid after its due date (negative: early).
  Linear between the published points 100 at 30 days early, 90 at 20 early, 80 on the due date, then
  70/60/50/40/30/20 at 15/22/30/60/90/120 days late; the end points hold beyond them.
#}
{% macro payment_index(days_after_due) -%}
    {%- set points = [(-30, 100), (-20, 90), (0, 80), (15, 70), (22, 60), (30, 50), (60, 40), (90, 30), (120, 20)] -%}
    case
        when {{ days_after_due }} is null then null
        when {{ days_after_due }} <= {{ points[0][0] }} then {{ points[0][1] }}.0
        {%- for upper_days, upper_index in points[1:] %}
        {%- set lower_days, lower_index = points[loop.index0] %}
        when {{ days_after_due }} <= {{ upper_days }}
            then {{ lower_index }} - {{ lower_index - upper_index }}.0 * ({{ days_after_due }} - ({{ lower_days }})) / {{ upper_days - lower_days }}
        {%- endfor %}
        else {{ points[-1][1] }}.0
    end
{%- endmacro %}

{#
  Altman Z'' for companies outside manufacturing and in emerging markets (Altman, Hartzell and Peck 1995), without
  the constant 3.25: 6.56 WC/TA + 3.26 RE/TA + 6.72 EBIT/TA + 1.05 BVE/TL. Ratios are given as SQL expressions.
#}
{% macro altman_z(working_capital, retained_earnings, ebit, equity, total_assets, total_liabilities) -%}
    6.56 * cast({{ working_capital }} as double) / nullif({{ total_assets }}, 0)
    + 3.26 * cast({{ retained_earnings }} as double) / nullif({{ total_assets }}, 0)
    + 6.72 * cast({{ ebit }} as double) / nullif({{ total_assets }}, 0)
    + 1.05 * cast({{ equity }} as double) / nullif({{ total_liabilities }}, 0)
{%- endmacro %}

{# Zone of an Altman Z'': safe above 2.6, distress below 1.1, grey between. #}
{% macro altman_zone(z) -%}
    case when {{ z }} is null then null when {{ z }} > 2.6 then 'safe' when {{ z }} < 1.1 then 'distress' else 'grey' end
{%- endmacro %}

{# A text as a date where it begins with one written YYYY-MM-DD; NULL otherwise. #}
{% macro plain_date(text) -%}
    {{ return(adapter.dispatch('plain_date', 'trade_credit')(text)) }}
{%- endmacro %}

{% macro duckdb__plain_date(text) -%}
    try_cast(substring({{ text }}, 1, 10) as date)
{%- endmacro %}

{# A text as DECIMAL(38,6) where it is a plain number; NULL otherwise, as the control totals of the sources count it. #}
{% macro plain_number(text) -%}
    {{ return(adapter.dispatch('plain_number', 'trade_credit')(text)) }}
{%- endmacro %}

{% macro duckdb__plain_number(text) -%}
    ops.plain_number({{ text }})
{%- endmacro %}

{#
  SQL boolean: is an amount, in the currency of its document, a difference small enough to be cleared without a thought:
  not above the relative threshold of default, of the document, nor above the absolute one.
#}
{% macro is_small_difference(amount, document_amount) -%}
    (abs({{ amount }}) <= cast({{ parameter('default_share') }} as decimal(9, 6)) * abs({{ document_amount }})
    and abs({{ amount }}) <= cast({{ parameter('default_amount') }} as {{ money() }}))
{%- endmacro %}
