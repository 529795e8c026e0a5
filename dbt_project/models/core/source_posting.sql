-- What became of each landed row that carries money: posted to the ledger, held in quarantine, not yet known on the
-- as-of date, waiting for a row it depends on, or superseded by a later version from another file.
-- `amount` is as the source states it; `receivable_amount` is its effect on receivables, debit positive.
{% set tables = [
    ('invoices', 'landed.amount', 'landed.legal_entity', 'landed.document_type', 'landed.issue_date', 'issue_date'),
    ('payments', 'landed.amount', 'landed.legal_entity', "'receipt'", 'landed.received_date', 'issue_date'),
    (
        'payment_applications', 'landed.amount', 'target.legal_entity', 'landed.kind', 'landed.applied_date',
        'effective_date'
    ),
] %}

with
{% for table, amount, legal_entity, kind, stated_date, posted_date in tables %}
{{ table }}_row as (
    select
        '{{ table }}' as source_table,
        landed.source_system,
        landed._source_file as source_file,
        landed._row_key as row_key,
        landed._occurrence as occurrence,
        {{ legal_entity }} as legal_entity,
        trim(landed.currency) as currency,
        {{ kind }} as kind,
        {{ "target.document_type" if table == 'payment_applications' else 'cast(null as ' ~ dbt.type_string() ~ ')' }}
            as target_kind,
        {{ plain_number(amount) }} as amount,
        coalesce(posted.{{ posted_date }}, {{ plain_date(stated_date) }}, {{ as_of_date() }}) as event_date,
        coalesce(
            case when landed._first_is_backfill then {{ plain_date('landed.created_at') }} end,
            case when not landed._first_is_backfill then cast(landed._first_loaded_at as date) end,
            {{ plain_date(stated_date) }},
            {{ as_of_date() }}
        ) as recorded_date,
        case
            when held.source_system is not null then 'quarantined'
            when accepted.known_at > {{ as_of_date() }} then 'not_yet_known'
            when posted.source_system is null then 'waiting'
            else 'posted'
        end as state
    from {{ source('staging', 'landed_' ~ table) }} as landed
    left join (
        select distinct source_system, coalesce(_row_key, '') as row_key, _occurrence
        from {{ source('quarantine', table) }}
    ) as held
        on landed.source_system = held.source_system
        and coalesce(landed._row_key, '') = held.row_key
        and landed._occurrence = held._occurrence
    left join {{ ref('stg_' ~ table) }} as accepted
        on landed.source_system = accepted.source_system
        and landed._row_key = accepted.row_key
        and landed._occurrence = accepted.occurrence
    {%- if table == 'payment_applications' %}
    left join {{ ref('application') }} as posted
        on posted.application_id = landed.source_system || '|' || landed.application_id
        and landed._row_key = posted.row_key
        and landed._occurrence = posted.occurrence
    left join (
        select source_system, invoice_id, min(legal_entity) as legal_entity, min(document_type) as document_type
        from {{ source('staging', 'landed_invoices') }}
        group by source_system, invoice_id
    ) as target
        on landed.source_system = target.source_system and landed.invoice_id = target.invoice_id
    {%- else %}
    left join {{ ref('document') }} as posted
        on posted.source_table = '{{ table }}'
        and landed.source_system = posted.source_system
        and landed._row_key = posted.row_key
        and landed._occurrence = posted.occurrence
    {%- endif %}
),

{{ table }}_superseded as (
    select
        '{{ table }}' as source_table,
        version.source_system,
        version._source_file as source_file,
        version._row_key as row_key,
        version._occurrence as occurrence,
        cast(null as {{ dbt.type_string() }}) as legal_entity,
        trim(version.currency) as currency,
        cast(null as {{ dbt.type_string() }}) as kind,
        cast(null as {{ dbt.type_string() }}) as target_kind,
        {{ plain_number('version.amount') }} as amount,
        cast(null as date) as event_date,
        cast(null as date) as recorded_date,
        'superseded' as state
    from (
        select
            version.*,
            row_number() over (
                partition by
                    version.source_system, version._row_key, version._occurrence, version._source_file
                order by version._loaded_at desc
            ) as version_rank
        from {{ source('raw', table) }} as version
        inner join {{ source('staging', 'landed_' ~ table) }} as landed
            on version.source_system = landed.source_system
            and version._row_key = landed._row_key
            and version._occurrence = landed._occurrence
            and version._source_file <> landed._source_file
        where not version._is_deleted
            and (version._is_backfill or cast(version._loaded_at as date) <= {{ as_of_date() }})
    ) as version
    where version_rank = 1
),
{% endfor %}

landed_row as (
    {% for table, amount, legal_entity, kind, stated_date, posted_date in tables -%}
    select * from {{ table }}_row
    union all
    select * from {{ table }}_superseded
    {%- if not loop.last %}
    union all
    {% endif %}
    {%- endfor %}
)

select
    source_table,
    source_system,
    source_file,
    row_key,
    occurrence,
    legal_entity,
    currency,
    kind,
    amount,
    cast(
        case
            when state = 'superseded' then 0
            when kind in ('credit_memo', 'receipt') and source_table <> 'payment_applications' then -amount
            when source_table = 'invoices' then amount
            -- Cash and credit memos applied move value between documents and leave the total as it was.
            when kind in ('discount', 'write_off', 'adjustment')
                then case when target_kind = 'credit_memo' then amount else -amount end
            else 0
        end as decimal(38, 6)
    ) as receivable_amount,
    least(event_date, {{ as_of_date() }}) as event_date,
    greatest(event_date, recorded_date) as recorded_date,
    state
from landed_row
