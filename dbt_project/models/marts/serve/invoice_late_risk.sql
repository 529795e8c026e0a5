-- Every open invoice and debit memo with the day it will probably be paid, and how likely it is to be late.
select
    {{ as_of_date() }} as as_of_date,
    invoice.document_id,
    invoice.invoice_no,
    invoice.customer_code,
    invoice.legal_entity,
    invoice.currency,
    invoice.issue_date,
    invoice.due_date,
    invoice.open_amount,
    invoice.open_amount_reporting,
    case
        when forecast.document_id is null then 'not_asked'
        when forecast.late_probability is null then 'not_available'
        else 'available'
    end as forecast_status,
    cast({{ policy_value('lateness_rule', 'rule', 'late_days') }} as integer) as late_days,
    forecast.late_probability,
    forecast.paid_on_p10 as expected_earliest_date,
    forecast.paid_on_p50 as expected_payment_date,
    forecast.paid_on_p90 as expected_latest_date
from {{ ref('fct_invoice') }} as invoice
left join {{ source('ml', 'invoice_forecast') }} as forecast on invoice.document_id = forecast.document_id
where invoice.document_kind in ('invoice', 'debit_memo') and invoice.open_amount > 0
