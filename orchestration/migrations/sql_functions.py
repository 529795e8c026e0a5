"""SQL functions that landing, the rules and dbt must all read alike; they stand in the warehouse's schema `ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality.currencies import by_currency

if TYPE_CHECKING:
    import duckdb

# By name: parameters and body.
_FUNCTIONS = {
    # Payment terms in capitals without the discount before them: 2/10 NET 30 is NET 30, and 2/10 alone stays so.
    "bare_payment_terms": (
        "x",
        r"trim(regexp_replace(upper(trim(x)), '^[0-9]+([.,][0-9]+)?%? */ *[0-9]+ *,? *(NET|N/|N| )', '\2'))",
    ),
    # Agreed days of payment terms (NET30, 30 days, 2/10 NET 30, EOM, 30 EOM); NULL for terms in no such form.
    "payment_terms_days": (
        "x",
        "case when regexp_full_match(ops.bare_payment_terms(x), "
        "'(NET|N/|N)? *([0-9]{1,3} *(DAYS?|D|TAGE?)? *(EOM)?|EOM)') "
        "then coalesce(try_cast(nullif(regexp_extract(ops.bare_payment_terms(x), '[0-9]+'), '') as integer), 0) end",
    ),
    # Whether the days count from the end of the month of issue.
    "payment_terms_from_month_end": ("x", "suffix(ops.bare_payment_terms(x), 'EOM')"),
    # A text as an amount, NULL where it is none that can be booked: at most 16 digits before the point. Spaces and
    # underscores would pass the cast, so the form is checked first.
    "plain_number": (
        "x",
        "case when regexp_full_match(x, '[+-]?[0-9]{1,16}([.][0-9]+)?') then cast(x as decimal(38, 6)) end",
    ),
    # How many decimals the amounts of a currency have (ISO 4217); NULL for what is no currency.
    "minor_units": ("c", by_currency("{places}", "null")),
    # An amount rounded to the decimals of its currency.
    "rounded_money": (
        "x, c",
        by_currency("cast(round(x, {places}) as decimal(38, 4))", "cast(x as decimal(38, 4))"),
    ),
    # An amount as text, with the decimals of its currency.
    "money_text": (
        "x, c",
        by_currency(
            "cast(cast(x as decimal(38, {places})) as varchar)", "cast(cast(x as decimal(38, 4)) as varchar)"
        ),
    ),
}


def follow_functions(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Make the functions that are missing or meant otherwise by this program; returns their names.

    What each was made from stands as its comment, since the catalogue keeps bodies in words of its own.
    """
    found = dict(
        connection.execute(
            "select function_name, comment from duckdb_functions() where schema_name = 'ops' "
            "and database_name = current_database() and function_type = 'macro'"
        ).fetchall()
    )
    wanted = {name: f"({parameters}) {body}" for name, (parameters, body) in _FUNCTIONS.items()}
    changed = [name for name, text in wanted.items() if found.get(name) != text]
    for name in changed:
        parameters, body = _FUNCTIONS[name]
        connection.execute(f"create or replace macro ops.{name}({parameters}) as {body}")
        told = wanted[name].replace("'", "''")
        connection.execute(f"comment on macro ops.{name} is '{told}'")
    return changed
