-- What could be lost with each customer on the as-of date, in reporting currency. Parts are signed, so that those policy
-- includes, each up to its cap, add up to the exposure.
{% set components = ['open_receivables', 'delivered_not_invoiced', 'open_orders', 'unapplied_cash', 'insured'] %}

with policy as (
    select
        {%- for component in components %}
        max(case when component = '{{ component }}' and is_included then cast(cap_share as decimal(9, 4)) else 0 end)
            as {{ component }}_share{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ active_policy('exposure_component') }} as component_policy
),

receivable as (
    select
        customer_code,
        sum(open_amount_reporting + credit_amount_reporting) as open_receivables_reporting,
        sum(overdue_amount_reporting) as overdue_amount_reporting,
        sum(unapplied_cash_amount_reporting) as unapplied_cash_reporting
    from {{ ref('fct_ar_aging') }}
    where as_of_date = {{ as_of_date() }}
    group by customer_code
),

customer_order as (
    select
        xref.customer_code,
        greatest(orders.delivered_amount - orders.invoiced_amount, 0) as delivered_not_invoiced,
        case
            when orders.status = 'open'
                and coalesce(orders.requested_ship_date, {{ as_of_date() }})
                <= {{ add_days(as_of_date(), parameter('exposure_horizon_days')) }}
                then greatest(orders.amount - greatest(orders.delivered_amount, orders.invoiced_amount), 0)
            else 0
        end as open_order,
        orders.currency
    from {{ ref('stg_orders') }} as orders
    inner join {{ source('core', 'customer_xref') }} as xref
        on orders.source_system = xref.source_system and orders.customer_id = xref.customer_id
    where orders.known_at <= {{ as_of_date() }} and orders.status <> 'cancelled'
),

ordered as (
    select
        customer_order.customer_code,
        {{ sum_in_reporting_currency('customer_order.delivered_not_invoiced', 'customer_order.currency', 'fx_rate.rate') }}
            as delivered_not_invoiced_reporting,
        {{ sum_in_reporting_currency('customer_order.open_order', 'customer_order.currency', 'fx_rate.rate') }}
            as open_orders_reporting
    from customer_order
    left join {{ ref('fx_rate') }} as fx_rate
        on customer_order.currency = fx_rate.currency and fx_rate.rate_date = {{ as_of_date() }}
    group by customer_order.customer_code
),

-- A customer known under several source numbers holds the limits granted to each of them.
credit_limit as (
    select
        customer_code,
        -- Part of a sum is no sum: a limit without a rate leaves the whole unknown.
        case when count(case when is_in_force then 1 end) = count(case when is_in_force then amount_reporting end)
            then sum(case when is_in_force then amount_reporting end) end as credit_limit_reporting,
        case
            when count(case when is_in_force and insured_amount is not null and insured_amount_reporting is null then 1 end) = 0
                then sum(case when is_in_force then coalesce(insured_amount_reporting, 0) end)
        end as insured_reporting,
        min(case when is_in_force then valid_to end) as limit_valid_to,
        count(case when is_in_force then 1 end) as limit_count,
        count(case when valid_to < {{ as_of_date() }} then 1 end) as expired_limit_count
    from {{ ref('fct_credit_limit') }}
    group by customer_code
),

part as (
    select
        customer.customer_code,
        customer.group_code,
        case when receivable.customer_code is null then 0 else receivable.open_receivables_reporting end
            as open_receivables_reporting,
        case when receivable.customer_code is null then 0 else receivable.overdue_amount_reporting end
            as overdue_amount_reporting,
        case
            when {{ is_available('orders') }}
                then case when ordered.customer_code is null then 0 else ordered.delivered_not_invoiced_reporting end
        end as delivered_not_invoiced_reporting,
        case
            when {{ is_available('orders') }}
                then case when ordered.customer_code is null then 0 else ordered.open_orders_reporting end
        end as open_orders_reporting,
        case when receivable.customer_code is null then 0 else receivable.unapplied_cash_reporting end
            as unapplied_cash_reporting,
        case when {{ is_available('credit_limits') }} then coalesce(credit_limit.insured_reporting, 0) end
            as insured_reporting,
        credit_limit.credit_limit_reporting,
        credit_limit.limit_valid_to,
        case
            when not {{ is_available('orders') }} then 'not_available'
            when ordered.customer_code is not null
                and (ordered.delivered_not_invoiced_reporting is null or ordered.open_orders_reporting is null)
                then 'not_convertible'
            else 'available'
        end as orders_status,
        case
            when not {{ is_available('credit_limits') }} then 'not_available'
            when coalesce(credit_limit.limit_count, 0) = 0
                then case when credit_limit.expired_limit_count > 0 then 'expired_limit' else 'no_limit' end
            when credit_limit.credit_limit_reporting is null then 'limit_not_convertible'
            when credit_limit.credit_limit_reporting = 0 then 'zero_limit'
            else 'available'
        end as limit_status
    from {{ ref('customer') }} as customer
    left join receivable on customer.customer_code = receivable.customer_code
    left join ordered on customer.customer_code = ordered.customer_code
    left join credit_limit on customer.customer_code = credit_limit.customer_code
),

