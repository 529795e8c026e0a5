{# Customer master data: reading terms and registration numbers, and choosing one value among several sources. #}

{#
  Payment terms as they are written: NET30, 30 days, 2/10 NET 30 (the discount is left out), EOM, 30 EOM. Group 1 holds
  the days, group 2 says that they count from the end of the month. quality/predicates.py reads the same.
#}
{% macro payment_terms_part(payment_terms, group) -%}
    nullif(regexp_extract(
        upper(trim({{ payment_terms }})),
        '^(?:[0-9]+(?:[.,][0-9]+)?%? */ *[0-9]+ *,? *)?(?:NET|N/|N)? *([0-9]{0,3}) *(?:DAYS?|D|TAGE?)? *(EOM)?$', {{ group }}
    ), '')
{%- endmacro %}

{# Agreed days of payment terms; NULL for terms written in a way nobody agreed on. #}
{% macro payment_terms_days(payment_terms) -%}
    case
        when {{ payment_terms_part(payment_terms, 1) }} is not null or {{ payment_terms_part(payment_terms, 2) }} is not null
            then cast(coalesce({{ payment_terms_part(payment_terms, 1) }}, '0') as integer)
    end
{%- endmacro %}

{# The day a document of `issue_date` is due by payment terms; NULL where they cannot be read. #}
{% macro due_date_by_terms(issue_date, payment_terms) -%}
    case
        when {{ payment_terms_part(payment_terms, 2) }} is not null
            then cast({{ month_end(issue_date) }} + {{ payment_terms_days(payment_terms) }} as date)
        else cast({{ issue_date }} + {{ payment_terms_days(payment_terms) }} as date)
    end
{%- endmacro %}

{# A registration number without blanks, punctuation and case, so that the spellings of one number meet. #}
{% macro bare_registration_no(registration_no) -%}
    {{ return(adapter.dispatch('bare_registration_no', 'trade_credit')(registration_no)) }}
{%- endmacro %}

{% macro duckdb__bare_registration_no(registration_no) -%}
    nullif(regexp_replace(upper({{ registration_no }}), '[^0-9A-Z]', '', 'g'), '')
{%- endmacro %}

{# The first value that is not NULL in the order of `order_by`, over a whole partition. #}
{% macro first_known(column, partition_by, order_by) -%}
    {{ return(adapter.dispatch('first_known', 'trade_credit')(column, partition_by, order_by)) }}
{%- endmacro %}

{% macro duckdb__first_known(column, partition_by, order_by) -%}
    first_value({{ column }} ignore nulls) over (
        partition by {{ partition_by }} order by {{ order_by }} rows between unbounded preceding and unbounded following
    )
{%- endmacro %}
