{{ balance_intervals('effective_date') }}
