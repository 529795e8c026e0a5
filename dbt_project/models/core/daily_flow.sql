-- Sales and net write-offs of each day, in reporting currency and in each document currency; 'all' adds up an entity or
-- segment.
with movement as (
    select customer_code, effective_date, legal_entity, currency, amount as sales, amount_reporting as sales_reporting,
        0 as net_write_off, 0 as net_write_off_reporting
    from {{ ref('ledger_entry') }}
    where entry_kind in ('invoice', 'debit_memo', 'credit_memo')

    union all

    select customer_code, effective_date, legal_entity, currency, amount as sales, amount_reporting as sales_reporting,
        0 as net_write_off, 0 as net_write_off_reporting
    from {{ ref('refund') }}

    union all

    select customer_code, effective_date, legal_entity, currency, 0 as sales, 0 as sales_reporting,
        amount as net_write_off, amount_reporting as net_write_off_reporting
    from {{ ref('write_off') }}
),

viewed as (
    select customer_code, effective_date, legal_entity, currency as currency_view, sales, net_write_off
    from movement

    union all

    select customer_code, effective_date, legal_entity, 'reporting' as currency_view, sales_reporting as sales,
        net_write_off_reporting as net_write_off
    from movement
),

flow as (
    select
        viewed.effective_date,
        viewed.legal_entity,
        coalesce(customer.segment, 'not stated') as segment,
        viewed.currency_view,
        sum(viewed.sales) as sales,
        sum(viewed.net_write_off) as net_write_off
    from viewed
    inner join {{ ref('customer') }} as customer on viewed.customer_code = customer.customer_code
    group by viewed.effective_date, viewed.legal_entity, coalesce(customer.segment, 'not stated'), viewed.currency_view
)

select
    effective_date,
    coalesce(legal_entity, 'all') as legal_entity,
    coalesce(segment, 'all') as segment,
    currency_view,
    cast(sum(sales) as {{ money() }}) as sales_amount,
    cast(sum(net_write_off) as {{ money() }}) as net_write_off_amount
from flow
group by grouping sets (
    (effective_date, currency_view, legal_entity, segment), (effective_date, currency_view, legal_entity),
    (effective_date, currency_view, segment), (effective_date, currency_view)
)
