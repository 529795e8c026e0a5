-- A customer has at most one open warning of a rule.
{{ config(tags=['serve']) }}
select customer_code, rule_id, count(*) as open_count
from {{ ref('warning') }}
where state = 'open'
group by customer_code, rule_id
having count(*) > 1
