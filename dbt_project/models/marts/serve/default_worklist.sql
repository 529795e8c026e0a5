-- Customers in default who still owe something or have something on order, the largest uninsured amount first: work of
-- collection and law, and no early warning any more.
with standing as (

    select
        customer_code,
        min(default_from) as default_from,
        {{ dbt.listagg('cause', "', '", 'order by default_from, cause') }} as causes
    from {{ ref('default_period') }}
    where basis = 'known' and default_from <= {{ as_of_date() }} and default_to > {{ as_of_date() }}
    group by customer_code

)

select
    {{ as_of_date() }} as as_of_date,
    cast(
        row_number() over (
            order by exposure.net_exposure_reporting desc nulls last, exposure.overdue_amount_reporting desc nulls last,
            standing.customer_code
        ) as integer
    ) as work_rank,
    standing.customer_code,
    customer.customer_name,
    customer.account_owner,
    standing.default_from,
    standing.causes,
    exposure.open_receivables_reporting,
    exposure.overdue_amount_reporting,
    exposure.exposure_reporting,
    exposure.insured_reporting,
    exposure.net_exposure_reporting
from standing
inner join {{ ref('dim_customer') }} as customer on standing.customer_code = customer.customer_code
inner join {{ ref('fct_exposure') }} as exposure on standing.customer_code = exposure.customer_code
-- What is not known is taken to be at stake.
where coalesce(exposure.open_receivables_reporting, 1) <> 0 or coalesce(exposure.exposure_reporting, 1) <> 0
