-- What is in quarantine by table, rule and currency, with what to do about it: whole rows, or single optional values
-- taken out of rows that went on without them.
with held as (
    select
        'row' as held_part, table_name, cast(null as {{ dbt.type_string() }}) as column_name, rule_id, owner, reason,
        remedy, currency, amount, first_quarantined_on
    from {{ quarantined_rows() }} as held_row
    union all
    select
        'value' as held_part, table_name, column_name, rule_id, owner, reason, remedy,
        cast(null as {{ dbt.type_string() }}) as currency, cast(null as {{ dbt.type_string() }}) as amount,
        cast(null as date) as first_quarantined_on
    from {{ source('quarantine', 'withheld_value') }}
)

select
    {{ as_of_date() }} as as_of_date,
    held_part,
    table_name,
    coalesce(column_name, 'all') as column_name,
    rule_id,
    owner,
    coalesce(currency, 'not stated') as currency,
    min(reason) as reason,
    min(remedy) as remedy,
    count(*) as row_count,
    cast(sum({{ plain_number('amount') }}) as {{ money() }}) as amount,
    min(first_quarantined_on) as oldest_quarantined_on
from held
group by held_part, table_name, coalesce(column_name, 'all'), rule_id, owner, coalesce(currency, 'not stated')
