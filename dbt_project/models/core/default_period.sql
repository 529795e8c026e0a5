{%- set never = "cast('9999-12-31' as date)" -%}
{%- set days = parameter('target_days_past_due') -%}
{%- set amount_floor = 'cast(' ~ parameter('default_amount') ~ ' as ' ~ money() ~ ')' -%}
{%- set share_floor = 'cast(' ~ parameter('default_share') ~ ' as decimal(9, 6))' -%}
{%- set bases = {
    'occurred': {'balance': 'invoice_balance', 'known': none},
    'known': {'balance': 'invoice_balance_known', 'known': 'known_at'}
} -%}
-- The periods in which a customer is in default, after the EBA's definition (EBA/GL/2016/07; materiality after
-- Delegated Regulation (EU) 2018/171): documents {{ days }} or more days past due that together exceed an absolute and a
-- relative threshold, a write-off above both, insolvency or ceasing; and {{ parameter('probation_months') }} months of
-- probation. Days are counted by document: a trade debtor that pays every invoice ten days late always owes something
-- past due and is in no default (paragraph 23 (d) calls that technical for purchased receivables).
-- Technical and no arrears: what is disputed, what the customer has paid or been credited and nobody has applied,
-- documents that newer ones overtook, and small differences written off.
-- Twice: as it happened (what outcomes are judged by), and as it was known on each day (what a cut-off may use).
with balance as (

    {%- for basis, from in bases.items() %}
    select '{{ basis }}' as basis, balance.customer_code, balance.document_id, balance.document_kind, balance.due_date,
        balance.valid_from, balance.valid_to, balance.balance,
        {{ in_reporting_currency('balance.balance', 'balance.currency', 'fx_rate.rate') }} as balance_reporting
    from {{ ref(from.balance) }} as balance
    left join {{ ref('fx_rate') }} as fx_rate
        on balance.currency = fx_rate.currency and balance.valid_from = fx_rate.rate_date
    where balance.balance <> 0 and balance.valid_from <= {{ as_of_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

owed as (

    select
        balance.*,
        coalesce(document.due_date_basis = 'issue_date', false) as is_due_date_repaired,
        greatest(balance.valid_from, {{ add_days('balance.due_date', days) }}) as past_due_from,
        least(balance.valid_to, coalesce(stray.stray_from, {{ never }})) as past_due_to
    from balance
    left join {{ ref('document') }} as document on balance.document_id = document.document_id
    left join {{ ref('stray_document') }} as stray
        on balance.basis = stray.basis and balance.document_id = stray.document_id
    where balance.balance_reporting > 0 and balance.document_kind in ('invoice', 'debit_memo')

),

disputed as (

    {%- for basis, from in bases.items() %}
    select '{{ basis }}' as basis, xref.customer_code,
        dispute.source_system || '|' || dispute.invoice_id as document_id,
        {{ 'greatest(dispute.opened_date, dispute.known_at)' if from.known else 'dispute.opened_date' }} as opened_on,
        coalesce({{ 'dispute.closed_known_at' if from.known else 'dispute.closed_date' }}, {{ never }}) as closed_on,
        {{ in_reporting_currency('dispute.amount', 'dispute.currency', 'fx_rate.rate') }} as amount_reporting
    from {{ ref('stg_disputes') }} as dispute
    inner join {{ source('core', 'customer_xref') }} as xref
        on dispute.source_system = xref.source_system and dispute.customer_id = xref.customer_id
    left join {{ ref('fx_rate') }} as fx_rate
        on dispute.currency = fx_rate.currency and dispute.opened_date = fx_rate.rate_date
    where dispute.known_at <= {{ as_of_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- What is owed, what of it is that long past due, and what stands against it: by the days on which each changes.
span as (

    select basis, customer_code, valid_from as begins, valid_to as ends,
        balance_reporting as owed_amount, 0 as past_due_amount, 0 as offset_amount
    from owed
    union all
    select basis, customer_code, past_due_from, past_due_to, 0, balance_reporting, 0
    from owed
    -- A document whose due date cannot be right puts nobody into default by itself, nor does one that was overtaken.
    where past_due_from < past_due_to and not is_due_date_repaired
    union all
    select basis, customer_code, valid_from, valid_to, 0, 0, -balance_reporting
    from balance
    where balance_reporting < 0
    union all
    select owed.basis, owed.customer_code, greatest(owed.past_due_from, disputed.opened_on),
        least(owed.past_due_to, disputed.closed_on), 0, 0, least(disputed.amount_reporting, owed.balance_reporting)
    from owed
    inner join disputed on owed.basis = disputed.basis and owed.document_id = disputed.document_id
    where greatest(owed.past_due_from, disputed.opened_on) < least(owed.past_due_to, disputed.closed_on)
    union all
    select basis, customer_code, opened_on, closed_on, 0, 0, amount_reporting
    from disputed
    where document_id is null and opened_on < closed_on

),

change as (

    select basis, customer_code, changed_on,
        sum(owed_amount) as owed_amount, sum(past_due_amount) as past_due_amount, sum(offset_amount) as offset_amount
    from (
        select basis, customer_code, begins as changed_on, owed_amount, past_due_amount, offset_amount from span
        union all
        select basis, customer_code, ends, -owed_amount, -past_due_amount, -offset_amount from span
    ) as edge
    where changed_on <= {{ as_of_date() }}
    group by basis, customer_code, changed_on

),

standing as (

    select
        basis,
        customer_code,
        changed_on as valid_from,
        coalesce(lead(changed_on) over customer_window, {{ never }}) as valid_to,
        sum(owed_amount) over running_window as owed_amount,
        sum(past_due_amount - offset_amount) over running_window as arrears_amount
    from change
    window
        customer_window as (partition by basis, customer_code order by changed_on),
        running_window as (
            partition by basis, customer_code order by changed_on rows between unbounded preceding and current row
        )

),

material as (

    select
        *,
        sum(is_first) over (partition by basis, customer_code order by valid_from) as island
    from (
        select
            *,
            case
                when lag(valid_to) over (partition by basis, customer_code order by valid_from) = valid_from then 0 else 1
            end as is_first
        from standing
        where arrears_amount > {{ amount_floor }} and arrears_amount > {{ share_floor }} * owed_amount
    ) as marked

),

arrears as (

    select basis, customer_code, min(valid_from) as arrears_from, max(valid_to) as arrears_to
    from material
    group by basis, customer_code, island

),

-- A write-off taken back in full was a mistake; one that money recovered later was none. Small differences are technical.
written_off as (

    select basis, customer_code, written_off_on, sum(amount_reporting) as amount_reporting
    from (
        {%- for basis, from in bases.items() %}
        select
            '{{ basis }}' as basis,
            write_off.customer_code,
            min({{ 'write_off.recognised_date' if from.known else 'write_off.effective_date' }}) as written_off_on,
            sum(case when write_off.entry_kind = 'write_off_recovery' then 0 else write_off.amount_reporting end)
                as amount_reporting
        from {{ ref('write_off') }} as write_off
        inner join {{ ref('document') }} as document on write_off.document_id = document.document_id
        where write_off.is_standing
        group by write_off.customer_code, write_off.document_id
        having not {{ is_small_difference(
            "sum(case when write_off.entry_kind = 'write_off_recovery' then 0 else write_off.amount end)",
            'max(document.amount)'
        ) }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as lost
    group by basis, customer_code, written_off_on

),

traded_on as (

    select written_off.basis, written_off.customer_code, written_off.written_off_on, min(paid.paid_on) as paid_on
    from written_off
    inner join {{ ref('paid_document') }} as paid
        on written_off.basis = paid.basis and written_off.customer_code = paid.customer_code
        and paid.issue_date > written_off.written_off_on
    group by written_off.basis, written_off.customer_code, written_off.written_off_on

),

period as (

    select basis, customer_code, 'past_due' as cause,
        arrears_from as default_from,
        case when arrears_to = {{ never }} then {{ never }} else {{ add_months('arrears_to', parameter('probation_months')) }} end
            as default_to
    from arrears

    union all

    -- What is written off is owed all the same: the default ends where the customer went on buying and has paid since.
    select written_off.basis, written_off.customer_code, 'write_off', written_off.written_off_on,
        case
            when traded_on.paid_on is null then {{ never }}
            else greatest(
                {{ add_months('written_off.written_off_on', parameter('probation_months')) }}, traded_on.paid_on
            )
        end
    from written_off
    left join traded_on
        on written_off.basis = traded_on.basis and written_off.customer_code = traded_on.customer_code
        and written_off.written_off_on = traded_on.written_off_on
    left join standing
        on written_off.basis = standing.basis and written_off.customer_code = standing.customer_code
        and standing.valid_from <= written_off.written_off_on and standing.valid_to > written_off.written_off_on
    where written_off.amount_reporting > {{ amount_floor }}
        and written_off.amount_reporting
        > {{ share_floor }} * (coalesce(standing.owed_amount, 0) + written_off.amount_reporting)

    {%- for basis, from in bases.items() %}

    union all

    select '{{ basis }}', customer.customer_code, event.kind,
        {{ 'greatest(event.event_date, event.known_at)' if from.known else 'event.event_date' }}, {{ never }}
    from {{ ref('stg_legal_events') }} as event
    inner join {{ ref('customer') }} as customer
        on {{ bare_registration_no('customer.registration_no') }} = {{ bare_registration_no('event.registration_no') }}
    where event.kind in ('insolvency', 'ceased') and event.known_at <= {{ as_of_date() }}
    {%- endfor %}

)

select
    basis,
    customer_code,
    cause,
    default_from,
    max(default_to) as default_to
from period
where default_from <= {{ as_of_date() }}
group by basis, customer_code, cause, default_from
