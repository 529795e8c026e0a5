{{ receivables_by_bucket(ref('invoice_balance_known')) }}
