with candidate as (
    select
        pair.*,
        left_customer.legal_name as customer_name_l,
        left_customer.city as city_l,
        right_customer.legal_name as customer_name_r,
        right_customer.city as city_r
    from {{ source('core', 'match_candidate') }} as pair
    left join {{ ref('source_customer') }} as left_customer
        on pair.source_system_l = left_customer.source_system and pair.customer_id_l = left_customer.customer_id
    left join {{ ref('source_customer') }} as right_customer
        on pair.source_system_r = right_customer.source_system and pair.customer_id_r = right_customer.customer_id
)

select
    source_system_l,
    customer_id_l,
    customer_name_l,
    city_l,
    source_system_r,
    customer_id_r,
    customer_name_r,
    city_r,
    cast(match_probability as double) as match_probability,
    rule,
    status
from candidate
