{%- set horizon = parameter('horizon_months') -%}
-- What happened after each cut-off, by the day it happened, as far as it is known on the as-of date.
with ending as (

    select
        cutoff_date,
        {{ month_end_offset('cutoff_date', horizon) }} as month_end_horizon,
        {{ add_months('cutoff_date', horizon) }} as day_horizon,
        cutoff_date = {{ month_end('cutoff_date') }} as is_month_end
    from {{ ref('cutoff') }}

),

horizons as (

    select
        cutoff_date,
        case when is_month_end then month_end_horizon else day_horizon end as horizon_end_date,
        case when is_month_end then month_end_horizon else day_horizon end <= {{ as_of_date() }} as label_known
    from ending

),

-- The outcome of a document is settled {{ parameter('target_days_past_due') }} days after its due date, at the close of that
-- day. A cut-off whose label is known is a month-end, so outcomes are summed by month.
outcomes as (

    select
        document.customer_code,
        {{ add_days('document.due_date', parameter('target_days_past_due')) }} as outcome_date,
        entry.amount_reporting as due_amount,
        cast(round(
            entry.amount_reporting
            * (cast(greatest(coalesce(balance.balance, 0), 0) as double) / nullif(document.amount, 0)), 2
        ) as decimal(18, 2)) as unpaid_amount
    from {{ ref('document') }} as document
    inner join {{ ref('ledger_entry') }} as entry
        on entry.document_id = document.document_id and entry.is_standing and entry.entry_kind in ('invoice', 'debit_memo')
    left join {{ ref('invoice_balance') }} as balance
        on balance.document_id = document.document_id
        and balance.valid_from <= {{ add_days('document.due_date', parameter('target_days_past_due')) }}
        and balance.valid_to > {{ add_days('document.due_date', parameter('target_days_past_due')) }}
    where document.document_kind in ('invoice', 'debit_memo')
        and {{ add_days('document.due_date', parameter('target_days_past_due')) }} <= {{ as_of_date() }}

),

happenings as (

    select
        customer_code,
        outcome_date as happened_on,
        sum(due_amount) as due_amount,
        sum(unpaid_amount) as unpaid_amount,
        0 as write_off_count,
        0 as insolvency_count
    from outcomes
    group by customer_code, outcome_date
    union all
    -- A write-off that was taken back in full was a mistake, not an event; one that money recovered later was an event.
    select
        customer_code,
        min(effective_date),
        cast(null as decimal(18, 2)),
        cast(null as decimal(18, 2)),
        1,
        0
    from {{ ref('write_off') }}
    where is_standing
    group by customer_code, document_id
    having sum(case when entry_kind = 'write_off_recovery' then 0 else amount end) > 0
    union all
    select
        customer.customer_code,
        events.event_date,
        cast(null as decimal(18, 2)),
        cast(null as decimal(18, 2)),
        0,
        1
    from {{ ref('stg_legal_events') }} as events
    inner join {{ ref('customer') }} as customer
        on {{ bare_registration_no('customer.registration_no') }} = {{ bare_registration_no('events.registration_no') }}
    where events.kind in ('insolvency', 'ceased') and events.known_at <= {{ as_of_date() }}

),

happenings_by_month as (

    select
        customer_code,
        {{ month_end('happened_on') }} as month_end_date,
        sum(due_amount) as due_amount,
        sum(unpaid_amount) as unpaid_amount,
        min(case when write_off_count > 0 then happened_on end) as first_write_off_date,
        min(case when insolvency_count > 0 then happened_on end) as first_insolvency_date,
        min(case when unpaid_amount > 0 then happened_on end) as first_unpaid_date
    from happenings
    group by customer_code, {{ month_end('happened_on') }}

),

horizon_months as (

    select
        horizons.cutoff_date,
        {{ add_days(dbt.dateadd('month', '(months.number + 1)', month_start('horizons.cutoff_date')), -1) }} as month_end_date
    from horizons
    cross join {{ numbers(horizon) }} as months
    where horizons.label_known

),

windows as (

    select
        happenings_by_month.customer_code,
        horizon_months.cutoff_date,
        sum(due_amount) as due_amount,
        coalesce(sum(unpaid_amount), 0) as unpaid_amount,
        min(first_write_off_date) as first_write_off_date,
        min(first_insolvency_date) as first_insolvency_date,
        min(first_unpaid_date) as first_unpaid_date
    from happenings_by_month
    inner join horizon_months on horizon_months.month_end_date = happenings_by_month.month_end_date
    group by happenings_by_month.customer_code, horizon_months.cutoff_date

),

judged as (

    select
        spine.customer_code,
        spine.cutoff_date,
        horizons.horizon_end_date,
        horizons.label_known,
        windows.due_amount,
        windows.unpaid_amount,
        windows.first_insolvency_date,
        windows.first_write_off_date,
        windows.first_unpaid_date,
        coalesce(
            windows.unpaid_amount > 0
            and windows.unpaid_amount >= cast({{ parameter('target_amount_share') }} as decimal(9, 6)) * windows.due_amount,
            false
        ) as is_past_due
    from {{ ref('customer_spine') }} as spine
    inner join horizons on horizons.cutoff_date = spine.cutoff_date
    left join windows
        on windows.customer_code = spine.customer_code and windows.cutoff_date = spine.cutoff_date

)

select
    customer_code,
    cutoff_date,
    horizon_end_date,
    label_known,
    case
        when not label_known then null
        when first_insolvency_date is not null or first_write_off_date is not null or is_past_due then 1
        else 0
    end as is_event,
    case
        when first_insolvency_date is not null then 'insolvency'
        when first_write_off_date is not null then 'write_off'
        when is_past_due then 'past_due'
    end as event_kind,
    least(first_insolvency_date, first_write_off_date, case when is_past_due then first_unpaid_date end) as event_date,
    case when label_known then cast(coalesce(due_amount, 0) as decimal(18, 2)) end as amount_at_stake_reporting,
    case when label_known then cast(coalesce(unpaid_amount, 0) as decimal(18, 2)) end as event_amount_reporting
from judged
