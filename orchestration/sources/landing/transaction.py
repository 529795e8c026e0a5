"""Lands every configured source in `raw`: new versions and tombstones, all of a night in one transaction."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.engine import connect
from orchestration.sources.contract import TABLES
from orchestration.sources.landing.losses import Loss, check_names, judge_losses
from orchestration.sources.landing.notices import (
    about_a_silent_night,
    about_empty_deliveries,
    about_keys_in_several_files,
    about_new_column,
    nights_in_words,
)
from orchestration.sources.landing.planning import Plan, plan_all
from orchestration.sources.landing.records import (
    LandingResult,
    record_columns,
    record_landing,
    record_providers,
    rows_by_file,
)
from orchestration.sources.landing.sample import Sample
from orchestration.sources.landing.told import Told
from orchestration.sources.landing.transport import transport
from orchestration.sources.landing.versions import append_versions, rebuild_landed
from orchestration.sources.landing.withdrawal import unseen_nights, withdraw_landings

if TYPE_CHECKING:
    import duckdb


def land(
    warehouse: duckdb.DuckDBPyConnection | Path,
    settings: Told,
    *,
    as_of: date,
    progress: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    full_refresh: bool = False,
    accept_drop: Collection[str] = (),
    sample: Sample | None = None,
) -> list[LandingResult]:
    """Read every source and append what is new to `raw`; rebuild `staging.landed_<table>` as of `as_of`.

    A night lands whole or not at all: refused or killed, it leaves no mark. Reading starts from what `raw` itself
    holds, so running twice lands nothing twice. A night before a published one reads no source: it replays what
    is in `raw`. Landings of later nights that were never published are taken back first.

    Parameters
    ----------
    warehouse
        Open connection without a transaction in progress, or path of the warehouse file.
    as_of
        The night; stamps `_loaded_at`.
    progress
        Called with one line of text per table.
    warn
        Called with one line of text for all that a person should know and that does not stop the night: new
        columns, empty deliveries, missing files, accepted losses, nights taken back, a night that reads nothing.
    full_refresh
        Read everything again.
    accept_drop
        Tables as `source.table` of the configuration whose rows may be gone tonight, however many.
    sample
        Read no more rows of a feed than it says, and show it the first of them; for a try in a warehouse of its own.

    Raises
    ------
    SourceError
        A source cannot be read as configured, more rows are gone than `landing` in the configuration allows, or
        `accept_drop` names an unknown table.
    TransientSourceError
        A source did not answer; the same call may succeed later.
    WarehouseError
        A newer program has written the warehouse.
    """
    import duckdb

    check_names(accept_drop, settings.sources)
    say = progress or (lambda _: None)
    notice = warn or say
    with _connection(warehouse) as connection:
        work = settings.landing_dir
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        connection.begin()
        try:
            told = _withdraw_unseen(connection, as_of)
            empty = {table.name for table in TABLES if _is_empty(connection, table.name)}
            plans = plan_all(connection, settings.sources, as_of, full_refresh, work, notice=notice)
            feeds = [feed for plan in plans for feed in plan.all_feeds]
            started = time.perf_counter()
            most_rows = None if sample is None else sample.most_rows
            relations = transport(feeds, work, notice=notice, most_rows=most_rows)
            if sample is not None:
                sample.look_at(connection, plans, relations, settings.time_zone)
            if feeds:
                say(f"{len(feeds)} tables and files read in {time.perf_counter() - started:.1f} s")
            results, found = _land_tables(connection, plans, relations, settings, as_of, say, accept_drop)
            record_providers(connection, settings.sources)
            told += found + about_a_silent_night(connection, plans, results, as_of)
            connection.commit()
        except BaseException:
            # A commit that failed has ended the transaction; what it failed of is to be told.
            with suppress(duckdb.Error):
                connection.rollback()
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for line in told:
            notice(line)
        repeated = {plan.table.name for plan in plans if plan.rounds > 1}
        for table in TABLES:
            is_new = table.name in empty and table.name not in repeated
            connection.begin()
            rebuild_landed(connection, table, as_of, is_new=is_new)
            connection.commit()
    return results


def _withdraw_unseen(connection: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    nights = unseen_nights(connection, as_of)
    if not nights:
        return []
    taken = withdraw_landings(connection, nights)
    return [
        f"the landing of {nights_in_words(nights)}, later than {as_of.isoformat()} and never published, is taken "
        f"back ({taken.versions:,} row versions in {taken.tables} tables); the sources were read anew"
    ]


def _land_tables(
    connection: duckdb.DuckDBPyConnection,
    plans: Sequence[Plan],
    relations: Mapping[int, str],
    settings: Told,
    as_of: date,
    say: Callable[[str], None],
    accept_drop: Collection[str],
) -> tuple[list[LandingResult], list[str]]:
    """Append what every plan read; returns the record of it and what is to be told.

    Every table is looked at before any loss is judged, so that all losses are named at once.
    """
    results: list[LandingResult] = []
    losses: list[Loss] = []
    told: list[str] = []
    for plan in plans:
        if plan.status == "replayed":
            results.append(LandingResult(plan.source_system, plan.table.name, "", 0, 0, 0, None, "replayed"))
            continue
        before = rows_by_file(connection, plan)
        counts: dict[str, tuple[int, int, int]] = {}
        loss = None
        if plan.feeds or plan.gone:
            counts, loss = append_versions(connection, plan, relations, settings.time_zone, as_of)
        landed = record_landing(connection, plan, counts, as_of)
        results.extend(landed)
        losses.extend([loss] if loss is not None else [])
        read, new, deleted = (
            sum(item.rows_read for item in landed),
            sum(item.rows_landed for item in landed),
            sum(item.rows_deleted for item in landed),
        )
        say(
            f"{plan.where}: {read:,} rows read, {new:,} new or changed"
            + (f", {deleted:,} deleted" if deleted else "")
        )
        told += [*plan.told, *about_keys_in_several_files(plan)]
        told += about_empty_deliveries(connection, plan, counts, before, as_of)
        told += [about_new_column(plan, column) for column in record_columns(connection, plan, as_of)]
    return results, [*judge_losses(losses, settings, as_of, accept_drop), *told]


def _is_empty(connection: duckdb.DuckDBPyConnection, table_name: str) -> bool:
    return connection.execute(f"select 1 from raw.{table_name} limit 1").fetchone() is None


@contextmanager
def _connection(warehouse: duckdb.DuckDBPyConnection | Path) -> Iterator[duckdb.DuckDBPyConnection]:
    if not isinstance(warehouse, Path):
        yield warehouse
        return
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(warehouse)
    try:
        yield connection
    finally:
        connection.close()
