-- A document is closed once nothing is owed on it any more (of a credit memo: once no credit is left). It is paid only
-- where money closed it: what was cancelled, credited in full, refunded or never worth anything says nothing of payment.
with final_balance as (
    select
        document_id,
        max(case when valid_to = cast('9999-12-31' as date) then balance end) as balance,
        -- Money and recovery on one day leave a closed document closed: the last day it was open counts.
        coalesce(
            max(case when document_kind = 'credit_memo' and balance < 0 or document_kind <> 'credit_memo' and balance > 0
                then valid_to end),
            min(valid_from)
        ) as closed_since
    from {{ ref('invoice_balance') }}
    group by document_id
),

money as (
    select
        entry.document_id,
        -sum(entry.amount) as amount,
        max(case when entry.entry_kind = 'cash_application' and entry.amount < 0 then entry.effective_date end) as last_paid_on
    from {{ ref('ledger_entry') }} as entry
    left join {{ ref('document') }} as origin on entry.counter_document_id = origin.document_id
    left join {{ ref('refund') }} as refund on entry.entry_id = refund.entry_id
    where entry.is_standing
        and refund.entry_id is null
        and (
            entry.entry_kind = 'cash_application'
            or entry.entry_kind = 'application_reversal' and origin.document_kind = 'receipt'
        )
    group by entry.document_id
),

net_write_off as (
    select
        document_id,
        sum(amount) as amount,
        sum(case when entry_kind = 'write_off_recovery' then -amount else 0 end) as recovered_amount,
        sum(case when entry_kind = 'write_off_recovery' then 0 else amount end) > 0 as is_written_off
    from {{ ref('write_off') }}
    group by document_id
),

disputed as (
    select document_id, case when count(*) = count(disputed_open_amount) then sum(disputed_open_amount) end as amount
    from {{ ref('fct_dispute') }}
    where is_open and document_id is not null
    group by document_id
),

state as (
    select
        document.*,
        final_balance.balance as open_amount,
        case when {{ is_available('payment_applications') }} then coalesce(net_write_off.amount, 0) end as write_off_amount,
        case when {{ is_available('payment_applications') }} then coalesce(net_write_off.recovered_amount, 0) end
            as recovered_amount,
        coalesce(
            net_write_off.is_written_off
            and not {{ is_small_difference('net_write_off.amount', 'document.amount') }}, false
        ) as is_written_off,
        coalesce(money.amount, 0) as paid_amount,
        money.last_paid_on,
        coalesce(net_write_off.is_written_off, false) as has_write_off,
        case
            when {{ is_available('disputes') }} and (disputed.document_id is null or disputed.amount is not null)
                then least(coalesce(disputed.amount, 0), greatest(final_balance.balance, 0))
        end as disputed_amount,
        case
            when final_balance.balance = 0
                or final_balance.balance < 0 and document.document_kind <> 'credit_memo'
                or final_balance.balance > 0 and document.document_kind = 'credit_memo'
                then final_balance.closed_since
        end as closed_date,
        case
            when document.document_kind <> 'credit_memo' and final_balance.balance > 0
                then {{ days_between('document.due_date', as_of_date()) }}
        end as days_past_due
    from {{ ref('document') }} as document
    inner join final_balance on document.document_id = final_balance.document_id
    left join money on document.document_id = money.document_id
    left join net_write_off on document.document_id = net_write_off.document_id
    left join disputed on document.document_id = disputed.document_id
    where document.document_kind <> 'receipt'
),

paid as (
    select
        *,
        document_kind <> 'credit_memo' and closed_date is not null and paid_amount > 0 and not is_written_off as is_paid,
        -- The bank's difference may be cleared weeks after the money came.
        case when has_write_off then least(closed_date, last_paid_on) else closed_date end as paid_date
    from state
)

select
    paid.document_id,
    paid.source_system,
    paid.document_no as invoice_no,
    paid.document_kind,
    paid.customer_code,
    paid.legal_entity,
    paid.issue_date,
    paid.due_date,
    paid.due_date_basis,
    paid.currency,
    paid.amount,
    {{ in_reporting_currency('paid.amount', 'paid.currency', 'issue_rate.rate') }} as amount_reporting,
    cast(paid.open_amount as {{ money() }}) as open_amount,
    {{ in_reporting_currency('paid.open_amount', 'paid.currency', 'closing_rate.rate') }} as open_amount_reporting,
    cast(paid.days_past_due as integer) as days_past_due,
    case
        when paid.open_amount = 0 then 'closed'
        when paid.days_past_due is null then 'credit'
        else {{ aging_bucket('paid.days_past_due') }}
    end as aging_bucket,
    paid.is_paid,
    case when paid.is_paid then paid.paid_date end as paid_date,
    case when paid.is_paid then paid.closed_after end as paid_after_date,
    paid.closed_date,
    case when paid.is_paid then cast({{ days_between('paid.issue_date', 'paid.paid_date') }} as integer) end
        as days_to_pay,
    case when paid.is_paid then cast({{ days_between('paid.due_date', 'paid.paid_date') }} as integer) end
        as days_paid_after_due,
    case
        when paid.is_paid then cast(greatest(0, {{ days_between('paid.due_date', 'paid.paid_date') }}) as integer)
    end as days_beyond_terms,
    cast(paid.write_off_amount as {{ money() }}) as write_off_amount,
    cast(paid.recovered_amount as {{ money() }}) as recovered_amount,
    cast(paid.disputed_amount as {{ money() }}) as disputed_amount,
    paid.known_at
from paid
left join {{ ref('fx_rate') }} as issue_rate
    on paid.currency = issue_rate.currency and paid.issue_date = issue_rate.rate_date
left join {{ ref('fx_rate') }} as closing_rate
    on paid.currency = closing_rate.currency and closing_rate.rate_date = {{ as_of_date() }}
