"""The warehouse file: opening it, finding damage before a night builds on it, its schemas, one night's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.duckdb_file import open_duckdb, size_problem, warehouse_remedy
from orchestration.home import WarehouseError
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
    "release_night_lock",
    "replace_night",
    "switch_publication",
]

SCHEMAS = (
    "raw",
    "landing",
    "staging",
    "quarantine",
    "policy",
    "core",
    "features",
    "ml",
    "mart",
    "ops",
)


@contextmanager
def open_warehouse(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for the length of a block; closed again so that dbt may open it next.

    Raises WarehouseError where the file cannot be opened (locked by another process, not permitted, damaged).
    """
    with open_duckdb(path, read_only=read_only, remedy=warehouse_remedy(path)) as connection:
        yield connection


def prepare_warehouse(path: Path) -> None:
    """Create the warehouse file and its schemas where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_warehouse(path) as connection:
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")


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


def replace_night(
    connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], frame: Any, as_of: date
) -> int:
    """Replace the rows of `table` for one night with `frame`, in one transaction; other nights stay.

    `columns` maps each column to its SQL type, and creates the table on the first night. `frame` is a small
    pandas frame that holds at least those columns except `as_of_date`, which is set here. Returns the rows
    written. Naming the columns keeps a renamed one from landing in its neighbour's place.
    """
    declared = ", ".join(f"{name} {kind}" for name, kind in {"as_of_date": "DATE", **columns}.items())
    names = ", ".join(columns)
    connection.execute(f"create table if not exists {table} ({declared})")
    connection.begin()
    try:
        connection.execute(f"delete from {table} where as_of_date = ?", [as_of])
        if len(frame):
            connection.register("night_rows", frame)
            connection.execute(
                f"insert into {table} (as_of_date, {names}) select ?::date, {names} from night_rows", [as_of]
            )
            connection.unregister("night_rows")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return len(frame)
