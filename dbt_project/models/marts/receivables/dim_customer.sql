with ledger as (
    select
        customer_code,
        min(effective_date) as first_entry_date,
        max(case when entry_kind = 'invoice' then effective_date end) as last_invoice_date
    from {{ ref('ledger_entry') }}
    group by customer_code
),

open_balance as (
    select customer_code
    from {{ ref('invoice_balance') }}
    where valid_to = cast('9999-12-31' as date) and balance <> 0
    group by customer_code
)

select
    customer.customer_code,
    customer.customer_name,
    customer.registration_no,
    customer.registration_kind,
    customer.country,
    customer.region,
    customer.city,
    customer.industry_code,
    customer.segment,
    customer.group_code,
    count(*) over (partition by customer.group_code) as group_customer_count,
    customer.payment_terms_days,
    customer.account_owner,
    customer.customer_since,
    customer.source_customer_count,
    customer.archived_on is not null as is_archived,
    customer.archived_on,
    ledger.first_entry_date,
    ledger.last_invoice_date,
    open_balance.customer_code is not null as has_open_balance
from {{ ref('customer') }} as customer
left join ledger on customer.customer_code = ledger.customer_code
left join open_balance on customer.customer_code = open_balance.customer_code
