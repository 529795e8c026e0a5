"""The warehouse file: opening it, finding damage before a night builds on it, its schemas, one night's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.duckdb_file import open_duckdb, size_problem, warehouse_remedy
from orchestration.home import PUBLICATION, NewerStateError, WarehouseError
from orchestration.lock import (
    NightInProgressError,
    hold_night_lock,
    is_night_running,
    release_night_lock,
)
from orchestration.publication import (
    Publication,
    current_publication,
    publish_mart,
    read_publication,
    switch_publication,
    whole_publications,
)

if TYPE_CHECKING:
    import duckdb

# The state of a company has one address for those who build on it, whichever module looks after a part of it.
__all__ = [
    "NightInProgressError",
    "Publication",
    "WarehouseError",
    "check_warehouse",
    "current_publication",
    "hold_night_lock",
    "is_night_running",
    "open_warehouse",
    "prepare_warehouse",
    "publish_mart",
    "read_publication",
    "refuse_newer_state",
    "release_night_lock",
    "replace_night",
    "switch_publication",
]


@contextmanager
def open_warehouse(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for the length of a block; closed again so that dbt may open it next.

    Raises WarehouseError where the file cannot be opened (locked by another process, not permitted, damaged).
    """
    with open_duckdb(path, read_only=read_only, remedy=warehouse_remedy(path)) as connection:
        yield connection


def prepare_warehouse(path: Path) -> None:
    """Make the warehouse file where it is missing, and every table that outlives a night as this program needs it.

    Raises NewerStateError, before anything is written, where a newer program has written the warehouse.
    """
    from orchestration.migrations import bring_forward

    path.parent.mkdir(parents=True, exist_ok=True)

    def published() -> list[date]:
        return [date.fromisoformat(one.as_of) for one in whole_publications(path.parent / PUBLICATION)]

    with open_warehouse(path) as connection:
        bring_forward(connection, published)


def check_warehouse(path: Path) -> None:
    """Find a damaged warehouse before a night builds on it; one that is not there yet is in order.

    Opens the file read-only and compares its size with what its header counts, which takes milliseconds. A byte
    flipped in a table shows when that table is read; `trade-credit doctor` reads all of them.
    Raises WarehouseError that says what is lost in which case and what to type.
    """
    if not path.exists() and not path.is_symlink():
        return
    # Opening says best what is wrong with a file that cannot be opened; one that is cut may still open.
    with open_warehouse(path, read_only=True):
        problem = size_problem(path, remedy=warehouse_remedy(path))
    if problem is not None:
        raise WarehouseError(f"{path} {problem}. {warehouse_remedy(path)}")


def column_names(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[str]:
    """The columns of a table of the warehouse, in their order; none where there is no such table."""
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = current_database() and schema_name = ? "
        "and table_name = ? order by column_index",
        [schema, table],
    ).fetchall()
    return [row[0] for row in rows]


def refuse_newer_state(home: Path, warehouse: Path) -> None:
    """Raise NewerStateError where a newer program has written the state folder; nothing is written.

    Looks only while no night runs, and leaves what else may be wrong with the warehouse to the night's opening.
    """
    from orchestration.migrations import refuse_newer

    if not warehouse.is_file() or is_night_running(home):
        return
    try:
        with open_warehouse(warehouse, read_only=True) as connection:
            refuse_newer(connection)
    except NewerStateError:
        raise
    except WarehouseError:
        return  # Damaged, or open in another program: told where the night opens, with what is lost in which case.


def replace_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str, frame: Any) -> int:
    """Replace every row of `schema.table` with `frame`, a pandas frame with the table's columns; returns the rows."""
    names = ", ".join(column_names(connection, schema, table))
    connection.begin()
    try:
        connection.execute(f"delete from {schema}.{table}")
        if len(frame):
            connection.register("new_rows", frame)
            connection.execute(f"insert into {schema}.{table} ({names}) select {names} from new_rows")
            connection.unregister("new_rows")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return len(frame)


def replace_night(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, frame: Any, as_of: date
) -> int:
    """Replace the rows of `schema.table` for one night with `frame`, in one transaction; other nights stay.

    `frame` is a small pandas frame that holds at least the table's columns except `as_of_date`, which is set here.
    Returns the rows written. Naming the columns keeps a renamed one from landing in its neighbour's place.
    """
    columns = [name for name in column_names(connection, schema, table) if name != "as_of_date"]
    names = ", ".join(columns)
    connection.begin()
    try:
        connection.execute(f"delete from {schema}.{table} where as_of_date = ?", [as_of])
        if len(frame):
            connection.register("night_rows", frame)
            connection.execute(
                f"insert into {schema}.{table} (as_of_date, {names}) select ?::date, {names} from night_rows",
                [as_of],
            )
            connection.unregister("night_rows")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return len(frame)
