"""The connector for REST services: an endpoint is downloaded whole, then read as a file of JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestration.sources.config import RestEndpoint, RestSource, RestTable
from orchestration.sources.connectors import file_formats, rest_pages
from orchestration.sources.connectors.files import stream_of
from orchestration.sources.connectors.protocol import Feed, History, Reading, Visit, less_days
from orchestration.sources.connectors.shaping import (
    ORIGIN_COLUMNS,
    Relation,
    named_in,
    selected_batches,
    selected_columns,
)
from orchestration.sources.connectors.source_file import SourceFile
from orchestration.sources.contract import CONTRACT
from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import OWN_RELATION, FileLayout
from orchestration.sources.mapped_columns import check_columns, needed_columns


class Rest:
    """A configured REST service."""

    def __init__(self, source: RestSource, visit: Visit) -> None:
        self._source = source
        self._visit = visit

    def reachable(self) -> None:
        """A service answers, or does not, for each of its endpoints."""

    def check(self, table_name: str) -> None:
        """Only a request could tell, and a service may count or charge for those."""

    def read(self, table_name: str, history: History) -> Reading:
        source = self._source
        with self._visit.watch.over(f"source {source.name}, table {table_name}", source.max_seconds):
            return self._read(table_name, source.tables[table_name], history)

    def _read(self, table_name: str, table: RestTable, history: History) -> Reading:
        source, contract = self._source, CONTRACT[table_name]
        label = table.path.strip("/")
        high_water = history.high_water() if table.since_param is not None else None
        since = less_days(high_water, table.look_back_days)
        reading = Reading(
            is_full=since is None,
            lists_open_items=table.delivery == "open_items",
            cursor_value=high_water,
            file_names=[label],
        )
        number = next(self._visit.numbers)
        where = f"source {source.name}, {table_name}"
        news = {table.since_param: since} if table.since_param is not None and since is not None else {}
        answer = self._answer(where, table_name, table, _key_columns(table_name, table), news)
        if answer is None:
            if reading.is_full:
                self._visit.watch.say(f"{where}: the service gave no rows, though all were asked for")
            reading.feeds = [Feed(number, None, table, [], lambda: iter(()), is_empty=True)]
            return reading
        relations = []
        shown = answer.columns
        if table.from_ is not None:
            relations = [_relation(where, OWN_RELATION, answer), *self._relations(where, table.from_)]
            others = [name for name in source.relations if name not in {one.name for one in relations}]
            where = f"{where}, `from`"
            given = selected_columns(where, table.from_, relations, others)
            shown = tuple(name for name in given if name not in ORIGIN_COLUMNS)
        check_columns(where, table, contract, shown)
        reading.found_columns = shown
        kept = history.undecided(table, shown)
        columns = needed_columns(table, shown, contract, kept=kept)
        stream = stream_of(where, [answer], columns)
        if table.from_ is not None:
            stream = selected_batches(
                where,
                table.from_,
                relations,
                columns,
                label=label,
                own_labels=None,
                has_rows=False,
                work=self._visit.work,
            )
        reading.feeds = [Feed(number, None, table, columns, stream, kept=kept, where=where)]
        return reading

    def _answer(
        self,
        where: str,
        name: str,
        endpoint: RestEndpoint,
        keys: Sequence[str] = (),
        since: Mapping[str, str] | None = None,
    ) -> SourceFile | None:
        """The records of an endpoint, downloaded whole; None where there are none."""
        label = endpoint.path.strip("/")
        target = self._visit.work / f"answer_{next(self._visit.numbers)}.jsonl"
        count = rest_pages.download(
            self._source, name, endpoint, target, keys=keys, since=since or {}, watch=self._visit.watch
        )
        if count == 0:
            return None
        return file_formats.inspect_file(
            where, FileLayout(files=(str(target),), format="jsonl"), target, label
        )

    def _relations(self, where: str, query: str) -> list[Relation]:
        """The answers that a select reads beside its own."""
        relations = []
        for name in named_in(query, list(self._source.relations)):
            endpoint = self._source.relations[name]
            answer = self._answer(f"{where}, relation {name}", name, endpoint)
            if answer is None:
                raise SourceError(
                    f"{where}, relation {name}",
                    "the service gave no rows, and so names no columns to select",
                    remedy="see to the service, then run again",
                )
            relations.append(_relation(f"{where}, relation {name}", name, answer))
        return relations


def _key_columns(table_name: str, table: RestTable) -> list[str]:
    """The columns of the answer that are the table's key, each of them one; none where a select or SQL makes it."""
    mappings = [table.mapping_for(name) for name in CONTRACT[table_name].key]
    columns = [mapping.column for mapping in mappings if mapping is not None and mapping.column is not None]
    return columns if len(columns) == len(mappings) and table.from_ is None else []


def _relation(where: str, name: str, answer: SourceFile) -> Relation:
    return Relation(name, answer.columns, lambda columns: stream_of(where, [answer], columns)())
