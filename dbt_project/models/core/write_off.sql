-- Net write-offs by document and day: write-offs, less recoveries and what was reversed on a document that had been
-- written off.
-- A reversal that names no document its value came from reverses a discount, write-off or adjustment.
with written_off as (
    select document_id, min(effective_date) as first_written_off_on, sum(-amount) as written_off_amount
    from {{ ref('ledger_entry') }}
    where entry_kind = 'write_off'
    group by document_id
)

select
    entry.entry_id,
    entry.document_id,
    entry.customer_code,
    entry.legal_entity,
    entry.effective_date,
    entry.known_at,
    entry.recognised_date,
    entry.currency,
    entry.entry_kind,
    entry.is_standing,
    cast(-entry.amount as decimal(18, 2)) as amount,
    cast(-entry.amount_reporting as decimal(18, 2)) as amount_reporting
from {{ ref('ledger_entry') }} as entry
inner join written_off on entry.document_id = written_off.document_id
where entry.entry_kind in ('write_off', 'write_off_recovery')
    or (
        entry.entry_kind = 'application_reversal'
        and entry.counter_document_id is null
        and entry.effective_date >= written_off.first_written_off_on
    )
