"""Keeps the book of the landing in `ops`: what was read, repaired, totalled, and who delivers what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.sources.amounts import define_amounts
from orchestration.sources.config import Source
from orchestration.sources.connectors.protocol import TOTALLED_TABLES
from orchestration.sources.contract import TABLES
from orchestration.sources.landing.planning import Plan
from orchestration.sources.mapping import Audit, MappingQuery, mapping_query
from orchestration.sources.sql_text import quoted

if TYPE_CHECKING:
    import duckdb

_REPAIR_COLUMNS = (
    "source_system, table_name, _row_key, _occurrence, column_name, repair, original_value, repaired_value, "
    "reason"
)


# Behind the name of an open-item list: what left it.
NO_LONGER_LISTED = "#no longer listed"


@dataclass(frozen=True)
class LandingResult:
    """What one night did with one file, database table or endpoint.

    `status` is 'landed', 'unchanged' (file seen before), 'duplicate' (same content as another file) or
    'replayed' (as_of lies before what has landed: history is read from raw, the source is left alone).
    """

    source_system: str
    table_name: str
    source_file: str
    rows_read: int
    rows_landed: int
    rows_deleted: int
    cursor_value: str | None
    status: str


def record_repairs(
    connection: duckdb.DuckDBPyConnection, plan: Plan, queries: Mapping[int, MappingQuery]
) -> None:
    """Replace the repairs of the rows that have just changed with those of their new content."""
    identity = [plan.source_system, plan.table.name]
    connection.execute(
        "delete from ops.repair where source_system = ? and table_name = ? and (_row_key, _occurrence) in "
        f"(select (_row_key, _occurrence) from new_rows union all select (_row_key, _occurrence) "
        f"from raw.{plan.table.name} where rowid in (select latest_rowid from vanished_rows))",
        identity,
    )
    picked = plan.picked_fields
    for number, query in sorted(queries.items()):
        for audit in _with_effect(connection, number, query):
            if picked:
                keys = f"(select _feed, _seq, _row_key from temp.picked_rows where _feed = {number})"
                only_kept = audit.repair == "default" and audit.field in picked
                kept = f"and {quoted(audit.field + '~is_default')}" if only_kept else ""
                origin = (
                    f"temp.mapped_{number} as mapped join {keys} as keys using (_seq) "
                    f"join (select * from new_rows where true {kept}) as landed "
                    "on landed._row_key = keys._row_key"
                )
            else:
                origin = (
                    f"temp.mapped_{number} as mapped join (select * from new_rows where _feed = {number}) "
                    "as landed on landed._seq = mapped._seq"
                )
            before, after = f"mapped.{quoted(audit.before)}", f"mapped.{quoted(audit.after)}"
            connection.execute(
                f"insert into ops.repair ({_REPAIR_COLUMNS}) "
                "select distinct $system, $table, landed._row_key, landed._occurrence, "
                f"$field, $repair, {before}, {after}, $reason from {origin} "
                f"where {before} is distinct from {after} order by all",
                {
                    "system": plan.source_system,
                    "table": plan.table.name,
                    "field": audit.field,
                    "repair": audit.repair,
                    "reason": audit.reason,
                },
            )
    for name in picked:
        value, flag = quoted(name), quoted(name + "~is_default")
        connection.execute(
            f"insert into ops.repair ({_REPAIR_COLUMNS}) "
            "select $system, $table, landed._row_key, landed._occurrence, $field, "
            f"'most_frequent', variant.value, landed.{value}, "
            "concat('written so on ', variant.n, ' of ', variant.total, ' rows; the most frequent is kept') "
            f"from (select _row_key, {value} as value, count(*) as n, "
            "sum(count(*)) over (partition by _row_key) as total "
            f"from temp.picked_rows where not {flag} and {value} is not null group by _row_key, {value}) "
            "as variant "
            f"join new_rows as landed using (_row_key) where variant.value <> landed.{value} order by all",
            {"system": plan.source_system, "table": plan.table.name, "field": name},
        )


def _with_effect(connection: duckdb.DuckDBPyConnection, number: int, query: MappingQuery) -> list[Audit]:
    """The steps of a mapping that changed any value of its feed; most change none."""
    if not query.audits:
        return []
    changed = ", ".join(
        f"bool_or({quoted(audit.before)} is distinct from {quoted(audit.after)})" for audit in query.audits
    )
    row = connection.execute(f"select {changed} from temp.mapped_{number}").fetchone()
    return [audit for audit, has_effect in zip(query.audits, row or (), strict=True) if has_effect]


def record_totals(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    relations: Mapping[int, str],
    time_zone: str,
    as_of: date,
) -> None:
    """Control totals by file and currency of every row the source showed, before any comparison."""
    if plan.table.name not in TOTALLED_TABLES:
        return
    rows = "collected_rows"
    if plan.totals is not None:
        feed = plan.totals
        query = mapping_query(
            relations[feed.number],
            plan.table,
            feed.mapped,
            feed.columns,
            time_zone=time_zone,
            lookups=str,
            only=feed.only,
        )
        define_amounts(connection, query.sql)
        rows = f"({query.sql})"
    traced = [*(file.label for file in plan.read_files), *plan.made_labels]
    replaced = [*plan.gone, *traced] if traced else plan.file_names
    for name in replaced:
        connection.execute(
            "delete from ops.source_total where source_system = ? and table_name = ? and source_file = ?",
            [plan.source_system, plan.table.name, name],
        )
    connection.execute(
        "insert into ops.source_total (as_of_date, source_system, table_name, source_file, currency, row_count, "
        "amount, unreadable_count) select $as_of, $system, $table, _source_file, currency, count(*), "
        f"coalesce(sum(amount), 0), count(*) - count(amount) from "
        f"(select _source_file, currency, ops.plain_number(amount) as amount from {rows}) "
        "group by _source_file, currency "
        "order by _source_file, currency",
        {"as_of": as_of, "system": plan.source_system, "table": plan.table.name},
    )
    if plan.lists_open_items:
        _record_cleared(connection, plan, as_of)


def _record_cleared(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> None:
    """The total of what an open-item list no longer holds because it was cleared."""
    connection.execute(
        "delete from ops.source_total where source_system = ? and table_name = ? and suffix(source_file, ?)",
        [plan.source_system, plan.table.name, NO_LONGER_LISTED],
    )
    connection.execute(
        "insert into ops.source_total (as_of_date, source_system, table_name, source_file, currency, row_count, "
        "amount, unreadable_count) select $as_of, $system, $table, source_file, currency, count(*), "
        "coalesce(sum(amount), 0), count(*) - count(amount) from ("
        "select arg_max(_source_file, rowid) as source_file, arg_max(currency, rowid) as currency, "
        f"ops.plain_number(arg_max(amount, rowid)) as amount from raw.{plan.table.name} "
        "where source_system = $system group by _row_key, _occurrence having not arg_max(_is_deleted, rowid)) "
        "where suffix(source_file, $label) group by source_file, currency order by source_file, currency",
        {"as_of": as_of, "system": plan.source_system, "table": plan.table.name, "label": NO_LONGER_LISTED},
    )


def record_landing(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    counts: Mapping[str, tuple[int, int, int]],
    as_of: date,
) -> list[LandingResult]:
    system, table = plan.source_system, plan.table.name
    results = []
    duplicates = dict(plan.duplicates)
    for name in sorted({*plan.file_names, *counts, *plan.gone}):
        read, landed, deleted = counts.get(name, (0, 0, 0))
        status = "landed"
        if name in duplicates:
            status = "duplicate"
            original = counts.get(duplicates[name])
            read = original[0] if original else rows_by_file(connection, plan).get(duplicates[name], 0)
        elif name in plan.unchanged:
            status = "unchanged"
        results.append(LandingResult(system, table, name, read, landed, deleted, plan.cursor_value, status))
    for result in results:
        known = connection.execute(
            "select rows_landed, rows_deleted from ops.landing where as_of_date = ? and source_system = ? "
            "and table_name = ? and source_file = ?",
            [as_of, system, table, result.source_file],
        ).fetchone()
        if known is not None and result.status == "unchanged":
            continue
        connection.execute(
            "delete from ops.landing where as_of_date = ? and source_system = ? and table_name = ? "
            "and source_file = ?",
            [as_of, system, table, result.source_file],
        )
        # Run again, a night adds to what it has landed already.
        earlier = known or (0, 0)
        connection.execute(
            "insert into ops.landing (as_of_date, source_system, table_name, source_file, rows_read, rows_landed, "
            "rows_deleted, cursor_value, status) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                as_of,
                system,
                table,
                result.source_file,
                result.rows_read,
                result.rows_landed + earlier[0],
                result.rows_deleted + earlier[1],
                result.cursor_value,
                result.status,
            ],
        )
    _record_files(connection, plan, {result.source_file: result.rows_read for result in results}, as_of)
    return results


def record_columns(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> list[str]:
    """Remember the columns the source shows; returns those that appeared since its table first landed.

    `is_read` says whether the mapping reads the column, `is_new` whether it appeared after the table first
    landed. Columns are remembered for good: one that vanishes and returns is told once. Columns to ignore are
    not told.
    """
    identity = [plan.source_system, plan.table.name]
    known = {
        row[0]
        for row in connection.execute(
            "select column_name from ops.source_column where source_system = ? and table_name = ?", identity
        ).fetchall()
    }
    read = plan.mapped_columns
    new = [name for name in plan.found_columns if name not in known]
    for name in new:
        connection.execute(
            "insert into ops.source_column (source_system, table_name, column_name, first_seen_on, is_read, is_new) "
            "values (?, ?, ?, ?, ?, ?)",
            [*identity, name, as_of, name in read, bool(known)],
        )
    for name in plan.found_columns:
        if name in known:
            connection.execute(
                "update ops.source_column set is_read = ? where source_system = ? and table_name = ? "
                "and column_name = ? and is_read <> ?",
                [name in read, *identity, name, name in read],
            )
    ignored = {name for feed in plan.feeds for name in feed.mapped.ignore}
    return [name for name in new if name not in ignored] if known else []


def rows_by_file(connection: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, int]:
    """How many rows each file of the plan's table held when it was last read."""
    return dict(
        connection.execute(
            "select source_file, max(rows_read) from ops.landed_file "
            "where source_system = ? and table_name = ? group by source_file",
            [plan.source_system, plan.table.name],
        ).fetchall()
    )


