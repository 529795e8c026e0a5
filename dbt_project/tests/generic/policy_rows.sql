{# Rows of a policy seed whose key is repeated within a version, or that lack a required value. #}
{% test policy_rows(model, key, required) %}
select version, valid_from, {{ key | join(', ') }}, count(*) as row_count
from {{ model }}
group by version, valid_from, {{ key | join(', ') }}
having count(*) > 1
    or min(case when version is null or valid_from is null
        {%- for column in required %} or {{ column }} is null{% endfor %} then 0 else 1 end) = 0
{% endtest %}
