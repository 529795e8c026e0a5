-- What each source said about a customer, and from which night to which. The first load counts as known from the start.
with version as (
    select
        customer.*,
        case when customer._is_backfill then cast('0001-01-01' as date) else cast(customer._loaded_at as date) end
            as valid_from,
        row_number() over (
            partition by customer.source_system, customer.customer_id, cast(customer._loaded_at as date)
            order by customer._occurrence
        ) as preference_rank
    from {{ source('raw', 'customers') }} as customer
    where customer._is_backfill or cast(customer._loaded_at as date) <= {{ as_of_date() }}
),

period as (
    select
        *,
        coalesce(
            lead(valid_from) over (partition by source_system, customer_id order by valid_from),
            cast('9999-12-31' as date)
        ) as valid_to
    from version
    where preference_rank = 1
)

select
    period.source_system,
    period.customer_id,
    period.valid_from,
    period.valid_to,
    xref.customer_code,
    period.legal_name as customer_name,
    period.registration_no,
    period.country,
    period.city,
    period.industry_code,
    period.segment,
    period.parent_customer_id,
    period.payment_terms,
    period.account_owner,
    period.valid_to = cast('9999-12-31' as date) as is_current
from period
inner join {{ source('core', 'customer_xref') }} as xref
    on period.source_system = xref.source_system and period.customer_id = xref.customer_id
where not period._is_deleted
