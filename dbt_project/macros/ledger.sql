{# Balances as intervals: from ledger entries to (valid_from, valid_to, balance) by any date of the entry. #}

{#
  Select statement: one row a document and period during which its balance does not change. valid_to is the first
  day the balance no longer holds, 9999-12-31 for the last period. With `only_standing` the entries that corrections
  have cancelled are left out; otherwise a document has periods of its own for each due date, currency and entity it
  was booked with, and is_cancelled says that a period begins with nothing but reversing entries.
#}
{% macro balance_intervals(date_column, only_standing) -%}
    {%- set key = 'document_id, document_kind, customer_code, legal_entity, currency, due_date' -%}
    with movement as (
        select
            {{ key }},
            {{ date_column }} as valid_from,
            min(case when posting_type = 'reversing' then 1 else 0 end) = 1 as is_cancelled,
            sum(amount) as amount
        from {{ ref('ledger_entry') }}
        {%- if only_standing %}
        where is_standing
        {%- endif %}
        group by {{ key }}, {{ date_column }}
    )

    select
        document_id,
        document_kind,
        customer_code,
        legal_entity,
        currency,
        due_date,
        valid_from,
        coalesce(
            lead(valid_from) over (partition by {{ key }} order by valid_from), cast('9999-12-31' as date)
        ) as valid_to,
        cast(
            sum(amount) over (
                partition by {{ key }} order by valid_from rows between unbounded preceding and current row
            ) as {{ money() }}
        ) as balance
        {%- if not only_standing %},
        is_cancelled
        {%- endif %}
    from movement
{%- endmacro %}

{# The kind of ledger entry an application posts. #}
{% macro application_entry_kind(application_kind) -%}
    case {{ application_kind }}
        when 'cash' then 'cash_application'
        when 'credit_memo' then 'credit_application'
        when 'reversal' then 'application_reversal'
        when 'recovery' then 'write_off_recovery'
        else {{ application_kind }}
    end
{%- endmacro %}

{#
  Share of a receipt up to which the bank's rate may differ from the day's, where the receipt pays documents in
  another currency: what is left within it is exchange difference, not unapplied cash.
#}
{% macro exchange_tolerance_share() -%}
    0.05
{%- endmacro %}

{# One number for the values of a row in these columns, NULL a value like others: equal rows have equal numbers. #}
{% macro row_hash(columns) -%}
    {{ adapter.dispatch('row_hash')(columns) }}
{%- endmacro %}

{% macro duckdb__row_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}
