{%- set never = "cast('9999-12-31' as date)" -%}
{%- set bases = {'occurred': 'invoice_balance', 'known': 'invoice_balance_known'} -%}
-- Invoices and debit memos that money closed, and when: as it happened, and as it was known.
with money as (

    select document_id
    from {{ ref('application') }}
    where application_kind = 'cash'
    group by document_id
    having sum(amount) > 0

)

{% for basis, model in bases.items() -%}
select
    '{{ basis }}' as basis,
    balance.document_id,
    balance.customer_code,
    balance.currency,
    document.issue_date,
    document.amount,
    balance.valid_from as paid_on
from {{ ref(model) }} as balance
inner join {{ ref('document') }} as document on balance.document_id = document.document_id
inner join money on balance.document_id = money.document_id
where balance.document_kind in ('invoice', 'debit_memo')
    and balance.balance <= 0
    and balance.valid_to = {{ never }}
    and balance.valid_from <= {{ as_of_date() }}
{{ 'union all' if not loop.last }}
{% endfor %}
