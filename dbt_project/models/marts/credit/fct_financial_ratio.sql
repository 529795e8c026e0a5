with customer_number as (
    select customer_code, {{ bare_registration_no('registration_no') }} as registration_no
    from {{ ref('customer') }}
),

statement as (
    select *
    from (
        select
            stated.*,
            customer_number.customer_code,
            row_number() over (
                partition by customer_number.customer_code, stated.period_end
                order by stated.published_at desc, stated.source_system, stated.registration_no, stated.occurrence
            ) as preference_rank
        from {{ ref('stg_financial_statements') }} as stated
        inner join customer_number
            on customer_number.registration_no = {{ bare_registration_no('stated.registration_no') }}
        where stated.known_at <= {{ as_of_date() }}
    ) as ranked
    where preference_rank = 1
),

ratio as (
    select
        statement.*,
        cast(
            {{ altman_z(
                '(statement.current_assets - statement.current_liabilities)', 'statement.retained_earnings',
                'statement.ebit', 'statement.equity', 'statement.total_assets', 'statement.total_liabilities'
            ) }} as double
        ) as altman_z,
        row_number() over (partition by statement.customer_code order by statement.period_end desc) as recency
    from statement
)

select
    ratio.customer_code,
    ratio.period_end,
    ratio.registration_no,
    ratio.published_at,
    ratio.known_at,
    ratio.currency,
    ratio.audited as is_audited,
    ratio.recency = 1 as is_latest,
    {{ in_reporting_currency('ratio.revenue', 'ratio.currency', 'fx_rate.rate') }} as revenue_reporting,
    {{ in_reporting_currency('ratio.total_assets', 'ratio.currency', 'fx_rate.rate') }} as total_assets_reporting,
    {{ in_reporting_currency('ratio.equity', 'ratio.currency', 'fx_rate.rate') }} as equity_reporting,
    cast(cast(ratio.current_assets as double) / nullif(ratio.current_liabilities, 0) as double) as current_ratio,
    cast(cast(ratio.equity as double) / nullif(ratio.total_assets, 0) as double) as equity_ratio,
    cast(cast(ratio.total_liabilities as double) / nullif(ratio.total_assets, 0) as double) as debt_ratio,
    cast(cast(ratio.ebit as double) / nullif(ratio.revenue, 0) as double) as ebit_margin,
    cast(cast(ratio.net_income as double) / nullif(ratio.total_assets, 0) as double) as return_on_assets,
    ratio.altman_z,
    {{ altman_zone('ratio.altman_z') }} as altman_zone,
    case when ratio.altman_z is null then 'not_available' else 'available' end as altman_status
from ratio
left join {{ ref('fx_rate') }} as fx_rate
    on ratio.currency = fx_rate.currency and ratio.period_end = fx_rate.rate_date
