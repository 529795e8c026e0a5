-- What stands behind the open warnings of a customer: every rule met tonight or since it was last measured, the leading ones
-- first, and since when it has been met without being safely back.
with signal as (

    select
        signal.*,
        coalesce(signal.role, rule.role, 'leads') as rule_role,
        row_number() over (partition by customer_code, signal.rule_id order by as_of_date desc) as recency,
        max(case when level = 'clear' then as_of_date end) over (partition by customer_code, signal.rule_id) as last_clear_on
    from {{ ref('warning_signal') }} as signal
    left join {{ active_policy('warning_rule') }} as rule on signal.rule_id = rule.rule_id
    where as_of_date <= {{ as_of_date() }}

),

since as (

    select customer_code, rule_id, min(as_of_date) as met_since
    from signal
    where level in ('amber', 'red') and as_of_date > coalesce(last_clear_on, cast('0001-01-01' as date))
    group by customer_code, rule_id

)

select
    {{ as_of_date() }} as as_of_date,
    signal.customer_code,
    signal.rule_id,
    signal.family,
    signal.rule_role as role,
    signal.level as severity,
    since.met_since,
    signal.as_of_date as measured_on,
    signal.metric,
    signal.value,
    signal.prior_value,
    signal.prior_date,
    signal.amber,
    signal.red,
    signal.unit,
    signal.evidence_text,
    signal.rule_version
from signal
inner join since on signal.customer_code = since.customer_code and signal.rule_id = since.rule_id
where
    signal.recency = 1 and signal.level in ('amber', 'red')
    and {{ add_days('signal.as_of_date', 'signal.valid_days') }} >= {{ as_of_date() }}
    and exists (
        select 1 from {{ ref('warning') }} as warning
        where warning.customer_code = signal.customer_code and warning.state = 'open'
    )
