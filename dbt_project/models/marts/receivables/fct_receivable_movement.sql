-- What moved receivables from one month-end to the next, by kind. Movements are converted at the rates of their own
-- days and balances at the rates of theirs; what is left between them is currency revaluation, kept apart from business.
{% set parts = {
    'invoiced': ['invoice', 'debit_memo'],
    'credited': ['credit_memo'],
    'received': ['receipt', 'receipt_reversal'],
    'discounted': ['discount'],
    'written_off': ['write_off'],
    'recovered': ['write_off_recovery'],
    'adjusted': ['adjustment'],
    'transferred': ['cash_application', 'credit_application', 'application_reversal'],
    'exchange_difference': ['exchange_difference']
} %}

with closing as (
    select
        month.measured_on,
        balance.legal_entity,
        balance.currency,
        sum(balance.balance_amount) as balance_amount,
        {% for part in [
            'current', 'overdue_1_30', 'overdue_31_60', 'overdue_61_90', 'overdue_91_plus', 'unapplied_cash', 'credit'
        ] -%}
        {{ '+ ' if not loop.first }}sum({{ in_reporting_currency(
            'balance.' ~ part ~ '_amount', 'balance.currency', 'fx_rate.rate'
        ) }})
        {%- endfor %} as balance_amount_reporting
    from {{ ref('measured_month') }} as month
    inner join {{ ref('receivable_balance') }} as balance on month.measured_on = balance.as_of_date
    left join {{ ref('fx_rate') }} as fx_rate
        on balance.currency = fx_rate.currency and balance.as_of_date = fx_rate.rate_date
    group by month.measured_on, balance.legal_entity, balance.currency
),

movement as (
    select
        {{ month_start('effective_date') }} as month_start_date,
        legal_entity,
        currency,
        {%- for part, kinds in parts.items() %}
        sum(case when entry_kind in ('{{ kinds | join("', '") }}') then amount else 0 end) as {{ part }}_amount,
        sum(case when entry_kind in ('{{ kinds | join("', '") }}') then amount_reporting else 0 end)
            as {{ part }}_amount_reporting{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('ledger_entry') }}
    group by {{ month_start('effective_date') }}, legal_entity, currency
),

cell as (
    select month.month_start_date, month.measured_on, month.is_complete, entity.legal_entity, entity.currency
    from {{ ref('measured_month') }} as month
    cross join (select distinct legal_entity, currency from movement) as entity
),

rolled as (
    select
        cell.*,
        {%- for suffix in ['', '_reporting'] %}
        coalesce(
            lag(coalesce(closing.balance_amount{{ suffix }}, 0)) over (
                partition by cell.legal_entity, cell.currency order by cell.measured_on
            ), 0
        ) as opening_amount{{ suffix }},
        {%- for part in parts %}
        coalesce(movement.{{ part }}_amount{{ suffix }}, 0) as {{ part }}_amount{{ suffix }},
        {%- endfor %}
        coalesce(closing.balance_amount{{ suffix }}, 0) as closing_amount{{ suffix }}{{ ',' if suffix == '' }}
        {%- endfor %}
    from cell
    left join closing
        on cell.measured_on = closing.measured_on
        and cell.legal_entity = closing.legal_entity
        and cell.currency = closing.currency
    left join movement
        on cell.month_start_date = movement.month_start_date
        and cell.legal_entity = movement.legal_entity
        and cell.currency = movement.currency
)

select
    month_start_date,
    measured_on,
    is_complete,
    legal_entity,
    currency,
    {%- for suffix in ['', '_reporting'] %}
    cast(opening_amount{{ suffix }} as {{ money() }}) as opening_amount{{ suffix }},
    {%- for part in parts %}
    cast({{ part }}_amount{{ suffix }} as {{ money() }}) as {{ part }}_amount{{ suffix }},
    {%- endfor %}
    {%- if suffix %}
    cast(
        closing_amount_reporting - opening_amount_reporting
        {%- for part in parts %} - {{ part }}_amount_reporting{% endfor %} as {{ money() }}
    ) as revaluation_amount_reporting,
    {%- endif %}
    cast(closing_amount{{ suffix }} as {{ money() }}) as closing_amount{{ suffix }}{{ ',' if suffix == '' }}
    {%- endfor %}
from rolled
where opening_amount <> 0 or closing_amount <> 0
    {%- for part in parts %} or {{ part }}_amount <> 0{% endfor %}
