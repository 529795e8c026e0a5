"""Decides what a night reads of each source table, from what `raw` and `ops` already hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestration.settings import Settings
from orchestration.sources.config import (
    DatabaseSource,
    DatabaseTable,
    FileFeed,
    FileSource,
    FileTable,
    Mapped,
    RestSource,
    RestTable,
)
from orchestration.sources.connectors import database, files, rest
from orchestration.sources.contract import CONTRACT, Table
from orchestration.sources.errors import SourceError
from orchestration.sources.mapping import check_columns, needed_columns, unmapped_columns
from orchestration.sources.waiting import Watch

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Tables whose rows are money received or owed, and so get control totals.
TOTALLED_TABLES = ("invoices", "payments")
_NEEDED_FOR_TOTALS = ("currency", "amount")


@dataclass
class Feed:
    """One stream of rows on its way to a contract table."""

    number: int
    name: str | None
    mapped: Mapped
    columns: Sequence[str]
    batches: Callable[[], Iterator[pa.RecordBatch]]
    only: tuple[str, ...] = ()
    # Those of `columns` that no field is mapped to, read only to be kept.
    kept: tuple[str, ...] = ()
    # The delivery holds no record and shows no columns, so there is nothing to map.
    is_empty: bool = False
    # What is read, as messages name it, and the seconds after which its reader gives up; None where it cannot wait.
    where: str = ""
    longest: float | None = None

    @property
    def landing_name(self) -> str:
        return f"feed_{self.number}"


@dataclass
class Plan:
    """What to read for one contract table of one source, and how to compare it with what has landed."""

    source_system: str
    table: Table
    where: str
    kind: Literal["database", "files", "rest"]
    feeds: list[Feed] = field(default_factory=list)
    totals: Feed | None = None
    is_full: bool = False
    delivers_changes: bool = False
    rounds: int = 1
    # Temporary relations of the comparison, and whether each is a table or a view.
    made: dict[str, str] = field(default_factory=dict)
    status: str = "landed"
    cursor_value: str | None = None
    file_names: list[str] = field(default_factory=list)
    # Every column the source showed, mapped or not; empty where nothing was opened.
    found_columns: tuple[str, ...] = ()
    read_files: list[files.SourceFile] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def all_feeds(self) -> list[Feed]:
        """Every stream to carry, that for control totals included."""
        return [*self.feeds, *([self.totals] if self.totals else [])]

    @property
    def mapped_columns(self) -> set[str]:
        """Source columns that are read because a field is mapped to them, or an SQL expression may name them."""
        return {name for feed in self.feeds for name in feed.columns if name not in feed.kept}

    @property
    def picked_fields(self) -> list[str]:
        """Fields of which a key keeps its most frequent value; empty where every row lands as it is."""
        return sorted(
            {
                name
                for feed in self.feeds
                for name, mapping in (feed.mapped.fields or {}).items()
                if mapping.pick
            }
        )


def plan_all(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    as_of: date,
    full_refresh: bool,
    work: Path,
    *,
    notice: Callable[[str], None] | None = None,
) -> list[Plan]:
    """What to read of every configured table; `notice` is told when a source is waited for."""
    with Watch(notice) as watch:
        return _plan_all(connection, settings, as_of, full_refresh, work, watch)


def _plan_all(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    as_of: date,
    full_refresh: bool,
    work: Path,
    watch: Watch,
) -> list[Plan]:
    plans: list[Plan] = []
    numbers = iter(range(1_000_000))
    for name, source in settings.sources.items():
        checked = False
        for table_name, table in source.tables.items():
            system = table.key_space or name
            plan = Plan(system, CONTRACT[table_name], f"{name}.{table_name}", source.kind)
            plans.append(plan)
            newest = connection.execute(
                "select max(as_of_date) from ops.landing where source_system = ? and table_name = ?",
                [system, table_name],
            ).fetchone()
            if newest is not None and newest[0] is not None and newest[0] > as_of:
                plan.status = "replayed"
                continue
            if isinstance(source, DatabaseSource) and isinstance(table, DatabaseTable):
                if not checked:
                    with watch.over(f"source {name}", source.connect_timeout_seconds):
                        database.check_reachable(source)
                    checked = True
                with watch.over(f"source {name}, table {table_name}", source.lock_timeout_seconds):
                    _plan_database(connection, plan, source, table_name, table, as_of, full_refresh, numbers)
            elif isinstance(source, FileSource) and isinstance(table, FileTable):
                _plan_files(connection, plan, name, table_name, table, full_refresh, numbers)
            elif isinstance(source, RestSource) and isinstance(table, RestTable):
                with watch.over(f"source {name}, table {table_name}", source.max_seconds):
                    _plan_rest(
                        connection, plan, source, table_name, table, as_of, full_refresh, numbers, work, watch
                    )
    return plans


def _plan_database(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    source: DatabaseSource,
    table_name: str,
    table: DatabaseTable,
    as_of: date,
    full_refresh: bool,
    numbers: Iterator[int],
) -> None:
    found = database.columns_of(source, table_name, table)
    _, label = database.relation_of(table_name, table)
    where = f"source {source.name}, table {label}"
    check_columns(where, table, plan.table, found)
    plan.file_names = [label]
    plan.found_columns = found
    high_water = None
    if table.cursor is not None:
        if table.cursor not in found:
            raise SourceError(
                where,
                f"has no cursor column {table.cursor!r}",
                valid=f"columns found: {', '.join(found)}",
                remedy="correct `cursor`, or leave it out to read the table in full every night",
            )
        if not full_refresh:
            high_water = _high_water(connection, plan, as_of)
    since = _less_days(high_water, table.look_back_days)
    plan.is_full = since is None
    plan.cursor_value = high_water

    def stream(
        columns: Sequence[str], since: str | None, kept: Sequence[str] = ()
    ) -> Callable[[], Iterator[pa.RecordBatch]]:
        return lambda: _labelled(
            database.read_batches(source, table_name, table, columns, since=since, kept=kept),
            label,
            with_rows=False,
        )

    kept = database.keepable(source, table_name, table, _new_unmapped(connection, plan, table, found))
    columns = needed_columns(table, found, plan.table, kept=kept)
    longest = database.longest_wait(source)
    plan.feeds = [
        Feed(
            next(numbers),
            None,
            table,
            columns,
            stream(columns, since, kept),
            kept=kept,
            where=where,
            longest=longest,
        )
    ]
    if plan.table.name in TOTALLED_TABLES and since is not None:
        # Control totals cover the whole table, also where only its news is landed.
        narrow = needed_columns(table, found, plan.table, _NEEDED_FOR_TOTALS)
        plan.totals = Feed(
            next(numbers),
            None,
            table,
            narrow,
            stream(narrow, None),
            _NEEDED_FOR_TOTALS,
            where=where,
            longest=longest,
        )


def _plan_files(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    source_name: str,
    table_name: str,
    table: FileTable,
    full_refresh: bool,
    numbers: Iterator[int],
) -> None:
    landed = {
        row[0]: (row[1], row[2])
        for row in connection.execute(
            "select source_file, size_bytes, content_hash from ops.landed_file "
            "where source_system = ? and table_name = ?",
            [plan.source_system, table_name],
        ).fetchall()
    }
    where = f"source {source_name}, {table_name}"
    present: list[tuple[FileFeed, Path, str, files.Fingerprint]] = []
    for feed in table.feeds:
        found = files.find_files(where, feed)
        if table.delivery == "latest_snapshot":
            # Rows keep one label, so that those that stay the same still belong to the newest export.
            found = [(found[-1][0], feed.label)]
        for path, label in found:
            mark = files.fingerprint(f"{where}, file {path.name}", feed, path)
            present.append((feed, path, label, mark))
    labels = [label for _, _, label, _ in present]
    for _, path, label, _ in present:
        if labels.count(label) > 1 and table.delivery == "changes":
            raise SourceError(where, f"two files are called {label}", remedy=f"rename one of them ({path})")
    plan.file_names = labels
    plan.gone = [label for label in landed if label not in labels] if table.delivery != "changes" else []

    changed = {
        label
        for _, _, label, mark in present
        if full_refresh or landed.get(label) != (mark.size_bytes, mark.content_hash)
    }
    # A lookup or a choice among all spellings needs every file, not only the new ones.
    reads_all = table.delivery != "changes" or any(
        mapping.lookup or mapping.pick for feed in table.feeds for mapping in (feed.fields or {}).values()
    )
    if not changed and not plan.gone:
        plan.unchanged = labels
        return
    wanted = set(labels) if reads_all else changed
    plan.unchanged = [label for label in labels if label not in wanted]
    plan.is_full = table.delivery != "changes"
    plan.delivers_changes = table.delivery == "changes"

    seen = {digest: label for label, (_, digest) in landed.items() if label in labels and label not in wanted}
    for feed in table.feeds:
        chosen: list[files.SourceFile] = []
        for owner, path, label, mark in present:
            if owner is not feed or label not in wanted:
                continue
            if mark.content_hash in seen:
                plan.duplicates.append((label, seen[mark.content_hash]))
                continue
            seen[mark.content_hash] = label
            at = f"{where}, file {path.name}"
            file = files.inspect_file(at, feed, path, label, mark)
            if file.has_records:
                check_columns(at, feed, plan.table, file.columns)
            chosen.append(file)
        if chosen:
            shown = list(dict.fromkeys(name for file in chosen for name in file.columns))
            kept = _new_unmapped(connection, plan, feed, shown)
            columns = needed_columns(feed, shown, plan.table, kept=kept)
            stream = _file_stream(where, chosen, columns)
            is_empty = not any(file.has_records for file in chosen)
            number = next(numbers)
            plan.feeds.append(
                Feed(number, feed.name, feed, columns, stream, kept=kept, where=where, is_empty=is_empty)
            )
            plan.read_files.extend(chosen)
            plan.found_columns = tuple(dict.fromkeys([*plan.found_columns, *shown]))


def _file_stream(
    where: str, chosen: Sequence[files.SourceFile], columns: Sequence[str]
) -> Callable[[], Iterator[pa.RecordBatch]]:
    def stream() -> Iterator[pa.RecordBatch]:
        for file in chosen:
            at = f"{where}, file {file.path.name}"
            yield from _labelled(files.read_batches(at, file, columns), file.label, with_rows=True)

    return stream


def _plan_rest(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    source: RestSource,
    table_name: str,
    table: RestTable,
    as_of: date,
    full_refresh: bool,
    numbers: Iterator[int],
    work: Path,
    watch: Watch,
) -> None:
    label = table.path.strip("/")
    plan.file_names = [label]
    high_water = None
    if table.since_param is not None and not full_refresh:
        high_water = _high_water(connection, plan, as_of)
    plan.cursor_value = high_water
    since = _less_days(high_water, table.look_back_days)
    plan.is_full = since is None
    number = next(numbers)
    target = work / f"answer_{number}.jsonl"
    if rest.download(source, table_name, table, target, since=since, watch=watch) == 0:
        if plan.is_full:
            watch.say(
                f"source {source.name}, {table_name}: the service gave no rows, though all were asked for"
            )
        plan.feeds = [Feed(number, None, table, [], lambda: iter(()), is_empty=True)]
        return
    where = f"source {source.name}, {table_name}"
    answer = files.inspect_file(where, FileFeed(files=(str(target),), format="jsonl"), target, label)
    check_columns(where, table, plan.table, answer.columns)
    plan.found_columns = answer.columns
    kept = _new_unmapped(connection, plan, table, answer.columns)
    columns = needed_columns(table, answer.columns, plan.table, kept=kept)
    stream = _file_stream(where, [answer], columns)
    plan.feeds = [Feed(number, None, table, columns, stream, kept=kept, where=where)]


def _new_unmapped(
    connection: duckdb.DuckDBPyConnection, plan: Plan, mapped: Mapped, columns: Sequence[str]
) -> tuple[str, ...]:
    """The columns nobody has decided on: they appeared after the table first landed, and no field uses them.

    Columns that were there when the mapping was written and are not in it were left out by its writer.
    """
    known = dict(
        connection.execute(
            "select column_name, is_new from ops.source_column where source_system = ? and table_name = ?",
            [plan.source_system, plan.table.name],
        ).fetchall()
    )
    if not known:
        return ()
    unmapped = unmapped_columns(mapped, columns, plan.table)
    return tuple(name for name in unmapped if known.get(name, True) and name not in mapped.ignore)


def _high_water(connection: duckdb.DuckDBPyConnection, plan: Plan, as_of: date) -> str | None:
    """The newest landed `updated_at`; a value after the night is a slip and must not hide later rows."""
    row = connection.execute(
        f"select max(updated_at) from raw.{plan.table.name} where source_system = ? "
        "and regexp_full_match(updated_at, '[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}') and updated_at < ?",
        [plan.source_system, (as_of + timedelta(days=1)).isoformat()],
    ).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _less_days(high_water: str | None, days: int) -> str | None:
    if high_water is None:
        return None
    return (datetime.fromisoformat(high_water) - timedelta(days=days)).isoformat(" ")


def _labelled(batches: Iterator[pa.RecordBatch], label: str, *, with_rows: bool) -> Iterator[pa.RecordBatch]:
    """Batches with `_source_file`, and `_source_row` (NULL where the source knows no order)."""
    import pyarrow as pa

    for batch in batches:
        if not with_rows:
            batch = batch.append_column("_source_row", pa.nulls(batch.num_rows, pa.int64()))
        yield batch.append_column("_source_file", pa.repeat(pa.scalar(label, pa.string()), batch.num_rows))
