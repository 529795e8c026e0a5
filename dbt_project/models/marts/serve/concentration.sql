-- How exposure is spread: by customer, group of companies, sector, country and segment the Herfindahl-Hirschman index (the sum
-- of squared shares: 1 where all is with one, 1/n where n hold the same) and the share of the largest one and ten.
with exposed as (

    select
        exposure.customer_code,
        coalesce(customer.group_code, exposure.customer_code) as group_code,
        substr(customer.industry_code, 1, 2) as sector_code,
        customer.country,
        customer.segment,
        greatest(exposure.exposure_reporting, 0) as amount
    from {{ ref('fct_exposure') }} as exposure
    inner join {{ ref('dim_customer') }} as customer on exposure.customer_code = customer.customer_code
    where exposure.exposure_reporting > 0

),

held as (

    {%- for dimension, column in {
        'customer': 'customer_code', 'group': 'group_code', 'sector': 'sector_code', 'country': 'country', 'segment': 'segment'
    }.items() %}
    select '{{ dimension }}' as dimension, coalesce({{ column }}, 'not known') as name, sum(amount) as amount
    from exposed
    group by 2
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

ranked as (

    select
        dimension,
        name,
        amount,
        cast(amount as double) / sum(amount) over (partition by dimension) as share,
        row_number() over (partition by dimension order by amount desc, name) as place
    from held

)

select
    {{ as_of_date() }} as as_of_date,
    dimension,
    cast(count(*) as integer) as holder_count,
    cast(sum(amount) as {{ money() }}) as exposure_reporting,
    round(sum(share * share), 9) as herfindahl_index,
    max(case when place = 1 then name end) as largest_name,
    round(sum(case when place = 1 then share else 0 end), 9) as largest_share,
    round(sum(case when place <= 10 then share else 0 end), 9) as ten_largest_share
from ranked
group by dimension
