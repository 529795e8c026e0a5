-- What was publicly known about each customer at each cut-off: bureau, court and company register, statements.
with registration as (

    select
        customer_code,
        {{ bare_registration_no('registration_no') }} as registration_no
    from {{ ref('customer') }}
    where registration_no is not null

),

-- A report holds from the day it was known until a newer one is; an older one that arrives late never holds.
ranked_reports as (

    select
        registration.customer_code,
        reports.report_date,
        reports.known_at,
        reports.risk_class,
        reports.score,
        reports.report_id,
        max(reports.report_date) over (
            partition by registration.customer_code
            order by reports.known_at, reports.report_date, reports.report_id
            rows unbounded preceding
        ) as newest_report_date
    from {{ ref('stg_bureau_reports') }} as reports
    inner join registration on registration.registration_no = {{ bare_registration_no('reports.registration_no') }}
    where reports.known_at <= {{ as_of_date() }}

),

reports as (

    select
        customer_code,
        report_date,
        risk_class,
        score,
        known_at as valid_from,
        lead(known_at, 1, cast('9999-12-31' as date)) over (
            partition by customer_code order by known_at, report_date, report_id
        ) as valid_to
    from ranked_reports
    where report_date = newest_report_date

),

ranked_statements as (

    select
        registration.customer_code,
        statements.period_end,
        statements.known_at,
        statements.source_system,
        {{ altman_z(
            '(statements.current_assets - statements.current_liabilities)', 'statements.retained_earnings',
            'statements.ebit', 'statements.equity', 'statements.total_assets', 'statements.total_liabilities'
        ) }} as altman_z2,
        cast(statements.equity as double) / nullif(statements.total_assets, 0) as equity_ratio,
        cast(statements.current_assets as double) / nullif(statements.current_liabilities, 0) as current_ratio,
        {{ in_reporting_currency('statements.equity', 'statements.currency', 'fx_rate.rate') }} as equity_amount,
        {{ in_reporting_currency('statements.revenue', 'statements.currency', 'fx_rate.rate') }} as revenue_amount,
        max(statements.period_end) over (
            partition by registration.customer_code
            order by statements.known_at, statements.period_end, statements.source_system
            rows unbounded preceding
        ) as newest_period_end
    from {{ ref('stg_financial_statements') }} as statements
    inner join registration on registration.registration_no = {{ bare_registration_no('statements.registration_no') }}
    left join {{ ref('fx_rate') }} as fx_rate
        on fx_rate.currency = statements.currency and fx_rate.rate_date = statements.period_end
    where statements.known_at <= {{ as_of_date() }}

),

statements as (

    select
        customer_code,
        period_end,
        altman_z2,
        equity_ratio,
        current_ratio,
        equity_amount,
        revenue_amount,
        known_at as valid_from,
        lead(known_at, 1, cast('9999-12-31' as date)) over (
            partition by customer_code order by known_at, period_end, source_system
        ) as valid_to
    from ranked_statements
    where period_end = newest_period_end

),

notices as (

    select
        spine.customer_code,
        spine.cutoff_date,
        count(*) as notice_24m_count,
        sum(case when events.known_at > {{ add_days('spine.cutoff_date', -90) }} then 1 else 0 end) as notice_90d_count,
        sum(case when events.kind in ('insolvency', 'ceased')
            and {{ add_months('events.known_at', 12) }} > spine.cutoff_date then 1 else 0 end) as insolvency_12m_count
    from {{ ref('stg_legal_events') }} as events
    inner join registration on registration.registration_no = {{ bare_registration_no('events.registration_no') }}
    inner join {{ ref('customer_spine') }} as spine
        on spine.customer_code = registration.customer_code
        and events.known_at <= spine.cutoff_date
        and {{ add_months('events.known_at', 24) }} > spine.cutoff_date
    group by spine.customer_code, spine.cutoff_date

)

select
    spine.customer_code,
    spine.cutoff_date,
    report.report_date as bureau_report_date,
    report.risk_class,
    report.score as bureau_score,
    report.risk_class - earlier_report.risk_class as risk_class_change_6m,
    case when {{ is_available('legal_events') }} then coalesce(notices.notice_24m_count, 0) end as notice_24m_count,
    case when {{ is_available('legal_events') }} then coalesce(notices.notice_90d_count, 0) end as notice_90d_count,
    case when {{ is_available('legal_events') }} then coalesce(notices.insolvency_12m_count, 0) end as insolvency_12m_count,
    statement.period_end as statement_period_end,
    {{ months_between('statement.period_end', 'spine.cutoff_date') }} as statement_age_months,
    statement.altman_z2,
    statement.equity_ratio,
    statement.current_ratio,
    statement.equity_amount,
    statement.revenue_amount
from {{ ref('customer_spine') }} as spine
-- A customer without a registration number cannot be looked up: nothing about it is known, not even that nothing is.
inner join registration on registration.customer_code = spine.customer_code
left join reports as report
    on report.customer_code = spine.customer_code
    and report.valid_from <= spine.cutoff_date
    and report.valid_to > spine.cutoff_date
    and {{ add_months('report.report_date', 24) }} >= spine.cutoff_date
left join reports as earlier_report
    on earlier_report.customer_code = spine.customer_code
    and earlier_report.valid_from <= spine.six_months_before
    and earlier_report.valid_to > spine.six_months_before
left join statements as statement
    on statement.customer_code = spine.customer_code
    and statement.valid_from <= spine.cutoff_date
    and statement.valid_to > spine.cutoff_date
    and {{ add_months('statement.period_end', 30) }} >= spine.cutoff_date
left join notices
    on notices.customer_code = spine.customer_code and notices.cutoff_date = spine.cutoff_date
