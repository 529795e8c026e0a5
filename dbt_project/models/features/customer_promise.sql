-- Promises to pay that fell due in the 90 days before each cut-off, and what was known to have been paid towards them.
with promises as (

    select
        xref.customer_code,
        actions.source_system || '|' || actions.action_id as promise_id,
        actions.source_system || '|' || actions.invoice_id as document_id,
        actions.action_date,
        actions.promise_date,
        actions.currency,
        actions.promise_amount,
        spine.cutoff_date
    from {{ ref('stg_collection_actions') }} as actions
    inner join {{ source('core', 'customer_xref') }} as xref
        on xref.source_system = actions.source_system and xref.customer_id = actions.customer_id
    inner join {{ ref('customer_spine') }} as spine
        on spine.customer_code = xref.customer_code
        -- A promise is kept when the money is there by the end of the day it names.
        and actions.promise_date < spine.cutoff_date
        and actions.promise_date >= {{ add_days('spine.cutoff_date', -90) }}
        and actions.known_at <= spine.cutoff_date
    where actions.promise_date is not null

),

-- A promise for an invoice is kept by money applied to it, any other by money received.
payments as (

    select
        customer_code,
        document_id,
        'applied' as payment_kind,
        effective_date,
        recognised_date,
        currency,
        -amount as amount
    from {{ ref('ledger_entry') }}
    where entry_kind in ('cash_application', 'application_reversal') and document_kind in ('invoice', 'debit_memo')
    union all
    select
        customer_code,
        document_id,
        'received',
        effective_date,
        recognised_date,
        currency,
        -amount
    from {{ ref('ledger_entry') }}
    where entry_kind in ('receipt', 'receipt_reversal')

),

judged as (

    select
        promises.customer_code,
        promises.cutoff_date,
        promises.promise_id,
        promises.promise_amount,
        coalesce(sum(payments.amount), 0) as paid_amount
    from promises
    left join payments
        on payments.customer_code = promises.customer_code
        and payments.effective_date >= promises.action_date
        and payments.effective_date <= promises.promise_date
        and payments.recognised_date <= promises.cutoff_date
        and (promises.currency is null or payments.currency = promises.currency)
        and (
            (promises.document_id is null and payments.payment_kind = 'received')
            or (payments.payment_kind = 'applied' and payments.document_id = promises.document_id)
        )
    group by promises.customer_code, promises.cutoff_date, promises.promise_id, promises.promise_amount

)

select
    customer_code,
    cutoff_date,
    count(*) as promise_90d_count,
    -- Without an amount, a promise is kept by any payment.
    sum(case when paid_amount <= 0 or paid_amount < promise_amount then 1 else 0 end) as broken_promise_90d_count
from judged
group by customer_code, cutoff_date
