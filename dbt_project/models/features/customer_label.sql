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
        {{ reporting_money(
            'entry.amount_reporting * (cast(greatest(coalesce(balance.balance, 0), 0) as double) / nullif(document.amount, 0))'
        ) }} as unpaid_amount
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

outcomes_by_month as (

    select
        customer_code,
        {{ month_end('outcome_date') }} as month_end_date,
        sum(due_amount) as due_amount,
        sum(unpaid_amount) as unpaid_amount
    from outcomes
    group by customer_code, {{ month_end('outcome_date') }}

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
        outcomes_by_month.customer_code,
        horizon_months.cutoff_date,
        sum(due_amount) as due_amount,
        coalesce(sum(unpaid_amount), 0) as unpaid_amount
    from outcomes_by_month
    inner join horizon_months on horizon_months.month_end_date = outcomes_by_month.month_end_date
    group by outcomes_by_month.customer_code, horizon_months.cutoff_date

),

events as (

    select
        spine.customer_code,
        spine.cutoff_date,
        min(case when period.cause in ('insolvency', 'ceased') then period.default_from end) as first_insolvency_date,
        min(case when period.cause = 'write_off' then period.default_from end) as first_write_off_date,
        min(case when period.cause = 'past_due' then period.default_from end) as first_past_due_date
    from {{ ref('customer_spine') }} as spine
    inner join horizons on horizons.cutoff_date = spine.cutoff_date
    inner join {{ ref('default_period') }} as period
        on period.basis = 'occurred'
        and period.customer_code = spine.customer_code
        and period.default_from > spine.cutoff_date
        and period.default_from <= horizons.horizon_end_date
    where horizons.label_known
    group by spine.customer_code, spine.cutoff_date

)

select
    spine.customer_code,
    spine.cutoff_date,
    horizons.horizon_end_date,
    horizons.label_known,
    case when horizons.label_known then case when events.customer_code is not null then 1 else 0 end end as is_event,
    case
        when events.first_insolvency_date is not null then 'insolvency'
        when events.first_write_off_date is not null then 'write_off'
        when events.first_past_due_date is not null then 'past_due'
    end as event_kind,
    least(events.first_insolvency_date, events.first_write_off_date, events.first_past_due_date) as event_date,
    case when horizons.label_known then cast(coalesce(windows.due_amount, 0) as {{ money() }}) end
        as amount_at_stake_reporting,
    case when horizons.label_known then cast(coalesce(windows.unpaid_amount, 0) as {{ money() }}) end
        as event_amount_reporting
from {{ ref('customer_spine') }} as spine
inner join horizons on horizons.cutoff_date = spine.cutoff_date
left join windows on windows.customer_code = spine.customer_code and windows.cutoff_date = spine.cutoff_date
left join events on events.customer_code = spine.customer_code and events.cutoff_date = spine.cutoff_date
