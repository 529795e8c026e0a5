"""Compares what was read with what `raw` holds, and appends new versions and tombstones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from orchestration.sources.amounts import define_amounts
from orchestration.sources.connectors.protocol import Feed
from orchestration.sources.contract import EXTRA_COLUMN, SYSTEM_COLUMNS, Table
from orchestration.sources.errors import SourceError
from orchestration.sources.landing.losses import Loss, measure_loss
from orchestration.sources.landing.occurrences import number_occurrences
from orchestration.sources.landing.planning import Plan
from orchestration.sources.landing.records import NO_LONGER_LISTED, record_repairs, record_totals
from orchestration.sources.landing.temporary import drop, make
from orchestration.sources.mapping import MappingQuery, mapping_query
from orchestration.sources.sql_text import literal, quoted

if TYPE_CHECKING:
    import duckdb


def append_versions(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    relations: Mapping[int, str],
    time_zone: str,
    as_of: date,
) -> tuple[dict[str, tuple[int, int, int]], Loss | None]:
    """Map, compare and append; returns rows (read, landed, deleted) by source file, and what a full delivery lacks.

    Files that each bring changes are deliveries of their own, oldest first: where two of them
    carry one key, the later one's row becomes a version after the earlier one's. Everything else read in one
    night is one delivery, in which rows sharing a key are repeats of each other.
    """
    queries = _map_feeds(connection, plan, relations, time_zone)
    _collect(connection, plan, queries)
    as_read = "picked_rows" if plan.picked_fields else "collected_rows"
    read = _counts(connection, f"select _source_file, count(*) from {as_read} group by _source_file")
    landed: dict[str, int] = {}
    deleted: dict[str, int] = {}
    loss: Loss | None = None
    is_first = _is_first_load(connection, plan, as_of)
    plan.rounds = _split_deliveries(connection, plan)
    for round_number in range(1, plan.rounds + 1):
        make(connection, plan, "view", "delivery", f"select * from read_rows where _round = {round_number}")
        live = number_occurrences(connection, plan)
        if plan.is_full:
            loss = measure_loss(connection, plan, live, read)
        for name, count in _append_new(connection, plan, as_of, is_first).items():
            landed[name] = landed.get(name, 0) + count
        if plan.lists_open_items:
            _append_clearings(connection, plan, as_of)
        elif plan.is_full:
            deleted = _append_tombstones(connection, plan, as_of)
        record_repairs(connection, plan, queries)
    record_totals(connection, plan, relations, time_zone, as_of)
    drop(connection, plan, "new_rows", "delivery", "read_rows", "collected_rows", "picked_rows")
    drop(connection, plan, "vanished_rows", *(f"mapped_{number}" for number in queries))
    names = sorted({*read, *landed, *deleted})
    return {name: (read.get(name, 0), landed.get(name, 0), deleted.get(name, 0)) for name in names}, loss


def _counts(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, int]:
    return dict(connection.execute(query).fetchall())


def _split_deliveries(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    """Make temp.read_rows, every collected row with its `_round`; returns how many rounds, at least one.

    A row is left out (round 0) where its own file brought it before and no other content since: read again,
    an older file must not undo what a later one has said.
    """
    if not plan.delivers_changes:
        make(connection, plan, "view", "read_rows", "select *, 1 as _round from collected_rows")
        return 1
    connection.execute(
        f"""
        create or replace temp table brought as
        select _row_key, _source_file, arg_max(_row_hash, rowid) as _row_hash
        from raw.{plan.table.name}
        where source_system = $system and _row_key in (select _row_key from collected_rows)
        group by _row_key, _occurrence, _source_file
        """,
        {"system": plan.source_system},
    )
    labels = ", ".join(literal(file.label) for file in plan.read_files)
    in_order = f"list_position([{labels}], _source_file)" if labels else "1"
    make(
        connection,
        plan,
        "table",
        "read_rows",
        f"""
        select *, dense_rank() over (partition by _row_key order by _feed, {in_order}, _source_file) as _round
        from collected_rows anti join brought using (_row_key, _source_file, _row_hash)
        union all
        select *, 0 from collected_rows semi join brought using (_row_key, _source_file, _row_hash)
        """,
    )
    drop(connection, plan, "brought")
    row = connection.execute("select coalesce(max(_round), 1) from read_rows").fetchone()
    return max(1, int(row[0])) if row else 1


def _append_new(
    connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date, is_first: bool
) -> dict[str, int]:
    columns = ", ".join(quoted(name) for name in plan.table.field_names)
    connection.execute(
        f"insert into raw.{plan.table.name} ({_raw_columns(plan.table)}) "
        f"select {columns}, $system, _row_key, _occurrence, _row_hash, false, "
        f"$backfill, $loaded_at, $load_id, _source_file, _source_row, {EXTRA_COLUMN} from new_rows",
        {**_stamp(plan, as_of), "backfill": is_first},
    )
    return _counts(connection, "select _source_file, count(*) from new_rows group by _source_file")


def _append_tombstones(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> dict[str, int]:
    table = plan.table
    columns = ", ".join(quoted(name) for name in table.field_names)
    vanished = f"raw.{table.name} where rowid in (select latest_rowid from vanished_rows)"
    deleted = _counts(connection, f"select _source_file, count(*) from {vanished} group by _source_file")
    connection.execute(
        f"insert into raw.{table.name} ({_raw_columns(table)}) "
        f"select {columns}, $system, _row_key, _occurrence, _row_hash, true, "
        f"false, $loaded_at, $load_id, _source_file, _source_row, {EXTRA_COLUMN} from {vanished} order by rowid",
        _stamp(plan, as_of),
    )
    return deleted


def _append_clearings(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> None:
    """A version of every row that left the list: cleared tonight, and after the night that last listed it.

    No file holds it any more, so it counts for a label of its own, of which `record_totals` keeps the total.
    """
    table = plan.table
    before = connection.execute(
        "select max(as_of_date) from ops.landing where source_system = ? and table_name = ? and as_of_date < ?",
        [plan.source_system, table.name, as_of],
    ).fetchone()
    values = {"cleared_date": "$cleared_date", "cleared_after": "$cleared_after"}
    columns = ", ".join(quoted(name) for name in table.field_names)
    cleared = ", ".join(f"{values.get(name, quoted(name))} as {quoted(name)}" for name in table.field_names)
    connection.execute(
        f"insert into raw.{table.name} ({_raw_columns(table)}) "
        f"select {columns}, $system, _row_key, _occurrence, {row_hash_sql(table)}, false, "
        f"false, $loaded_at, $load_id, _source_file || $no_longer_listed, null, {EXTRA_COLUMN} from ("
        f"select {cleared}, _row_key, _occurrence, _source_file, {EXTRA_COLUMN}, rowid as version_rowid "
        f"from raw.{table.name} "
        "where rowid in (select latest_rowid from vanished_rows)) order by version_rowid",
        {
            **_stamp(plan, as_of),
            "no_longer_listed": NO_LONGER_LISTED,
            "cleared_date": as_of.isoformat(),
            "cleared_after": before[0].isoformat() if before is not None and before[0] is not None else None,
        },
    )


def _raw_columns(table: Table) -> str:
    return ", ".join([*map(quoted, table.field_names), *(name for name, _ in SYSTEM_COLUMNS), EXTRA_COLUMN])


def _stamp(plan: Plan, as_of: date) -> dict[str, object]:
    return {
        "system": plan.source_system,
        "loaded_at": datetime.combine(as_of, datetime.min.time()),
        "load_id": as_of.isoformat(),
    }


def _map_feeds(
    connection: duckdb.DuckDBPyConnection, plan: Plan, relations: Mapping[int, str], time_zone: str
) -> dict[int, MappingQuery]:
    """Create temp.mapped_<number> for every feed, those that others look into first."""
    import duckdb

    names = {feed.name: f"temp.mapped_{feed.number}" for feed in plan.feeds}
    key, row_hash = _key_sql(plan.table), row_hash_sql(plan.table)

    def has_lookup(feed: Feed) -> bool:
        return any(mapping.lookup for mapping in (feed.mapped.fields or {}).values())

    queries: dict[int, MappingQuery] = {}
    for feed in sorted(plan.feeds, key=has_lookup):
        query = mapping_query(
            relations[feed.number],
            plan.table,
            feed.mapped.model_copy(update={"fields": {}}) if feed.is_empty else feed.mapped,
            feed.columns,
            time_zone=time_zone,
            lookups=lambda name: names[name],
            kept=feed.kept,
        )
        try:
            define_amounts(connection, query.sql)
            identity = f"{key} as _row_key, {row_hash} as _row_hash, {feed.number} as _feed"
            keyed = f"select *, {identity} from ({query.sql})"
            connection.execute(f"create or replace temp table mapped_{feed.number} as {keyed}")
        except (duckdb.BinderException, duckdb.ParserException, duckdb.ConversionException) as error:
            raise SourceError(
                plan.where,
                f"an SQL expression of the mapping failed: {str(error).splitlines()[0]}",
                valid=f"columns found: {', '.join(feed.columns)}",
                remedy="correct the expression; use try_cast where a value may be ill-formed",
            ) from error
        _refuse_ambiguous(connection, plan, feed, query)
        queries[feed.number] = query
    return queries


def _refuse_ambiguous(
    connection: duckdb.DuckDBPyConnection, plan: Plan, feed: Feed, query: MappingQuery
) -> None:
    """Raise SourceError where a day can be read in two ways: whoever picks one of them guesses."""
    for field, readings in query.ambiguities.items():
        name = quoted(readings)
        rows = connection.execute(
            f"select {name}, _source_file, _source_row, count(*) over () from temp.mapped_{feed.number} "
            f"where {name} is not null order by _seq limit 2"
        ).fetchall()
        if rows:
            shown = "; ".join(
                f"{said} ({file}{'' if row is None else f', row {row}'})" for said, file, row, _ in rows
            )
            raise SourceError(
                plan.where,
                f"{rows[0][3]:,} values of {field} can be read as two days: {shown}",
                valid="formats of which one alone fits each value",
                remedy="keep the format the source writes in, or tell the rows apart with `sql`",
            )


def _key_sql(table: Table) -> str:
    return "concat_ws('|', " + ", ".join(f"coalesce({quoted(name)}, '')" for name in table.key) + ")"


def row_hash_sql(table: Table) -> str:
    """The hash of a row's content, by which a version is known: over every column of the contract, in its order."""
    values = ", ".join(f"coalesce({quoted(name)}, chr(30))" for name in table.field_names)
    return f"md5(concat_ws(chr(31), {values}))"


