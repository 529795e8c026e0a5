-- The one ledger, only ever added to. What was booked on earlier nights stands as it was booked; where tonight's
-- postings differ from it, the old entry is reversed and the new one booked, both known from tonight.
{% set facts = [
    'source_system', 'customer_id', 'document_id', 'document_kind', 'entry_kind', 'counter_document_id', 'legal_entity',
    'due_date', 'effective_date', 'currency', 'amount', 'amount_reporting'
] %}

with booked as (
    select history.*, coalesce(xref.customer_code, history.customer_code) as current_customer_code
    from {{ source('core', 'ledger_history') }} as history
    left join {{ source('core', 'customer_xref') }} as xref
        on history.source_system = xref.source_system and history.customer_id = xref.customer_id
    where history.booked_on < {{ as_of_date() }}
),

reversed as (
    select reverses_entry_id as entry_id, posting_id
    from {{ source('core', 'ledger_history') }}
    where posting_type = 'reversing' and booked_on < {{ as_of_date() }}
),

-- Nearly every posting stands as it was booked. Two numbers of each tell which do not, so that only these are ever
-- compared fact by fact: whole rows of two ledgers side by side outgrow memory long before anything else does.
fingerprint as (
    select
        {{ row_hash(['posting_id']) }} as posting_key,
        {{ row_hash(facts) }} as facts_key,
        1 as side
    from {{ ref('posting') }}

    union all

    select {{ row_hash(['posting_id']) }} as posting_key, {{ row_hash(facts) }} as facts_key, -1 as side
    from {{ source('core', 'ledger_history') }} as history
    where
        history.booked_on < {{ as_of_date() }} and history.posting_type <> 'reversing'
        and not exists (select 1 from reversed where reversed.entry_id = history.entry_id)
),

differing as (
    select posting_key
    from fingerprint
    group by posting_key
    having sum(side) <> 0 or bit_xor(facts_key) <> 0
),

standing as (
    select booked.*
    from booked
    where
        booked.posting_type <> 'reversing'
        and {{ row_hash(['booked.posting_id']) }} in (select posting_key from differing)
        and not exists (select 1 from reversed where reversed.entry_id = booked.entry_id)
),

booked_source as (
    select source_system, max(booked_on) as last_booked_on
    from {{ source('core', 'ledger_history') }}
    where booked_on < {{ as_of_date() }}
    group by source_system
),

ever_booked as (
    select distinct posting_id from reversed
),

compared as (
    select
        coalesce(posting.posting_id, standing.posting_id) as posting_id,
        standing.entry_id as standing_entry_id,
        posting.posting_id is not null as is_posted,
        coalesce(
            {%- for fact in facts %}
            posting.{{ fact }} is not distinct from standing.{{ fact }}{{ ' and ' if not loop.last }}
            {%- endfor %}, false
        ) as is_unchanged,
        posting.customer_code,
        posting.known_at,
        posting.load_id,
        {%- for fact in facts %}
        posting.{{ fact }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select * from {{ ref('posting') }}
        where {{ row_hash(['posting_id']) }} in (select posting_key from differing)
    ) as posting
    full outer join standing on posting.posting_id = standing.posting_id
),

reversing as (
    select standing.*
    from compared
    inner join standing on compared.standing_entry_id = standing.entry_id
    where not compared.is_posted or not compared.is_unchanged
),

entry as (
    select
        booked.entry_id,
        booked.posting_id,
        booked.posting_type,
        booked.reverses_entry_id,
        booked.current_customer_code as customer_code,
        booked.known_at,
        booked.recorded_date,
        booked.booked_on,
        booked.load_id,
        {%- for fact in facts %}
        booked.{{ fact }},
        {%- endfor %}
        booked.posting_type <> 'reversing' and taken_back.entry_id is null as is_standing
    from booked
    left join (select entry_id from reversed union all select entry_id from reversing) as taken_back
        on booked.entry_id = taken_back.entry_id

    union all

    select
        posting_id || '|reversing|' || cast({{ as_of_date() }} as {{ dbt.type_string() }}) as entry_id,
        posting_id,
        'reversing' as posting_type,
        entry_id as reverses_entry_id,
        current_customer_code as customer_code,
        {{ as_of_date() }} as known_at,
        {{ as_of_date() }} as recorded_date,
        {{ as_of_date() }} as booked_on,
        cast({{ as_of_date() }} as {{ dbt.type_string() }}) as load_id,
        {%- for fact in facts %}
        {{ '-' if fact in ('amount', 'amount_reporting') }}{{ fact }}
            {{- ' as ' ~ fact if fact in ('amount', 'amount_reporting') }},
        {%- endfor %}
        false as is_standing
    from reversing

    union all

    select
        compared.posting_id
        || case
            when compared.standing_entry_id is null and ever_booked.posting_id is null then ''
            else '|correcting|' || cast({{ as_of_date() }} as {{ dbt.type_string() }})
        end as entry_id,
        compared.posting_id,
        case
            when compared.standing_entry_id is null and ever_booked.posting_id is null then 'original'
            else 'correcting'
        end as posting_type,
        cast(null as {{ dbt.type_string() }}) as reverses_entry_id,
        compared.customer_code,
        -- What could have been booked on an earlier night of its source and was not, is known from tonight.
        case
            when compared.standing_entry_id is not null or ever_booked.posting_id is not null
                or compared.known_at <= booked_source.last_booked_on
                then {{ as_of_date() }}
            else compared.known_at
        end as known_at,
        case
            when compared.standing_entry_id is not null or ever_booked.posting_id is not null then {{ as_of_date() }}
            else compared.known_at
        end as recorded_date,
        {{ as_of_date() }} as booked_on,
        compared.load_id,
        {%- for fact in facts %}
        compared.{{ fact }},
        {%- endfor %}
        true as is_standing
    from compared
    left join booked_source on compared.source_system = booked_source.source_system
    left join ever_booked on compared.posting_id = ever_booked.posting_id
    where compared.is_posted and not compared.is_unchanged
)

select
    entry_id,
    posting_id,
    posting_type,
    reverses_entry_id,
    is_standing,
    source_system,
    customer_id,
    customer_code,
    document_id,
    document_kind,
    entry_kind,
    counter_document_id,
    legal_entity,
    due_date,
    effective_date,
    known_at,
    recorded_date,
    booked_on,
    greatest(effective_date, known_at) as recognised_date,
    currency,
    cast(amount as {{ money() }}) as amount,
    cast(amount_reporting as {{ money() }}) as amount_reporting,
    load_id
from entry
