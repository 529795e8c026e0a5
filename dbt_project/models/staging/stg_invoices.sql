select
    accepted.source_system,
    -- A number may stand for several documents: instalments, or one of each selling company.
    accepted.source_system || '|' || accepted.invoice_id
        || case when accepted._occurrence > 1 then '#' || cast(accepted._occurrence as {{ dbt.type_string() }}) else '' end
        as document_id,
    accepted.invoice_id,
    accepted.document_type,
    accepted.customer_id,
    accepted.legal_entity,
    cast(accepted.issue_date as date) as issue_date,
    -- A document cannot be due before it exists (rent billed late, or a wrong date): aging counts from the later of both.
    case
        when accepted.due_date is not null
            then greatest(cast(accepted.due_date as date), cast(accepted.issue_date as date))
        when accepted.document_type <> 'credit_memo'
            then {{ due_date_by_terms('cast(accepted.issue_date as date)', 'customer.payment_terms') }}
    end as due_date,
    case
        when accepted.due_date is null and accepted.document_type = 'credit_memo' then null
        when accepted.due_date is null then 'payment_terms'
        when cast(accepted.due_date as date) < cast(accepted.issue_date as date) then 'issue_date'
        else 'stated'
    end as due_date_basis,
    accepted.currency,
    cast(accepted.amount as {{ money() }}) as amount,
    cast(accepted.tax_amount as {{ money() }}) as tax_amount,
    accepted.order_id,
    cast(accepted.cleared_date as date) as cleared_date,
    cast(accepted.cleared_after as date) as cleared_after,
    cast(accepted.updated_at as timestamp) as updated_at,
    {{ value_known_at('accepted.cleared_date', 'cast(accepted.issue_date as date)', 'history') }} as cleared_known_at,
    {{ known_at('cast(accepted.issue_date as date)') }} as known_at,
    {{ latest_known_at('cast(accepted.issue_date as date)') }} as latest_known_at,
    accepted._load_id as load_id,
    accepted._source_file as source_file,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('invoices') }}
left join (
    select source_system as customer_system, customer_id as customer_no, min(payment_terms) as payment_terms
    from {{ source('staging', 'accepted_customers') }}
    group by source_system, customer_id
) as customer
    on accepted.source_system = customer.customer_system and accepted.customer_id = customer.customer_no
left join {{ value_history('invoices', 'cleared_date') }} as history
    on accepted.source_system = history.source_system
    and accepted._row_key = history._row_key
    and accepted._occurrence = history._occurrence
