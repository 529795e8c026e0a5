-- How many days after its event a row was known, by source and table, of the rows that landed in the last 90 days. What a first
-- load brought says nothing of it: history was known to the source before anybody asked.
{%- set event_of = {
    'invoices': 'issue_date', 'payments': 'received_date', 'payment_applications': 'applied_date', 'orders': 'order_date',
    'credit_requests': 'requested_at', 'disputes': 'opened_date', 'collection_actions': 'action_date',
    'bureau_reports': 'report_date', 'legal_events': 'event_date', 'surveys': 'survey_date'
} %}
with landed as (
    {%- for table, event in event_of.items() %}
    select
        '{{ table }}' as table_name,
        source_system,
        cast(cast({{ event }} as timestamp) as date) as event_date,
        cast(_first_loaded_at as date) as landed_on
    from {{ source('staging', 'accepted_' ~ table) }}
    where not _first_is_backfill and cast(_first_loaded_at as date) > {{ add_days(as_of_date(), -90) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

delay as (
    select
        table_name,
        source_system,
        -- A document written ahead of its day is in time.
        greatest({{ days_between('event_date', 'landed_on') }}, 0) as days
    from landed
    where event_date is not null
),

measured as (
    select
        table_name,
        source_system,
        count(*) as row_count,
        percentile_cont(0.5) within group (order by days) as delay_days_median,
        percentile_cont(0.9) within group (order by days) as delay_days_p90,
        max(days) as delay_days_max
    from delay
    group by table_name, source_system
)

select
    {{ as_of_date() }} as as_of_date,
    provided.source_system,
    provided.table_name,
    cast(measured.row_count as bigint) as row_count,
    cast(measured.delay_days_median as double) as delay_days_median,
    cast(measured.delay_days_p90 as double) as delay_days_p90,
    cast(measured.delay_days_max as bigint) as delay_days_max,
    case when measured.row_count is null then 'not_observed' else 'available' end as delay_status
from {{ source('ops', 'source_table') }} as provided
left join measured
    on provided.source_system = measured.source_system and provided.table_name = measured.table_name
where provided.is_provided and provided.table_name in ('{{ event_of | join("', '") }}')
