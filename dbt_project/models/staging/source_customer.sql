-- Every source customer that was ever accepted or may have been: tonight's, and the last known record of those that have
-- left their source (archived, renumbered, merged there) or wait in quarantine tonight. What they owed stays theirs.
{% set columns = [
    'legal_name', 'trade_name', 'registration_no', 'registration_kind', 'country', 'region', 'city', 'postal_code',
    'address', 'phone', 'email', 'industry_code', 'parent_customer_id', 'segment', 'payment_terms', 'account_owner'
] %}
with last_version as (
    select *
    from (
        select
            version.*,
            row_number() over (
                partition by version.source_system, version._row_key order by version._loaded_at desc, version._load_id desc
            ) as recency
        from {{ source('raw', 'customers') }} as version
        where version._occurrence = 1 and cast(version._loaded_at as date) <= {{ as_of_date() }}
    ) as ranked
    where recency = 1
)

select
    source_system,
    customer_id,
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    customer_since,
    latest_known_at,
    cast(null as date) as left_on,
    true as is_current
from {{ ref('stg_customers') }}

union all

select
    last_version.source_system,
    last_version.customer_id,
    {%- for column in columns %}
    last_version.{{ column }},
    {%- endfor %}
    {{ plain_date('last_version.customer_since') }} as customer_since,
    cast(null as date) as latest_known_at,
    case when last_version._is_deleted then cast(last_version._loaded_at as date) end as left_on,
    false as is_current
from last_version
left join {{ ref('stg_customers') }} as current_customer
    on last_version.source_system = current_customer.source_system
    and last_version.customer_id = current_customer.customer_id
where current_customer.customer_id is null and last_version.customer_id is not null
