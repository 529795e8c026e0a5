"""The tables that repeat the source contract: `raw.<table>` and `quarantine.<table>` follow it by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.sources.contract import EXTRA_COLUMN, SYSTEM_COLUMNS, TABLES, Table
from orchestration.sources.landing.versions import row_hash_sql
from orchestration.sources.sql_text import quoted

if TYPE_CHECKING:
    import duckdb

Columns = dict[str, str]

# A quarantined row by its rule and its identity, with its values as delivered in one column.
_QUARANTINE_COLUMNS: Columns = {
    "as_of_date": "date",
    "rule_id": "varchar",
    "owner": "varchar",
    "reason": "varchar",
    "remedy": "varchar",
    "source_system": "varchar",
    "_row_key": "varchar",
    "_occurrence": "integer",
    "_row_hash": "varchar",
    "amount": "varchar",
    "currency": "varchar",
    "original_values": "json",
    "first_quarantined_on": "date",
    "column_names": "varchar[]",
    "all_rule_ids": "varchar[]",
}


def raw_columns(table: Table) -> Columns:
    """The columns of raw.<table>: the contract's as text, those of the landing, and what no field is mapped to."""
    return {**dict.fromkeys(table.field_names, "varchar"), **dict(SYSTEM_COLUMNS), EXTRA_COLUMN: "varchar"}


def missing_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    """What the contract has and the warehouse lacks, by table; where a table is missing, all of its columns."""
    rows = connection.execute(
        "select schema_name || '.' || table_name, list(column_name) from duckdb_columns() "
        "where database_name = current_database() and schema_name in ('raw', 'quarantine') group by all"
    ).fetchall()
    found = {name: {column.lower() for column in columns} for name, columns in rows}
    wanted = {f"raw.{table.name}": raw_columns(table) for table in TABLES}
    wanted |= {f"quarantine.{table.name}": _QUARANTINE_COLUMNS for table in TABLES}
    missing = {
        name: {column: kind for column, kind in columns.items() if column.lower() not in found.get(name, ())}
        for name, columns in wanted.items()
    }
    return {name: columns for name, columns in missing.items() if columns}


def follow_contract(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Add the tables and columns that the contract has gained, in one transaction; returns the tables touched.

    A row's hash is over all columns of the contract. It is taken anew where one was added, with the column empty, so
    that a source that goes on delivering the same rows brings no new versions of them.
    """
    missing = missing_columns(connection)
    if not missing:
        return []
    connection.begin()
    try:
        for name, columns in missing.items():
            declared = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
            connection.execute(f"create schema if not exists {name.partition('.')[0]}")
            # Where the table is missing, all its columns are, and this makes it whole.
            connection.execute(f"create table if not exists {name} ({declared})")
            for column, kind in columns.items():
                connection.execute(f"alter table {name} add column if not exists {quoted(column)} {kind}")
        for table in TABLES:
            added = missing.get(f"raw.{table.name}", {})
            if any(column in table.field_names for column in added):
                connection.execute(f"update raw.{table.name} set _row_hash = {row_hash_sql(table)}")
                # What stands in staging lacks the column, and is made anew.
                connection.execute("delete from ops.landed_build where table_name = ?", [table.name])
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return list(missing)
