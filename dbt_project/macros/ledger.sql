{# Balances as intervals: from ledger entries to (valid_from, valid_to, balance) by any date of the entry. #}

{#
  Select statement: one row a document and period during which its balance does not change. valid_to is the first
  day the balance no longer holds, 9999-12-31 for the last period.
#}
{% macro balance_intervals(date_column) -%}
    with movement as (
        select document_id, {{ date_column }} as valid_from, sum(amount) as amount
        from {{ ref('ledger_entry') }}
        group by document_id, {{ date_column }}
    ),

    running as (
        select
            document_id,
            valid_from,
            coalesce(
                lead(valid_from) over (partition by document_id order by valid_from), cast('9999-12-31' as date)
            ) as valid_to,
            cast(
                sum(amount) over (
                    partition by document_id order by valid_from rows between unbounded preceding and current row
                ) as decimal(18, 2)
            ) as balance
        from movement
    )

    select
        document.document_id,
        document.document_kind,
        document.customer_code,
        document.legal_entity,
        document.currency,
        document.issue_date,
        document.due_date,
        running.valid_from,
        running.valid_to,
        running.balance
    from running
    inner join {{ ref('document') }} as document on running.document_id = document.document_id
{%- endmacro %}

{# The kind of ledger entry an application posts. #}
{% macro application_entry_kind(application_kind) -%}
    case {{ application_kind }}
        when 'cash' then 'cash_application'
        when 'credit_memo' then 'credit_application'
        when 'reversal' then 'application_reversal'
        else {{ application_kind }}
    end
{%- endmacro %}
