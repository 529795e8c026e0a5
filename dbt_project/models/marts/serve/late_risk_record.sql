-- What the forecasts of payments were worth: made again on the check day with what was known then, against what came.
select
    as_of_date,
    checked_on,
    case when refusal is not null then 'not_available' when checked_on is null then 'no_check_yet' else 'checked' end as status,
    refusal as status_reason,
    cast(documents as integer) as document_count,
    cast(paid as integer) as paid_count,
    cast(unpaid as integer) as unpaid_count,
    cast(late_known as integer) as late_known_count,
    cast(late as integer) as late_count,
    expected_late as expected_late_count,
    expected_late / nullif(late, 0) as level,
    mean_absolute_error_days,
    median_absolute_error_days,
    baseline_mean_absolute_error_days,
    auc,
    baseline_auc
from {{ source('ml', 'late_risk_record') }}
where as_of_date <= {{ as_of_date() }}