def _collect(connection: duckdb.DuckDBPyConnection, plan: Plan, queries: Mapping[int, MappingQuery]) -> None:
    """Bring all feeds together in temp.collected_rows; one row a key where fields are picked."""
    columns = [
        *map(quoted, plan.table.field_names),
        "_source_file",
        "_source_row",
        "_feed",
        "_seq",
        "_row_key",
        EXTRA_COLUMN,
    ]
    picked = plan.picked_fields
    if picked:
        _collect_picked(connection, plan, queries, columns)
        return
    selects = [
        f"select {', '.join(columns)}, _row_hash from temp.mapped_{number}" for number in sorted(queries)
    ]
    if not selects:
        nothing = ", ".join(f"cast(null as varchar) as {name}" for name in [*columns, "_row_hash"])
        selects = [f"select {nothing} where false"]
    make(connection, plan, "view", "collected_rows", " union all ".join(selects))


def _collect_picked(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    queries: Mapping[int, MappingQuery],
    columns: Sequence[str],
) -> None:
    """Of each key the most frequent value of every picked field; a default counts only without others."""
    picked = plan.picked_fields
    selects = []
    for number, query in sorted(queries.items()):
        before_default = {audit.field: audit.before for audit in query.audits if audit.repair == "default"}
        flags = [
            f"{quoted(before_default[name]) + ' is null' if name in before_default else 'false'} "
            f"as {quoted(name + '~is_default')}"
            for name in picked
        ]
        selects.append(f"select {', '.join([*columns, *flags])} from temp.mapped_{number}")
    make(connection, plan, "table", "picked_rows", " union all ".join(selects))
    joins, values = [], []
    for name in plan.table.field_names:
        if name not in picked:
            values.append(f"base.{quoted(name)} as {quoted(name)}")
            continue
        value, flag = quoted(name), quoted(name + "~is_default")
        joins.append(
            f"left join (select _row_key, {value} as value, {flag} as is_default from temp.picked_rows "
            f"group by _row_key, {value}, {flag} qualify row_number() over (partition by _row_key "
            f"order by {value} is null, {flag}, count(*) desc, {value}) = 1) as pick_{name} using (_row_key)"
        )
        values.append(f"pick_{name}.value as {value}")
        values.append(f"coalesce(pick_{name}.is_default, false) as {flag}")
    first = ", ".join(
        f"arg_min({name}, (_feed, _seq)) as {name}"
        for name in columns
        if name not in ("_feed", "_seq", "_row_key")
    )
    make(
        connection,
        plan,
        "table",
        "collected_rows",
        f"select *, {row_hash_sql(plan.table)} as _row_hash "
        f"from (select {', '.join(values)}, base._row_key, base._source_file, base._source_row, "
        f"base.{EXTRA_COLUMN}, base._feed, base._seq from "
        f"(select _row_key, {first}, min(_feed) as _feed, arg_min(_seq, (_feed, _seq)) as _seq "
        f"from temp.picked_rows group by _row_key) as base {' '.join(joins)}) order by _feed, _seq",
    )


