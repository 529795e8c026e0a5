-- How receivables move from bucket to bucket, document by document, from month-end to month-end over the last 12
-- complete months. A document is weighed at the rate of the first of the two days, so that currencies never roll.
{%- set buckets = ['current', '1-30', '31-60', '61-90', '91+'] %}

with bucket as (
    {%- for bucket in buckets %}
    select '{{ bucket }}' as bucket, {{ loop.index }} as bucket_rank
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

month_pair as (
    select month_end_date, next_month_end_date
    from (
        select
            as_of_date as month_end_date,
            lead(as_of_date) over (order by as_of_date) as next_month_end_date,
            row_number() over (order by as_of_date desc) as recency
        from {{ ref('aging_date') }}
        where is_month_end
    ) as month_end
    where recency between 2 and 13
),

segment as (
    select customer_code, coalesce(segment, 'not stated') as segment from {{ ref('customer') }}
),

held as (
    select
        month_pair.month_end_date,
        month_pair.next_month_end_date,
        opening.document_id,
        opening.customer_code,
        opening.currency,
        opening.balance as amount,
        {{ aging_bucket(days_between('opening.due_date', 'month_pair.month_end_date')) }} as bucket,
        -- What was paid and reopened, or billed anew, was not there to roll.
        least(opening.balance, greatest(coalesce(closing.balance, 0), 0)) as remaining_amount,
        {{ aging_bucket(days_between('opening.due_date', 'month_pair.next_month_end_date')) }} as next_bucket
    from month_pair
    inner join {{ ref('invoice_balance') }} as opening
        on month_pair.month_end_date >= opening.valid_from and month_pair.month_end_date < opening.valid_to
    left join {{ ref('invoice_balance') }} as closing
        on opening.document_id = closing.document_id
        and month_pair.next_month_end_date >= closing.valid_from
        and month_pair.next_month_end_date < closing.valid_to
    where opening.document_kind in ('invoice', 'debit_memo') and opening.balance > 0
),

written_off as (
    select
        month_pair.month_end_date,
        entry.document_id,
        sum(entry.amount) as amount
    from month_pair
    inner join {{ ref('write_off') }} as entry
        on entry.effective_date > month_pair.month_end_date
        and entry.effective_date <= month_pair.next_month_end_date
    group by month_pair.month_end_date, entry.document_id
),

moved as (
    select
        held.*,
        bucket.bucket_rank,
        next_bucket.bucket_rank > bucket.bucket_rank as is_in_worse_bucket,
        least(held.amount - held.remaining_amount, greatest(coalesce(written_off.amount, 0), 0)) as written_off_amount
    from held
    inner join bucket on held.bucket = bucket.bucket
    inner join bucket as next_bucket on held.next_bucket = next_bucket.bucket
    left join written_off
        on held.month_end_date = written_off.month_end_date and held.document_id = written_off.document_id
),

converted as (
    select
        moved.month_end_date,
        moved.bucket_rank,
        segment.segment,
        {{ in_reporting_currency('moved.amount', 'moved.currency', 'fx_rate.rate') }} as amount,
        {{ in_reporting_currency(
            'moved.written_off_amount + case when moved.is_in_worse_bucket then moved.remaining_amount else 0 end',
            'moved.currency', 'fx_rate.rate'
        ) }} as rolled_amount,
        {{ in_reporting_currency(
            'case when moved.is_in_worse_bucket then 0 else moved.remaining_amount end', 'moved.currency', 'fx_rate.rate'
        ) }} as stayed_amount
    from moved
    inner join segment on moved.customer_code = segment.customer_code
    left join {{ ref('fx_rate') }} as fx_rate
        on moved.currency = fx_rate.currency and moved.month_end_date = fx_rate.rate_date
),

total as (
    select
        coalesce(segment, 'all') as segment,
        bucket_rank,
        count(distinct month_end_date) as month_pair_count,
        sum(amount) as amount,
        sum(rolled_amount) as rolled_amount,
        sum(stayed_amount) as stayed_amount
    from converted
    group by grouping sets ((segment, bucket_rank), (bucket_rank))
),

grid as (
    select segment.segment, bucket.bucket, bucket.bucket_rank
    from (select segment from segment union select 'all' as segment) as segment
    cross join bucket
),

rate as (
    select
        grid.segment,
        grid.bucket,
        grid.bucket_rank,
        coalesce(total.month_pair_count, 0) as month_pair_count,
        coalesce(total.amount, 0) as amount,
        coalesce(total.rolled_amount, 0) as rolled_amount,
        coalesce(total.stayed_amount, 0) as stayed_amount,
        cast(total.rolled_amount as double) / nullif(total.amount, 0) as roll_rate,
        cast(total.rolled_amount as double) / nullif(total.amount - total.stayed_amount, 0) as eventual_roll_rate
    from grid
    left join total on grid.segment = total.segment and grid.bucket_rank = total.bucket_rank
),

-- The rate of every bucket beside each of them, to multiply from the bucket's own to the last.
spread as (
    select
        rate.*,
        {%- for bucket in buckets %}
        max(case when bucket_rank = {{ loop.index }} then eventual_roll_rate end) over (partition by segment)
            as rate_{{ loop.index }},
        {%- endfor %}
        -- A product is no better observed than the least observed of its factors.
        min(month_pair_count) over (
            partition by segment order by bucket_rank rows between current row and unbounded following
        ) as implied_month_pair_count
    from rate
),

implied as (
    select
        spread.*,
        case bucket_rank
            {%- for bucket in buckets %}
            when {{ loop.index }} then {% for rank in range(loop.index, 6) %}rate_{{ rank }}{{ ' * ' if not loop.last }}{% endfor %}
            {%- endfor %}
        end as implied_loss_rate
    from spread
)

select
    {{ as_of_date() }} as as_of_date,
    segment,
    bucket,
    cast(bucket_rank as integer) as bucket_rank,
    case bucket_rank
        {%- for bucket in buckets[1:] %}
        when {{ loop.index }} then '{{ bucket }}'
        {%- endfor %}
        else 'written off'
    end as next_bucket,
    cast(month_pair_count as integer) as month_pair_count,
    cast(amount as {{ money() }}) as amount_reporting,
    cast(rolled_amount as {{ money() }}) as rolled_amount_reporting,
    cast(stayed_amount as {{ money() }}) as stayed_amount_reporting,
    cast(roll_rate as decimal(9, 6)) as roll_rate,
    cast(eventual_roll_rate as decimal(9, 6)) as eventual_roll_rate,
    case
        when month_pair_count = 0 then 'not_observed'
        when eventual_roll_rate is null then 'none_left'
        else 'observed'
    end as roll_rate_status,
    cast(implied_loss_rate as decimal(9, 6)) as implied_loss_rate,
    case when implied_loss_rate is null then 'not_available' else 'available' end as implied_loss_rate_status,
    cast(implied_month_pair_count as integer) as implied_month_pair_count
from implied
