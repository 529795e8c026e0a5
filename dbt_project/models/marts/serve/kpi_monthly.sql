-- Key figures by month, selling entity and customer segment, in reporting currency; 'all' adds up an entity or segment.
-- A month is measured on its last day, the current one on the as-of date.
{% set balance_columns = [
    'current_amount', 'overdue_1_30_amount', 'overdue_31_60_amount', 'overdue_61_90_amount', 'overdue_91_plus_amount',
    'unapplied_cash_amount', 'credit_amount'
] %}

with history as (
    select min(issue_date) as first_sale_date
    from {{ ref('document') }}
    where document_kind in ('invoice', 'debit_memo')
),

measured_month as (
    select
        {{ month_start('as_of_date') }} as month_start_date,
        as_of_date as measured_on,
        is_month_end as is_complete
    from {{ ref('aging_date') }}
    where is_month_end or as_of_date = {{ as_of_date() }}
),

segment as (
    select customer_code, coalesce(segment, 'not stated') as segment from {{ ref('customer') }}
),

receivable as (
    select
        measured_month.month_start_date,
        measured_month.measured_on,
        balance.customer_code,
        balance.legal_entity,
        segment.segment,
        {%- for column in balance_columns %}
        {{ in_reporting_currency('balance.' ~ column, 'balance.currency', 'fx_rate.rate') }} as {{ column }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from measured_month
    inner join {{ ref('receivable_balance') }} as balance on measured_month.measured_on = balance.as_of_date
    inner join segment on balance.customer_code = segment.customer_code
    left join {{ ref('fx_rate') }} as fx_rate
        on balance.currency = fx_rate.currency and balance.as_of_date = fx_rate.rate_date
),

receivable_total as (
    select
        measured_on,
        coalesce(legal_entity, 'all') as legal_entity,
        coalesce(segment, 'all') as segment,
        {%- for column in balance_columns %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        count(distinct case when current_amount + overdue_1_30_amount + overdue_31_60_amount + overdue_61_90_amount
            + overdue_91_plus_amount > 0 then customer_code end) as customer_with_open_amount_count
    from receivable
    group by grouping sets (
        (measured_on, legal_entity, segment), (measured_on, legal_entity), (measured_on, segment), (measured_on)
    )
),

-- What happened on a day, once by entity and segment.
movement as (
    select
        entry.effective_date,
        entry.legal_entity,
        segment.segment,
        sum(entry.amount_reporting) as sales,
        cast(0 as decimal(18, 2)) as net_write_off
    from {{ ref('ledger_entry') }} as entry
    inner join segment on entry.customer_code = segment.customer_code
    where entry.entry_kind in ('invoice', 'debit_memo', 'credit_memo')
    group by entry.effective_date, entry.legal_entity, segment.segment

    union all

    select
        entry.effective_date,
        entry.legal_entity,
        segment.segment,
        cast(0 as decimal(18, 2)) as sales,
        sum(entry.amount_reporting) as net_write_off
    from {{ ref('write_off') }} as entry
    inner join segment on entry.customer_code = segment.customer_code
    group by entry.effective_date, entry.legal_entity, segment.segment
),

daily as (
    select
        effective_date,
        coalesce(legal_entity, 'all') as legal_entity,
        coalesce(segment, 'all') as segment,
        sum(sales) as sales,
        sum(net_write_off) as net_write_off
    from movement
    group by grouping sets (
        (effective_date, legal_entity, segment), (effective_date, legal_entity), (effective_date, segment),
        (effective_date)
    )
),

cell as (
    select legal_entity, segment from daily
    union
    select legal_entity, segment from receivable_total
),

cell_month as (
    select
        measured_month.month_start_date,
        measured_month.measured_on,
        measured_month.is_complete,
        cell.legal_entity,
        cell.segment,
        least(365, {{ days_between('history.first_sale_date', 'measured_month.measured_on') }} + 1) as sales_days
    from measured_month
    cross join cell
    cross join history
),

flow as (
    select
        cell_month.measured_on,
        cell_month.legal_entity,
        cell_month.segment,
        sum(case when daily.effective_date >= cell_month.month_start_date then daily.sales else 0 end) as sales,
        sum(case when daily.effective_date >= cell_month.month_start_date then daily.net_write_off else 0 end)
            as net_write_off,
        sum(daily.sales) as sales_12m,
        sum(daily.net_write_off) as net_write_off_12m
    from cell_month
    inner join daily
        on cell_month.legal_entity = daily.legal_entity
        and cell_month.segment = daily.segment
        and daily.effective_date <= cell_month.measured_on
        and daily.effective_date > {{ add_days('cell_month.measured_on', -365) }}
    group by cell_month.measured_on, cell_month.legal_entity, cell_month.segment
),

figure as (
    select
        cell_month.*,
        coalesce(receivable_total.customer_with_open_amount_count, 0) as customer_with_open_amount_count,
        {%- for column in balance_columns %}
        coalesce(receivable_total.{{ column }}, 0) as {{ column }},
        {%- endfor %}
        coalesce(
            receivable_total.current_amount + receivable_total.overdue_1_30_amount
            + receivable_total.overdue_31_60_amount + receivable_total.overdue_61_90_amount
            + receivable_total.overdue_91_plus_amount, 0
        ) as open_amount,
        coalesce(flow.sales, 0) as sales,
        coalesce(flow.sales_12m, 0) as sales_12m,
        coalesce(flow.net_write_off, 0) as net_write_off,
        coalesce(flow.net_write_off_12m, 0) as net_write_off_12m
    from cell_month
    left join receivable_total
        on cell_month.measured_on = receivable_total.measured_on
        and cell_month.legal_entity = receivable_total.legal_entity
        and cell_month.segment = receivable_total.segment
    left join flow
        on cell_month.measured_on = flow.measured_on
        and cell_month.legal_entity = flow.legal_entity
        and cell_month.segment = flow.segment
),

-- Countback DSO: receivables are used up by the sales of the latest month, then the one before, and so on; each month
-- counts its days in full, the last one in proportion.
countback_month as (
    select
        latest.measured_on,
        latest.legal_entity,
        latest.segment,
        latest.open_amount,
        {{ days_between('earlier.month_start_date', 'earlier.measured_on') }} + 1 as month_days,
        earlier.sales,
        coalesce(
            sum(earlier.sales) over (
                partition by latest.measured_on, latest.legal_entity, latest.segment
                order by earlier.month_start_date desc rows between unbounded preceding and 1 preceding
            ), 0
        ) as later_sales
    from figure as latest
    inner join figure as earlier
        on latest.legal_entity = earlier.legal_entity
        and latest.segment = earlier.segment
        and earlier.month_start_date <= latest.month_start_date
),

countback as (
    select
        measured_on,
        legal_entity,
        segment,
        sum(
            case
                when open_amount <= later_sales then 0
                when open_amount >= later_sales + sales then month_days
                else month_days * cast(open_amount - later_sales as double) / cast(sales as double)
            end
        ) as countback_dso_days,
        max(open_amount) <= sum(sales) as is_used_up
    from countback_month
    group by measured_on, legal_entity, segment
),

cost as (
    select
        measured_month.measured_on,
        coalesce(cost_line.legal_entity, 'all') as legal_entity,
        sum(cost_line.amount_reporting) as credit_cost_12m
    from measured_month
    inner join (
        select
            credit_cost.cost_month,
            credit_cost.legal_entity,
            {{ in_reporting_currency('credit_cost.amount', 'credit_cost.currency', 'fx_rate.rate') }}
                as amount_reporting
        from {{ ref('stg_credit_costs') }} as credit_cost
        left join {{ ref('fx_rate') }} as fx_rate
            on credit_cost.currency = fx_rate.currency
            and fx_rate.rate_date = least({{ month_end('credit_cost.cost_month') }}, {{ as_of_date() }})
        where credit_cost.known_at <= {{ as_of_date() }}
    ) as cost_line
        on cost_line.cost_month <= measured_month.month_start_date
        and cost_line.cost_month > {{ add_months('measured_month.month_start_date', -12) }}
    group by grouping sets ((measured_month.measured_on, cost_line.legal_entity), (measured_month.measured_on))
),

approval as (
    select
        {{ month_start('decided_at') }} as month_start_date,
        count(*) as decision_count,
        percentile_cont(0.5) within group (order by approval_hours) as approval_hours_median,
        percentile_cont(0.9) within group (order by approval_hours) as approval_hours_p90,
        avg(case when approval_business_hours <= 4 then 1.0 else 0.0 end) as approval_within_4_business_hours_share
    from {{ ref('fct_credit_decision') }}
    where decided_at is not null
    group by {{ month_start('decided_at') }}
),

-- The score that held on a day is the last one given before it.
score_at as (
    select measured_on, customer_code, expires_on, score_status
    from (
        select
            measured_month.measured_on,
            score.customer_code,
            score.expires_on,
            score.score_status,
            row_number() over (
                partition by measured_month.measured_on, score.customer_code order by score.as_of_date desc
            ) as recency
        from measured_month
        inner join {{ source('ml', 'customer_score') }} as score on score.as_of_date <= measured_month.measured_on
    ) as ranked
    where recency = 1
),

limited as (
    select distinct measured_month.measured_on, credit_limit.customer_code
    from measured_month
    inner join {{ ref('fct_credit_limit') }} as credit_limit
        on credit_limit.valid_from <= measured_month.measured_on
        and coalesce(credit_limit.valid_to, cast('9999-12-31' as date)) >= measured_month.measured_on
),

covered as (
    select
        receivable.measured_on,
        receivable.legal_entity,
        receivable.segment,
        receivable.customer_code,
        receivable.current_amount + receivable.overdue_1_30_amount + receivable.overdue_31_60_amount
        + receivable.overdue_61_90_amount + receivable.overdue_91_plus_amount as open_amount,
        limited.customer_code is not null
        and coalesce(score_at.score_status <> 'not_scored' and score_at.expires_on >= receivable.measured_on, false)
            as is_covered
    from receivable
    left join score_at
        on receivable.measured_on = score_at.measured_on and receivable.customer_code = score_at.customer_code
    left join limited
        on receivable.measured_on = limited.measured_on and receivable.customer_code = limited.customer_code
    where receivable.measured_on >= (select min(as_of_date) from {{ source('ml', 'customer_score') }})
),

coverage as (
    select
        measured_on,
        coalesce(legal_entity, 'all') as legal_entity,
        coalesce(segment, 'all') as segment,
        count(distinct case when is_covered and open_amount > 0 then customer_code end) as covered_customer_count,
        sum(case when is_covered then open_amount else 0 end) as covered_amount
    from covered
    group by grouping sets (
        (measured_on, legal_entity, segment), (measured_on, legal_entity), (measured_on, segment), (measured_on)
    )
),

utilisation as (
    select
        coalesce(segment.segment, 'all') as segment,
        sum(exposure.exposure_reporting) as exposure_reporting,
        sum(exposure.credit_limit_reporting) as credit_limit_reporting
    from {{ ref('fct_exposure') }} as exposure
    inner join segment on exposure.customer_code = segment.customer_code
    where exposure.utilisation_status = 'available'
    group by grouping sets ((segment.segment), ())
),

ratio as (
    select
        figure.*,
        lag(figure.open_amount) over (
            partition by figure.legal_entity, figure.segment order by figure.month_start_date
        ) as beginning_open_amount,
        case
            when figure.sales_days >= 90 and figure.sales_12m > 0
                then cast(figure.sales_days as double) / cast(figure.sales_12m as double)
        end as days_per_amount,
        case when countback.is_used_up then countback.countback_dso_days end as countback_dso_days,
        case when {{ is_available('credit_costs') }} and figure.segment = 'all' then coalesce(cost.credit_cost_12m, 0) end
            as credit_cost_12m,
        approval.decision_count,
        approval.approval_hours_median,
        approval.approval_hours_p90,
        approval.approval_within_4_business_hours_share,
        coverage.covered_customer_count,
        coverage.covered_amount,
        utilisation.exposure_reporting,
        utilisation.credit_limit_reporting
    from figure
    left join countback
        on figure.measured_on = countback.measured_on
        and figure.legal_entity = countback.legal_entity
        and figure.segment = countback.segment
    left join cost
        on figure.measured_on = cost.measured_on and figure.legal_entity = cost.legal_entity
    left join approval
        on figure.month_start_date = approval.month_start_date
        and figure.legal_entity = 'all'
        and figure.segment = 'all'
    left join coverage
        on figure.measured_on = coverage.measured_on
        and figure.legal_entity = coverage.legal_entity
        and figure.segment = coverage.segment
    left join utilisation
        on figure.segment = utilisation.segment
        and figure.legal_entity = 'all'
        and figure.measured_on = {{ as_of_date() }}
)

select
    month_start_date,
    measured_on,
    is_complete,
    legal_entity,
    segment,
    'reporting' as currency_view,
    cast(open_amount as decimal(18, 2)) as open_amount,
    cast(open_amount + credit_amount + unapplied_cash_amount as decimal(18, 2)) as balance_amount,
    cast(current_amount as decimal(18, 2)) as current_amount,
    cast(open_amount - current_amount as decimal(18, 2)) as overdue_amount,
    cast(overdue_91_plus_amount as decimal(18, 2)) as overdue_91_plus_amount,
    cast(credit_amount as decimal(18, 2)) as credit_amount,
    cast(unapplied_cash_amount as decimal(18, 2)) as unapplied_cash_amount,
    cast(customer_with_open_amount_count as bigint) as customer_with_open_amount_count,
    cast(sales as decimal(18, 2)) as sales_amount,
    cast(sales_12m as decimal(18, 2)) as sales_12m_amount,
    cast(net_write_off as decimal(18, 2)) as net_write_off_amount,
    cast(net_write_off_12m as decimal(18, 2)) as net_write_off_12m_amount,
    cast(cast(open_amount as double) * days_per_amount as double) as dso_days,
    cast(cast(current_amount as double) * days_per_amount as double) as best_possible_dso_days,
    cast(cast(open_amount - current_amount as double) * days_per_amount as double) as average_days_delinquent,
    cast(countback_dso_days as double) as countback_dso_days,
    case
        when days_per_amount is null then 'not_available'
        when sales_days < 365 then 'short_history'
        else 'available'
    end as dso_status,
    cast(
        100.0 * cast(beginning_open_amount + sales - open_amount as double)
        / nullif(cast(beginning_open_amount + sales - current_amount as double), 0) as double
    ) as collection_effectiveness_index,
    cast(cast(open_amount - current_amount as double) / nullif(cast(open_amount as double), 0) as double)
        as overdue_share,
    cast(cast(overdue_91_plus_amount as double) / nullif(cast(open_amount as double), 0) as double)
        as overdue_91_plus_share,
    cast(
        case when sales_12m > 0 then cast(net_write_off_12m as double) / cast(sales_12m as double) end as double
    ) as bad_debt_rate,
    cast(credit_cost_12m as decimal(18, 2)) as credit_cost_12m_amount,
    cast(
        case when sales_12m > 0 then cast(credit_cost_12m as double) / cast(sales_12m as double) end as double
    ) as credit_cost_ratio,
    case when credit_cost_12m is null then 'not_available' else 'available' end as credit_cost_status,
    cast(decision_count as bigint) as decision_count,
    cast(approval_hours_median as double) as approval_hours_median,
    cast(approval_hours_p90 as double) as approval_hours_p90,
    cast(approval_within_4_business_hours_share as double) as approval_within_4_business_hours_share,
    case when decision_count is null then 'not_available' else 'available' end as approval_status,
    cast(
        cast(covered_customer_count as double) / nullif(customer_with_open_amount_count, 0) as double
    ) as coverage_customer_share,
    cast(cast(covered_amount as double) / nullif(cast(open_amount as double), 0) as double)
        as coverage_receivables_share,
    case when covered_customer_count is null then 'not_available' else 'available' end as coverage_status,
    cast(
        case when credit_limit_reporting > 0 then cast(exposure_reporting as double) / cast(credit_limit_reporting as double) end
        as double
    ) as utilisation,
    case
        when exposure_reporting is null then 'not_available'
        when credit_limit_reporting > 0 then 'available'
        else 'zero_limit'
    end as utilisation_status
from ratio
