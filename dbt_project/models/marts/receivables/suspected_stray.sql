select
    {{ as_of_date() }} as as_of_date,
    invoice.document_id,
    invoice.source_system,
    invoice.invoice_no,
    invoice.customer_code,
    invoice.legal_entity,
    invoice.issue_date,
    invoice.due_date,
    invoice.days_past_due,
    invoice.currency,
    invoice.open_amount,
    invoice.open_amount_reporting,
    stray.stray_from,
    'Accounts Receivable' as owner,
    coalesce(
        'A receipt or credit of ' || {{ money_text('suggestion.unapplied_amount', 'invoice.currency') }} || ' '
        || invoice.currency || ' nobody applied may pay it: ' || suggestion.from_document_no,
        'Newer documents were paid by ' || cast(stray.stray_from as {{ dbt.type_string() }})
        || '; ask the customer, then apply its payment, credit it, or answer that it is owed'
    ) as next_step
from {{ ref('stray_document') }} as stray
inner join {{ ref('fct_invoice') }} as invoice on stray.document_id = invoice.document_id
left join (
    select document_id, from_document_no, unapplied_amount
    from {{ ref('match_suggestion') }}
    qualify row_number() over (partition by document_id order by match_probability desc, from_document_no) = 1
) as suggestion
    on stray.document_id = suggestion.document_id
where stray.basis = 'known' and invoice.open_amount > 0
