select
    metric.as_of_date,
    metric.model_id,
    metric.model_kind,
    metric.sample,
    metric.metric,
    metric.segment,
    cast(metric.value as double) as value,
    cast(metric.lower_95 as double) as lower_95,
    cast(metric.upper_95 as double) as upper_95,
    cast(metric.row_count as bigint) as row_count,
    cast(metric.event_count as bigint) as event_count
from {{ source('ml', 'model_metric') }} as metric
where metric.as_of_date <= {{ as_of_date() }}
