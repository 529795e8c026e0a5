{% set parts = [
    'current_amount', 'overdue_1_30_amount', 'overdue_31_60_amount', 'overdue_61_90_amount', 'overdue_91_plus_amount',
    'unapplied_cash_amount', 'credit_amount'
] %}
with by_currency as (
    select
        as_of_date,
        customer_code,
        currency,
        {%- for part in parts %}
        cast(sum({{ part }}) as decimal(18, 2)) as {{ part }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('receivable_balance') }}
    group by as_of_date, customer_code, currency
),

converted as (
    select
        by_currency.*,
        {%- for part in parts %}
        {{ in_reporting_currency('by_currency.' ~ part, 'by_currency.currency', 'fx_rate.rate') }}
            as {{ part }}_reporting{{ ',' if not loop.last }}
        {%- endfor %}
    from by_currency
    left join {{ ref('fx_rate') }} as fx_rate
        on by_currency.currency = fx_rate.currency and by_currency.as_of_date = fx_rate.rate_date
)

select
    as_of_date,
    customer_code,
    currency,
    {%- for suffix in ['', '_reporting'] %}
    {%- for part in parts[:5] %}
    {{ part }}{{ suffix }},
    {%- endfor %}
    cast({% for part in parts[:5] %}{{ part }}{{ suffix }}{{ ' + ' if not loop.last }}{% endfor %} as decimal(18, 2))
        as open_amount{{ suffix }},
    cast({% for part in parts[1:5] %}{{ part }}{{ suffix }}{{ ' + ' if not loop.last }}{% endfor %} as decimal(18, 2))
        as overdue_amount{{ suffix }},
    unapplied_cash_amount{{ suffix }},
    credit_amount{{ suffix }},
    cast({% for part in parts %}{{ part }}{{ suffix }}{{ ' + ' if not loop.last }}{% endfor %} as decimal(18, 2))
        as balance_amount{{ suffix }}{{ ',' if suffix == '' }}
    {%- endfor %}
from converted
