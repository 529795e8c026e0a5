{{ balance_intervals('recognised_date') }}
