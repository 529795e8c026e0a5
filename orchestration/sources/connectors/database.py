"""The connector for databases: a table or query, in full or from its cursor on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from orchestration.sources.config import DatabaseSource, DatabaseTable
from orchestration.sources.connectors import database_queries
from orchestration.sources.connectors.protocol import (
    NEEDED_FOR_TOTALS,
    TOTALLED_TABLES,
    Feed,
    History,
    Reading,
    Visit,
    labelled,
    less_days,
)
from orchestration.sources.contract import CONTRACT
from orchestration.sources.errors import SourceError
from orchestration.sources.mapped_columns import check_columns, needed_columns

if TYPE_CHECKING:
    import pyarrow as pa


class Database:
    """A configured database."""

    def __init__(self, source: DatabaseSource, visit: Visit) -> None:
        self._source = source
        self._visit = visit

    def reachable(self) -> None:
        with self._visit.watch.over(f"source {self._source.name}", self._source.connect_timeout_seconds):
            database_queries.check_reachable(self._source)

    def check(self, table_name: str) -> None:
        table = self._source.tables[table_name]
        found = database_queries.columns_of(self._source, table_name, table)
        check_columns(f"source {self._source.name}, table {table_name}", table, CONTRACT[table_name], found)

    def read(self, table_name: str, history: History) -> Reading:
        source = self._source
        with self._visit.watch.over(f"source {source.name}, table {table_name}", source.lock_timeout_seconds):
            return self._read(table_name, source.tables[table_name], history)

    def _read(self, table_name: str, table: DatabaseTable, history: History) -> Reading:
        source, contract = self._source, CONTRACT[table_name]
        found = database_queries.columns_of(source, table_name, table)
        _, label = database_queries.relation_of(table_name, table)
        where = f"source {source.name}, table {label}"
        check_columns(where, table, contract, found)
        high_water = None
        if table.cursor is not None:
            if table.cursor not in found:
                raise SourceError(
                    where,
                    f"has no cursor column {table.cursor!r}",
                    valid=f"columns found: {', '.join(found)}",
                    remedy="correct `cursor`, or leave it out to read the table in full every night",
                )
            high_water = history.high_water()
        since = less_days(high_water, table.look_back_days)

        def feed(
            columns: Sequence[str],
            since: str | None,
            *,
            only: tuple[str, ...] = (),
            kept: tuple[str, ...] = (),
        ) -> Feed:
            return Feed(
                next(self._visit.numbers),
                None,
                table,
                columns,
                self._stream(table_name, table, label, columns, since, kept),
                only,
                kept,
                where=where,
                longest=database_queries.longest_wait(source),
            )

        kept = database_queries.keepable(source, table_name, table, history.undecided(table, found))
        feeds = [feed(needed_columns(table, found, contract, kept=kept), since, kept=kept)]
        totals = None
        if table_name in TOTALLED_TABLES and since is not None:
            narrow = needed_columns(table, found, contract, NEEDED_FOR_TOTALS)
            totals = feed(narrow, None, only=NEEDED_FOR_TOTALS)
        return Reading(
            feeds,
            totals,
            is_full=since is None,
            lists_open_items=table.delivery == "open_items",
            cursor_value=high_water,
            file_names=[label],
            found_columns=found,
        )

    def _stream(
        self,
        table_name: str,
        table: DatabaseTable,
        label: str,
        columns: Sequence[str],
        since: str | None,
        kept: Sequence[str],
    ) -> Callable[[], Iterator[pa.RecordBatch]]:
        return lambda: labelled(
            database_queries.read_batches(self._source, table_name, table, columns, since=since, kept=kept),
            label,
            with_rows=False,
        )