def _is_first_load(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> bool:
    row = connection.execute(
        "select count(*) from ops.landing where source_system = ? and table_name = ? and as_of_date < ?",
        [plan.source_system, plan.table.name, as_of],
    ).fetchone()
    return row is None or row[0] == 0


def rebuild_landed(connection: duckdb.DuckDBPyConnection, table: Table, as_of: date, *, is_new: bool) -> None:
    """Bring `staging.landed_<table>` to `as_of`: the latest known version of each row, without deleted ones.

    Going forward, only rows with versions that were not known to the last build are worked again; a night
    before the last one is built anew. `is_new` says that raw held nothing before tonight and got one
    version of each row.
    """
    name = table.name
    columns = ", ".join([*map(quoted, table.field_names), *(column for column, _ in SYSTEM_COLUMNS)])
    if is_new:
        connection.execute(
            f"create or replace table staging.landed_{name} as "
            f"select {columns}, _loaded_at as _first_loaded_at, _is_backfill as _first_is_backfill from raw.{name}"
        )
        _remember_build(connection, name, as_of)
        return
    built = connection.execute(
        "select as_of_date, latest_rowid from ops.landed_build where table_name = ?", [name]
    ).fetchone()
    parameters = {"as_of": datetime.combine(as_of, datetime.min.time())}
    identity = "source_system, _row_key, _occurrence"
    known = "(_is_backfill or _loaded_at <= $as_of)"
    only_changed = ""
    target = f"create or replace table staging.landed_{name} as"
    if built is not None and built[0] <= as_of:
        connection.execute(
            f"create or replace temp table changed_rows as select distinct {identity} from raw.{name} "
            f"where {known} and (rowid > $latest_rowid or (not _is_backfill and _loaded_at > $built_as_of))",
            {
                **parameters,
                "latest_rowid": built[1],
                "built_as_of": datetime.combine(built[0], datetime.min.time()),
            },
        )
        changed = f"row({identity}) in (select row({identity}) from changed_rows)"
        connection.execute(f"delete from staging.landed_{name} where {changed}")
        only_changed = f"and {changed}"
        target = f"insert into staging.landed_{name} ({columns}, _first_loaded_at, _first_is_backfill)"
    connection.execute(
        f"""
        {target}
        with known as (
            select max(rowid) as latest_rowid, arg_min(_loaded_at, rowid) as _first_loaded_at,
                   arg_min(_is_backfill, rowid) as _first_is_backfill
            from raw.{name}
            where {known} {only_changed}
            group by {identity}
        )
        select version.* exclude (version_rowid), known._first_loaded_at, known._first_is_backfill
        from (select {columns}, rowid as version_rowid from raw.{name} where not _is_deleted) as version
        join known on known.latest_rowid = version.version_rowid
        """,
        parameters,
    )
    connection.execute("drop table if exists temp.changed_rows")
    _remember_build(connection, name, as_of)


def _remember_build(connection: duckdb.DuckDBPyConnection, name: str, as_of: date) -> None:
    connection.execute("delete from ops.landed_build where table_name = ?", [name])
    connection.execute(
        "insert into ops.landed_build (table_name, as_of_date, latest_rowid) "
        f"select ?, ?, coalesce(max(rowid), -1) from raw.{name}",
        [name, as_of],
    )
