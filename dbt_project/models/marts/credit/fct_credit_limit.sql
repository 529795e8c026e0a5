with stated as (
    select
        xref.customer_code,
        credit_limit.*,
        rank() over (
            partition by
                credit_limit.source_system,
                credit_limit.customer_id,
                credit_limit.legal_entity,
                credit_limit.valid_from <= {{ as_of_date() }}
                and coalesce(credit_limit.valid_to, cast('9999-12-31' as date)) >= {{ as_of_date() }}
            order by credit_limit.valid_from desc
        ) as recency
    from {{ ref('stg_credit_limits') }} as credit_limit
    inner join {{ source('core', 'customer_xref') }} as xref
        on credit_limit.source_system = xref.source_system and credit_limit.customer_id = xref.customer_id
    where credit_limit.known_at <= {{ as_of_date() }}
)

select
    stated.source_system,
    stated.customer_id,
    stated.customer_code,
    coalesce(stated.legal_entity, 'all') as legal_entity,
    stated.valid_from,
    stated.valid_to,
    stated.currency,
    stated.amount,
    {{ in_reporting_currency('stated.amount', 'stated.currency', 'fx_rate.rate') }} as amount_reporting,
    stated.insured_amount,
    {{ in_reporting_currency('stated.insured_amount', 'stated.currency', 'fx_rate.rate') }}
        as insured_amount_reporting,
    stated.approved_by,
    stated.reason,
    -- Of each selling company the newest of the limits valid on the as-of date holds; a later one replaces an earlier one
    -- left open, and those of one day add up.
    stated.recency = 1
        and stated.valid_from <= {{ as_of_date() }}
        and coalesce(stated.valid_to, cast('9999-12-31' as date)) >= {{ as_of_date() }} as is_in_force
from stated
left join {{ ref('fx_rate') }} as fx_rate
    on stated.currency = fx_rate.currency and fx_rate.rate_date = {{ as_of_date() }}
