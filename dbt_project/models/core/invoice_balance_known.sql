{{ balance_intervals('recognised_date', only_standing=false) }}
