-- Receivables, sales and write-offs by measured month, entity, segment and currency view: what KPIs are made of. Every cell
-- that ever had a document has a row for every month.
{% set parts = [
    'open_amount', 'current_amount', 'overdue_91_plus_amount', 'credit_amount', 'unapplied_cash_amount'
] %}
with receivable as (
    select
        measured_on,
        coalesce(legal_entity, 'all') as legal_entity,
        coalesce(segment, 'all') as segment,
        currency_view,
        {%- for part in parts %}
        sum({{ part }}) as {{ part }},
        {%- endfor %}
        count(distinct case when open_amount > 0 then customer_code end) as customer_with_open_amount_count
    from {{ ref('measured_receivable') }}
    group by grouping sets (
        (measured_on, currency_view, legal_entity, segment), (measured_on, currency_view, legal_entity),
        (measured_on, currency_view, segment), (measured_on, currency_view)
    )
),

cell as (
    select legal_entity, segment, currency_view, min(first_sale_date) as first_sale_date
    from (
        select legal_entity, segment, currency_view, case when sales_amount > 0 then effective_date end as first_sale_date
        from {{ ref('daily_flow') }}
        union all
        select legal_entity, segment, currency_view, cast(null as date) as first_sale_date
        from receivable
    ) as seen
    group by legal_entity, segment, currency_view
),

cell_month as (
    select
        measured_month.month_start_date,
        measured_month.measured_on,
        measured_month.is_complete,
        cell.legal_entity,
        cell.segment,
        cell.currency_view,
        case
            when cell.first_sale_date <= measured_month.measured_on
                then least(365, {{ days_between('cell.first_sale_date', 'measured_month.measured_on') }} + 1)
            else 0
        end as sales_days
    from {{ ref('measured_month') }} as measured_month
    cross join cell
),

flow as (
    select
        cell_month.measured_on,
        cell_month.legal_entity,
        cell_month.segment,
        cell_month.currency_view,
        {%- for amount in ['sales_amount', 'net_write_off_amount'] %}
        sum(case when daily.effective_date >= cell_month.month_start_date then daily.{{ amount }} else 0 end) as {{ amount }},
        sum(daily.{{ amount }}) as {{ amount | replace('_amount', '_12m_amount') }}{{ ',' if not loop.last }}
        {%- endfor %}
    from cell_month
    inner join {{ ref('daily_flow') }} as daily
        on cell_month.legal_entity = daily.legal_entity
        and cell_month.segment = daily.segment
        and cell_month.currency_view = daily.currency_view
        and daily.effective_date <= cell_month.measured_on
        and daily.effective_date > {{ add_days('cell_month.measured_on', -365) }}
    group by cell_month.measured_on, cell_month.legal_entity, cell_month.segment, cell_month.currency_view
)

select
    cell_month.month_start_date,
    cell_month.measured_on,
    cell_month.is_complete,
    cell_month.legal_entity,
    cell_month.segment,
    cell_month.currency_view,
    cell_month.sales_days,
    {%- for part in parts %}
    cast(coalesce(receivable.{{ part }}, 0) as {{ money() }}) as {{ part }},
    {%- endfor %}
    coalesce(receivable.customer_with_open_amount_count, 0) as customer_with_open_amount_count,
    {%- for amount in ['sales_amount', 'sales_12m_amount', 'net_write_off_amount', 'net_write_off_12m_amount'] %}
    cast(coalesce(flow.{{ amount }}, 0) as {{ money() }}) as {{ amount }}{{ ',' if not loop.last }}
    {%- endfor %}
from cell_month
left join receivable
    on cell_month.measured_on = receivable.measured_on
    and cell_month.legal_entity = receivable.legal_entity
    and cell_month.segment = receivable.segment
    and cell_month.currency_view = receivable.currency_view
left join flow
    on cell_month.measured_on = flow.measured_on
    and cell_month.legal_entity = flow.legal_entity
    and cell_month.segment = flow.segment
    and cell_month.currency_view = flow.currency_view
