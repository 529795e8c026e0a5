-- The closing balance of every month is the aging of its last day, in currency and in reporting currency.
with movement as (
    select measured_on, currency, sum(closing_amount) as closing_amount,
        sum(closing_amount_reporting) as closing_amount_reporting
    from {{ ref('fct_receivable_movement') }}
    group by measured_on, currency
),

aging as (
    select as_of_date, currency, sum(balance_amount) as balance_amount,
        sum(balance_amount_reporting) as balance_amount_reporting
    from {{ ref('fct_ar_aging') }}
    group by as_of_date, currency
)

select movement.measured_on, movement.currency, movement.closing_amount, aging.balance_amount,
    movement.closing_amount_reporting, aging.balance_amount_reporting
from movement
left join aging on movement.measured_on = aging.as_of_date and movement.currency = aging.currency
where movement.closing_amount <> coalesce(aging.balance_amount, 0)
    or movement.closing_amount_reporting <> coalesce(aging.balance_amount_reporting, 0)
