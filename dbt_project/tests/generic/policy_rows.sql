{# Rows of a policy seed whose key is repeated on a day, or that lack a required value though they give others. #}
{% test policy_rows(model, required) %}
{%- set table = policy_table(model.identifier) -%}
{%- set key = ['version', 'valid_from'] + table['key'] -%}
select {{ key | join(', ') }}, count(*) as row_count
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1
    or min(
        case
            when version is null or valid_from is null
                {%- for column in table['key'] %} or {{ column }} is null{% endfor %} then 0
            {%- if table['values'] %}
            when {% for value in table['values'] %}{{ value }} is null{{ ' and ' if not loop.last }}{% endfor %} then 1
            {%- endif %}
            when false {%- for column in required %} or {{ column }} is null{% endfor %} then 0
            else 1
        end
    ) = 0
{% endtest %}
