-- Documents paid in full within 3, 6 and 12 months before the as-of date, weighted by their amount.
with window_length as (
    select 3 as window_months, {{ add_months(as_of_date(), -3) }} as paid_after
    union all
    select 6 as window_months, {{ add_months(as_of_date(), -6) }} as paid_after
    union all
    select 12 as window_months, {{ add_months(as_of_date(), -12) }} as paid_after
),

paid as (
    select
        invoice.customer_code,
        window_length.window_months,
        count(*) as paid_invoice_count,
        sum(invoice.amount_reporting) as paid_amount_reporting,
        -- Summed as decimals: a sum of doubles depends on the order the engine's threads happen to add in.
        sum(invoice.amount_reporting * invoice.days_beyond_terms)
            / nullif(sum(invoice.amount_reporting), 0) as days_beyond_terms_weighted,
        sum(invoice.amount_reporting * cast({{ payment_index('invoice.days_paid_after_due') }} as decimal(9, 4)))
            / nullif(sum(invoice.amount_reporting), 0) as payment_index,
        avg(case when invoice.days_beyond_terms = 0 then 1.0 else 0.0 end) as on_time_share,
        avg(cast(invoice.days_to_pay as double)) as average_days_to_pay
    from {{ ref('fct_invoice') }} as invoice
    inner join window_length on invoice.paid_date > window_length.paid_after
    where invoice.is_paid
    group by invoice.customer_code, window_length.window_months
)

select
    {{ as_of_date() }} as as_of_date,
    customer.customer_code,
    cast(window_length.window_months as integer) as window_months,
    cast(coalesce(paid.paid_invoice_count, 0) as integer) as paid_invoice_count,
    cast(coalesce(paid.paid_amount_reporting, 0) as {{ money() }}) as paid_amount_reporting,
    cast(paid.days_beyond_terms_weighted as double) as days_beyond_terms_weighted,
    cast(case when paid.paid_invoice_count >= 3 then paid.payment_index end as double) as payment_index,
    cast(paid.on_time_share as double) as on_time_share,
    cast(paid.average_days_to_pay as double) as average_days_to_pay,
    case
        when coalesce(paid.paid_invoice_count, 0) = 0 then 'no_paid_invoice'
        when paid.paid_invoice_count < 3 then 'too_few_paid_invoices'
        else 'available'
    end as payment_index_status
from {{ ref('customer') }} as customer
cross join window_length
left join paid
    on customer.customer_code = paid.customer_code and window_length.window_months = paid.window_months
