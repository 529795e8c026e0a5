{# Customer master data: reading terms and registration numbers, and choosing one value among several sources. #}

{# Agreed days of payment terms written NET<days>; NULL for terms written otherwise. #}
{% macro payment_terms_days(payment_terms) -%}
    cast(nullif(regexp_extract(upper({{ payment_terms }}), '^NET *([0-9]+)$', 1), '') as integer)
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
