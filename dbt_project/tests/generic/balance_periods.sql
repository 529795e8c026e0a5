{# Balance periods of a document follow each other without gap or overlap, and the last ones equal its ledger sum. #}
{% test balance_periods(model) %}
    {%- set key = 'document_id, customer_code, legal_entity, currency, due_date' -%}
    with followed as (
        select
            document_id,
            valid_from,
            valid_to,
            balance,
            lead(valid_from) over (partition by {{ key }} order by valid_from) as next_from
        from {{ model }}
    ),

    final_balance as (
        select document_id, sum(balance) as balance from followed where next_from is null group by document_id
    ),

    ledger as (
        select document_id, sum(amount) as amount from {{ ref('ledger_entry') }} group by document_id
    )

    select 'periods' as broken, document_id, valid_from, valid_to, balance
    from followed
    where valid_from >= valid_to or coalesce(next_from, cast('9999-12-31' as date)) <> valid_to

    union all

    select 'sum' as broken, ledger.document_id, null as valid_from, null as valid_to, final_balance.balance
    from ledger
    left join final_balance on ledger.document_id = final_balance.document_id
    where coalesce(final_balance.balance, 0) <> ledger.amount
{% endtest %}
