{{ aging_by_customer(ref('receivable_balance_known')) }}
