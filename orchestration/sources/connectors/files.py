"""The connector for files: which of them are new, changed, delivered twice or gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources.connectors import file_formats
from orchestration.sources.connectors.file_order import Order, in_order
from orchestration.sources.connectors.protocol import Feed, History, Reading, Visit, labelled
from orchestration.sources.connectors.shaping import (
    ORIGIN_COLUMNS,
    Relation,
    named_in,
    selected_batches,
    selected_columns,
    words_of,
)
from orchestration.sources.connectors.source_file import Fingerprint, SourceFile
from orchestration.sources.contract import CONTRACT
from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import OWN_RELATION, FileFeed, FileLayout, FileSource, FileTable
from orchestration.sources.mapped_columns import check_columns, mapped_names, needed_columns

if TYPE_CHECKING:
    import pyarrow as pa

# Begins the labels of files that a query reads and whose rows it does not trace.
_BESIDE = "relation "


@dataclass(frozen=True)
class Present:
    """A file that counts as delivered: where it lies, and by what it is known again; `mark` is its fingerprint."""

    layout: FileLayout
    path: Path
    label: str
    mark: Fingerprint | None = None


class Files:
    """Configured files in folders."""

    def __init__(self, source: FileSource, visit: Visit) -> None:
        self._source = source
        self._visit = visit

    def reachable(self) -> None:
        """Files are missed one by one, where they are looked for."""

    def check(self, table_name: str) -> None:
        table, where = self._source.tables[table_name], f"source {self._source.name}, {table_name}"
        for feed in table.feeds:
            own = [Present(feed, path, label) for path, label in file_formats.find_files(where, feed)]
            files = _inspected(where, own, _names_asked_for(feed, table_name))
            if feed.from_ is None:
                for file in files:
                    _check_file(where, feed, table_name, file)
            else:
                beside = {
                    name: [
                        Present(layout, path, label)
                        for path, label in file_formats.find_files(f"{where}, relation {name}", layout)
                    ]
                    for name, layout in self._relations(feed).items()
                }
                self._select(where, feed, table_name, files, self._beside_files(where, feed, beside))

    def read(self, table_name: str, history: History) -> Reading:
        table, where = self._source.tables[table_name], f"source {self._source.name}, {table_name}"
        landed = history.files()
        present, told, is_certain = _present(where, table)
        beside = self._present_beside(where, table)
        marks = {file.label: _mark_of(file) for file in present}
        marks_beside = {file.label: _mark_of(file) for files in beside.values() for file in files}
        # A file whose rows a query does not trace is known by the label of what lies beside.
        known = {label: landed.get(label, landed.get(_beside_label(OWN_RELATION, label))) for label in marks}
        held = {*marks, *marks_beside, *(_beside_label(OWN_RELATION, label) for label in marks)}
        missing = [label for label in landed if label not in held]
        lost = [label for label in missing if label.startswith(_BESIDE)]
        is_whole = table.delivery != "changes"
        reading = Reading(
            told=told,
            is_certain=is_certain,
            gone=[label for label in missing if is_whole and label not in lost],
            forgotten=lost,
        )
        changed = {label for label, mark in marks.items() if history.full_refresh or known[label] != mark}
        is_stale = bool(lost) or any(landed.get(label) != mark for label, mark in marks_beside.items())
        if not (changed or reading.gone or is_stale or (history.full_refresh and beside)):
            reading.file_names = reading.unchanged = _names_of_rows(table, present)
            return reading
        # A lookup, a choice among all spellings and a relation that changed need every file, not only the new ones.
        reads_all = (
            is_whole
            or is_stale
            or any(
                mapping.lookup or mapping.pick
                for feed in table.feeds
                for mapping in (feed.fields or {}).values()
            )
        )
        wanted = set(marks) if reads_all else changed
        reading.unchanged = [label for label in marks if label not in wanted]
        reading.file_names = [*reading.unchanged]
        reading.is_full = is_whole
        reading.delivers_changes = not is_whole
        reading.lists_open_items = table.delivery == "open_items"

        # A copy brings nothing new, unless another feed reads something else in it: other columns, another sheet.
        seen = {_view_of(file): file.label for file in present if file.label not in wanted}
        found_beside: dict[str, list[SourceFile]] = {}
        for feed in table.feeds:
            chosen: list[Present] = []
            for file in present:
                if file.layout is not feed or file.label not in wanted:
                    continue
                original = seen.setdefault(_view_of(file), file.label)
                if original == file.label:
                    chosen.append(file)
                else:
                    reading.duplicates.append((file.label, original))
                    reading.file_names.append(file.label)
            if feed.files and not chosen:
                continue
            files = _inspected(where, chosen, _names_asked_for(feed, table_name))
            if feed.from_ is None:
                self._add_mapped(reading, where, feed, table_name, files, history)
            else:
                found_beside |= self._beside_files(where, feed, beside, found_beside)
                self._add_selected(reading, where, feed, table_name, files, found_beside, history)
        reading.beside += [file for files in found_beside.values() for file in files]
        return reading

    def _add_mapped(
        self,
        reading: Reading,
        where: str,
        feed: FileFeed,
        table_name: str,
        files: Sequence[SourceFile],
        history: History,
    ) -> None:
        for file in files:
            if file.has_records:
                _check_file(where, feed, table_name, file)
        shown = _columns_of(files)
        kept = history.undecided(feed, shown)
        columns = needed_columns(feed, shown, CONTRACT[table_name], kept=kept)
        is_empty = not any(file.has_records for file in files)
        stream = stream_of(where, files, columns)
        self._add(reading, where, feed, shown, columns, kept, stream, is_empty)
        reading.read_files.extend(files)
        reading.file_names += [file.label for file in files]
        reading.told += _told_of(where, files)

    def _add_selected(
        self,
        reading: Reading,
        where: str,
        feed: FileFeed,
        table_name: str,
        files: Sequence[SourceFile],
        beside: Mapping[str, Sequence[SourceFile]],
        history: History,
    ) -> None:
        relations, given = self._select(where, feed, table_name, files, beside)
        shown = tuple(name for name in given if name not in ORIGIN_COLUMNS)
        is_traced = bool(files) and "_source_file" in given
        kept = history.undecided(feed, shown)
        columns = needed_columns(feed, shown, CONTRACT[table_name], kept=kept)
        label = _label_of_rows(feed)
        stream = selected_batches(
            f"{where}, `from`",
            feed.from_ or "",
            relations,
            columns,
            label=label,
            own_labels=[file.label for file in files] if is_traced else None,
            has_rows="_source_row" in given,
            work=self._visit.work,
        )
        is_empty = bool(files) and not any(file.has_records for file in files)
        self._add(reading, where, feed, shown, columns, kept, stream, is_empty)
        if is_traced:
            reading.read_files.extend(replace(file, is_selected=True) for file in files)
            reading.file_names += [file.label for file in files]
        else:
            reading.beside.extend(
                replace(file, label=_beside_label(OWN_RELATION, file.label)) for file in files
            )
            reading.made_labels.append(label)
            reading.file_names.append(label)
        reading.told += _told_of(where, files)

    def _add(
        self,
        reading: Reading,
        where: str,
        feed: FileFeed,
        shown: Sequence[str],
        columns: Sequence[str],
        kept: tuple[str, ...],
        stream: Callable[[], Iterator[pa.RecordBatch]],
        is_empty: bool,
    ) -> None:
        number = next(self._visit.numbers)
        reading.feeds.append(
            Feed(
                number,
                feed.name,
                feed,
                [] if is_empty else columns,
                (lambda: iter(())) if is_empty else stream,
                kept=kept,
                where=where,
                is_empty=is_empty,
            )
        )
        reading.found_columns = tuple(dict.fromkeys([*reading.found_columns, *shown]))

    def _select(
        self,
        where: str,
        feed: FileFeed,
        table_name: str,
        files: Sequence[SourceFile],
        beside: Mapping[str, Sequence[SourceFile]],
    ) -> tuple[list[Relation], tuple[str, ...]]:
        """The relations of a feed's `from`, and the columns it gives, checked against the mapping."""
        at, query = f"{where}, `from`", feed.from_ or ""
        relations = [_relation(where, OWN_RELATION, files)] if files else []
        relations += [
            _relation(f"{where}, relation {name}", name, beside[name]) for name in self._relations(feed)
        ]
        if files and not any(file.has_records for file in files):
            return relations, ()
        others = [name for name in self._source.relations if name not in self._relations(feed)]
        given = selected_columns(at, query, relations, others)
        shown = [name for name in given if name not in ORIGIN_COLUMNS]
        check_columns(at, feed, CONTRACT[table_name], shown)
        if self._source.tables[table_name].delivery == "changes" and "_source_file" not in given:
            raise SourceError(
                at,
                "gives no _source_file, and `delivery: changes` lands file by file",
                valid="select _source_file, _source_row, … from rows …",
                remedy="pass both on, or say `delivery: snapshot` where the files together are the whole table",
            )
        return relations, given

    def _relations(self, feed: FileFeed) -> dict[str, FileLayout]:
        """The source's relations that a feed's `from` names."""
        names = named_in(feed.from_, list(self._source.relations)) if feed.from_ is not None else []
        return {name: self._source.relations[name] for name in names}

    def _present_beside(self, where: str, table: FileTable) -> dict[str, list[Present]]:
        """The files of every relation that the table's feeds name, with fingerprints."""
        beside: dict[str, list[Present]] = {}
        for feed in table.feeds:
            for name, layout in self._relations(feed).items():
                at = f"{where}, relation {name}"
                beside[name] = [
                    Present(
                        layout,
                        path,
                        _beside_label(name, label),
                        file_formats.fingerprint(f"{at}, file {path.name}", layout, path),
                    )
                    for path, label in file_formats.find_files(at, layout)
                ]
        return beside

    def _beside_files(
        self,
        where: str,
        feed: FileFeed,
        beside: Mapping[str, Sequence[Present]],
        found: Mapping[str, list[SourceFile]] | None = None,
    ) -> dict[str, list[SourceFile]]:
        """The files of the relations that a feed names, looked at; those already `found` are not looked at again."""
        return {
            name: (found or {}).get(name)
            or _inspected(f"{where}, relation {name}", beside[name], self._names_asked_of(name))
            for name in self._relations(feed)
        }

    def _names_asked_of(self, relation: str) -> set[str]:
        """The names by which the header of a relation's files is known: all that any select of it may mean."""
        return {
            name
            for table_name, table in self._source.tables.items()
            for feed in table.feeds
            if relation in self._relations(feed)
            for name in _names_asked_for(feed, table_name)
        }


