-- A warning is an episode of one rule at one customer: raised once, seen again each night, and closed when the metric is
-- safely back (resolved) or was not seen for the rule's valid days (expired). A closed one is raised again only after the
-- cool-down, or at once where it is more severe than before.
with recursive raised as (

    select
        signal.*,
        lag(as_of_date) over rule_window as previous_raise,
        sum(case when level = 'clear' then 1 else 0 end) over rule_window as clear_count
    from {{ ref('warning_signal') }} as signal
    where as_of_date <= {{ as_of_date() }}
    window rule_window as (partition by customer_code, rule_id order by as_of_date)

),

-- Raises with no clearing and no expiry between them are one run.
numbered as (

    select
        raised.*,
        sum(
            case
                when previous_raise is null or as_of_date > {{ add_days('previous_raise', 'valid_days') }} then 1
                else 0
            end
        ) over (partition by customer_code, rule_id order by as_of_date rows unbounded preceding)
        + clear_count as run_key
    from raised
    where level <> 'clear'

),

runs as (

    select
        customer_code,
        rule_id,
        row_number() over (partition by customer_code, rule_id order by min(as_of_date)) as run_number,
        min(as_of_date) as first_raised_on,
        min(case when level = 'red' then as_of_date end) as first_red_on,
        max(as_of_date) as last_seen_on,
        max(case when level = 'red' then 2 else 1 end) as worst_rank
    from numbered
    group by customer_code, rule_id, run_key

),

closing as (

    select
        runs.customer_code,
        runs.rule_id,
        runs.run_number,
        runs.first_raised_on,
        runs.first_red_on,
        runs.last_seen_on,
        runs.worst_rank,
        {{ add_days('runs.last_seen_on', 'last_raise.valid_days') }} as valid_until,
        min(cleared.as_of_date) as cleared_on
    from runs
    inner join {{ ref('warning_signal') }} as last_raise
        on last_raise.customer_code = runs.customer_code
        and last_raise.rule_id = runs.rule_id
        and last_raise.as_of_date = runs.last_seen_on
    left join raised as cleared
        on cleared.customer_code = runs.customer_code
        and cleared.rule_id = runs.rule_id
        and cleared.level = 'clear'
        and cleared.as_of_date > runs.last_seen_on
        and cleared.as_of_date <= {{ add_days('runs.last_seen_on', 'last_raise.valid_days') }}
    group by
        runs.customer_code, runs.rule_id, runs.run_number, runs.first_raised_on, runs.first_red_on, runs.last_seen_on,
        runs.worst_rank, last_raise.valid_days

),

cool_down as (

    select cast({{ policy_value('warning_setting', 'setting', 'cool_down_days') }} as integer) as days

),

-- Run by run: a run that falls wholly into the cool-down of the episode before it opens nothing and starts no cool-down.
episodes as (

    select
        customer_code,
        rule_id,
        run_number,
        first_raised_on as opened_on,
        coalesce(cleared_on, valid_until) as closed_on,
        worst_rank as episode_rank
    from closing
    where run_number = 1

    union all

    select
        closing.customer_code,
        closing.rule_id,
        closing.run_number,
        {% set cool_until = add_days('episodes.closed_on', 'cool_down.days') -%}
        case
            when closing.first_raised_on >= {{ cool_until }} then closing.first_raised_on
            when episodes.episode_rank < 2 and closing.first_red_on is not null
                then least(
                    closing.first_red_on,
                    case when closing.last_seen_on >= {{ cool_until }} then {{ cool_until }} else closing.first_red_on end
                )
            when closing.last_seen_on >= {{ cool_until }} then {{ cool_until }}
        end as opened_on,
        case
            when closing.last_seen_on >= {{ cool_until }}
                or (episodes.episode_rank < 2 and closing.first_red_on is not null)
                then coalesce(closing.cleared_on, closing.valid_until)
            else episodes.closed_on
        end as closed_on,
        case
            when closing.last_seen_on >= {{ cool_until }}
                or (episodes.episode_rank < 2 and closing.first_red_on is not null)
                then closing.worst_rank
            else episodes.episode_rank
        end as episode_rank
    from episodes
    inner join closing
        on closing.customer_code = episodes.customer_code
        and closing.rule_id = episodes.rule_id
        and closing.run_number = episodes.run_number + 1
    cross join cool_down

),

opened as (

    select
        episodes.customer_code,
        episodes.rule_id,
        episodes.opened_on,
        closing.last_seen_on,
        closing.valid_until,
        closing.cleared_on,
        case closing.worst_rank when 2 then 'red' else 'amber' end as worst_severity,
        case
            when closing.cleared_on is not null then 'resolved'
            when closing.valid_until < {{ as_of_date() }} then 'expired'
            else 'open'
        end as state
    from episodes
    inner join closing
        on closing.customer_code = episodes.customer_code
        and closing.rule_id = episodes.rule_id
        and closing.run_number = episodes.run_number
    where episodes.opened_on is not null

)

select
    {{ as_of_date() }} as as_of_date,
    opened.customer_code || '|' || opened.rule_id || '|' || cast(opened.opened_on as {{ dbt.type_string() }}) as warning_id,
    opened.customer_code,
    last_signal.family,
    opened.rule_id,
    opened.state,
    last_signal.level as severity,
    opened.worst_severity,
    opened.opened_on,
    opened.last_seen_on,
    opened.valid_until,
    opened.cleared_on as resolved_on,
    last_signal.value,
    last_signal.prior_value,
    last_signal.amber,
    last_signal.red,
    last_signal.unit,
    last_signal.evidence_text,
    last_signal.amount_at_risk_reporting,
    last_signal.urgency,
    last_signal.rule_version
from opened
inner join {{ ref('warning_signal') }} as last_signal
    on last_signal.customer_code = opened.customer_code
    and last_signal.rule_id = opened.rule_id
    and last_signal.as_of_date = opened.last_seen_on
