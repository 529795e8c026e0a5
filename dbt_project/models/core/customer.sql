-- One row a customer code. Where several source customers share a code, the one changed last decides each attribute it
-- gives; the others fill what it leaves empty. A code keeps its row, with what was last known, when its source rows are
-- gone or in quarantine. A group is named after its topmost known parent.
{% set attributes = [
    'legal_name', 'registration_no', 'registration_kind', 'country', 'region', 'city', 'industry_code', 'segment',
    'payment_terms', 'account_owner'
] %}
{% set preference = 'linked.is_current desc, linked.latest_known_at desc nulls last, linked.source_system, linked.customer_id' %}

with recursive linked as (
    select
        xref.source_system,
        xref.customer_id,
        xref.customer_code,
        {%- for attribute in attributes %}
        customer.{{ attribute }},
        {%- endfor %}
        customer.customer_since,
        customer.latest_known_at,
        coalesce(customer.is_current, false) as is_current,
        customer.left_on,
        parent.customer_code as parent_code
    from {{ source('core', 'customer_xref') }} as xref
    left join {{ ref('source_customer') }} as customer
        on xref.source_system = customer.source_system and xref.customer_id = customer.customer_id
    left join {{ source('core', 'customer_xref') }} as parent
        on customer.source_system = parent.source_system
        and customer.parent_customer_id = parent.customer_id
        and parent.customer_code <> xref.customer_code
),

chosen as (
    select
        customer_code,
        {%- for attribute in attributes %}
        {{ first_known('linked.' ~ attribute, 'linked.customer_code', preference) }} as {{ attribute }},
        {%- endfor %}
        min(customer_since) over (partition by customer_code) as customer_since,
        cast(count(*) over (partition by customer_code) as integer) as source_customer_count,
        -- Archived once none of its numbers is left in any source.
        case
            when count(left_on) over (partition by customer_code) = count(*) over (partition by customer_code)
                then max(left_on) over (partition by customer_code)
        end as archived_on,
        row_number() over (partition by linked.customer_code order by {{ preference }}) as preference_rank
    from linked
),

parent_of as (
    select customer_code, min(parent_code) as parent_code
    from linked
    where parent_code is not null
    group by customer_code
),

-- Parents of parents, at most ten levels up: a circle of parents ends there.
ancestor as (
    select customer_code, parent_code as ancestor_code, 1 as level
    from parent_of
    union all
    select ancestor.customer_code, parent_of.parent_code as ancestor_code, ancestor.level + 1 as level
    from ancestor
    inner join parent_of on ancestor.ancestor_code = parent_of.customer_code
    where ancestor.level < 10
),

topmost as (
    select customer_code, ancestor_code
    from (
        select customer_code, ancestor_code, row_number() over (partition by customer_code order by level desc) as rank
        from ancestor
    ) as ranked
    where rank = 1
)

select
    chosen.customer_code,
    chosen.legal_name as customer_name,
    chosen.registration_no,
    chosen.registration_kind,
    chosen.country,
    chosen.region,
    chosen.city,
    chosen.industry_code,
    chosen.segment,
    coalesce(topmost.ancestor_code, chosen.customer_code) as group_code,
    ops.payment_terms_days(chosen.payment_terms) as payment_terms_days,
    chosen.account_owner,
    chosen.customer_since,
    chosen.source_customer_count,
    chosen.archived_on
from chosen
left join topmost on chosen.customer_code = topmost.customer_code
where chosen.preference_rank = 1
