"""The connector for REST services: an endpoint is downloaded whole, then read as a file of JSON lines."""

from __future__ import annotations

from orchestration.sources.config import RestSource, RestTable
from orchestration.sources.connectors import file_formats, rest_pages
from orchestration.sources.connectors.files import stream_of
from orchestration.sources.connectors.protocol import Feed, History, Reading, Visit, less_days
from orchestration.sources.contract import CONTRACT
from orchestration.sources.file_config import FileLayout
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
        source, watch, contract = self._source, self._visit.watch, CONTRACT[table_name]
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
        target = self._visit.work / f"answer_{number}.jsonl"
        where = f"source {source.name}, {table_name}"
        if rest_pages.download(source, table_name, table, target, since=since, watch=watch) == 0:
            if reading.is_full:
                watch.say(f"{where}: the service gave no rows, though all were asked for")
            reading.feeds = [Feed(number, None, table, [], lambda: iter(()), is_empty=True)]
            return reading
        answer = file_formats.inspect_file(
            where, FileLayout(files=(str(target),), format="jsonl"), target, label
        )
        check_columns(where, table, contract, answer.columns)
        reading.found_columns = answer.columns
        kept = history.undecided(table, answer.columns)
        columns = needed_columns(table, answer.columns, contract, kept=kept)
        stream = stream_of(where, [answer], columns)
        reading.feeds = [Feed(number, None, table, columns, stream, kept=kept, where=where)]
        return reading
