"""Finds out of which version a warehouse's tables are, and brings them forward one migration at a time."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import ModuleType
from typing import TYPE_CHECKING

from orchestration.home import NewerStateError
from orchestration.migrations import (
    m0001_first_tables,
    m0002_book_of_nights,
    m0003_walked_models,
    m0004_document_answers,
    m0005_money_of_four_decimals,
    m0006_walk_forward_scores,
    m0007_invoice_forecasts,
)
from orchestration.migrations.contract_tables import follow_contract, missing_columns
from orchestration.migrations.sql_functions import follow_functions

if TYPE_CHECKING:
    import duckdb

# In order: a module's place is its number.
MIGRATIONS: tuple[ModuleType, ...] = (
    m0001_first_tables,
    m0002_book_of_nights,
    m0003_walked_models,
    m0004_document_answers,
    m0005_money_of_four_decimals,
    m0006_walk_forward_scores,
    m0007_invoice_forecasts,
)

# What stands for the program's version where a folder was written before versions were noted.
_BEFORE_VERSIONS = "0a62b5b or later, before versions were noted"


@dataclass(frozen=True)
class SchemaState:
    """Of which version the tables are, who brought them there, and what the next night will do to them.

    `version` is 0 for a warehouse without tables and 1 for one whose tables carry no number. `ahead` holds a line for
    every migration to come and one for each table that will follow the source contract.
    """

    version: int
    code_version: str
    ahead: tuple[str, ...]


def schema_state(connection: duckdb.DuckDBPyConnection) -> SchemaState:
    """Look at a warehouse, which may be open for reading alone; nothing is written."""
    version, code_version = _found_version(connection)
    ahead = [
        f"{number}: {_title(migration)}"
        for number, migration in enumerate(MIGRATIONS, start=1)
        if number > version
    ]
    if version:
        ahead += [
            f"{name} gains {', '.join(columns)}" for name, columns in missing_columns(connection).items()
        ]
    return SchemaState(version, code_version, tuple(ahead))


def refuse_newer(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise NewerStateError where a newer program has written the warehouse; nothing is written."""
    _refuse(connection, *_found_version(connection))


def _refuse(connection: duckdb.DuckDBPyConnection, version: int, code_version: str) -> None:
    if version <= len(MIGRATIONS):
        return
    row = connection.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchone()
    raise NewerStateError(
        f"{row[0] if row and row[0] else 'The warehouse'} was written by a newer trade-credit: its tables are of "
        f"version {version} (made by trade-credit {code_version}), this one (trade-credit {_code_version()}) knows "
        f"them up to version {len(MIGRATIONS)}. Nothing was changed. Run the newer trade-credit, or put back a backup "
        "of the state folder from before the update."
    )


def bring_forward(
    connection: duckdb.DuckDBPyConnection, published: Callable[[], Collection[date]] = tuple
) -> list[str]:
    """Make or change every table that outlives a night as this program needs them; returns what was done, in words.

    Each migration is one transaction together with its number, so that a start that was killed goes on with the one
    it was at. Where nothing is to do, this reads the catalogue and writes nothing.

    Parameters
    ----------
    connection
        Open for writing, without a transaction in progress.
    published
        Called where migrations are to be run: the nights whose publications are on disk.

    Raises NewerStateError, before anything is written, where a newer program has written the warehouse.
    """
    version, code_version = _found_version(connection)
    _refuse(connection, version, code_version)
    if code_version == _BEFORE_VERSIONS:
        version = 0  # The first migration completes what such a folder has made only in part.
    done: list[str] = []
    if version < len(MIGRATIONS):
        nights = published()
        for number in range(version + 1, len(MIGRATIONS) + 1):
            _migrate(connection, number, nights)
            done.append(f"{number}: {_title(MIGRATIONS[number - 1])}")
    done += [f"{name} follows the source contract" for name in follow_contract(connection)]
    return done + [f"ops.{name}() is what this program means by it" for name in follow_functions(connection)]


def _migrate(connection: duckdb.DuckDBPyConnection, number: int, published: Collection[date]) -> None:
    connection.begin()
    try:
        MIGRATIONS[number - 1].apply(connection, published)
        connection.execute("create schema if not exists ops")
        connection.execute(
            "create table if not exists ops.schema_version "
            "(version integer, applied_at timestamptz, code_version varchar)"
        )
        connection.execute(
            "insert into ops.schema_version (version, applied_at, code_version) values (?, ?, ?)",
            [number, datetime.now(UTC), _code_version()],
        )
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _found_version(connection: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """The version of the tables and the program that brought them there; 0 where there are none."""
    tables = {
        row[0]
        for row in connection.execute(
            "select table_name from duckdb_tables() where database_name = current_database() "
            "and schema_name = 'ops' and table_name in ('schema_version', 'landing')"
        ).fetchall()
    }
    if "schema_version" in tables:
        found = connection.execute(
            "select version, code_version from ops.schema_version order by version desc limit 1"
        ).fetchone()
        if found is not None:
            return int(found[0]), str(found[1])
    return (1, _BEFORE_VERSIONS) if "landing" in tables else (0, "")


def _title(migration: ModuleType) -> str:
    return (migration.__doc__ or migration.__name__).splitlines()[0].rstrip(".")


def _code_version() -> str:
    try:
        return importlib.metadata.version("trade-credit")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
