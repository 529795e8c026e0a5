-- In its own currency every balance is the one before and the movements between; in reporting currency, reporting-currency
-- receivables know no revaluation.
select measured_on, legal_entity, currency, opening_amount, closing_amount, revaluation_amount_reporting
from {{ ref('fct_receivable_movement') }}
where closing_amount <> opening_amount + invoiced_amount + credited_amount + received_amount + discounted_amount
    + written_off_amount + recovered_amount + adjusted_amount + transferred_amount
    or (currency = {{ reporting_currency() }} and revaluation_amount_reporting <> 0)
