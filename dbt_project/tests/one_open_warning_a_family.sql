-- A customer has at most one open warning of a family.
{{ config(tags=['serve']) }}
select customer_code, family, count(*) as open_count
from {{ ref('warning') }}
where state = 'open'
group by customer_code, family
having count(*) > 1
