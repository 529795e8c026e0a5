-- One rate for every day from a currency's first quotation to the as-of date: the last quoted rate holds until the
-- next. A day before the first quotation has no rate, and none is invented for it.
with quoted as (
    select currency, rate_date, rate
    from (
        select
            currency,
            rate_date,
            rate,
            row_number() over (partition by currency, rate_date order by source_system, occurrence) as preference
        from {{ ref('stg_fx_rates') }}
        where known_at <= {{ as_of_date() }} and currency <> {{ reporting_currency() }}
    ) as ranked
    where preference = 1
),

held as (
    select
        currency,
        rate_date as quoted_on,
        rate,
        coalesce(
            lead(rate_date) over (partition by currency order by rate_date), {{ add_days(as_of_date(), 1) }}
        ) as next_quoted_on
    from quoted
)

select
    held.currency,
    calendar.day as rate_date,
    held.rate,
    held.quoted_on
from held
inner join {{ day_series('(select min(quoted_on) from held)', as_of_date()) }} as calendar
    on calendar.day >= held.quoted_on and calendar.day < held.next_quoted_on
