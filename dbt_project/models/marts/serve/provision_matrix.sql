-- IFRS 9, simplified approach: what is owed, by segment and age, times the loss rate expected of it.
{%- set buckets = [
    ('current', 'current_amount_reporting'), ('1-30', 'overdue_1_30_amount_reporting'),
    ('31-60', 'overdue_31_60_amount_reporting'), ('61-90', 'overdue_61_90_amount_reporting'),
    ('91+', 'overdue_91_plus_amount_reporting')
] %}
with balances as (
    {% for bucket, column in buckets %}
    select
        coalesce(customer.segment, 'not stated') as segment,
        '{{ bucket }}' as bucket,
        {{ loop.index }} as bucket_rank,
        sum(aging.{{ column }}) as balance
    from {{ ref('fct_ar_aging') }} as aging
    inner join {{ ref('dim_customer') }} as customer on customer.customer_code = aging.customer_code
    where aging.as_of_date = {{ as_of_date() }}
    group by coalesce(customer.segment, 'not stated')
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

factors as (

    select segment, bucket, loss_rate, forward_looking_factor, version
    from {{ active_policy('provision_factor') }} as factor

)

select
    {{ as_of_date() }} as as_of_date,
    balances.segment,
    balances.bucket,
    cast(balances.bucket_rank as integer) as bucket_rank,
    cast(balances.balance as decimal(18, 2)) as balance_reporting,
    cast(coalesce(own.loss_rate, general.loss_rate) as decimal(9, 6)) as loss_rate,
    cast(coalesce(own.forward_looking_factor, general.forward_looking_factor) as decimal(9, 4)) as forward_looking_factor,
    cast(round(
        balances.balance * coalesce(own.loss_rate, general.loss_rate)
        * coalesce(own.forward_looking_factor, general.forward_looking_factor), 2
    ) as decimal(18, 2)) as expected_credit_loss_reporting,
    case when own.loss_rate is null then 'policy_all_segments' else 'policy_segment' end as loss_rate_source,
    cast(coalesce(own.version, general.version) as integer) as policy_version
from balances
left join factors as own on own.segment = balances.segment and own.bucket = balances.bucket
left join factors as general on general.segment = '*' and general.bucket = balances.bucket
