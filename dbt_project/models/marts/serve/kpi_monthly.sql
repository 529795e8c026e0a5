-- Key figures by month, selling entity, customer segment and currency view; 'all' adds up an entity or segment.
with cost_of_month as (
    select
        cost_month,
        coalesce(legal_entity, 'all') as legal_entity,
        sum(amount_reporting) as amount_reporting,
        count(*) = count(amount_reporting) as is_convertible
    from (
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
    group by grouping sets ((cost_month, legal_entity), (cost_month))
),

-- Costs come weeks after their month: the 12 months up to the latest that has some are set against the sales of the same
-- months.
cost_window as (
    select measured_month.measured_on, max(cost_of_month.cost_month) as last_month
    from {{ ref('measured_month') }} as measured_month
    inner join cost_of_month on cost_of_month.cost_month <= measured_month.month_start_date
    group by measured_month.measured_on
),

cost_sales as (
    select cost_window.measured_on, cell.legal_entity, sum(cell.sales_amount) as credit_cost_sales
    from cost_window
    inner join {{ ref('measured_cell') }} as cell
        on cell.month_start_date <= cost_window.last_month
        and cell.month_start_date > {{ add_months('cost_window.last_month', -12) }}
        and cell.measured_on <= cost_window.measured_on
        and cell.segment = 'all'
        and cell.currency_view = 'reporting'
    group by cost_window.measured_on, cell.legal_entity
),

cost as (
    select
        cost_window.measured_on,
        cost_of_month.legal_entity,
        case when min(case when cost_of_month.is_convertible then 1 else 0 end) = 1
            then sum(cost_of_month.amount_reporting) end as credit_cost_12m
    from cost_window
    inner join cost_of_month
        on cost_of_month.cost_month <= cost_window.last_month
        and cost_of_month.cost_month > {{ add_months('cost_window.last_month', -12) }}
    group by cost_window.measured_on, cost_of_month.legal_entity
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

-- The latest response of each customer in the year up to the day, so that who answers often does not speak for the others.
opinion as (
    select measured_on, coalesce(segment, 'all') as segment, count(*) as response_count, avg(score_share) as satisfaction_share
    from (
        select
            measured_month.measured_on,
            coalesce(customer.segment, 'not stated') as segment,
            cast(survey.score as double) / survey.scale_max as score_share,
            row_number() over (
                partition by measured_month.measured_on, xref.customer_code
                order by survey.survey_date desc, survey.source_system, survey.survey_id desc
            ) as recency
        from {{ ref('measured_month') }} as measured_month
        inner join {{ ref('stg_surveys') }} as survey
            on survey.survey_date <= measured_month.measured_on
            and survey.survey_date > {{ add_months('measured_month.measured_on', -12) }}
        inner join {{ source('core', 'customer_xref') }} as xref
            on survey.source_system = xref.source_system and survey.customer_id = xref.customer_id
        inner join {{ ref('customer') }} as customer on xref.customer_code = customer.customer_code
        where survey.known_at <= {{ as_of_date() }}
    ) as response
    where recency = 1
    group by grouping sets ((measured_on, segment), (measured_on))
),

-- The newest of the limits of a source customer that were valid on the day, by selling company.
limit_at as (
    select
        ranked.measured_on,
        ranked.customer_code,
        {{ sum_in_reporting_currency('ranked.amount', 'ranked.currency', 'fx_rate.rate') }} as credit_limit
    from (
        select
            measured_month.measured_on,
            credit_limit.customer_code,
            credit_limit.currency,
            credit_limit.amount,
            rank() over (
                partition by
                    measured_month.measured_on, credit_limit.source_system, credit_limit.customer_id, credit_limit.legal_entity
                order by credit_limit.valid_from desc
            ) as recency
        from {{ ref('measured_month') }} as measured_month
        inner join {{ ref('fct_credit_limit') }} as credit_limit
            on credit_limit.valid_from <= measured_month.measured_on
            and coalesce(credit_limit.valid_to, cast('9999-12-31' as date)) >= measured_month.measured_on
    ) as ranked
    left join {{ ref('fx_rate') }} as fx_rate
        on ranked.currency = fx_rate.currency and ranked.measured_on = fx_rate.rate_date
    where ranked.recency = 1
    group by ranked.measured_on, ranked.customer_code
),

receivable as (
    select * from {{ ref('measured_receivable') }} where currency_view = 'reporting'
),

customer_receivable as (
    select
        measured_on,
        customer_code,
        sum(open_amount + credit_amount + unapplied_cash_amount) as balance
    from receivable
    group by measured_on, customer_code
),

receivables_utilisation as (
    select
        limit_at.measured_on,
        coalesce(segment.segment, 'all') as segment,
        sum(limit_at.credit_limit) as credit_limit,
        sum(coalesce(customer_receivable.balance, 0)) as balance
    from limit_at
    inner join (
        select customer_code, coalesce(segment, 'not stated') as segment from {{ ref('customer') }}
    ) as segment on limit_at.customer_code = segment.customer_code
    left join customer_receivable
        on limit_at.measured_on = customer_receivable.measured_on
        and limit_at.customer_code = customer_receivable.customer_code
    where limit_at.credit_limit > 0
    group by grouping sets ((limit_at.measured_on, segment.segment), (limit_at.measured_on))
),

exposure as (
    select
        {{ as_of_date() }} as measured_on,
        coalesce(segment.segment, 'all') as segment,
        sum(exposure.exposure_reporting) as exposure_reporting,
        sum(exposure.credit_limit_reporting) as credit_limit_reporting
    from {{ ref('fct_exposure') }} as exposure
    inner join (
        select customer_code, coalesce(segment, 'not stated') as segment from {{ ref('customer') }}
    ) as segment on exposure.customer_code = segment.customer_code
    where exposure.utilisation_status = 'available'
    group by grouping sets ((segment.segment), ())
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
        from {{ ref('measured_month') }} as measured_month
        inner join {{ source('ml', 'customer_score') }} as score on score.as_of_date <= measured_month.measured_on
    ) as ranked
    where recency = 1
),

covered as (
    select
        receivable.measured_on,
        receivable.legal_entity,
        receivable.segment,
        receivable.customer_code,
        receivable.open_amount,
        limit_at.customer_code is not null
        and coalesce(score_at.score_status <> 'not_scored' and score_at.expires_on >= receivable.measured_on, false)
            as is_covered
    from receivable
    left join score_at
        on receivable.measured_on = score_at.measured_on and receivable.customer_code = score_at.customer_code
    left join limit_at
        on receivable.measured_on = limit_at.measured_on and receivable.customer_code = limit_at.customer_code
    where receivable.measured_on >= (select min(as_of_date) from {{ source('ml', 'customer_score') }})
        -- Whether a customer has a limit is not known where no source gives limits.
        and {{ is_available('credit_limits') }}
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

-- Costs, approvals, opinions, coverage and limits are of the company, not of documents in one currency: they join reporting rows only.
figure as (
    select
        cell.*,
        {{ is_available('payment_applications') }} as has_applications,
        cell.open_amount - cell.current_amount as overdue_amount,
        lag(cell.open_amount) over (
            partition by cell.legal_entity, cell.segment, cell.currency_view order by cell.month_start_date
        ) as beginning_open_amount,
        case
            when cell.sales_days >= 90 and cell.sales_12m_amount > 0
                then cast(cell.sales_days as double) / cast(cell.sales_12m_amount as double)
        end as days_per_amount,
        countback.countback_dso_days,
        case
            when {{ is_available('credit_costs') }} and cell.segment = 'all' and cell.currency_view = 'reporting'
                then case when cost.measured_on is null then 0 else cost.credit_cost_12m end
        end as credit_cost_12m,
        cost_sales.credit_cost_sales,
        approval.decision_count,
        approval.approval_hours_median,
        approval.approval_hours_p90,
        approval.approval_within_4_business_hours_share,
        coverage.covered_customer_count,
        coverage.covered_amount,
        opinion.response_count,
        opinion.satisfaction_share,
        {{ is_available('surveys') }} and cell.legal_entity = 'all' and cell.currency_view = 'reporting' as has_opinions,
        exposure.exposure_reporting,
        exposure.credit_limit_reporting,
        receivables_utilisation.balance as limited_balance,
        receivables_utilisation.credit_limit,
        {{ is_available('credit_limits') }} and cell.legal_entity = 'all' and cell.currency_view = 'reporting'
            as has_utilisation
    from {{ ref('measured_cell') }} as cell
    left join {{ ref('countback_dso') }} as countback
        on cell.measured_on = countback.measured_on
        and cell.legal_entity = countback.legal_entity
        and cell.segment = countback.segment
        and cell.currency_view = countback.currency_view
    left join cost
        on cell.measured_on = cost.measured_on and cell.legal_entity = cost.legal_entity
    left join cost_sales
        on cell.measured_on = cost_sales.measured_on and cell.legal_entity = cost_sales.legal_entity
    left join approval
        on cell.month_start_date = approval.month_start_date
        and cell.legal_entity = 'all'
        and cell.segment = 'all'
        and cell.currency_view = 'reporting'
    left join coverage
        on cell.measured_on = coverage.measured_on
        and cell.legal_entity = coverage.legal_entity
        and cell.segment = coverage.segment
        and cell.currency_view = 'reporting'
    left join opinion
        on cell.measured_on = opinion.measured_on
        and cell.segment = opinion.segment
        and cell.legal_entity = 'all'
        and cell.currency_view = 'reporting'
    left join exposure
        on cell.measured_on = exposure.measured_on
        and cell.segment = exposure.segment
        and cell.legal_entity = 'all'
        and cell.currency_view = 'reporting'
    left join receivables_utilisation
        on cell.measured_on = receivables_utilisation.measured_on
        and cell.segment = receivables_utilisation.segment
        and cell.legal_entity = 'all'
        and cell.currency_view = 'reporting'
)

select
    month_start_date,
    measured_on,
    is_complete,
    legal_entity,
    segment,
    currency_view,
    open_amount,
    cast(open_amount + credit_amount + unapplied_cash_amount as {{ money() }}) as balance_amount,
    current_amount,
    cast(overdue_amount as {{ money() }}) as overdue_amount,
    overdue_91_plus_amount,
    credit_amount,
    unapplied_cash_amount,
    cast(customer_with_open_amount_count as bigint) as customer_with_open_amount_count,
    sales_amount,
    sales_12m_amount,
    cast(case when has_applications then net_write_off_amount end as {{ money() }}) as net_write_off_amount,
    cast(case when has_applications then net_write_off_12m_amount end as {{ money() }}) as net_write_off_12m_amount,
    case
        when days_per_amount is null then 'not_available'
        when sales_days < 365 then 'short_history'
        else 'available'
    end as dso_status,
    cast(credit_cost_12m as {{ money() }}) as credit_cost_12m_amount,
    case when credit_cost_12m is null then 'not_available' else 'available' end as credit_cost_status,
    cast(decision_count as bigint) as decision_count,
    case when decision_count is null then 'not_available' else 'available' end as approval_status,
    cast(response_count as bigint) as satisfaction_response_count,
    case
        when response_count is not null then 'available'
        when has_opinions then 'no_response'
        else 'not_available'
    end as satisfaction_status,
    case when covered_customer_count is null then 'not_available' else 'available' end as coverage_status,
    case
        when exposure_reporting is not null then 'available'
        when has_utilisation and measured_on = {{ as_of_date() }} then 'no_limit'
        else 'not_available'
    end as utilisation_status,
    cast(credit_limit as {{ money() }}) as credit_limit_amount,
    case
        when credit_limit is not null then 'available'
        when has_utilisation then 'no_limit'
        else 'not_available'
    end as receivables_utilisation_status
    {%- for metric in metrics(table='kpi_monthly') %},
    cast({{ metric.expression }} as double) as {{ metric.column }}
    {%- endfor %}
from figure
