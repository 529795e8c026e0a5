"""Lands every configured source in `raw`: new versions and tombstones, one transaction per table."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.settings import Settings
from orchestration.sources import database, files
from orchestration.sources.config import DatabaseSource, FileSource
from orchestration.sources.contract import CONTRACT, TABLES
from orchestration.sources.errors import SourceError
from orchestration.sources.mapping import check_columns
from orchestration.sources.planning import Plan, plan_all
from orchestration.sources.records import (
    LandingResult,
    create_tables,
    record_columns,
    record_landing,
    record_providers,
)
from orchestration.sources.transport import transport
from orchestration.sources.versions import append_versions, rebuild_landed

if TYPE_CHECKING:
    import duckdb


def land(
    warehouse: duckdb.DuckDBPyConnection | Path,
    settings: Settings,
    *,
    as_of: date,
    progress: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    full_refresh: bool = False,
) -> list[LandingResult]:
    """Read every source and append what is new to `raw`; rebuild `staging.landed_<table>` as of `as_of`.

    Reading starts from what `raw` itself holds, so a killed landing repeats cleanly and running twice lands
    nothing twice. A night before the newest landed one reads no source: it replays what is in `raw`.

    Parameters
    ----------
    warehouse
        Open connection, or path of the warehouse file.
    as_of
        The night; stamps `_loaded_at`.
    progress
        Called with one line of text per table.
    warn
        Called with one line of text for each column a source shows for the first time after its table landed.
    full_refresh
        Read everything again, and accept tables that have become empty.

    Raises
    ------
    SourceError
        A source cannot be read as configured. Tables landed before it stay; nothing is half landed.
    TransientSourceError
        A source did not answer; the same call may succeed later.
    """
    say = progress or (lambda _: None)
    notice = warn or say
    with _connection(warehouse) as connection:
        create_tables(connection)
        empty = {table.name for table in TABLES if _is_empty(connection, table.name)}
        work = settings.landing_dir
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            plans = plan_all(connection, settings, as_of, full_refresh, work, notice=notice)
            feeds = [
                feed for plan in plans for feed in [*plan.feeds, *([plan.totals] if plan.totals else [])]
            ]
            started = time.perf_counter()
            relations = transport(feeds, work, notice=notice)
            if feeds:
                say(f"{len(feeds)} tables and files read in {time.perf_counter() - started:.1f} s")
            results: list[LandingResult] = []
            for plan in plans:
                landed = _land_table(connection, plan, relations, settings, as_of, full_refresh)
                results.extend(landed)
                read, new = sum(item.rows_read for item in landed), sum(item.rows_landed for item in landed)
                say(f"{plan.where}: {read:,} rows read, {new:,} new or changed")
                for column in record_columns(connection, plan, as_of):
                    notice(_about_new_column(plan, column))
            record_providers(connection, settings)
            repeated = {plan.table.name for plan in plans if plan.rounds > 1}
            for table in TABLES:
                is_new = table.name in empty and table.name not in repeated
                connection.begin()
                rebuild_landed(connection, table, as_of, is_new=is_new)
                connection.commit()
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return results


def _about_new_column(plan: Plan, column: str) -> str:
    if column in plan.mapped_columns:
        return f"{plan.where}: new column {column!r}, read by the mapping"
    kept = "its values are kept in raw" if any(column in feed.kept for feed in plan.feeds) else "not kept"
    return (
        f"{plan.where}: new column {column!r} is not read: no field of {plan.table.name} is mapped to it "
        f"({kept}); map it under `fields`, or name it under `ignore`"
    )


def _is_empty(connection: duckdb.DuckDBPyConnection, table_name: str) -> bool:
    return connection.execute(f"select 1 from raw.{table_name} limit 1").fetchone() is None


def probe(settings: Settings) -> list[tuple[str, str | None]]:
    """For each source its name and what is wrong with it, or None where it can be read."""
    found: list[tuple[str, str | None]] = []
    for name, source in settings.sources.items():
        try:
            if isinstance(source, DatabaseSource):
                database.check_reachable(source)
                for table_name, table in source.tables.items():
                    columns = database.columns_of(source, table_name, table)
                    check_columns(f"source {name}, table {table_name}", table, CONTRACT[table_name], columns)
            elif isinstance(source, FileSource):
                for table_name, file_table in source.tables.items():
                    for feed in file_table.feeds:
                        where = f"source {name}, {table_name}"
                        for path, label in files.find_files(where, feed):
                            at = f"{where}, file {path.name}"
                            columns = files.inspect_file(at, feed, path, label, "").columns
                            check_columns(at, feed, CONTRACT[table_name], columns)
            found.append((name, None))
        except SourceError as error:
            found.append((name, str(error)))
    return found


@contextmanager
def _connection(warehouse: duckdb.DuckDBPyConnection | Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    if not isinstance(warehouse, Path):
        yield warehouse
        return
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(str(warehouse))
    try:
        yield connection
    finally:
        connection.close()


def _land_table(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    relations: Mapping[int, str],
    settings: Settings,
    as_of: date,
    full_refresh: bool,
) -> list[LandingResult]:
    if plan.status == "replayed":
        return [LandingResult(plan.source_system, plan.table.name, "", 0, 0, 0, None, "replayed")]
    connection.begin()
    try:
        counts: dict[str, tuple[int, int, int]] = {}
        if plan.feeds or plan.gone:
            counts = append_versions(connection, plan, relations, settings, as_of, full_refresh)
        results = record_landing(connection, plan, counts, as_of)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return results
