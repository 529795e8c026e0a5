-- By source file and currency: every row and cent read is in the ledger, or in a named place outside it.
with file_total as (
    select source_system, table_name as source_table, source_file, trim(currency) as currency, row_count, amount
    from (
        select
            total.*,
            max(total.as_of_date) over (
                partition by total.source_system, total.table_name, total.source_file
            ) as latest_load
        from (
            select *, min(as_of_date) over (partition by source_system, table_name) as first_load
            from {{ source('ops', 'source_total') }}
        ) as total
        -- The first load counts as known all along, so an earlier day is compared with its totals too.
        where total.as_of_date <= greatest(first_load, {{ as_of_date() }})
    ) as loaded
    where as_of_date = latest_load
),

landed as (
    select
        source_system,
        source_table,
        source_file,
        currency,
        {%- for state in ['posted', 'quarantined', 'not_yet_known', 'waiting', 'superseded'] %}
        sum(case when state = '{{ state }}' then 1 else 0 end) as {{ state }}_row_count,
        sum(case when state = '{{ state }}' then coalesce(amount, 0) else 0 end) as {{ state }}_amount
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('source_posting') }}
    where source_table in ('invoices', 'payments')
    group by source_system, source_table, source_file, currency
),

compared as (
    select
        coalesce(file_total.source_system, landed.source_system) as source_system,
        coalesce(file_total.source_table, landed.source_table) as source_table,
        coalesce(file_total.source_file, landed.source_file) as source_file,
        coalesce(file_total.currency, landed.currency, 'not stated') as currency,
        coalesce(file_total.row_count, 0) as source_row_count,
        coalesce(file_total.amount, 0) as source_amount,
        {%- for state in ['posted', 'quarantined', 'not_yet_known', 'waiting', 'superseded'] %}
        coalesce(landed.{{ state }}_row_count, 0) as {{ state }}_row_count,
        coalesce(landed.{{ state }}_amount, 0) as {{ state }}_amount{{ ',' if not loop.last }}
        {%- endfor %}
    from file_total
    full outer join landed
        on file_total.source_system = landed.source_system
        and file_total.source_table = landed.source_table
        and file_total.source_file = landed.source_file
        and coalesce(file_total.currency, '') = coalesce(landed.currency, '')
),

measured as (
    select
        *,
        source_row_count - posted_row_count - quarantined_row_count - not_yet_known_row_count - waiting_row_count
            as row_count_difference,
        source_amount - posted_amount - quarantined_amount - not_yet_known_amount - waiting_amount as amount_difference
    from compared
)

select
    {{ as_of_date() }} as as_of_date,
    source_system,
    source_table,
    source_file,
    currency,
    cast(source_row_count as bigint) as source_row_count,
    cast(source_amount as {{ money() }}) as source_amount,
    cast(posted_row_count as bigint) as ledger_row_count,
    cast(posted_amount as {{ money() }}) as ledger_amount,
    {%- for state in ['quarantined', 'not_yet_known', 'waiting', 'superseded'] %}
    cast({{ state }}_row_count as bigint) as {{ state }}_row_count,
    cast({{ state }}_amount as {{ money() }}) as {{ state }}_amount,
    {%- endfor %}
    cast(row_count_difference as bigint) as row_count_difference,
    cast(amount_difference as {{ money() }}) as amount_difference,
    case
        when row_count_difference = 0 and amount_difference = 0 then 'reconciled'
        when row_count_difference = superseded_row_count and amount_difference = superseded_amount
            then 'rows delivered again by a later file'
        else 'unexplained'
    end as difference_cause
from measured
