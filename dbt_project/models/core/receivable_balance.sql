-- Balances by customer, entity and currency on each aging date: a range join of the dates on the balance intervals.
-- Buckets hold what customers owe; what they have to their credit stands apart, signed, and all of it adds up.
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
    from {{ ref('invoice_balance') }} as balance
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
    cast(sum(case when part = '{{ part }}' then balance else 0 end) as decimal(18, 2)) as {{ column }},
    {%- endfor %}
    cast(sum(balance) as decimal(18, 2)) as balance_amount
from open_document
group by as_of_date, customer_code, legal_entity, currency
