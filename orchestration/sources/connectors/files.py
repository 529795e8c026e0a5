"""The connector for files: which of those that match are new, changed, delivered twice or gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources.config import FileFeed, FileSource, FileTable
from orchestration.sources.connectors import file_formats
from orchestration.sources.connectors.file_order import Order, in_order
from orchestration.sources.connectors.protocol import Feed, History, Reading, Visit, labelled
from orchestration.sources.connectors.source_file import Fingerprint, SourceFile
from orchestration.sources.contract import CONTRACT
from orchestration.sources.errors import SourceError
from orchestration.sources.mapped_columns import check_columns, needed_columns

if TYPE_CHECKING:
    import pyarrow as pa


class Files:
    """Configured files in folders."""

    def __init__(self, source: FileSource, visit: Visit) -> None:
        self._source = source
        self._visit = visit

    def reachable(self) -> None:
        """Files are missed one by one, where they are looked for."""

    def check(self, table_name: str) -> None:
        where = f"source {self._source.name}, {table_name}"
        for feed in self._source.tables[table_name].feeds:
            for path, label in file_formats.find_files(where, feed):
                at = f"{where}, file {path.name}"
                columns = file_formats.inspect_file(at, feed, path, label).columns
                check_columns(at, feed, CONTRACT[table_name], columns)

    def read(self, table_name: str, history: History) -> Reading:
        table, contract = self._source.tables[table_name], CONTRACT[table_name]
        landed = history.files()
        where = f"source {self._source.name}, {table_name}"
        present, told, is_certain = _present(where, table)
        labels = [label for _, _, label, _ in present]
        reading = Reading(
            file_names=labels,
            told=told,
            is_certain=is_certain,
            gone=[label for label in landed if label not in labels] if table.delivery != "changes" else [],
        )
        changed = {
            label
            for _, _, label, mark in present
            if history.full_refresh or landed.get(label) != (mark.size_bytes, mark.content_hash)
        }
        if not changed and not reading.gone:
            reading.unchanged = labels
            return reading
        # A lookup or a choice among all spellings needs every file, not only the new ones.
        reads_all = table.delivery != "changes" or any(
            mapping.lookup or mapping.pick for feed in table.feeds for mapping in (feed.fields or {}).values()
        )
        wanted = set(labels) if reads_all else changed
        reading.unchanged = [label for label in labels if label not in wanted]
        reading.is_full = table.delivery != "changes"
        reading.delivers_changes = table.delivery == "changes"
        reading.lists_open_items = table.delivery == "open_items"

        # A copy brings nothing new, unless another feed reads something else in it: other columns, another sheet.
        views = {label: (mark.content_hash, _view_of(feed)) for feed, _, label, mark in present}
        seen = {views[label]: label for label in labels if label not in wanted}
        for feed in table.feeds:
            chosen: list[SourceFile] = []
            for owner, path, label, mark in present:
                if owner is not feed or label not in wanted:
                    continue
                if views[label] in seen:
                    reading.duplicates.append((label, seen[views[label]]))
                    continue
                seen[views[label]] = label
                at = f"{where}, file {path.name}"
                file = file_formats.inspect_file(at, feed, path, label, mark)
                if file.has_records:
                    check_columns(at, feed, contract, file.columns)
                chosen.append(file)
            if chosen:
                shown = list(dict.fromkeys(name for file in chosen for name in file.columns))
                kept = history.undecided(feed, shown)
                columns = needed_columns(feed, shown, contract, kept=kept)
                reading.feeds.append(
                    Feed(
                        next(self._visit.numbers),
                        feed.name,
                        feed,
                        columns,
                        stream_of(where, chosen, columns),
                        kept=kept,
                        where=where,
                        is_empty=not any(file.has_records for file in chosen),
                    )
                )
                reading.read_files.extend(chosen)
                reading.found_columns = tuple(dict.fromkeys([*reading.found_columns, *shown]))
        return reading


def _present(
    where: str, table: FileTable
) -> tuple[list[tuple[FileFeed, Path, str, Fingerprint]], list[str], bool]:
    """Every file that counts as delivered, with its feed, label and fingerprint, oldest first of each feed.

    Beside them what to tell of their order, and whether dates or numbers say it.
    """
    present: list[tuple[FileFeed, Path, str, Fingerprint]] = []
    told: list[str] = []
    is_certain = True
    for feed in table.feeds:
        labels = dict(file_formats.find_files(where, feed))
        order = (
            Order(tuple(labels))
            if table.delivery == "snapshot"
            else in_order(where, [*labels], feed.name_date)
        )
        told += [order.told] if order.told else []
        is_certain &= order.is_certain
        found = [(path, labels[path]) for path in order.paths]
        if table.delivery in ("latest_snapshot", "open_items"):
            # Rows keep one label, so that those that stay the same still belong to the newest export.
            found = [(found[-1][0], feed.label)]
        for path, label in found:
            mark = file_formats.fingerprint(f"{where}, file {path.name}", feed, path)
            present.append((feed, path, label, mark))
    return _told_apart(where, table, present), told, is_certain


def _told_apart(
    where: str, table: FileTable, present: Sequence[tuple[FileFeed, Path, str, Fingerprint]]
) -> list[tuple[FileFeed, Path, str, Fingerprint]]:
    """`present` with a label of its own for each feed of one file: its name, its sheet, or which one it is."""
    paths: dict[str, Path] = {}
    told: list[tuple[FileFeed, Path, str, Fingerprint]] = []
    for feed, path, label, mark in present:
        if table.delivery == "changes" and paths.setdefault(label, path) != path:
            raise SourceError(where, f"two files are called {label}", remedy=f"rename one of them ({path})")
        taken = {known for _, _, known, _ in told}
        number = table.feeds.index(feed) + 1
        own = (label, *(f"{label}#{part}" for part in (feed.name, feed.sheet, str(number)) if part))
        told.append((feed, path, next((name for name in own if name not in taken), label), mark))
    return told


def _view_of(feed: FileFeed) -> str:
    """What a feed makes of a file, whatever the file and the feed are called."""
    return feed.model_dump_json(exclude={"name", "files"})


def stream_of(
    where: str, chosen: Sequence[SourceFile], columns: Sequence[str]
) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Opens the rows of inspected files, one file after the other."""

    def stream() -> Iterator[pa.RecordBatch]:
        for file in chosen:
            at = f"{where}, file {file.path.name}"
            yield from labelled(file_formats.read_batches(at, file, columns), file.label, with_rows=True)

    return stream
