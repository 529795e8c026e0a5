-- Every dispute known by the as-of date, with what is still open of the document it is about.
with stated as (
    select
        dispute.*,
        xref.customer_code,
        -- A settlement later than the as-of date had not been reached yet.
        case when dispute.closed_known_at <= {{ as_of_date() }} then dispute.closed_date end as closed_by_then
    from {{ ref('stg_disputes') }} as dispute
    inner join {{ source('core', 'customer_xref') }} as xref
        on dispute.source_system = xref.source_system and dispute.customer_id = xref.customer_id
    where dispute.known_at <= {{ as_of_date() }}
),

open_document as (
    select document_id, currency, balance
    from {{ ref('invoice_balance') }}
    where valid_to = cast('9999-12-31' as date) and document_kind in ('invoice', 'debit_memo')
)

select
    stated.source_system || '|' || stated.dispute_id as dispute_key,
    stated.source_system,
    stated.dispute_id,
    stated.customer_code,
    open_document.document_id,
    stated.opened_date,
    stated.closed_by_then as closed_date,
    stated.closed_by_then is null as is_open,
    cast({{ days_between('stated.opened_date', 'coalesce(stated.closed_by_then, ' ~ as_of_date() ~ ')') }} as integer)
        as days_in_dispute,
    stated.reason,
    stated.currency,
    stated.amount,
    cast(
        case
            when stated.closed_by_then is not null then 0
            when open_document.document_id is not null and open_document.currency = stated.currency
                then greatest(least(stated.amount, open_document.balance), 0)
        end as {{ money() }}
    ) as disputed_open_amount
from stated
left join open_document on open_document.document_id = stated.source_system || '|' || stated.invoice_id
