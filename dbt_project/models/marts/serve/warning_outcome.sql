-- What came of every warning whose horizon has passed, or that came true before: of the warnings that nights gave (lived),
-- and of those that the rules in force would have given at past month-ends (replayed).
with lived as (

    select
        'lived' as basis,
        warning.warning_id,
        warning.customer_code,
        warning.family,
        warning.rule_id,
        warning.rule_version,
        warning.worst_severity as severity,
        warning.opened_on,
        {{ add_months('warning.opened_on', parameter('horizon_months')) }} as matures_on,
        -- At the first night on which it was met: a warning held back by its cool-down opens on a day without a signal.
        min_by(signal.amount_at_risk_reporting, signal.as_of_date) as amount_at_risk_reporting
    from {{ ref('warning') }} as warning
    inner join {{ ref('warning_signal') }} as signal
        on warning.customer_code = signal.customer_code and signal.level in ('red', 'amber')
        and signal.as_of_date between warning.opened_on and warning.last_seen_on
    group by
        warning.warning_id, warning.customer_code, warning.family, warning.rule_id, warning.rule_version,
        warning.worst_severity, warning.opened_on

),

lived_event as (

    select
        lived.warning_id,
        min(period.default_from) as event_date,
        min_by(period.cause, period.default_from) as event_kind
    from lived
    inner join {{ ref('default_period') }} as period
        on period.basis = 'occurred' and period.customer_code = lived.customer_code
        and period.default_from > lived.opened_on and period.default_from <= lived.matures_on
    group by lived.warning_id

),

judged as (

    select
        lived.*,
        lived_event.event_date is not null as is_event,
        lived_event.event_date,
        lived_event.event_kind,
        cast(null as {{ money() }}) as event_amount_reporting
    from lived
    left join lived_event on lived.warning_id = lived_event.warning_id
    where lived.matures_on <= {{ as_of_date() }} or lived_event.event_date is not null

    union all

    select
        'replayed',
        customer_code || '|' || scope_id || '|' || cast(opened_on as {{ dbt.type_string() }}),
        customer_code,
        scope_id,
        rule_id,
        rule_version,
        severity,
        opened_on,
        matures_on,
        amount_at_risk_reporting,
        is_event,
        event_date,
        event_kind,
        event_amount_reporting
    from {{ ref('warning_replay') }}
    where kind = 'warning' and is_news

),

promise as (

    select distinct judged.basis, judged.warning_id
    from judged
    inner join {{ source('core', 'customer_xref') }} as xref on judged.customer_code = xref.customer_code
    inner join {{ ref('stg_collection_actions') }} as action
        on xref.source_system = action.source_system and xref.customer_id = action.customer_id
        and action.promise_date is not null
        and action.action_date > judged.opened_on
        and action.action_date <= {{ add_days('judged.opened_on', 30) }}
        -- What came after the default treated nothing.
        and action.action_date < coalesce(judged.event_date, cast('9999-12-31' as date))
        and action.known_at <= {{ as_of_date() }}

)

select
    {{ as_of_date() }} as as_of_date,
    judged.basis,
    judged.warning_id,
    judged.customer_code,
    judged.family,
    judged.rule_id,
    cast(judged.rule_version as integer) as rule_version,
    judged.severity,
    judged.opened_on,
    judged.matures_on,
    judged.is_event,
    judged.event_date,
    judged.event_kind,
    cast({{ days_between('judged.opened_on', 'judged.event_date') }} as integer) as lead_days,
    cast(judged.amount_at_risk_reporting as {{ money() }}) as amount_at_risk_reporting,
    cast(judged.event_amount_reporting as {{ money() }}) as event_amount_reporting,
    case when {{ is_available('collection_actions') }} then promise.warning_id is not null end as was_treated
from judged
left join promise on judged.basis = promise.basis and judged.warning_id = promise.warning_id
