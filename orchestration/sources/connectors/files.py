"""The connector for files: which of those that match are new, changed, delivered twice or gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources.config import FileFeed, FileSource, FileTable
from orchestration.sources.connectors import file_formats
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
        present = _present(where, table)
        labels = [label for _, _, label, _ in present]
        reading = Reading(
            file_names=labels,
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

        seen = {
            digest: label for label, (_, digest) in landed.items() if label in labels and label not in wanted
        }
        for feed in table.feeds:
            chosen: list[SourceFile] = []
            for owner, path, label, mark in present:
                if owner is not feed or label not in wanted:
                    continue
                if mark.content_hash in seen:
                    reading.duplicates.append((label, seen[mark.content_hash]))
                    continue
                seen[mark.content_hash] = label
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


def _present(where: str, table: FileTable) -> list[tuple[FileFeed, Path, str, Fingerprint]]:
    """Every file that counts as delivered, with its feed, label and fingerprint."""
    present: list[tuple[FileFeed, Path, str, Fingerprint]] = []
    for feed in table.feeds:
        found = file_formats.find_files(where, feed)
        if table.delivery == "latest_snapshot":
            # Rows keep one label, so that those that stay the same still belong to the newest export.
            found = [(found[-1][0], feed.label)]
        for path, label in found:
            mark = file_formats.fingerprint(f"{where}, file {path.name}", feed, path)
            present.append((feed, path, label, mark))
    labels = [label for _, _, label, _ in present]
    for _, path, label, _ in present:
        if labels.count(label) > 1 and table.delivery == "changes":
            raise SourceError(where, f"two files are called {label}", remedy=f"rename one of them ({path})")
    return present


def stream_of(
    where: str, chosen: Sequence[SourceFile], columns: Sequence[str]
) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Opens the rows of inspected files, one file after the other."""

    def stream() -> Iterator[pa.RecordBatch]:
        for file in chosen:
            at = f"{where}, file {file.path.name}"
            yield from labelled(file_formats.read_batches(at, file, columns), file.label, with_rows=True)

    return stream
