-- Countback DSO: receivables are used up by the sales of the latest month, then the one before, and so on; each month
-- counts its days in full, the last one in proportion. A month that credits more than it sells gives back nothing of
-- what later months have used up: counting ends for good in the month in which the receivable is used up.
with month_before as (
    select
        latest.measured_on,
        latest.legal_entity,
        latest.segment,
        latest.currency_view,
        latest.open_amount,
        {{ days_between('earlier.month_start_date', 'earlier.measured_on') }} + 1 as month_days,
        earlier.sales_amount as sales,
        coalesce(
            sum(earlier.sales_amount) over (
                partition by latest.measured_on, latest.legal_entity, latest.segment, latest.currency_view
                order by earlier.month_start_date desc rows between unbounded preceding and 1 preceding
            ), 0
        ) as later_sales,
        earlier.month_start_date
    from {{ ref('measured_cell') }} as latest
    inner join {{ ref('measured_cell') }} as earlier
        on latest.legal_entity = earlier.legal_entity
        and latest.segment = earlier.segment
        and latest.currency_view = earlier.currency_view
        and earlier.month_start_date <= latest.month_start_date
)
,

counted as (
    select
        *,
        max(later_sales) over (
            partition by measured_on, legal_entity, segment, currency_view
            order by month_start_date desc rows between unbounded preceding and current row
        ) as used_up
    from month_before
)

select
    measured_on,
    legal_entity,
    segment,
    currency_view,
    -- Rounded before they are added: a sum of doubles depends on the order the engine's threads happen to add in.
    sum(
        cast(
            case
                when open_amount <= used_up then 0
                when sales <= 0 or open_amount >= later_sales + sales then month_days
                else month_days * cast(open_amount - later_sales as double) / cast(sales as double)
            end as decimal(18, 6)
        )
    ) as countback_dso_days
from counted
group by measured_on, legal_entity, segment, currency_view
having max(open_amount) <= greatest(max(used_up), sum(sales))
