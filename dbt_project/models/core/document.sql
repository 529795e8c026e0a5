-- Everything that can carry a balance, known by the as-of date: invoices, memos and receipts of customers with a code.
-- Amounts are signed, debit positive. closed_on is the day a receipt was reversed, or an invoice cleared in full where
-- its source gives no payments; NULL while that is not known.
with customer as (
    select source_system, customer_id, customer_code from {{ source('core', 'customer_xref') }}
),

-- A source that gives no payments may give the day an invoice was paid in full; the receipt is derived from it.
source_without_payments as (
    select invoice_source.source_system
    from {{ source('ops', 'source_table') }} as invoice_source
    left join {{ source('ops', 'source_table') }} as payment_source
        on invoice_source.source_system = payment_source.source_system
        and payment_source.table_name = 'payments'
        and payment_source.is_provided
    where invoice_source.table_name = 'invoices' and invoice_source.is_provided
        and payment_source.source_system is null
),

billed as (
    select
        invoice.document_id,
        invoice.document_type as document_kind,
        'invoices' as source_table,
        invoice.source_system,
        invoice.invoice_id as document_no,
        invoice.customer_id,
        invoice.legal_entity,
        invoice.currency,
        invoice.issue_date,
        invoice.due_date,
        invoice.due_date_basis,
        case when invoice.document_type = 'credit_memo' then -invoice.amount else invoice.amount end as amount,
        case
            when source_without_payments.source_system is not null and invoice.cleared_date is not null
                then greatest(invoice.cleared_date, invoice.issue_date)
        end as closed_on,
        greatest(invoice.cleared_known_at, invoice.known_at) as closed_known_at,
        invoice.cleared_after as closed_after,
        invoice.known_at,
        invoice.load_id,
        invoice.source_file,
        invoice.row_key,
        invoice.occurrence
    from {{ ref('stg_invoices') }} as invoice
    left join source_without_payments on invoice.source_system = source_without_payments.source_system
),

received as (
    select
        document_id,
        'receipt' as document_kind,
        'payments' as source_table,
        source_system,
        payment_id as document_no,
        customer_id,
        legal_entity,
        currency,
        received_date as issue_date,
        cast(null as date) as due_date,
        cast(null as {{ dbt.type_string() }}) as due_date_basis,
        -amount as amount,
        reversed_at as closed_on,
        reversed_known_at as closed_known_at,
        cast(null as date) as closed_after,
        known_at,
        load_id,
        source_file,
        row_key,
        occurrence
    from {{ ref('stg_payments') }}
),

cleared as (
    select
        source_system || '|receipt:cleared:' || document_no as document_id,
        'receipt' as document_kind,
        'cleared_date' as source_table,
        source_system,
        'cleared:' || document_no as document_no,
        customer_id,
        legal_entity,
        currency,
        closed_on as issue_date,
        cast(null as date) as due_date,
        cast(null as {{ dbt.type_string() }}) as due_date_basis,
        -amount as amount,
        cast(null as date) as closed_on,
        cast(null as date) as closed_known_at,
        cast(null as date) as closed_after,
        closed_known_at as known_at,
        load_id,
        source_file,
        row_key,
        occurrence
    from billed
    where closed_on is not null and document_kind <> 'credit_memo'
)

select
    entry.document_id,
    entry.document_kind,
    entry.source_table,
    entry.source_system,
    entry.document_no,
    entry.customer_id,
    customer.customer_code,
    entry.legal_entity,
    entry.currency,
    entry.issue_date,
    entry.due_date,
    entry.due_date_basis,
    cast(entry.amount as {{ money() }}) as amount,
    case when entry.closed_known_at <= {{ as_of_date() }} then entry.closed_on end as closed_on,
    case when entry.closed_known_at <= {{ as_of_date() }} then entry.closed_known_at end as closed_known_at,
    case when entry.closed_known_at <= {{ as_of_date() }} then entry.closed_after end as closed_after,
    entry.known_at,
    entry.load_id,
    entry.source_file,
    entry.row_key,
    entry.occurrence
from (
    select * from billed
    union all
    select * from received
    union all
    select * from cleared
) as entry
inner join customer
    on entry.source_system = customer.source_system and entry.customer_id = customer.customer_id
where entry.known_at <= {{ as_of_date() }}
