select
    stability.as_of_date,
    stability.model_id,
    stability.metric,
    stability.feature,
    cast(stability.value as double) as value,
    cast(stability.convention_bound as double) as convention_bound,
    cast(stability.chi_squared_bound as double) as chi_squared_bound,
    cast(stability.reference_count as bigint) as reference_count,
    cast(stability.current_count as bigint) as current_count,
    cast(stability.bin_count as bigint) as bin_count,
    stability.is_within_convention,
    stability.is_within_chi_squared
from {{ source('ml', 'model_monitoring') }} as stability
where stability.as_of_date <= {{ as_of_date() }}