def _record_files(
    connection: duckdb.DuckDBPyConnection, plan: Plan, rows_read: Mapping[str, int], as_of: date
) -> None:
    by_label = {file.label: file for file in [*plan.read_files, *plan.beside]}
    for name in [*by_label, *(name for name, _ in plan.duplicates), *plan.gone, *plan.forgotten]:
        connection.execute(
            "delete from ops.landed_file where source_system = ? and table_name = ? and source_file = ?",
            [plan.source_system, plan.table.name, name],
        )
    entries = [(label, label) for label in by_label]
    for name, original in [*entries, *plan.duplicates]:
        file = by_label.get(original)
        if file is not None:
            size, digest = file.fingerprint.size_bytes, file.fingerprint.content_hash
        else:
            found = connection.execute(
                "select size_bytes, content_hash from ops.landed_file "
                "where source_system = ? and table_name = ? and source_file = ?",
                [plan.source_system, plan.table.name, original],
            ).fetchone()
            assert found is not None
            size, digest = found
        connection.execute(
            "insert into ops.landed_file (source_system, table_name, source_file, size_bytes, content_hash, rows_read, "
            "as_of_date) values (?, ?, ?, ?, ?, ?, ?)",
            [plan.source_system, plan.table.name, name, size, digest, rows_read.get(name, 0), as_of],
        )


def record_providers(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, Source]) -> None:
    """Say in ops.source_table which table each source delivers, and which nobody delivers."""
    rows: list[tuple[str, str | None, bool]] = []
    for table in TABLES:
        systems = sorted(
            source.tables[table.name].key_space or name
            for name, source in sources.items()
            if table.name in source.tables
        )
        rows.extend((table.name, system, True) for system in systems)
        if not systems:
            rows.append((table.name, None, False))
    connection.execute("delete from ops.source_table")
    connection.executemany(
        "insert into ops.source_table (table_name, source_system, is_provided) values (?, ?, ?)", rows
    )
