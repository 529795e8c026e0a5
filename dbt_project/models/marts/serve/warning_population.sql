{{ config(schema='core', access='private') }}
-- Whom a warning could have been about at past month-ends whose outcome is known: customers that owed something and were
-- not in default, as far as was known then. PDs are those of a model made before the month-end.
select
    features.customer_code,
    features.cutoff_date,
    label.horizon_end_date,
    features.exposure_amount_reporting as amount_at_risk_reporting,
    label.is_event = 1 as is_event,
    label.event_date,
    label.event_kind,
    label.event_amount_reporting,
    walked.pd,
    walked.pd / nullif(
        lag(walked.pd) over (partition by features.customer_code order by features.cutoff_date), 0
    ) as pd_ratio_30d
from {{ ref('customer_cutoff') }} as features
inner join {{ ref('customer_label') }} as label
    on features.customer_code = label.customer_code and features.cutoff_date = label.cutoff_date
left join {{ source('ml', 'walk_forward_score') }} as walked
    on features.customer_code = walked.customer_code and features.cutoff_date = walked.cutoff_date
where
    label.label_known
    and not features.is_as_of
    and not coalesce(features.is_in_default_at_cutoff, false)
    and features.exposure_amount_reporting > 0
    -- Rules read the PD, so month-ends that no model could have scored yet tell nothing of them.
    and (
        features.cutoff_date >= (select min(cutoff_date) from {{ source('ml', 'walk_forward_score') }})
        or not exists (select 1 from {{ source('ml', 'walk_forward_score') }})
    )
