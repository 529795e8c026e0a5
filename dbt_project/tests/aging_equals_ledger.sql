-- On every aging date, buckets, credits and unapplied cash of a currency add up to the ledger of that day.
with daily as (
    select currency, effective_date, sum(amount) as amount
    from {{ ref('ledger_entry') }}
    group by currency, effective_date
),

ledger as (
    select aging_date.as_of_date, daily.currency, sum(daily.amount) as ledger_amount
    from {{ ref('aging_date') }} as aging_date
    inner join daily on daily.effective_date <= aging_date.as_of_date
    group by aging_date.as_of_date, daily.currency
),

aging as (
    select as_of_date, currency, sum(open_amount + credit_amount + unapplied_cash_amount) as aging_amount
    from {{ ref('fct_ar_aging') }}
    group by as_of_date, currency
)

select ledger.as_of_date, ledger.currency, ledger.ledger_amount, aging.aging_amount
from ledger
left join aging on ledger.as_of_date = aging.as_of_date and ledger.currency = aging.currency
where coalesce(aging.aging_amount, 0) <> ledger.ledger_amount
