{# Balance periods of a document follow each other without gap or overlap, and the last one equals its ledger sum. #}
{% test balance_periods(model) %}
    with followed as (
        select
            document_id,
            valid_from,
            valid_to,
            balance,
            lead(valid_from) over (partition by document_id order by valid_from) as next_from
        from {{ model }}
    ),

    ledger as (
        select document_id, sum(amount) as amount from {{ ref('ledger_entry') }} group by document_id
    )

    select
        ledger.document_id,
        followed.valid_from,
        followed.valid_to,
        followed.next_from,
        followed.balance,
        ledger.amount as ledger_amount
    from ledger
    left join followed on ledger.document_id = followed.document_id
    where followed.document_id is null
        or followed.valid_from >= followed.valid_to
        or coalesce(followed.next_from, cast('9999-12-31' as date)) <> followed.valid_to
        or (followed.next_from is null and followed.balance <> ledger.amount)
{% endtest %}
