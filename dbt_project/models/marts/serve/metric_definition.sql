-- The catalogue of metrics as rows: what each figure means, and where it stands.
select
    metric,
    grain,
    unit,
    direction,
    definition,
    table_name,
    column_name,
    expression,
    is_feature
from {{ metric_rows() }} as catalogue
