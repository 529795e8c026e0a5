-- IFRS 9, simplified approach: what is owed, by segment and age, times the loss rate expected of it. The company's own
-- loss rate, as its roll rates imply it, counts once policy holds it for observed long enough; the rate of policy stands in
-- until then. Both provisions are shown.
{%- set buckets = [
    ('current', 'current_amount_reporting'), ('1-30', 'overdue_1_30_amount_reporting'),
    ('31-60', 'overdue_31_60_amount_reporting'), ('61-90', 'overdue_61_90_amount_reporting'),
    ('91+', 'overdue_91_plus_amount_reporting')
] %}
with balances as (
    {% for bucket, column in buckets %}
    select
        coalesce(customer.segment, 'not stated') as segment,
        '{{ bucket }}' as bucket,
        {{ loop.index }} as bucket_rank,
        sum(aging.{{ column }}) as balance
    from {{ ref('fct_ar_aging') }} as aging
    inner join {{ ref('dim_customer') }} as customer on customer.customer_code = aging.customer_code
    where aging.as_of_date = {{ as_of_date() }}
    group by coalesce(customer.segment, 'not stated')
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

factors as (

    select segment, bucket, loss_rate, forward_looking_factor, version
    from {{ active_policy('provision_factor') }} as factor

),

setting as (

    select
        {{ policy_value('provision_setting', 'setting', 'basis') }} as basis,
        cast({{ policy_value('provision_setting', 'setting', 'own_rate_months_min') }} as integer) as own_rate_months_min

),

observed as (

    select segment, bucket, implied_loss_rate, implied_month_pair_count
    from {{ ref('roll_rate') }}
    where implied_loss_rate_status = 'available'

),

rated as (

    select
        balances.*,
        setting.basis,
        setting.own_rate_months_min,
        coalesce(own.loss_rate, general.loss_rate) as policy_loss_rate,
        coalesce(own.forward_looking_factor, general.forward_looking_factor) as forward_looking_factor,
        coalesce(own.version, general.version) as policy_version,
        case when own.loss_rate is null then 'policy_all_segments' else 'policy_segment' end as policy_source,
        -- A segment that was not observed long enough borrows from all segments, if these were.
        coalesce(
            observed_own.implied_month_pair_count >= setting.own_rate_months_min
            or observed_all.implied_loss_rate is null,
            false
        ) as is_segment_taken,
        observed_own.implied_loss_rate as segment_loss_rate,
        observed_own.implied_month_pair_count as segment_months,
        observed_all.implied_loss_rate as all_loss_rate,
        observed_all.implied_month_pair_count as all_months
    from balances
    cross join setting
    left join factors as own on own.segment = balances.segment and own.bucket = balances.bucket
    left join factors as general on general.segment = '*' and general.bucket = balances.bucket
    left join observed as observed_own
        on observed_own.segment = balances.segment and observed_own.bucket = balances.bucket
    left join observed as observed_all on observed_all.segment = 'all' and observed_all.bucket = balances.bucket

),

chosen as (

    select
        rated.*,
        case when is_segment_taken then segment_loss_rate else all_loss_rate end as observed_loss_rate,
        case when is_segment_taken then segment_months else all_months end as months_observed,
        case
            when is_segment_taken and segment_loss_rate is not null then 'observed_segment'
            when all_loss_rate is not null then 'observed_all_segments'
            else 'not_available'
        end as observed_source
    from rated

),

provided as (

    select
        chosen.*,
        {{ reporting_money('balance * policy_loss_rate * forward_looking_factor') }} as policy_loss,
        {{ reporting_money('balance * observed_loss_rate * forward_looking_factor') }} as observed_loss,
        coalesce(basis = 'own' and months_observed >= own_rate_months_min, false) as is_own
    from chosen

)

select
    {{ as_of_date() }} as as_of_date,
    segment,
    bucket,
    cast(bucket_rank as integer) as bucket_rank,
    cast(balance as {{ money() }}) as balance_reporting,
    cast(case when is_own then observed_loss_rate else policy_loss_rate end as decimal(9, 6)) as loss_rate,
    cast(forward_looking_factor as decimal(9, 4)) as forward_looking_factor,
    case when is_own then observed_loss else policy_loss end as expected_credit_loss_reporting,
    case when is_own then observed_source else policy_source end as loss_rate_source,
    case when is_own then 'own' else 'policy' end as loss_rate_basis,
    cast(coalesce(months_observed, 0) as integer) as months_observed,
    own_rate_months_min as months_required,
    cast(policy_loss_rate as decimal(9, 6)) as policy_loss_rate,
    policy_loss as policy_expected_credit_loss_reporting,
    cast(observed_loss_rate as decimal(9, 6)) as observed_loss_rate,
    observed_loss as observed_expected_credit_loss_reporting,
    observed_source as observed_loss_rate_source,
    cast(policy_version as integer) as policy_version
from provided
