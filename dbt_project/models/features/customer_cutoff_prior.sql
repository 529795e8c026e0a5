{{ config(materialized='view') }}
-- The features half a year before, under the same names: what a reason compares the present value with.
{%- set features = [
    'days_beyond_terms_3m', 'days_beyond_terms_12m_prior', 'days_beyond_terms_change', 'days_beyond_terms_spread_12m',
    'late_share_6m', 'max_days_past_due_6m', 'days_since_last_payment', 'overdue_share', 'overdue_91_plus_share',
    'oldest_days_past_due', 'open_to_sales_ratio', 'receivables_utilisation_share', 'utilisation_change_60d',
    'order_surge_ratio', 'sales_trend_6m', 'disputes_open_share', 'disputes_count_6m', 'broken_promises_90d',
    'dunning_level_max_6m', 'discount_taken_share_6m', 'concentration_share', 'tenure_months',
    'paid_invoice_count_12m', 'unapplied_cash_share', 'credit_memo_share_12m', 'reversals_count_6m',
    'write_off_share_24m', 'bureau_risk_class', 'bureau_score', 'bureau_class_change_6m', 'legal_notice_count_24m',
    'altman_z2', 'statement_age_months', 'equity_ratio', 'current_ratio', 'sector_late_share_6m', 'group_late_share_6m'
] %}
select
    present.customer_code,
    present.cutoff_date,
    prior.cutoff_date as prior_cutoff_date
    {%- for feature in features %},
    prior.{{ feature }}
    {%- endfor %}
from {{ ref('customer_cutoff') }} as present
inner join {{ ref('cutoff') }} as cutoff on cutoff.cutoff_date = present.cutoff_date
inner join {{ ref('customer_cutoff') }} as prior
    on prior.customer_code = present.customer_code and prior.cutoff_date = cutoff.prior_cutoff_date
