{# Aging: balances of documents on the aging dates, put into buckets, in document and reporting currency. #}

{#
  Select statement: balances by customer, entity and currency on each aging date, by a range join of the dates on the
  balance periods in `balance`. Buckets hold what customers owe; what they have to their credit stands apart, signed,
  and all of it adds up.
#}
{% macro receivables_by_bucket(balance) -%}
    with open_document as (
        select
            aging_date.as_of_date,
            balance.customer_code,
            balance.legal_entity,
            balance.currency,
            balance.document_kind,
            balance.balance,
            case
                when balance.document_kind = 'receipt' then 'unapplied_cash'
                when balance.document_kind = 'credit_memo' or balance.balance < 0 then 'credit'
                else {{ aging_bucket(days_between('balance.due_date', 'aging_date.as_of_date')) }}
            end as part
        from {{ balance }} as balance
        inner join {{ ref('aging_date') }} as aging_date
            on aging_date.as_of_date >= balance.valid_from and aging_date.as_of_date < balance.valid_to
        where balance.balance <> 0
    )

    select
        as_of_date,
        customer_code,
        legal_entity,
        currency,
        {%- for part, column in [
            ('current', 'current_amount'), ('1-30', 'overdue_1_30_amount'), ('31-60', 'overdue_31_60_amount'),
            ('61-90', 'overdue_61_90_amount'), ('91+', 'overdue_91_plus_amount'),
            ('unapplied_cash', 'unapplied_cash_amount'), ('credit', 'credit_amount')
        ] %}
        cast(sum(case when part = '{{ part }}' then balance else 0 end) as {{ money() }}) as {{ column }},
        {%- endfor %}
        cast(sum(balance) as {{ money() }}) as balance_amount
    from open_document
    group by as_of_date, customer_code, legal_entity, currency
{%- endmacro %}

{# Select statement: the balances of `receivable_balance` by customer and currency, with their reporting amounts. #}
{% macro aging_by_customer(receivable_balance) -%}
    {% set parts = [
        'current_amount', 'overdue_1_30_amount', 'overdue_31_60_amount', 'overdue_61_90_amount', 'overdue_91_plus_amount',
        'unapplied_cash_amount', 'credit_amount'
    ] %}
    -- Each entity's balance is converted by itself, as the key figures do, so that both add up to the same cent.
    with converted as (
        select
            balance.as_of_date,
            balance.customer_code,
            balance.currency,
            {%- for part in parts %}
            cast(sum(balance.{{ part }}) as {{ money() }}) as {{ part }},
            cast(sum({{ in_reporting_currency('balance.' ~ part, 'balance.currency', 'fx_rate.rate') }}) as {{ money() }})
                as {{ part }}_reporting{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ receivable_balance }} as balance
        left join {{ ref('fx_rate') }} as fx_rate
            on balance.currency = fx_rate.currency and balance.as_of_date = fx_rate.rate_date
        group by balance.as_of_date, balance.customer_code, balance.currency
    )

    select
        as_of_date,
        customer_code,
        currency,
        {%- for suffix in ['', '_reporting'] %}
        {%- for part in parts[:5] %}
        {{ part }}{{ suffix }},
        {%- endfor %}
        cast({% for part in parts[:5] %}{{ part }}{{ suffix }}{{ ' + ' if not loop.last }}{% endfor %} as {{ money() }})
            as open_amount{{ suffix }},
        cast({% for part in parts[1:5] %}{{ part }}{{ suffix }}{{ ' + ' if not loop.last }}{% endfor %} as {{ money() }})
            as overdue_amount{{ suffix }},
        unapplied_cash_amount{{ suffix }},
        credit_amount{{ suffix }},
        cast({% for part in parts %}{{ part }}{{ suffix }}{{ ' + ' if not loop.last }}{% endfor %} as {{ money() }})
            as balance_amount{{ suffix }}{{ ',' if suffix == '' }}
        {%- endfor %}
    from converted
{%- endmacro %}
