-- A warning is an episode of a customer: raised once by the rules of a family that lead, seen again each night, and closed
-- when all of them are safely back (resolved), were not seen for their valid days (expired), or the customer entered default
-- (defaulted: what was warned of came). A closed one is raised again only after the cool-down, or at once where it is more
-- severe than before. What else is known of the customer stands beside it as evidence (mart.warning_evidence).
with recursive leading_signal as (

    select
        signal.as_of_date,
        signal.customer_code,
        signal.rule_id,
        -- A rule that has been given to another family takes its past along, so that what it had raised can end.
        coalesce(rule.family, signal.family) as family,
        signal.level,
        signal.value,
        signal.prior_value,
        signal.amber,
        signal.red,
        signal.unit,
        signal.valid_days,
        signal.urgency,
        signal.amount_at_risk_reporting,
        signal.evidence_text,
        signal.rule_version,
        case level when 'red' then 3 when 'amber' then 2 when 'near' then 1 else 0 end as level_rank,
        least(
            coalesce(
                lead(as_of_date) over (partition by customer_code, signal.rule_id order by as_of_date),
                cast('9999-12-31' as date)
            ),
            {{ add_days('as_of_date', 'signal.valid_days + 1') }}
        ) as stands_until
    from {{ ref('warning_signal') }} as signal
    left join {{ active_policy('warning_rule') }} as rule on signal.rule_id = rule.rule_id
    -- Nights before there were roles: as the rule has it now, and what is no rule any more led.
    where as_of_date <= {{ as_of_date() }} and coalesce(signal.role, rule.role, 'leads') = 'leads'

),

-- A family is safely back when the last of its rules is: one that still stands, or could not be measured, keeps it open.
undone as (

    select distinct cleared.customer_code, cleared.family, cleared.as_of_date
    from leading_signal as cleared
    inner join leading_signal as standing
        on cleared.customer_code = standing.customer_code and cleared.family = standing.family
        and standing.level <> 'clear'
        and standing.as_of_date <= cleared.as_of_date and standing.stands_until > cleared.as_of_date
    where cleared.level = 'clear'

),

-- Of a family's rules the most severe speaks for it.
spoken as (

    select ranked.*
    from (
        select
            leading_signal.*,
            max(valid_days) over family_night as family_valid_days,
            row_number() over (
                partition by customer_code, family, as_of_date order by level_rank desc, urgency desc, rule_id
            ) as rank_in_family
        from leading_signal
        window family_night as (partition by customer_code, family, as_of_date)
    ) as ranked
    left join undone
        on ranked.customer_code = undone.customer_code and ranked.family = undone.family
        and ranked.as_of_date = undone.as_of_date
    where rank_in_family = 1 and level <> 'near' and not (level = 'clear' and undone.customer_code is not null)

),

raised as (

    select
        spoken.*,
        lag(as_of_date) over family_window as previous_raise,
        sum(case when level = 'clear' then 1 else 0 end) over family_window as clear_count
    from spoken
    window family_window as (partition by customer_code, family order by as_of_date)

),

-- Raises with no clearing and no expiry between them are one run.
numbered as (

    select
        raised.*,
        sum(
            case
                when previous_raise is null or as_of_date > {{ add_days('previous_raise', 'family_valid_days') }} then 1
                else 0
            end
        ) over (partition by customer_code, family order by as_of_date rows unbounded preceding)
        + clear_count as run_key
    from raised
    where level <> 'clear'

),

runs as (

    select
        customer_code,
        family,
        row_number() over (partition by customer_code, family order by min(as_of_date)) as run_number,
        min(as_of_date) as first_raised_on,
        min(case when level = 'red' then as_of_date end) as first_red_on,
        max(as_of_date) as last_seen_on,
        max(case when level = 'red' then 2 else 1 end) as worst_rank
    from numbered
    group by customer_code, family, run_key

),

closing as (

    select
        runs.customer_code,
        runs.family,
        runs.run_number,
        runs.first_raised_on,
        runs.first_red_on,
        runs.last_seen_on,
        runs.worst_rank,
        {{ add_days('runs.last_seen_on', 'last_raise.family_valid_days') }} as valid_until,
        min(cleared.as_of_date) as cleared_on
    from runs
    inner join raised as last_raise
        on last_raise.customer_code = runs.customer_code
        and last_raise.family = runs.family
        and last_raise.as_of_date = runs.last_seen_on
    left join raised as cleared
        on cleared.customer_code = runs.customer_code
        and cleared.family = runs.family
        and cleared.level = 'clear'
        and cleared.as_of_date > runs.last_seen_on
        and cleared.as_of_date <= {{ add_days('runs.last_seen_on', 'last_raise.family_valid_days') }}
    group by
        runs.customer_code, runs.family, runs.run_number, runs.first_raised_on, runs.first_red_on, runs.last_seen_on,
        runs.worst_rank, last_raise.family_valid_days

),

cool_down as (

    select cast({{ policy_value('warning_setting', 'setting', 'cool_down_days') }} as integer) as days

),

-- Run by run: a run that falls wholly into the cool-down of the episode before it opens nothing and starts no cool-down.
episodes as (

    select
        customer_code,
        family,
        run_number,
        first_raised_on as opened_on,
        coalesce(cleared_on, valid_until) as closed_on,
        worst_rank as episode_rank
    from closing
    where run_number = 1

    union all

    select
        closing.customer_code,
        closing.family,
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
        and closing.family = episodes.family
        and closing.run_number = episodes.run_number + 1
    cross join cool_down

),

defaulted as (

    select customer_code, default_from
    from {{ ref('default_period') }}
    where basis = 'known' and default_from <= {{ as_of_date() }}

),

opened as (

    select
        episodes.customer_code,
        episodes.family,
        episodes.opened_on,
        closing.last_seen_on,
        closing.valid_until,
        closing.cleared_on,
        min(defaulted.default_from) as defaulted_on,
        max(case closing.worst_rank when 2 then 'red' else 'amber' end) as worst_severity
    from episodes
    inner join closing
        on closing.customer_code = episodes.customer_code
        and closing.family = episodes.family
        and closing.run_number = episodes.run_number
    left join defaulted
        on episodes.customer_code = defaulted.customer_code
        and defaulted.default_from > episodes.opened_on
        and defaulted.default_from <= coalesce(closing.cleared_on, closing.valid_until)
    where episodes.opened_on is not null
    group by
        episodes.customer_code, episodes.family, episodes.opened_on, closing.last_seen_on, closing.valid_until,
        closing.cleared_on

)

select
    {{ as_of_date() }} as as_of_date,
    opened.customer_code || '|' || opened.family || '|' || cast(opened.opened_on as {{ dbt.type_string() }}) as warning_id,
    opened.customer_code,
    opened.family,
    last_signal.rule_id,
    case
        when opened.defaulted_on is not null then 'defaulted'
        when opened.cleared_on is not null then 'resolved'
        when opened.valid_until < {{ as_of_date() }} then 'expired'
        else 'open'
    end as state,
    last_signal.level as severity,
    opened.worst_severity,
    opened.opened_on,
    opened.last_seen_on,
    opened.valid_until,
    coalesce(opened.defaulted_on, opened.cleared_on) as closed_on,
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
inner join spoken as last_signal
    on last_signal.customer_code = opened.customer_code
    and last_signal.family = opened.family
    and last_signal.as_of_date = opened.last_seen_on
