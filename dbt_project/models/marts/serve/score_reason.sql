select
    reason.as_of_date as scored_on,
    reason.customer_code,
    cast(reason.reason_rank as integer) as reason_rank,
    reason.feature,
    reason.reason_code,
    reason.direction,
    cast(reason.contribution_log_odds as double) as contribution_log_odds,
    cast(reason.feature_value as double) as feature_value,
    cast(reason.prior_value as double) as prior_value,
    reason.unit,
    reason.reason_text,
    reason.improvement_text
from {{ source('ml', 'score_reason') }} as reason
inner join {{ ref('customer_score') }} as score
    on score.customer_code = reason.customer_code and score.scored_on = reason.as_of_date
