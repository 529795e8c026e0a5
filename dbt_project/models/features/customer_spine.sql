-- A customer is followed from the first cut-off that knows any entry of its ledger.
with first_entry as (

    select
        customer_code,
        min(recognised_date) as first_recognised_date,
        min(effective_date) as first_effective_date
    from {{ ref('ledger_entry') }}
    group by customer_code

)

select
    first_entry.customer_code,
    cutoff.cutoff_date,
    cutoff.is_as_of,
    cutoff.six_months_before,
    first_entry.first_recognised_date,
    first_entry.first_effective_date
from first_entry
inner join {{ ref('cutoff') }} as cutoff
    on cutoff.cutoff_date >= first_entry.first_recognised_date