def _present(where: str, table: FileTable) -> tuple[list[Present], list[str], bool]:
    """Every file that counts as delivered, with its label and fingerprint, oldest first of each feed.

    Beside them what to tell of their order, and whether dates or numbers say it.
    """
    present: list[Present] = []
    told: list[str] = []
    is_certain = True
    for feed in table.feeds:
        labels = dict(file_formats.find_files(where, feed))
        if not labels:
            continue
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
            present.append(Present(feed, path, label, mark))
    return _told_apart(where, table, present), told, is_certain


def _told_apart(where: str, table: FileTable, present: Sequence[Present]) -> list[Present]:
    """`present` with a label of its own for each feed of one file: its name, its sheet, or which one it is."""
    paths: dict[str, Path] = {}
    taken: set[str] = set()
    told: list[Present] = []
    for file in present:
        if table.delivery == "changes" and paths.setdefault(file.label, file.path) != file.path:
            raise SourceError(
                where, f"two files are called {file.label}", remedy=f"rename one of them ({file.path})"
            )
        number = next(place for place, feed in enumerate(table.feeds, start=1) if feed is file.layout)
        feed = table.feeds[number - 1]
        own = [file.label, *(f"{file.label}#{part}" for part in (feed.name, feed.sheet, str(number)) if part)]
        while own[0] in taken:
            own = own[1:] or [f"{file.label}#{number}#{len(taken)}"]
        taken.add(own[0])
        told.append(replace(file, label=own[0]))
    return told


