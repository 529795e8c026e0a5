"""SQL functions that landing, the rules and dbt must all read alike; they stand in the warehouse's schema `ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# By name: parameters and body.
_FUNCTIONS = {
    # A text as an amount, NULL where it is none that can be booked: at most 16 digits before the point. Spaces and
    # underscores would pass the cast, so the form is checked first.
    "plain_number": (
        "x",
        "case when regexp_full_match(x, '[+-]?[0-9]{1,16}([.][0-9]+)?') then cast(x as decimal(38, 6)) end",
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
