"""Says in one line each what a person should know of a landing though it does not stop the night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from orchestration.night_book import published_nights
from orchestration.sources.connectors.source_file import SourceFile
from orchestration.sources.landing.planning import Plan
from orchestration.sources.landing.records import LandingResult

if TYPE_CHECKING:
    import duckdb


def nights_in_words(nights: Sequence[date]) -> str:
    """'the night of 2026-10-31', or how many they are, the first and the last."""
    if len(nights) == 1:
        return f"the night of {nights[0].isoformat()}"
    return f"{len(nights)} nights from {min(nights).isoformat()} to {max(nights).isoformat()}"


def about_new_column(plan: Plan, column: str) -> str:
    """A column that appeared after its table first landed, and what becomes of it."""
    if column in plan.mapped_columns:
        return f"{plan.where}: new column {column!r}, read by the mapping"
    kept = "its values are kept in raw" if any(column in feed.kept for feed in plan.feeds) else "not kept"
    return (
        f"{plan.where}: new column {column!r} is not read: no field of {plan.table.name} is mapped to it "
        f"({kept}); map it under `fields`, or name it under `ignore`"
    )


def about_keys_in_several_files(plan: Plan) -> list[str]:
    """Keys that came in more than one file tonight, where nothing but the files' names says which is the newer."""
    if plan.rounds == 1 or plan.is_certain:
        return []
    names = list(dict.fromkeys(file.shown_name for file in plan.read_files))
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return [
        f"{plan.where}: rows of one key came in several files tonight; the later file by name counts ({shown}); where "
        "the names hold dates, `name_date` says how they are written"
    ]


def about_empty_deliveries(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    counts: Mapping[str, tuple[int, int, int]],
    before: Mapping[str, int],
    as_of: date,
) -> list[str]:
    """Files and answers without rows, tables that are empty on their first load, and files that lost rows.

    `counts` begin with the rows read by file, `before` are those of the last time. Call it once the plan's rows
    have been appended.
    """
    if not plan.feeds:
        return []
    told = [
        f"{plan.where}: {line}"
        for file in plan.read_files
        if (line := _about_file(plan, file, counts.get(file.label), before.get(file.label)))
    ]
    if any(read for read, _, _ in counts.values()):
        return told
    live = _live_rows(connection, plan)
    if live == 0 and plan.table.need == "required":
        told.append(
            f"{plan.where}: no rows, and none had landed before; without {plan.table.name} {plan.table.without}"
        )
    elif live and plan.kind == "rest" and not plan.is_full:
        told.append(
            f"{plan.where}: the answer of {plan.file_names[0]} holds no rows, though {live:,} rows had landed before"
        )
    elif live and plan.totals is not None and _total_rows(connection, plan, as_of) == 0:
        told.append(
            f"{plan.where}: the whole table {plan.file_names[0]} is empty tonight, though {live:,} rows had landed "
            "before; they stay, since with a `cursor` no deletion is seen"
        )
    return told


def about_a_silent_night(
    connection: duckdb.DuckDBPyConnection,
    plans: Sequence[Plan],
    results: Sequence[LandingResult],
    as_of: date,
) -> list[str]:
    """A night that read no source, or whose sources brought no row at all: since when, and what to do."""
    replayed = [plan.where for plan in plans if plan.status == "replayed"]
    if replayed:
        later = sorted(night for night in published_nights(connection) if night > as_of)
        which = "no source" if len(replayed) == len(plans) else f"nothing of {', '.join(replayed)}"
        return [
            f"the night of {as_of.isoformat()} reads {which}: published after it stands {nights_in_words(later)}, so "
            f"it is made of what had landed by {as_of.isoformat()}. To read the sources, run a night from "
            f"{later[-1].isoformat()} on; where that date was a slip, put back a copy of the state folder from before"
        ]
    if any(result.rows_read for result in results):
        return []
    row = connection.execute(
        "select max(as_of_date) from ops.landing where rows_read > 0 and as_of_date <= ?", [as_of]
    ).fetchone()
    since = row[0] if row else None
    if since == as_of:
        # Run again, the night had read its files before.
        return []
    last = f"the last rows came with the night of {since.isoformat()}" if since else "none ever has"
    return [f"no source brought a single row tonight; {last}: see whether the exports still run"]


def _about_file(
    plan: Plan, file: SourceFile, counted: tuple[int, int, int] | None, before: int | None
) -> str | None:
    name, read = file.shown_name, counted[0] if counted else 0
    if read == 0 and (plan.delivers_changes or before != 0):
        holds = "holds a header and no rows" if file.format in ("csv", "excel") else "holds no rows"
        if file.is_selected:
            holds = "holds no row that its `from` takes"
        return f"file {name} {holds}" + (f", {before:,} when it was last read" if before else "")
    if plan.delivers_changes and before is not None and read < before:
        return f"file {name} holds {read:,} rows, {before:,} when it was last read; under `delivery: changes` they stay"
    return None


def _live_rows(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    row = connection.execute(
        "select count(*) from (select arg_max(_is_deleted, rowid) as is_deleted "
        f"from raw.{plan.table.name} where source_system = ? group by _row_key, _occurrence) where not is_deleted",
        [plan.source_system],
    ).fetchone()
    return int(row[0]) if row else 0


def _total_rows(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> int:
    row = connection.execute(
        "select coalesce(sum(row_count), 0) from ops.source_total "
        "where as_of_date = ? and source_system = ? and table_name = ?",
        [as_of, plan.source_system, plan.table.name],
    ).fetchone()
    return int(row[0]) if row else 0
