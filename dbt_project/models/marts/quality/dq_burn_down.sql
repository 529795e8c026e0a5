-- What is left in quarantine and what was released, by owner, rule, table and the week the rows were first held.
with history as (
    select owner, rule_id, table_name, first_quarantined_on, 1 as held, 0 as released
    from {{ quarantined_rows() }} as held_row
    union all
    select owner, rule_id, table_name, first_quarantined_on, 0 as held, 1 as released
    from {{ source('quarantine', 'released') }}
    where released_on <= {{ as_of_date() }}
)

select
    {{ as_of_date() }} as as_of_date,
    owner,
    rule_id,
    table_name,
    cast({{ dbt.date_trunc('week', 'first_quarantined_on') }} as date) as first_quarantined_week,
    cast(sum(held) as bigint) as open_row_count,
    cast(sum(released) as bigint) as released_row_count
from history
group by owner, rule_id, table_name, cast({{ dbt.date_trunc('week', 'first_quarantined_on') }} as date)
