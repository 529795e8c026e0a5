{{ config(materialized='view') }}
-- The features half a year before, under the same names: what a reason compares the present value with.
select
    present.customer_code,
    present.cutoff_date,
    prior.cutoff_date as prior_cutoff_date
    {%- for metric in metrics(table='customer_cutoff') if metric.is_feature %},
    prior.{{ metric.column }}
    {%- endfor %}
from {{ ref('customer_cutoff') }} as present
inner join {{ ref('cutoff') }} as cutoff on cutoff.cutoff_date = present.cutoff_date
inner join {{ ref('customer_cutoff') }} as prior
    on prior.customer_code = present.customer_code and prior.cutoff_date = cutoff.prior_cutoff_date