exposed as (
    select
        part.*,
        -- Orders nobody delivers are left out and orders_status says so; orders that cannot be converted leave the whole
        -- unknown, as far as policy counts them.
        cast(round(
            case when policy.open_receivables_share = 0 then 0 else part.open_receivables_reporting end
            * policy.open_receivables_share
            {%- for component in ['delivered_not_invoiced', 'open_orders'] %}
            + case
                when part.orders_status = 'not_available' or policy.{{ component }}_share = 0 then 0
                else part.{{ component }}_reporting * policy.{{ component }}_share
            end
            {%- endfor %}
            + case when policy.unapplied_cash_share = 0 then 0 else part.unapplied_cash_reporting end
            * policy.unapplied_cash_share, {{ reporting_decimals() }}
        ) as {{ money() }}) as exposure_reporting,
        coalesce(part.insured_reporting, 0) * policy.insured_share as counted_insured_reporting
    from part
    cross join policy
),

-- The members of a group share their limits: what one leaves free stands behind the others.
grouped as (
    select
        exposed.*,
        case
            when count(*) over (partition by group_code) = count(exposure_reporting) over (partition by group_code)
                then sum(exposure_reporting) over (partition by group_code)
        end as group_exposure_reporting,
        case
            when max(case when limit_status = 'limit_not_convertible' then 1 else 0 end) over (partition by group_code) = 0
                then sum(credit_limit_reporting) over (partition by group_code)
        end as group_credit_limit_reporting,
        max(case when limit_status = 'limit_not_convertible' then 1 else 0 end) over (partition by group_code) = 1
            as is_group_limit_unknown,
        max(case when limit_status = 'expired_limit' then 1 else 0 end) over (partition by group_code) = 1
            as has_group_expired_limit
    from exposed
),

judged as (
    select
        grouped.*,
        case
            when limit_status = 'available' and exposure_reporting is null then 'exposure_not_available'
            else limit_status
        end as utilisation_status,
        case
            when limit_status = 'not_available' then 'not_available'
            when is_group_limit_unknown then 'limit_not_convertible'
            when group_credit_limit_reporting is null
                then case when has_group_expired_limit then 'expired_limit' else 'no_limit' end
            when group_credit_limit_reporting = 0 then 'zero_limit'
            when group_exposure_reporting is null then 'exposure_not_available'
            else 'available'
        end as group_utilisation_status
    from grouped
)

select
    {{ as_of_date() }} as as_of_date,
    customer_code,
    group_code,
    cast(open_receivables_reporting as {{ money() }}) as open_receivables_reporting,
    cast(overdue_amount_reporting as {{ money() }}) as overdue_amount_reporting,
    cast(delivered_not_invoiced_reporting as {{ money() }}) as delivered_not_invoiced_reporting,
    cast(open_orders_reporting as {{ money() }}) as open_orders_reporting,
    cast(unapplied_cash_reporting as {{ money() }}) as unapplied_cash_reporting,
    cast(insured_reporting as {{ money() }}) as insured_reporting,
    exposure_reporting,
    -- Nothing known as insured counts as uninsured.
    {{ reporting_money(
        'case when exposure_reporting is not null then greatest(exposure_reporting - counted_insured_reporting, 0) end'
    ) }} as net_exposure_reporting,
    cast(group_exposure_reporting as {{ money() }}) as group_exposure_reporting,
    cast(credit_limit_reporting as {{ money() }}) as credit_limit_reporting,
    limit_valid_to,
    cast(
        case when utilisation_status = 'available' then cast(exposure_reporting as double) / credit_limit_reporting end
        as double
    ) as utilisation,
    utilisation_status,
    cast(case when limit_status = 'zero_limit' then exposure_reporting end as {{ money() }})
        as zero_limit_exposure_reporting,
    cast(case when limit_status = 'expired_limit' then exposure_reporting end as {{ money() }})
        as expired_limit_exposure_reporting,
    cast(group_credit_limit_reporting as {{ money() }}) as group_credit_limit_reporting,
    cast(
        case
            when group_utilisation_status = 'available'
                then cast(group_exposure_reporting as double) / group_credit_limit_reporting
        end as double
    ) as group_utilisation,
    group_utilisation_status,
    orders_status
from judged
