{{ balance_intervals('effective_date', only_standing=true) }}
