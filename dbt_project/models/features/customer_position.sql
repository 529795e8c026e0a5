{%- set past_due_days = [31, 61, 91] -%}
-- What was owed at each cut-off, in reporting currency at the rate of that day, as far as it was known.
with open_by_currency as (

    select
        balance.customer_code,
        cutoff.cutoff_date,
        balance.currency,
        sum(balance.balance) as open_amount,
        -- What newer documents overtook is no sign of how the customer pays.
        sum(case when balance.due_date < cutoff.cutoff_date and stray.document_id is null then balance.balance else 0 end)
            as overdue_amount,
        {%- for days in past_due_days %}
        sum(
            case
                when {{ add_days('balance.due_date', days) }} <= cutoff.cutoff_date and stray.document_id is null
                    then balance.balance
                else 0
            end
        ) as overdue_{{ days }}_plus_amount,
        {%- endfor %}
        -- A residue of a document paid but for a small difference is no sign of a customer that does not pay.
        -- Nor is a document whose due date cannot be right.
        min(case when stray.document_id is null and (document.document_id is null or document.due_date_basis <> 'issue_date' and not {{ is_small_difference('balance.balance', 'document.amount') }}) then balance.due_date end)
            as oldest_due_date
    from {{ ref('invoice_balance_known') }} as balance
    left join {{ ref('document') }} as document on balance.document_id = document.document_id
    inner join {{ ref('cutoff') }} as cutoff
        on balance.valid_from <= cutoff.cutoff_date and balance.valid_to > cutoff.cutoff_date
    left join {{ ref('stray_document') }} as stray
        on stray.basis = 'known' and balance.document_id = stray.document_id
        and stray.stray_from <= cutoff.cutoff_date and stray.stray_to > cutoff.cutoff_date
    where balance.balance > 0 and balance.document_kind in ('invoice', 'debit_memo')
    group by balance.customer_code, cutoff.cutoff_date, balance.currency

),

open_items as (

    select
        open_by_currency.customer_code,
        open_by_currency.cutoff_date,
        {{ sum_in_reporting_currency('open_by_currency.open_amount', 'open_by_currency.currency', 'fx_rate.rate') }} as open_amount,
        {{ sum_in_reporting_currency('open_by_currency.overdue_amount', 'open_by_currency.currency', 'fx_rate.rate') }} as overdue_amount,
        {%- for days in past_due_days %}
        {{ sum_in_reporting_currency('open_by_currency.overdue_' ~ days ~ '_plus_amount', 'open_by_currency.currency', 'fx_rate.rate') }} as overdue_{{ days }}_plus_amount,
        {%- endfor %}
        min(oldest_due_date) as oldest_due_date
    from open_by_currency
    left join {{ ref('fx_rate') }} as fx_rate
        on fx_rate.rate_date = open_by_currency.cutoff_date and fx_rate.currency = open_by_currency.currency
    group by open_by_currency.customer_code, open_by_currency.cutoff_date

),

-- The net position is a running sum of the ledger in its own currencies: amounts at the rates of their own days
-- would leave exchange differences behind.
movements as (

    select
        entry.customer_code,
        entry.currency,
        period_day.period_end,
        period_day.first_cutoff_date,
        sum(entry.amount) as net_amount,
        sum(case when entry.document_kind = 'receipt' then entry.amount else 0 end) as unapplied_cash_amount,
        max(case when entry.entry_kind = 'cash_application' then entry.recognised_date end) as last_payment_date
    from {{ ref('ledger_entry') }} as entry
    inner join {{ ref('period_day') }} as period_day on period_day.day = entry.recognised_date
    group by entry.customer_code, entry.currency, period_day.period_end, period_day.first_cutoff_date

),

movements_by_cutoff as (

    select
        customer_code,
        currency,
        first_cutoff_date,
        sum(net_amount) as net_amount,
        sum(unapplied_cash_amount) as unapplied_cash_amount,
        max(last_payment_date) as last_payment_date
    from movements
    group by customer_code, currency, first_cutoff_date

),

customer_currency as (

    select distinct customer_code, currency from movements_by_cutoff

),

running as (

    select
        spine.customer_code,
        spine.cutoff_date,
        customer_currency.currency,
        sum(moved.net_amount) over running_window as net_amount,
        sum(moved.unapplied_cash_amount) over running_window as unapplied_cash_amount,
        max(moved.last_payment_date) over running_window as last_payment_date
    from {{ ref('customer_spine') }} as spine
    inner join customer_currency on customer_currency.customer_code = spine.customer_code
    left join movements_by_cutoff as moved
        on moved.customer_code = spine.customer_code
        and moved.currency = customer_currency.currency
        and moved.first_cutoff_date = spine.cutoff_date
    window running_window as (
        partition by spine.customer_code, customer_currency.currency
        order by spine.cutoff_date
        rows unbounded preceding
    )

),

last_60_days as (

    select
        movements.customer_code,
        map.cutoff_date,
        movements.currency,
        sum(movements.net_amount) as net_change_amount
    from movements
    inner join {{ ref('cutoff_period') }} as map
        on map.period_end = movements.period_end and map.is_in_last_60_days
    group by movements.customer_code, map.cutoff_date, movements.currency

),

net_position as (

    select
        running.customer_code,
        running.cutoff_date,
        {{ sum_in_reporting_currency('running.net_amount', 'running.currency', 'fx_rate.rate') }} as net_amount,
        {{ sum_in_reporting_currency('(-running.unapplied_cash_amount)', 'running.currency', 'fx_rate.rate') }}
            as unapplied_cash_amount,
        {{ sum_in_reporting_currency(
            '(running.net_amount - coalesce(last_60_days.net_change_amount, 0))', 'running.currency', 'fx_rate.rate'
        ) }} as net_60_days_before_amount,
        max(running.last_payment_date) as last_payment_date
    from running
    left join {{ ref('fx_rate') }} as fx_rate
        on fx_rate.rate_date = running.cutoff_date and fx_rate.currency = running.currency
    left join last_60_days
        on last_60_days.customer_code = running.customer_code
        and last_60_days.cutoff_date = running.cutoff_date
        and last_60_days.currency = running.currency
    where running.net_amount is not null
    group by running.customer_code, running.cutoff_date

)

select
    net_position.customer_code,
    net_position.cutoff_date,
    case when open_items.customer_code is null then 0 else open_items.open_amount end as open_amount,
    case when open_items.customer_code is null then 0 else open_items.overdue_amount end as overdue_amount,
    {%- for days in past_due_days %}
    case when open_items.customer_code is null then 0 else open_items.overdue_{{ days }}_plus_amount end as overdue_{{ days }}_plus_amount,
    {%- endfor %}
    open_items.oldest_due_date,
    net_position.net_amount,
    net_position.unapplied_cash_amount,
    net_position.net_60_days_before_amount,
    net_position.last_payment_date
from net_position
left join open_items
    on open_items.customer_code = net_position.customer_code
    and open_items.cutoff_date = net_position.cutoff_date
