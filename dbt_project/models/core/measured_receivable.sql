-- What each customer owes on the days months are measured, in reporting currency and in each document currency.
{% set parts = [
    'current_amount', 'overdue_1_30_amount', 'overdue_31_60_amount', 'overdue_61_90_amount', 'overdue_91_plus_amount',
    'unapplied_cash_amount', 'credit_amount'
] %}
with balance as (
    select
        measured_month.month_start_date,
        measured_month.measured_on,
        receivable.customer_code,
        receivable.legal_entity,
        coalesce(customer.segment, 'not stated') as segment,
        receivable.currency,
        {%- for part in parts %}
        receivable.{{ part }},
        {{ in_reporting_currency('receivable.' ~ part, 'receivable.currency', 'fx_rate.rate') }} as {{ part }}_reporting
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('measured_month') }} as measured_month
    inner join {{ ref('receivable_balance') }} as receivable on measured_month.measured_on = receivable.as_of_date
    inner join {{ ref('customer') }} as customer on receivable.customer_code = customer.customer_code
    left join {{ ref('fx_rate') }} as fx_rate
        on receivable.currency = fx_rate.currency and receivable.as_of_date = fx_rate.rate_date
),

viewed as (
    select
        month_start_date,
        measured_on,
        customer_code,
        legal_entity,
        segment,
        currency as currency_view,
        {{ parts | join(', ') }}
    from balance

    union all

    select
        month_start_date,
        measured_on,
        customer_code,
        legal_entity,
        segment,
        'reporting' as currency_view,
        {%- for part in parts %}
        sum({{ part }}_reporting) as {{ part }}{{ ',' if not loop.last }}
        {%- endfor %}
    from balance
    group by month_start_date, measured_on, customer_code, legal_entity, segment
)

select
    month_start_date,
    measured_on,
    customer_code,
    legal_entity,
    segment,
    currency_view,
    {%- for part in parts %}
    cast({{ part }} as {{ money() }}) as {{ part }},
    {%- endfor %}
    cast({{ parts[:5] | join(' + ') }} as {{ money() }}) as open_amount
from viewed
