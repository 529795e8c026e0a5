-- Every application of value to a document that can be posted: both documents are in the ledger.
-- An application takes effect, and is known, when both of its documents are.
-- A number that stands for several documents: value goes to those of the selling company that received it, where there
-- are such, and by due date; what is beyond all of them, and what is taken back, goes to the last.
with numbered as (
    select
        *,
        count(*) over (partition by source_system, document_no, currency) as document_count
    from {{ ref('document') }}
    where source_table = 'invoices'
),

shared as (
    select application.*, coalesce(receipt.legal_entity, memo.legal_entity) as origin_entity
    from {{ ref('stg_payment_applications') }} as application
    inner join (select distinct source_system, document_no from numbered where document_count > 1) as several
        on application.source_system = several.source_system and application.invoice_id = several.document_no
    left join {{ ref('document') }} as receipt
        on receipt.document_id = application.source_system || '|receipt:' || application.from_document_id
    left join {{ ref('document') }} as memo
        on memo.document_id = application.source_system || '|' || application.from_document_id
),

scoped as (
    select
        shared.*,
        case when own.legal_entity is not null then own.legal_entity end as scope_entity,
        case when shared.amount > 0 then sum(case when shared.amount > 0 then shared.amount end) over (
            partition by shared.source_system, shared.invoice_id, shared.currency, own.legal_entity
            order by shared.applied_date, shared.application_id
        ) end as amount_to
    from shared
    left join (
        select distinct source_system, document_no, currency, legal_entity from numbered where document_count > 1
    ) as own
        on shared.source_system = own.source_system and shared.invoice_id = own.document_no
        and shared.currency = own.currency and shared.origin_entity = own.legal_entity
),

