"""The book of nights: what each step last built for, and which nights reached readers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Make ops.night and ops.publication; the nights that the first version published are entered as such.

    They are those landed up to the newest that booked an entry, or up to the newest of `published`. Folders written
    between the two versions have the book already, and it is left as it is.
    """
    # Folders older than 0a62b5b carry no number either, and lack what it added to a table by itself.
    connection.execute("alter table ops.source_column add column if not exists is_new boolean")
    kept = connection.execute(
        "select count(*) from duckdb_tables() where database_name = current_database() and schema_name = 'ops' "
        "and table_name = 'publication'"
    ).fetchone()
    connection.execute(
        "create table if not exists ops.night (step varchar, as_of_date date, load_id varchar, run_id varchar, "
        "is_done boolean, started_at timestamptz, ended_at timestamptz)"
    )
    if kept is not None and kept[0] > 0:
        return
    connection.execute(
        "create table ops.publication (as_of_date date, load_id varchar, run_id varchar, begun_at timestamptz)"
    )
    connection.execute(
        "insert into ops.publication (as_of_date, load_id, run_id, begun_at) "
        "select distinct as_of_date, as_of_date::varchar, '', as_of_date::timestamptz from ops.landing "
        "where as_of_date <= greatest((select max(booked_on) from core.ledger_history), ?) order by all",
        [max(published, default=None)],
    )