def _names_of_rows(table: FileTable, present: Sequence[Present]) -> list[str]:
    """What the rows of a table are labelled with, as far as it is known without a look at the files."""
    names = []
    for feed in table.feeds:
        own = [file.label for file in present if file.layout is feed]
        names += own if feed.from_ is None or own else [_label_of_rows(feed)]
    return list(dict.fromkeys(names))


def _label_of_rows(feed: FileFeed) -> str:
    """The one label of rows that a query made of several files or rows."""
    return feed.label if feed.files else f"select {feed.name}" if feed.name else "select"


def _beside_label(relation: str, label: str) -> str:
    return f"{_BESIDE}{relation}: {label}"


def _mark_of(file: Present) -> tuple[int, str]:
    assert file.mark is not None
    return file.mark.size_bytes, file.mark.content_hash


def _view_of(file: Present) -> tuple[str, str]:
    """What a feed makes of a file, whatever the file and the feed are called."""
    return _mark_of(file)[1], file.layout.model_dump_json(exclude={"name", "files"})


def _names_asked_for(feed: FileFeed, table_name: str) -> Collection[str]:
    """The names by which the header of a feed's files is known."""
    return {*words_of(feed.from_ or ""), *mapped_names(feed, CONTRACT[table_name])}


def _inspected(where: str, files: Sequence[Present], wanted: Collection[str]) -> list[SourceFile]:
    return [
        file_formats.inspect_file(
            f"{where}, file {file.path.name}", file.layout, file.path, file.label, file.mark, wanted
        )
        for file in files
    ]


def _check_file(where: str, feed: FileFeed, table_name: str, file: SourceFile) -> None:
    at = f"{where}, file {file.path.name}"
    check_columns(at, feed, CONTRACT[table_name], file.columns, lambda: file_formats.records_hint(at, file))


def _told_of(where: str, files: Sequence[SourceFile]) -> list[str]:
    """What to tell of how files were read, once for all of those that were read so."""
    by_text: dict[str, list[str]] = {}
    for file in files:
        if file.header.told is not None:
            by_text.setdefault(file.header.told, []).append(file.shown_name)
    return [
        f"{where}, file {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {text}"
        for text, names in by_text.items()
    ]


def _columns_of(files: Sequence[SourceFile]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for file in files for name in file.columns))


def _relation(where: str, name: str, files: Sequence[SourceFile]) -> Relation:
    return Relation(name, _columns_of(files), lambda columns: stream_of(where, files, columns)())


def stream_of(
    where: str, chosen: Sequence[SourceFile], columns: Sequence[str]
) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Opens the rows of inspected files, one file after the other."""

    def stream() -> Iterator[pa.RecordBatch]:
        for file in chosen:
            at = f"{where}, file {file.path.name}"
            yield from labelled(file_formats.read_batches(at, file, columns), file.label, with_rows=True)

    return stream
