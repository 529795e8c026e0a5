-- The latest score of every customer, or why there is none, beside the score before it.
with scores as (

    select
        scored.*,
        row_number() over (partition by customer_code order by as_of_date desc) as recency
    from {{ source('ml', 'customer_score') }} as scored
    where as_of_date <= {{ as_of_date() }}

),

latest as (

    select * from scores where recency = 1

),

previous as (

    select *
    from (
        select
            scores.*,
            row_number() over (partition by customer_code order by as_of_date desc) as previous_recency
        from scores
        where recency > 1 and score_status = 'scored'
    ) as earlier
    where previous_recency = 1

),

-- A month back, so that a slow slide is seen that no single night shows.
month_before as (

    select customer_code, pd
    from (
        select
            customer_code,
            pd,
            row_number() over (partition by customer_code order by as_of_date desc) as month_recency
        from scores
        where score_status = 'scored'
            and as_of_date <= {{ add_days(as_of_date(), -30) }}
            and as_of_date > {{ add_days(as_of_date(), -60) }}
    ) as earlier
    where month_recency = 1

),

scale as (

    select grade, grade_rank from {{ active_policy('rating_scale') }} as rating

),

joined as (

    select
        customer.customer_code,
        customer.customer_name,
        coalesce(latest.score_status, 'not_scored') as score_status,
        case
            when latest.customer_code is null
                then 'No receivable of this customer was ever booked, and no statement, bureau report or public notice of it is known'
            else latest.status_reason
        end as status_reason,
        latest.pd,
        latest.horizon_months,
        latest.points,
        latest.grade,
        scale.grade_rank,
        latest.data_depth,
        latest.model_id,
        latest.model_kind,
        latest.model_role,
        latest.policy_version,
        latest.as_of_date as scored_on,
        latest.expires_on,
        coalesce(
            latest.score_status in ('scored', 'in_default') and latest.expires_on >= {{ as_of_date() }}, false
        ) as has_valid_score,
        case
            when exposure.utilisation_status = 'not_available' then null
            else coalesce(
                exposure.credit_limit_reporting is not null
                and coalesce(exposure.limit_valid_to, cast('9999-12-31' as date)) >= {{ as_of_date() }}, false
            )
        end as has_valid_limit,
        previous.as_of_date as previous_scored_on,
        previous.pd as previous_pd,
        previous.points as previous_points,
        previous.grade as previous_grade,
        previous_scale.grade_rank as previous_grade_rank,
        month_before.pd as pd_30_days_before
    from {{ ref('dim_customer') }} as customer
    left join latest on latest.customer_code = customer.customer_code
    left join previous on previous.customer_code = customer.customer_code
    left join month_before on month_before.customer_code = customer.customer_code
    left join scale on scale.grade = latest.grade
    left join scale as previous_scale on previous_scale.grade = previous.grade
    left join {{ ref('fct_exposure') }} as exposure on exposure.customer_code = customer.customer_code

)

select
    {{ as_of_date() }} as as_of_date,
    customer_code,
    customer_name,
    score_status,
    status_reason,
    cast(pd as double) as pd,
    cast(horizon_months as integer) as horizon_months,
    cast(points as integer) as points,
    grade,
    cast(grade_rank as integer) as grade_rank,
    data_depth,
    model_id,
    model_kind,
    model_role,
    policy_version,
    scored_on,
    expires_on,
    has_valid_score,
    has_valid_limit,
    has_valid_score and has_valid_limit as is_covered,
    previous_scored_on,
    cast(previous_pd as double) as previous_pd,
    cast(previous_points as integer) as previous_points,
    previous_grade,
    cast(pd - previous_pd as double) as pd_change,
    cast(grade_rank - previous_grade_rank as integer) as grade_change,
    cast(case when score_status = 'scored' then pd / nullif(pd_30_days_before, 0) end as double) as pd_ratio_30d
from joined