part_of_number as (
    {%- for scope, partition in {'is null': '', 'is not null': ', legal_entity'}.items() %}
    select
        scoped.source_system, scoped.application_id, scoped.row_key, scoped.occurrence, several.document_id,
        case
            when scoped.amount <= 0 then scoped.amount
            when several.place = several.document_count
                then scoped.amount_to - greatest(scoped.amount_to - scoped.amount, several.amount_to - several.amount)
            else least(scoped.amount_to, several.amount_to)
                - greatest(scoped.amount_to - scoped.amount, several.amount_to - several.amount)
        end as amount
    from scoped
    inner join (
        select
            source_system, document_no, currency, document_id, legal_entity, abs(amount) as amount,
            sum(abs(amount)) over running as amount_to,
            row_number() over running as place,
            count(*) over (partition by source_system, document_no, currency{{ partition }}) as document_count
        from numbered
        where document_count > 1
        window running as (
            partition by source_system, document_no, currency{{ partition }} order by due_date, document_id
            rows between unbounded preceding and current row
        )
    ) as several
        on scoped.source_system = several.source_system and scoped.invoice_id = several.document_no
        and scoped.currency = several.currency
        {%- if partition %} and scoped.scope_entity = several.legal_entity{% endif %}
        and case
            when scoped.amount <= 0 then several.place = several.document_count
            else scoped.amount_to > several.amount_to - several.amount
                and (
                    scoped.amount_to - scoped.amount < several.amount_to or several.place = several.document_count
                )
        end
    where scoped.scope_entity {{ scope }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

addressed as (
    select
        application.source_system, application.application_id, application.kind, application.from_document_id,
        application.applied_date, application.currency, application.known_at, application.load_id,
        application.row_key, application.occurrence, application.from_amount,
        application.source_system || '|' || application.invoice_id as document_id,
        application.amount,
        '' as part
    from {{ ref('stg_payment_applications') }} as application
    left join (select distinct source_system, row_key, occurrence from part_of_number) as parted
        on application.source_system = parted.source_system and application.row_key = parted.row_key
        and application.occurrence = parted.occurrence
    where parted.source_system is null

    union all

    select
        application.source_system, application.application_id, application.kind, application.from_document_id,
        application.applied_date, application.currency, application.known_at, application.load_id,
        application.row_key, application.occurrence,
        cast(application.from_amount * (part_of_number.amount / nullif(application.amount, 0)) as {{ money() }}),
        part_of_number.document_id,
        part_of_number.amount,
        case
            when row_number() over (
                partition by application.source_system, application.row_key, application.occurrence
                order by part_of_number.document_id
            ) = 1 then ''
            else '>' || part_of_number.document_id
        end
    from {{ ref('stg_payment_applications') }} as application
    inner join part_of_number
        on application.source_system = part_of_number.source_system
        and application.application_id = part_of_number.application_id
        and application.row_key = part_of_number.row_key and application.occurrence = part_of_number.occurrence
),

placed as (
    select
        application.source_system || '|' || application.application_id || application.part as application_id,
        application.source_system,
        application.kind as application_kind,
        target.document_id,
        coalesce(receipt.document_id, memo.document_id) as origin_document_id,
        receipt.closed_on as origin_reversed_at,
        receipt.closed_known_at as origin_reversed_known_at,
        greatest(
            application.applied_date, target.issue_date, receipt.issue_date, memo.issue_date
        ) as effective_date,
        greatest(application.known_at, target.known_at, receipt.known_at, memo.known_at) as known_at,
        application.currency,
        application.amount,
        application.from_amount,
        coalesce(receipt.currency, memo.currency) as origin_currency,
        abs(receipt.amount) as receipt_amount,
        application.load_id,
        application.row_key,
        application.occurrence
    from addressed as application
    inner join {{ ref('document') }} as target
        on target.document_id = application.document_id and target.currency = application.currency
    left join {{ ref('document') }} as receipt
        on application.kind in ('cash', 'reversal')
        and receipt.document_id = application.source_system || '|receipt:' || application.from_document_id
    left join {{ ref('document') }} as memo
        on application.kind in ('credit_memo', 'reversal')
        and receipt.document_id is null
        and memo.document_id = application.source_system || '|' || application.from_document_id
        and memo.document_kind = 'credit_memo'
        and memo.currency = application.currency
    -- Value taken from a document needs that document; discounts, write-offs and adjustments need none.
    where coalesce(receipt.document_id, memo.document_id) is not null
        or application.kind in ('discount', 'write_off', 'adjustment')
        or (application.kind = 'reversal' and application.from_document_id is null)
),

-- What is taken from a receipt in another currency: as stated, else converted at the rates of the day. NULL without
-- a rate, and then the application waits.
converted as (
    select
        placed.*,
        case
            when placed.origin_document_id is null then null
            when placed.origin_currency = placed.currency then placed.amount
            when placed.from_amount is not null then {{ rounded_money('placed.from_amount', 'placed.origin_currency') }}
            when placed.origin_currency = {{ reporting_currency() }}
                then {{ in_reporting_currency('placed.amount', 'placed.currency', 'target_rate.rate') }}
            else {{ rounded_money(
                'placed.amount * case when placed.currency = ' ~ reporting_currency() ~ ' then 1 else target_rate.rate end'
                ~ ' / origin_rate.rate', 'placed.origin_currency'
            ) }}
        end as origin_amount
    from placed
    left join {{ ref('fx_rate') }} as target_rate
        on placed.currency = target_rate.currency and placed.effective_date = target_rate.rate_date
    left join {{ ref('fx_rate') }} as origin_rate
        on placed.origin_currency = origin_rate.currency and placed.effective_date = origin_rate.rate_date
),

-- The bank's rate is not the day's rate: where converting uses a receipt up but for a small rest, the last application
-- takes the rest, and the exchange difference shows it.
stated as (
    select
        application_id, source_system, application_kind, document_id, origin_document_id, origin_reversed_at,
        origin_reversed_known_at, effective_date, known_at, currency, amount, load_id, row_key, occurrence,
        case
            when origin_currency <> currency and is_last
                and abs(receipt_amount - taken_amount) <= {{ exchange_tolerance_share() }} * receipt_amount
                then cast(origin_amount + receipt_amount - taken_amount as {{ money() }})
            else origin_amount
        end as origin_amount
    from (
        select
            converted.*,
            sum(origin_amount) over (partition by origin_document_id) as taken_amount,
            row_number() over (partition by origin_document_id order by effective_date desc, application_id desc) = 1
                and from_amount is null and amount > 0 as is_last
        from converted
        where origin_document_id is null or origin_amount is not null
    ) as taken
),

cleared as (
    select
        receipt.source_system || '|cleared:' || target.document_no as application_id,
        receipt.source_system,
        'cash' as application_kind,
        target.document_id,
        receipt.document_id as origin_document_id,
        receipt.issue_date as effective_date,
        receipt.known_at,
        receipt.currency,
        -receipt.amount as amount,
        -receipt.amount as origin_amount,
        receipt.load_id,
        receipt.row_key,
        receipt.occurrence
    from {{ ref('document') }} as receipt
    inner join {{ ref('document') }} as target
        on receipt.source_system = target.source_system
        and receipt.row_key = target.row_key
        and receipt.occurrence = target.occurrence
        and target.source_table = 'invoices'
    where receipt.source_table = 'cleared_date'
),

-- A cleared credit memo was paid out or set off outside the data at hand: its balance is adjusted away.
cleared_memo as (
    select
        source_system || '|cleared:' || document_no as application_id,
        source_system,
        'adjustment' as application_kind,
        document_id,
        cast(null as {{ dbt.type_string() }}) as origin_document_id,
        closed_on as effective_date,
        closed_known_at as known_at,
        currency,
        -amount as amount,
        cast(null as {{ money() }}) as origin_amount,
        load_id,
        row_key,
        occurrence
    from {{ ref('document') }}
    where document_kind = 'credit_memo' and closed_on is not null
),

-- A reversed receipt gives its value back. Where the source does not state the reversal of each application, what is
-- still applied is taken off the documents on the day of the reversal.
taken_back as (
    select
        origin_document_id || '|taken_back:' || document_id as application_id,
        min(source_system) as source_system,
        'reversal' as application_kind,
        document_id,
        origin_document_id,
        greatest(min(origin_reversed_at), max(effective_date)) as effective_date,
        greatest(min(origin_reversed_known_at), max(known_at)) as known_at,
        min(currency) as currency,
        -sum(amount) as amount,
        -sum(origin_amount) as origin_amount,
        max(load_id) as load_id,
        cast(null as {{ dbt.type_string() }}) as row_key,
        cast(null as integer) as occurrence
    from stated
    where origin_reversed_at is not null and known_at <= {{ as_of_date() }}
    group by origin_document_id, document_id
    having sum(amount) <> 0
),

applied as (
    select
        application_id, source_system, application_kind, document_id, origin_document_id, effective_date, known_at,
        currency, amount, origin_amount, load_id, row_key, occurrence
    from stated
    where known_at <= {{ as_of_date() }}
    union all
    select * from cleared where known_at <= {{ as_of_date() }}
    union all
    select * from cleared_memo where known_at <= {{ as_of_date() }}
    union all
    select * from taken_back where known_at <= {{ as_of_date() }}
),

-- Money received on a document that was written off is a recovery: it takes back the write-off as far as it goes, so
-- that the document stays at zero and the loss is net of what came in.
written_off_document as (
    select document_id from applied where application_kind = 'write_off' group by document_id
),

movement as (
    select applied.document_id, applied.effective_date, applied.known_at, -applied.amount as amount,
        case when applied.application_kind = 'write_off' then applied.amount else 0 end as written_off
    from applied
    inner join written_off_document on applied.document_id = written_off_document.document_id
    union all
    select document.document_id, document.issue_date, document.known_at, document.amount, 0 as written_off
    from {{ ref('document') }} as document
    inner join written_off_document on document.document_id = written_off_document.document_id
),

running as (
    select
        document_id,
        effective_date,
        max(known_at) over (partition by document_id order by effective_date) as known_at,
        greatest(0, least(
            -sum(amount) over (partition by document_id order by effective_date),
            sum(written_off) over (partition by document_id order by effective_date)
        )) as recovered_so_far
    from (
        select
            document_id, effective_date, max(known_at) as known_at, sum(amount) as amount,
            sum(written_off) as written_off
        from movement
        group by document_id, effective_date
    ) as daily
),

recovered as (
    select
        document_id || '|recovered:' || cast(effective_date as {{ dbt.type_string() }}) as application_id,
        'recovery' as application_kind,
        document_id,
        effective_date,
        known_at,
        coalesce(lag(recovered_so_far) over (partition by document_id order by effective_date), 0) - recovered_so_far
            as amount
    from running
)

select
    application_id,
    source_system,
    application_kind,
    document_id,
    origin_document_id,
    effective_date,
    known_at,
    currency,
    cast(amount as {{ money() }}) as amount,
    cast(origin_amount as {{ money() }}) as origin_amount,
    load_id,
    row_key,
    occurrence
from applied

union all

select
    recovered.application_id,
    document.source_system,
    recovered.application_kind,
    recovered.document_id,
    cast(null as {{ dbt.type_string() }}) as origin_document_id,
    recovered.effective_date,
    recovered.known_at,
    document.currency,
    cast(recovered.amount as {{ money() }}) as amount,
    cast(null as {{ money() }}) as origin_amount,
    document.load_id,
    cast(null as {{ dbt.type_string() }}) as row_key,
    cast(null as integer) as occurrence
from recovered
inner join {{ ref('document') }} as document on recovered.document_id = document.document_id
where recovered.amount <> 0
