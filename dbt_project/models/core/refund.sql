-- Entries by which a debit memo pays back credit that the customer already had: a refund is no sale and no invoice paid.
select
    entry.entry_id,
    entry.document_id,
    entry.customer_code,
    entry.legal_entity,
    entry.effective_date,
    entry.recognised_date,
    entry.currency,
    entry.is_standing,
    entry.amount,
    entry.amount_reporting
from {{ ref('ledger_entry') }} as entry
inner join {{ ref('document') }} as document on entry.document_id = document.document_id
inner join {{ ref('document') }} as credit on entry.counter_document_id = credit.document_id
where entry.document_kind = 'debit_memo'
    and entry.entry_kind in ('cash_application', 'credit_application')
    and credit.issue_date <= document.issue_date
