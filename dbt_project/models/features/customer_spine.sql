-- A customer is followed from the first cut-off that knows any entry of its ledger. A prospect has no entry yet: it is
-- followed on the as-of date alone, to be scored on what is publicly known of it, and never learned from.
with first_entry as (

    select
        customer_code,
        min(recognised_date) as first_recognised_date,
        min(effective_date) as first_effective_date
    from {{ ref('ledger_entry') }}
    group by customer_code

),

public_record as (
    {% for record in ['stg_financial_statements', 'stg_bureau_reports', 'stg_legal_events'] %}
    select {{ bare_registration_no('registration_no') }} as registration_no
    from {{ ref(record) }}
    where known_at <= {{ as_of_date() }}
    {{ 'union' if not loop.last }}
    {%- endfor %}

),

prospect as (

    select customer.customer_code
    from {{ ref('customer') }} as customer
    inner join public_record
        on public_record.registration_no = {{ bare_registration_no('customer.registration_no') }}
    left join first_entry on first_entry.customer_code = customer.customer_code
    where first_entry.customer_code is null

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
union all
select
    prospect.customer_code,
    cutoff.cutoff_date,
    cutoff.is_as_of,
    cutoff.six_months_before,
    cast(null as date) as first_recognised_date,
    cast(null as date) as first_effective_date
from prospect
cross join {{ ref('cutoff') }} as cutoff
where cutoff.is_as_of
