"""Takes back the landings of nights that nobody has seen; the one place that knows every table with a night in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.night_book import published_nights
from orchestration.sources.contract import TABLES
from orchestration.sources.sql_text import quoted

if TYPE_CHECKING:
    import duckdb

# Schemas in which `as_of_date` is the night that wrote the row, and further tables that outlive their night.
_SCHEMAS_OF_NIGHTS = ("ops", "quarantine", "ml")
_NIGHT_COLUMNS = (
    ("ops", "source_column", "first_seen_on"),
    ("quarantine", "held", "first_quarantined_on"),
    ("quarantine", "released", "released_on"),
    ("core", "warning_signal", "as_of_date"),
    # Resolution tells by this table which nights there have been, and takes its history back from there.
    ("core", "match_parameter", "as_of_date"),
    ("core", "customer_code", "issued_on"),
)
_SAME_ROW = (
    "held.table_name = released.table_name and held.source_system is not distinct from released.source_system "
    "and held._row_key is not distinct from released._row_key "
    "and held._occurrence is not distinct from released._occurrence"
)


@dataclass(frozen=True)
class Withdrawal:
    """What was taken back: so many row versions, in so many tables."""

    versions: int
    tables: int


def unseen_nights(connection: duckdb.DuckDBPyConnection, as_of: date) -> list[date]:
    """Landed nights later than `as_of` that no reader has seen, oldest first; none where a later one was published.

    A night on which a published one stands has been seen through it. Where the night of `as_of` lies before a
    published one, it is replayed from what has landed, and nothing stands in its way.
    """
    published = published_nights(connection)
    if any(night > as_of for night in published):
        return []
    rows = connection.execute(
        "select distinct as_of_date from ops.landing where as_of_date > ? order by 1", [as_of]
    ).fetchall()
    return [row[0] for row in rows]


def withdraw_landings(connection: duckdb.DuckDBPyConnection, nights: Collection[date]) -> Withdrawal:
    """Take back all that `nights` wrote, in the caller's transaction, as if they had never been run.

    `nights` must be the last ones. The files they read are unknown again, and so read anew: all files of a snapshot,
    since one of them changed or had gone. What they repaired in rows that had landed before is recorded again where
    such a row comes again.
    """
    load_ids = [night.isoformat() for night in nights]
    versions = tables = 0
    for table in TABLES:
        _forget_repairs(connection, table.name, load_ids)
        row = connection.execute(
            f"delete from raw.{table.name} where _load_id in (select unnest(?))", [load_ids]
        ).fetchone()
        if row is not None and row[0]:
            versions, tables = versions + int(row[0]), tables + 1
    # The numbers of the rows that stay may change when the file is next written.
    connection.execute("delete from ops.landed_build")
    _hold_again(connection, list(nights))
    for schema, name, column in _tables_of_nights(connection):
        connection.execute(
            f"delete from {schema}.{quoted(name)} where {column} in (select unnest(?))", [list(nights)]
        )
    return Withdrawal(versions, tables)


def _forget_repairs(connection: duckdb.DuckDBPyConnection, table_name: str, load_ids: list[str]) -> None:
    connection.execute(
        "delete from ops.repair where table_name = ? and (source_system, _row_key, _occurrence) in "
        f"(select (source_system, _row_key, _occurrence) from raw.{table_name} "
        "where _load_id in (select unnest(?)))",
        [table_name, load_ids],
    )


def _hold_again(connection: duckdb.DuckDBPyConnection, nights: list[date]) -> None:
    """Bring quarantine.held back to the night before `nights`: what they released is held, as it was then."""
    last = connection.execute(
        "select max(as_of_date) from ops.dq_table where as_of_date not in (select unnest(?))", [nights]
    ).fetchone()
    parameters = {"nights": nights, "last": last[0] if last else None}
    connection.execute(
        "insert into quarantine.held by name select table_name, rule_id, owner, source_system, _row_key, _occurrence, "
        "first_quarantined_on, coalesce($last, first_quarantined_on) as last_quarantined_on, original_values "
        "from quarantine.released as released where released_on in (select unnest($nights)) "
        f"and not exists (select 1 from quarantine.held as held where {_SAME_ROW}) "
        "order by table_name, source_system, _row_key, _occurrence",
        parameters,
    )
    connection.execute(
        "update quarantine.held set last_quarantined_on = coalesce($last, first_quarantined_on) "
        "where last_quarantined_on in (select unnest($nights))",
        parameters,
    )


def _tables_of_nights(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    found = connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns "
        "join information_schema.tables using (table_catalog, table_schema, table_name) "
        "where table_catalog = current_database() and table_type = 'BASE TABLE' "
        "and column_name = 'as_of_date' and table_schema in (select unnest(?)) order by all",
        [list(_SCHEMAS_OF_NIGHTS)],
    ).fetchall()
    return [*found, *(known for known in _NIGHT_COLUMNS if _exists(connection, *known[:2]))]


def _exists(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    row = connection.execute(
        "select count(*) from information_schema.tables where table_catalog = current_database() "
        "and table_schema = ? and table_name = ?",
        [schema, name],
    ).fetchone()
    return row is not None and row[0] > 0
