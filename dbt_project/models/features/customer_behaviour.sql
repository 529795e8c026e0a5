-- Sums over the windows before each cut-off. Months are counted back from the cut-off, 1 being the last.
select
    spine.customer_code,
    spine.cutoff_date,
    sum(case when map.months_back <= 12 then facts.sales_amount end) as sales_12m_amount,
    sum(case when map.months_back <= 3 then facts.sales_amount end) as sales_3m_amount,
    sum(case when map.months_back between 4 and 6 then facts.sales_amount end) as sales_4_to_6m_amount,
    sum(facts.sales_amount) as sales_24m_amount,
    sum(case when map.months_back <= 12 then facts.credit_memo_amount end) as credit_memo_12m_amount,
    sum(case when map.months_back <= 3 then facts.paid_amount end) as paid_3m_amount,
    sum(case when map.months_back <= 3 then facts.paid_amount_days end) as paid_3m_amount_days,
    sum(case when map.months_back between 4 and 15 then facts.paid_amount end) as paid_12m_prior_amount,
    sum(case when map.months_back between 4 and 15 then facts.paid_amount_days end) as paid_12m_prior_amount_days,
    sum(case when map.months_back between 4 and 15 then facts.paid_amount_days_squared end)
        as paid_12m_prior_amount_days_squared,
    sum(case when map.months_back <= 6 then facts.paid_amount end) as paid_6m_amount,
    sum(case when map.months_back <= 6 then facts.paid_late_amount end) as paid_late_6m_amount,
    sum(case when map.months_back <= 12 then facts.paid_amount end) as paid_12m_amount,
    sum(case when map.months_back <= 6 then facts.paid_discounted_amount end) as paid_discounted_6m_amount,
    sum(case when map.months_back <= 18 then facts.paid_discounted_amount end) as paid_discounted_18m_amount,
    max(case when map.months_back <= 6 then facts.max_days_beyond_terms end) as max_days_beyond_terms_6m,
    sum(facts.write_off_amount) as write_off_24m_amount,
    sum(case when map.months_back <= 12 then facts.write_off_amount end) as write_off_12m_amount,
    sum(case when map.months_back <= 6 then facts.reversal_count end) as reversal_6m_count,
    sum(case when map.months_back <= 12 then facts.settled_count end) as settled_12m_count,
    sum(case when map.months_back <= 6 then facts.dispute_count end) as dispute_6m_count,
    max(case when map.months_back <= 6 then facts.dunning_level end) as dunning_level_6m
    {%- for month in range(1, 8) %},
    sum(case when map.months_back = {{ month }} then facts.order_amount end) as order_month_{{ month }}_amount
    {%- endfor %}
from {{ ref('customer_period') }} as facts
inner join {{ ref('cutoff_period') }} as map on map.period_end = facts.period_end
inner join {{ ref('customer_spine') }} as spine
    on spine.customer_code = facts.customer_code and spine.cutoff_date = map.cutoff_date
group by spine.customer_code, spine.cutoff_date
