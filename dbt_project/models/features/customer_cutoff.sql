-- One row a customer and cut-off: what was known of the customer on that day, as numbers with units.
-- A figure whose source is absent, or that is undefined, is NULL: never zero by guess.
with availability as (

    select
        {{ is_available('orders') }} as has_orders,
        {{ is_available('disputes') }} as has_disputes,
        {{ is_available('collection_actions') }} as has_actions,
        {{ is_available('payments') }} as has_payments,
        {{ is_available('payment_applications') }} as has_applications,
        -- A document is seen to be settled by what is applied to it, or by its clearing date.
        {{ is_available('payment_applications') }}
        or exists (select 1 from {{ ref('document') }} as document where document.source_table = 'cleared_date')
            as has_settlements

),

limit_day as (

    select cutoff_date, cutoff_date as limit_date, 'now' as moment from {{ ref('cutoff') }}
    union all
    select cutoff_date, {{ add_days('cutoff_date', -60) }}, 'before' from {{ ref('cutoff') }}

),

-- Of two limits that overlap, the one that began later holds; those of several systems and selling companies add up.
ranked_limits as (

    select
        xref.customer_code,
        limit_day.cutoff_date,
        limit_day.moment,
        {{ in_reporting_currency('limits.amount', 'limits.currency', 'fx_rate.rate') }} as limit_amount,
        rank() over (
            partition by
                limits.source_system, limits.customer_id, limits.legal_entity, limit_day.cutoff_date, limit_day.moment
            order by limits.valid_from desc
        ) as preference
    from {{ ref('stg_credit_limits') }} as limits
    inner join {{ source('core', 'customer_xref') }} as xref
        on xref.source_system = limits.source_system and xref.customer_id = limits.customer_id
    inner join limit_day
        on limits.valid_from <= limit_day.limit_date
        and limits.known_at <= limit_day.limit_date
        and coalesce(limits.valid_to, cast('9999-12-31' as date)) >= limit_day.limit_date
    left join {{ ref('fx_rate') }} as fx_rate
        on fx_rate.currency = limits.currency and fx_rate.rate_date = limit_day.cutoff_date

),

limits as (

    select
        customer_code,
        cutoff_date,
        sum(case when moment = 'now' then limit_amount end) as limit_amount,
        sum(case when moment = 'before' then limit_amount end) as limit_60_days_before_amount
    from ranked_limits
    where preference = 1
    group by customer_code, cutoff_date

),

open_disputes as (

    select
        spine.customer_code,
        spine.cutoff_date,
        {{ sum_in_reporting_currency('disputes.amount', 'disputes.currency', 'fx_rate.rate') }} as disputed_amount
    from {{ ref('stg_disputes') }} as disputes
    inner join {{ source('core', 'customer_xref') }} as xref
        on xref.source_system = disputes.source_system and xref.customer_id = disputes.customer_id
    inner join {{ ref('customer_spine') }} as spine
        on spine.customer_code = xref.customer_code
        and disputes.known_at <= spine.cutoff_date
        -- A settlement counts from the day we knew of it.
        and (
            disputes.closed_date is null
            or disputes.closed_known_at > spine.cutoff_date
        )
    left join {{ ref('fx_rate') }} as fx_rate
        on fx_rate.currency = disputes.currency and fx_rate.rate_date = spine.cutoff_date
    group by spine.customer_code, spine.cutoff_date

),

in_default as (

    select distinct spine.customer_code, spine.cutoff_date
    from {{ ref('customer_spine') }} as spine
    inner join {{ ref('default_period') }} as period
        on period.basis = 'known'
        and period.customer_code = spine.customer_code
        and period.default_from <= spine.cutoff_date
        and period.default_to > spine.cutoff_date

),

