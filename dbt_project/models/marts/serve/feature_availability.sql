-- Has the model that scores tonight learned from features that were there? Availability at every cut-off, and tonight's held
-- against the cut-offs that the model learned from.
with published as (

    select model_id, train_from, train_to
    from {{ source('ml', 'model_run') }}
    where as_of_date = {{ as_of_date() }} and is_published

),

setting as (

    select
        cast({{ policy_value('model_gate', 'gate', 'availability_change_min') }} as double) as change_min,
        cast({{ policy_value('model_gate', 'gate', 'availability_spread_max') }} as double) as spread_max

),

listed as (

    select
        availability.*,
        published.model_id,
        not availability.is_as_of
        and coalesce(availability.cutoff_date between published.train_from and published.train_to, false)
            as is_learned_from
    from {{ ref('availability') }} as availability
    left join published on true

),

learned as (

    select
        feature,
        count(*) as cutoff_count
        {%- for share in ['available', 'nonzero'] %},
        avg({{ share }}_share) as {{ share }}_share,
        -- One cut-off has no spread: what months differ by is then not known, and only sampling is left.
        coalesce(var_samp({{ share }}_share), 0) as {{ share }}_variance
        {%- endfor %}
    from listed
    where is_learned_from
    group by feature

),

compared as (

    select
        listed.*,
        learned.available_share as learned_available_share,
        learned.nonzero_share as learned_nonzero_share
        {%- for share in ['available', 'nonzero'] %},
        greatest(
            setting.change_min,
            setting.spread_max * sqrt(
                learned.{{ share }}_variance * (1 + 1.0 / learned.cutoff_count)
                + learned.{{ share }}_share * (1 - learned.{{ share }}_share) / listed.customer_count
            )
        ) as {{ share }}_change_max
        {%- endfor %}
    from listed
    cross join setting
    left join learned on listed.is_as_of and learned.feature = listed.feature

)

select
    {{ as_of_date() }} as as_of_date,
    feature,
    cutoff_date,
    is_as_of,
    model_id,
    is_learned_from,
    customer_count,
    available_share,
    nonzero_share,
    cast(learned_available_share as double) as learned_available_share,
    cast(case when learned_available_share is not null then available_change_max end as double) as available_change_max,
    cast(learned_nonzero_share as double) as learned_nonzero_share,
    cast(case when learned_nonzero_share is not null then nonzero_change_max end as double) as nonzero_change_max,
    case
        when learned_available_share is not null
            then abs(available_share - learned_available_share) <= available_change_max
                and abs(nonzero_share - learned_nonzero_share) <= nonzero_change_max
    end as is_as_learned
from compared
