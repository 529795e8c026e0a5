-- Who needs an analyst today: customers with an open warning and something to lose, by PD x net exposure x urgency,
-- cut to what the analysts can work in a day. Customers in default have a list of their own (default_worklist).
with capacity as (

    select
        {{ policy_value('warning_setting', 'setting', 'analyst_count') }}
        * {{ policy_value('warning_setting', 'setting', 'cases_per_analyst') }} as case_count

),

open_warnings as (

    select *
    from {{ ref('warning') }}
    where state = 'open'

),

-- Rules of one family tell of the same trouble, so each family counts once.
families as (

    select
        customer_code,
        family,
        max(urgency) as urgency
    from open_warnings
    group by customer_code, family

),

urgency as (

    select
        customer_code,
        sum(urgency) as urgency
    from families
    group by customer_code

),

texts as (

    select
        customer_code,
        count(*) as open_warning_count,
        sum(case when severity = 'red' then 1 else 0 end) as red_warning_count,
        min(opened_on) as oldest_warning_opened_on,
        max(case when opened_on = {{ as_of_date() }} then 1 else 0 end) = 1 as is_new,
        {{ dbt.listagg('evidence_text', "'. '", "order by case severity when 'red' then 1 else 2 end, urgency desc, rule_id") }}
            as warnings_text
    from open_warnings
    group by customer_code

),

average_pd as (

    select avg(cast(pd as decimal(18, 12))) as pd from {{ ref('customer_score') }} where score_status = 'scored'

),

cases as (

    select
        score.customer_code,
        score.customer_name,
        customer.account_owner,
        score.score_status,
        score.pd,
        score.grade,
        exposure.exposure_reporting,
        exposure.net_exposure_reporting,
        exposure.overdue_amount_reporting,
        urgency.urgency,
        -- One without a score ranks as the average customer, and carries no PD.
        coalesce(score.pd, average_pd.pd)
        * exposure.net_exposure_reporting * urgency.urgency as priority,
        texts.open_warning_count,
        texts.red_warning_count,
        texts.oldest_warning_opened_on,
        texts.is_new,
        texts.warnings_text,
        reason.reason_text as top_reason,
        recommendation.current_limit_reporting,
        recommendation.recommended_limit_reporting,
        recommendation.decision
    from urgency
    inner join texts on texts.customer_code = urgency.customer_code
    inner join {{ ref('customer_score') }} as score on score.customer_code = urgency.customer_code
    inner join {{ ref('dim_customer') }} as customer on customer.customer_code = urgency.customer_code
    inner join {{ ref('fct_exposure') }} as exposure on exposure.customer_code = urgency.customer_code
    left join {{ ref('limit_recommendation') }} as recommendation
        on recommendation.customer_code = urgency.customer_code
    left join {{ ref('score_reason') }} as reason
        on reason.customer_code = urgency.customer_code and reason.reason_rank = 1 and reason.direction = 'raises'
    cross join average_pd
    where exposure.net_exposure_reporting > 0 and score.score_status <> 'in_default'

),

ranked as (

    select
        cases.*,
        row_number() over (order by priority desc nulls last, net_exposure_reporting desc, customer_code) as work_rank
    from cases

)

select
    {{ as_of_date() }} as as_of_date,
    cast(work_rank as integer) as work_rank,
    customer_code,
    customer_name,
    account_owner,
    score_status,
    pd,
    grade,
    exposure_reporting,
    net_exposure_reporting,
    cast(urgency as decimal(9, 2)) as urgency,
    cast(priority as double) as priority,
    cast(open_warning_count as integer) as open_warning_count,
    cast(red_warning_count as integer) as red_warning_count,
    oldest_warning_opened_on,
    warnings_text,
    top_reason,
    current_limit_reporting,
    recommended_limit_reporting,
    decision,
    overdue_amount_reporting,
    is_new
from ranked
cross join capacity
where work_rank <= capacity.case_count
