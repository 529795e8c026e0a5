"""The book of nights in the warehouse: which night each step last built for, and which nights were published.

Whoever runs a step, it may only build on what earlier steps made for the same night from the same landing. The
warehouse holds one night at a time, so one row a step is enough: `ops.night` says for which day and from which
landing the step's tables stand, `ops.publication` keeps every night that reached readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# Every step of a night in the order they run, with what a person is told while it does.
STEPS: dict[str, str] = {
    "land_raw": "Landing new source rows",
    "quality_gate": "Checking landed rows against the rules",
    "dbt_staging": "Typing accepted rows (dbt)",
    "resolve_customers": "Finding the one customer behind many numbers",
    "dbt_transform": "Building ledger, marts and features (dbt)",
    "learn_model": "Training and judging the risk model",
    "score_customers": "Scoring customers",
    "dbt_serve": "Limits, warnings, worklist and KPIs (dbt)",
    "mart_gate": "Checking the marts against the rules",
    "publication__current": "Publishing the mart",
}
LANDING, *_, PUBLISHING = STEPS


@dataclass(frozen=True)
class StepRecord:
    """What one step last built: for which night, from which landing, and whether it ended well."""

    step: str
    as_of: date
    load_id: str
    run_id: str
    is_done: bool


def begin_step(
    connection: duckdb.DuckDBPyConnection, step: str, as_of: date, *, load_id: str, run_id: str
) -> None:
    """Note that `step` builds anew: what it and every later step had built is not to be built on any more."""
    void = list(STEPS)[list(STEPS).index(step) :]
    connection.begin()
    connection.execute("delete from ops.night where step in (select unnest(?))", [void])
    connection.execute(
        "insert into ops.night (step, as_of_date, load_id, run_id, is_done, started_at) values (?, ?, ?, ?, false, ?)",
        [step, as_of, load_id, run_id, datetime.now(UTC)],
    )
    connection.commit()


def finish_step(connection: duckdb.DuckDBPyConnection, step: str) -> None:
    """Note that `step` ended well."""
    connection.execute(
        "update ops.night set is_done = true, ended_at = ? where step = ?", [datetime.now(UTC), step]
    )


def step_records(connection: duckdb.DuckDBPyConnection) -> dict[str, StepRecord]:
    """What each step last built, by step."""
    rows = connection.execute("select step, as_of_date, load_id, run_id, is_done from ops.night").fetchall()
    return {row[0]: StepRecord(*row) for row in rows}


def note_publication(
    connection: duckdb.DuckDBPyConnection, as_of: date, *, load_id: str, run_id: str
) -> None:
    """Note that the night of `as_of` is about to reach readers; from here on it is never taken back.

    Written before readers are switched: killed in between, the night counts as published, which its rerun mends.
    """
    connection.begin()
    connection.execute("delete from ops.publication where as_of_date = ?", [as_of])
    connection.execute(
        "insert into ops.publication (as_of_date, load_id, run_id, begun_at) values (?, ?, ?, ?)",
        [as_of, load_id, run_id, datetime.now(UTC)],
    )
    connection.commit()


def published_nights(connection: duckdb.DuckDBPyConnection) -> set[date]:
    """Every night that reached readers."""
    return {row[0] for row in connection.execute("select as_of_date from ops.publication").fetchall()}
