{# Customer master data: reading terms and registration numbers, and choosing one value among several sources. #}

{# The day a document of `issue_date` is due by payment terms; NULL where they cannot be read. #}
{% macro due_date_by_terms(issue_date, payment_terms) -%}
    case
        when ops.payment_terms_from_month_end({{ payment_terms }})
            then cast({{ month_end(issue_date) }} + ops.payment_terms_days({{ payment_terms }}) as date)
        else cast({{ issue_date }} + ops.payment_terms_days({{ payment_terms }}) as date)
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
