select
    run.as_of_date,
    run.model_id,
    run.model_kind,
    run.is_champion,
    run.is_published,
    run.decision,
    run.decision_reason,
    run.train_from,
    run.train_to,
    run.calibration_from,
    run.calibration_to,
    run.test_from,
    run.test_to,
    cast(run.train_rows as bigint) as train_row_count,
    cast(run.train_events as bigint) as train_event_count,
    cast(run.test_rows as bigint) as test_row_count,
    cast(run.test_events as bigint) as test_event_count,
    run.data_fingerprint,
    run.policy_version,
    cast(run.horizon_months as integer) as horizon_months,
    cast(run.metrics as {{ dbt.type_string() }}) as metrics
from {{ source('ml', 'model_run') }} as run
where run.as_of_date <= {{ as_of_date() }}
