-- Net write-offs by document and day: write-offs, less recoveries and what was reversed on a document that had been
-- written off.
-- A reversal that names no document its value came from reverses a discount, write-off or adjustment: the one it names
-- (reverses_application_id), else the latest one before it of just its amount, else the write-off.
with written_off as (
    select document_id, min(effective_date) as first_written_off_on, sum(-amount) as written_off_amount
    from {{ ref('ledger_entry') }}
    where entry_kind = 'write_off'
    group by document_id
),

named as (
    select
        application.source_system || '|' || application.application_id || '|to' as posting_id,
        reversed.kind as reversed_kind
    from {{ ref('stg_payment_applications') }} as application
    inner join {{ ref('stg_payment_applications') }} as reversed
        on application.source_system = reversed.source_system
        and application.reverses_application_id = reversed.application_id
    where application.kind = 'reversal'
),

matched as (
    select
        entry.entry_id,
        coalesce(
            named.reversed_kind,
            case
                when max(case when reversed.entry_kind = 'write_off' then reversed.effective_date end)
                    >= max(reversed.effective_date) then 'write_off'
            end,
            case when count(reversed.entry_id) > 0 then 'other' end,
            'write_off'
        ) as reversed_kind
    from {{ ref('ledger_entry') }} as entry
    left join named on entry.posting_id = named.posting_id
    left join {{ ref('ledger_entry') }} as reversed
        on entry.document_id = reversed.document_id
        and reversed.entry_kind in ('discount', 'write_off', 'adjustment')
        and reversed.is_standing
        and reversed.amount = -entry.amount
        and reversed.effective_date <= entry.effective_date
    where entry.entry_kind = 'application_reversal' and entry.counter_document_id is null
    group by entry.entry_id, named.reversed_kind
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
    cast(-entry.amount as {{ money() }}) as amount,
    cast(-entry.amount_reporting as {{ money() }}) as amount_reporting
from {{ ref('ledger_entry') }} as entry
inner join written_off on entry.document_id = written_off.document_id
left join matched on entry.entry_id = matched.entry_id
where entry.entry_kind in ('write_off', 'write_off_recovery')
    or (
        matched.reversed_kind = 'write_off'
        and entry.effective_date >= written_off.first_written_off_on
    )