joined as (

    select
        spine.customer_code,
        spine.cutoff_date,
        spine.is_as_of,
        spine.first_recognised_date is not null as has_ledger,
        {{ months_between('spine.first_recognised_date', 'spine.cutoff_date') }} as months_of_history,
        {{ months_between(
            'least(coalesce(customer.customer_since, spine.first_effective_date), spine.first_effective_date)',
            'spine.cutoff_date'
        ) }} as tenure_months,
        customer.segment,
        customer.industry_code,
        substr(customer.industry_code, 1, 2) as sector_code,
        customer.group_code,
        position.open_amount,
        position.overdue_amount,
        position.overdue_91_plus_amount,
        -- The start of the bucket that arrears of an amount that matters have reached, as default measures it.
        case
            {%- for days in [91, 61, 31, 1] %}
            {%- set past_due = 'position.overdue_amount' if days == 1 else 'position.overdue_' ~ days ~ '_plus_amount' %}
            when {{ past_due }} > cast({{ parameter('default_amount') }} as {{ money() }})
                and {{ past_due }} > cast({{ parameter('default_share') }} as decimal(9, 6)) * position.open_amount then {{ days }}
            {%- endfor %}
            else 0
        end as material_days_past_due,
        position.net_amount,
        position.net_60_days_before_amount,
        position.unapplied_cash_amount,
        case
            when position.oldest_due_date < spine.cutoff_date
                then {{ days_between('position.oldest_due_date', 'spine.cutoff_date') }}
            else 0
        end as oldest_days_past_due,
        {{ days_between('position.last_payment_date', 'spine.cutoff_date') }} as days_since_last_payment,
        limits.limit_amount,
        limits.limit_60_days_before_amount,
        open_disputes.disputed_amount,
        in_default.customer_code is not null as is_in_default,
        promise.broken_promise_90d_count,
        record.bureau_report_date,
        record.risk_class,
        record.bureau_score,
        record.risk_class_change_6m,
        record.notice_24m_count,
        record.notice_90d_count,
        record.insolvency_12m_count,
        record.statement_period_end,
        record.statement_age_months,
        record.altman_z2,
        record.equity_ratio,
        record.current_ratio,
        record.equity_amount,
        record.revenue_amount,
        {%- for column in [
            'sales_12m_amount', 'sales_3m_amount', 'sales_4_to_6m_amount', 'sales_24m_amount', 'credit_memo_12m_amount',
            'paid_3m_amount', 'paid_3m_amount_days', 'paid_12m_prior_amount', 'paid_12m_prior_amount_days',
            'paid_12m_prior_amount_days_squared', 'paid_6m_amount', 'paid_late_6m_amount', 'paid_12m_amount',
            'paid_discounted_6m_amount', 'paid_discounted_18m_amount', 'max_days_beyond_terms_6m',
            'write_off_24m_amount', 'write_off_12m_amount', 'reversal_6m_count', 'settled_12m_count',
            'dispute_6m_count', 'dunning_level_6m'
        ] %}
        behaviour.{{ column }},
        {%- endfor %}
        {%- for month in range(1, 8) %}
        coalesce(behaviour.order_month_{{ month }}_amount, 0) as order_month_{{ month }}_amount,
        {%- endfor %}
        availability.*
    from {{ ref('customer_spine') }} as spine
    cross join availability
    left join {{ ref('customer') }} as customer on customer.customer_code = spine.customer_code
    left join {{ ref('customer_position') }} as position
        on position.customer_code = spine.customer_code and position.cutoff_date = spine.cutoff_date
    left join {{ ref('customer_behaviour') }} as behaviour
        on behaviour.customer_code = spine.customer_code and behaviour.cutoff_date = spine.cutoff_date
    left join {{ ref('customer_public_record') }} as record
        on record.customer_code = spine.customer_code and record.cutoff_date = spine.cutoff_date
    left join {{ ref('customer_promise') }} as promise
        on promise.customer_code = spine.customer_code and promise.cutoff_date = spine.cutoff_date
    left join in_default
        on in_default.customer_code = spine.customer_code and in_default.cutoff_date = spine.cutoff_date
    left join limits
        on limits.customer_code = spine.customer_code and limits.cutoff_date = spine.cutoff_date
    left join open_disputes
        on open_disputes.customer_code = spine.customer_code and open_disputes.cutoff_date = spine.cutoff_date

),

measured as (

    select
        joined.*,
        cast(paid_3m_amount_days as double) / nullif(paid_3m_amount, 0) as days_beyond_terms_3m,
        cast(paid_12m_prior_amount_days as double) / nullif(paid_12m_prior_amount, 0) as days_beyond_terms_12m_prior,
        -- Rounding may leave a variance a hair below zero.
        sqrt(greatest(0, cast(paid_12m_prior_amount_days_squared as double) / nullif(paid_12m_prior_amount, 0)
            - power(cast(paid_12m_prior_amount_days as double) / nullif(paid_12m_prior_amount, 0), 2)
        )) as unguarded_spread,
        greatest(0, net_amount) as exposure_amount,
        sum(paid_6m_amount) over sector_window as sector_paid_6m_amount,
        sum(paid_late_6m_amount) over sector_window as sector_paid_late_6m_amount,
        sum(paid_6m_amount) over group_window as group_paid_6m_amount,
        sum(paid_late_6m_amount) over group_window as group_paid_late_6m_amount,
        sum(open_amount) over (partition by cutoff_date) as portfolio_open_amount,
        {{ median_of(['order_month_2_amount', 'order_month_3_amount', 'order_month_4_amount', 'order_month_5_amount',
            'order_month_6_amount', 'order_month_7_amount']) }} as order_month_median_amount
    from joined
    window
        sector_window as (partition by cutoff_date, sector_code),
        group_window as (partition by cutoff_date, group_code)

)

{#- Each metric is written once, at its column in customer_cutoff.yml. Of a prospect nothing is known that rests on its own ledger,
    not even that nothing was late. -#}
select
    customer_code,
    cutoff_date,
    is_as_of,
    is_in_default as is_in_default_at_cutoff,
    cast(months_of_history as integer) as months_of_history,
    statement_period_end is not null as has_financials,
    bureau_report_date is not null as has_bureau,
    segment,
    industry_code,
    group_code,
    cast(open_amount as {{ money() }}) as open_amount_reporting,
    cast(case when has_ledger then exposure_amount end as {{ money() }}) as exposure_amount_reporting,
    cast(limit_amount as {{ money() }}) as credit_limit_amount_reporting,
    cast(case when has_ledger then coalesce(sales_12m_amount, 0) end as {{ money() }}) as sales_12m_amount_reporting,
    cast(case when has_ledger then coalesce(sales_3m_amount, 0) end as {{ money() }}) as sales_3m_amount_reporting,
    cast(case when has_ledger then coalesce(paid_12m_amount, 0) end as {{ money() }}) as paid_12m_amount_reporting,
    equity_amount as equity_amount_reporting,
    revenue_amount as revenue_amount_reporting,
    cast(notice_90d_count as integer) as legal_notice_count_90d,
    {%- for metric in metrics(table='customer_cutoff') if metric.expression %}
    cast({{ metric.expression if metric.known_without_ledger else 'case when has_ledger then ' ~ metric.expression ~ ' end' }} as double)
        as {{ metric.column }}{{ ',' if not loop.last }}
    {%- endfor %}
from measured
