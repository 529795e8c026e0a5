"""Reads local files (CSV, JSON, Parquet, Excel) as all-text Arrow batches, and says clearly what is wrong."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.engine import connect
from orchestration.sources.connectors.csv_files import (
    LONGEST_LINE,
    PlainCopy,
    csv_error,
    csv_source_sql,
    encoding_of,
    look_at_csv,
    open_quote,
    plain_copy,
    uneven_row,
)
from orchestration.sources.connectors.excel_files import excel_batches, excel_header, refuse_oversized
from orchestration.sources.connectors.packing import packing_of, unpacked
from orchestration.sources.connectors.source_file import (
    BATCH_ROWS,
    Fingerprint,
    SourceFile,
    first_line,
    refuse_changed,
    state_of,
)
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.file_config import FileFormat, FileLayout
from orchestration.sources.sql_text import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_RECORD = 64 * 2**20
_TAIL = 4096
# An object of so many members is a record itself, and no wrapping.
_WIDE = 20


def find_files(where: str, layout: FileLayout) -> list[tuple[Path, str]]:
    """The files that match a layout, sorted, each with its label: its path below the pattern's fixed folder.

    Raises SourceError where a pattern matches nothing.
    """
    found: dict[Path, str] = {}
    for pattern in layout.files:
        matches = sorted(Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file())
        if not matches and Path(pattern).is_file():
            matches = [Path(pattern)]
        if not matches:
            folder = _fixed_folder(pattern)
            with _clear_errors(where, "a folder"):
                beside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
            valid = f"in that folder: {', '.join(beside[:20]) or 'nothing'}" if folder.is_dir() else ""
            raise SourceError(
                where,
                f"no file {Path(pattern).name} in {folder}"
                + ("" if folder.is_dir() else " (no such folder)"),
                valid=valid,
                remedy="put the file there, or correct `files` in the configuration",
            )
        for path in matches:
            found.setdefault(path, path.relative_to(_fixed_folder(pattern)).as_posix())
    return sorted(found.items())


def _fixed_folder(pattern: str) -> Path:
    parts = Path(pattern).parts
    fixed = list(parts[:-1])
    for position, part in enumerate(parts[:-1]):
        if glob.has_magic(part):
            fixed = fixed[:position]
            break
    return Path(*fixed) if fixed else Path()


def fingerprint(where: str, layout: FileLayout, path: Path) -> Fingerprint:
    """Look at a file's bytes, without reading a value.

    Raises SourceError where it cannot be opened, or was not written to its end (told at once, whatever its size),
    and TransientSourceError where it changes meanwhile.
    """
    with _clear_errors(where, layout.format_of(path)):
        seen = state_of(path)
        _refuse_unwritten(where, layout, path)
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        refuse_changed(where, path, seen)
        return Fingerprint(seen.size_bytes, seen.modified_ns, digest)


def inspect_file(
    where: str,
    layout: FileLayout,
    path: Path,
    label: str,
    seen: Fingerprint | None = None,
    wanted: Collection[str] = (),
) -> SourceFile:
    """Look at a file: format, encoding, delimiter, columns. `seen` is its fingerprint, where it has been taken.

    The header is looked for where the `wanted` names stand, unless the layout says its line. Raises SourceError where
    the file is empty, cannot be decoded, is not what its format says, or unpacks to more than can be read;
    TransientSourceError where it is not the file of the fingerprint any more.
    """
    with _clear_errors(where, layout.format_of(path)):
        seen = seen or state_of(path)
        refuse_changed(where, path, seen)
        if seen.size_bytes == 0:
            raise SourceError(where, "the file is empty (0 bytes)", remedy="deliver the file again")
        _refuse_unwritten(where, layout, path)
        with unpacked(where, layout, path) as (plain, name):
            kind = layout.format_of(Path(name))
            if plain.stat().st_size == 0:
                raise SourceError(
                    where, "the packed file is empty (0 bytes)", remedy="deliver the file again"
                )
            file = SourceFile(path, label, seen, kind, (), layout)
            return _looked_at(where, file, plain, wanted)


def _looked_at(where: str, file: SourceFile, path: Path, wanted: Collection[str]) -> SourceFile:
    """`file` with what is seen of it in `path`, where it lies unpacked."""
    layout, kind = file.layout, file.format
    if kind == "csv":
        encoding = encoding_of(where, path, layout.encoding, LONGEST_LINE)
        dialect = look_at_csv(where, path, encoding, layout, wanted)
        header = dialect.header
        return replace(
            file, columns=header.names, header=header, encoding=encoding, delimiter=dialect.delimiter
        )
    if kind == "excel":
        refuse_oversized(where, path)
        header, sheet = excel_header(where, path, layout, wanted)
        return replace(file, columns=header.names, header=header, sheet=sheet)
    if kind in ("jsonl", "json"):
        encoding_of(where, path, "utf-8")
    columns, has_records = _queried_columns(where, layout, path, kind)
    return replace(file, columns=columns, has_records=has_records)


def read_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns c0, c1, … for `columns` (NULL where absent) and `_source_row` from 1.

    Raises SourceError where a row cannot be read: too few or many columns, an unterminated quote, bad JSON, and
    TransientSourceError where the file is not the one that was inspected any more.
    """
    with _clear_errors(where, file.format):
        refuse_changed(where, file.path, file.fingerprint)
        try:
            with unpacked(where, file.layout, file.path) as (plain, _):
                if file.format == "excel":
                    yield from excel_batches(where, replace(file, path=plain), columns)
                elif file.has_records:
                    yield from _queried_batches(where, replace(file, path=plain), columns)
        except SourceError:
            # Where the file changed meanwhile, that is the reason.
            refuse_changed(where, file.path, file.fingerprint)
            raise
        refuse_changed(where, file.path, file.fingerprint)


def _queried_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import duckdb

    connection = connect(threads=2)
    copy = plain_copy(file) if file.format == "csv" else None
    row = 0
    try:
        query = _select(file, columns, copy)
        reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            numbered = batch.append_column("_source_row", counting(row + 1, batch.num_rows))
            row += batch.num_rows
            yield numbered
    except duckdb.Error as error:
        path, above = (file.path, 0) if copy is None else (copy.path, file.header.skipped)
        raise _read_error(where, file, path, above, error) from error
    finally:
        connection.close()
        if copy is not None:
            copy.path.unlink(missing_ok=True)


@contextmanager
def _clear_errors(where: str, kind: str) -> Iterator[None]:
    """Turn whatever a file's bytes, or its going away, can raise into a SourceError."""
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise TransientSourceError(
            where, "the file has gone since the night began", remedy="deliver it again, and run again"
        ) from error
    except OSError as error:
        raise SourceError(
            where, f"cannot be opened ({error.strerror or error})", remedy="see to the file and its rights"
        ) from error
    except Exception as error:
        raise SourceError(
            where,
            f"cannot be read as {kind}: {type(error).__name__}: {first_line(error)}",
            remedy="deliver the file again",
        ) from error


def _refuse_unwritten(where: str, layout: FileLayout, path: Path) -> None:
    """Raise where the end of a file, or a part of a text file, was reserved on disk and never written."""
    is_text = layout.format_of(path) in ("csv", "json", "jsonl") and packing_of(layout, path) is None
    with path.open("rb") as handle:
        size = hole = os.fstat(handle.fileno()).st_size
        handle.seek(max(0, size - _TAIL))
        tail = handle.read(_TAIL)
        if is_text:
            with suppress(OSError):
                hole = os.lseek(handle.fileno(), 0, os.SEEK_HOLE)
    nuls = len(tail) - len(tail.rstrip(b"\0"))
    # Four in a text, because the last character of a UTF-32 file holds three.
    if nuls and nuls >= (4 if is_text else len(tail)):
        received = f"ends in {nuls:,}{' or more' if nuls == len(tail) else ''} NUL bytes"
    elif hole < size:
        received = f"has a hole from byte {hole:,} on"
    else:
        return
    raise SourceError(
        where,
        f"{received} ({size:,} bytes in all): it was not written to its end",
        remedy="deliver the whole file again",
    )


def counting(start: int, count: int) -> pa.Array:
    """`count` whole numbers from `start`, built from a buffer: pyarrow's own constructor loads pandas."""
    import array

    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.int64(), count, [None, pa.py_buffer(array.array("q", range(start, start + count)))]
    )


def _select(file: SourceFile, columns: Sequence[str], copy: PlainCopy | None) -> str:
    positions = {name: number for number, name in reversed(list(enumerate(file.columns)))}
    names = [f"c{number}" for number in range(len(columns))]

    def pick(expression: Any) -> str:
        return ", ".join(
            f"{expression(column) if column in positions else 'cast(null as varchar)'} as {name}"
            for name, column in zip(names, columns, strict=True)
        )

    if file.format == "csv":
        cell = "nullif(trim(h{}), '')" if file.layout.trim else "h{}"
        chosen = pick(lambda column: cell.format(positions[column]))
        return f"select {chosen} from {csv_source_sql(file, copy)}"
    if file.format == "parquet":
        chosen = pick(lambda column: f"cast({quoted(column)} as varchar)")
        return f"select {chosen} from read_parquet({literal(str(file.path))})"
    chosen = pick(lambda column: f"json ->> {literal(_json_path(column))}")
    return f"select {chosen} from {_records_sql(file.layout, file.path)}"


def _records_sql(layout: FileLayout, path: Path) -> str:
    """The engine's table of the records of a JSON file, in its column `json`."""
    if layout.records is None:
        return _documents_sql(path)
    at = literal(_path_of_list(layout.records) + "[*]")
    documents = _documents_sql(path, max(LONGEST_RECORD, path.stat().st_size + 1))
    return f"(select unnest(json_extract(json, {at})) as json from {documents})"


def _documents_sql(path: Path, longest: int = LONGEST_RECORD) -> str:
    """The engine's table of the objects that a JSON file holds side by side, of at most `longest` bytes each."""
    return f"read_json_objects({literal(str(path))}, format='auto', maximum_object_size={longest})"


def _path_of_list(records: str) -> str:
    names = records.removesuffix("[*]").removeprefix("$").strip(".").split(".")
    return "$" + "".join(_json_path(name)[1:] for name in names)


def _json_path(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


def _queried_columns(
    where: str, layout: FileLayout, path: Path, kind: FileFormat
) -> tuple[tuple[str, ...], bool]:
    """The columns of a Parquet or JSON file, and whether it holds any record."""
    import duckdb

    connection = connect()
    try:
        if kind == "parquet":
            rows = connection.execute(f"describe select * from read_parquet({literal(str(path))})").fetchall()
            return tuple(row[0] for row in rows), True
        objects = _records_sql(layout, path)
        rows = connection.execute(
            "select key from (select unnest(json_keys(json)) as key, place from "
            f"(select json, row_number() over () as place from {objects})) group by key order by min(place), key"
        ).fetchall()
        is_empty = not rows and connection.execute(f"select 1 from {objects} limit 1").fetchone() is None
        if is_empty and layout.records is not None:
            _refuse_missing_list(where, layout, path, connection)
        return tuple(row[0] for row in rows), not is_empty
    except duckdb.Error as error:
        raise _unreadable(where, kind, error) from error
    finally:
        connection.close()


def _refuse_missing_list(where: str, layout: FileLayout, path: Path, connection: Any) -> None:
    """Raise where a document has no list at `records`: an empty one is no rows, none at all is a mistake."""
    at = literal(_path_of_list(layout.records or ""))
    found = connection.execute(
        f"select count(*) from {_documents_sql(path)} where json_type(json, {at}) = 'ARRAY'"
    ).fetchone()
    if found is not None and found[0] == 0:
        raise SourceError(
            where, f"has no list at {layout.records!r}", remedy=_list_within(path) or "correct `records`"
        )


def records_hint(where: str, file: SourceFile) -> str:
    """What to write under `records` where a JSON file lacks columns, as far as that explains it; else ''."""
    if file.format != "json" or file.layout.records is not None or len(file.columns) >= _WIDE:
        return ""
    with unpacked(where, file.layout, file.path) as (plain, _):
        return _list_within(plain)


def _list_within(path: Path) -> str:
    """What to write under `records` where a document wraps its list of records in objects; '' where it does not."""
    import duckdb

    connection = connect()
    try:
        rows = connection.execute(
            f"select fullkey from (select json from {_documents_sql(path)} limit 1) as document, "
            "json_tree(document.json) as node where node.type = 'ARRAY' and node.fullkey not like '%[%' "
            "and json_type(node.value, '$[0]') = 'OBJECT' limit 3"
        ).fetchall()
    except duckdb.Error:
        return ""
    finally:
        connection.close()
    paths = [row[0].removeprefix("$.").replace('"', "") for row in rows]
    return f"set `records: {paths[0]}`, where the list of records stands" if paths else ""


def _unreadable(where: str, kind: FileFormat, error: Exception) -> SourceError:
    if "maximum_object_size" in str(error):
        return SourceError(
            where,
            f"a record is longer than {LONGEST_RECORD >> 20} MiB ({LONGEST_RECORD:,} bytes)",
            remedy="see whether the file is whole; deliver the records one by one",
        )
    return SourceError(
        where, f"cannot be read as {kind}: {first_line(error)}", remedy="deliver the file again"
    )


def _read_error(where: str, file: SourceFile, path: Path, above: int, error: Exception) -> SourceError:
    """What was wrong with `path`, which is the file or a plain copy of it, in the reader's or in clearer words.

    `above` lines of the file are not in `path`.
    """
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    if line is None:
        if file.format == "csv":
            return csv_error(where, file, path, above)
        return _unreadable(where, file.format, error)
    number = int(line.group(1))
    at = f"line {number + above}"
    longest = re.search(r"Maximum line size of (\d+) bytes exceeded. Actual Size:(\d+)", text)
    if longest:
        limit, actual = int(longest.group(1)), int(longest.group(2))
        return SourceError(
            where,
            f"{at} is {actual:,} bytes long",
            valid=f"at most {limit >> 20} MiB ({limit:,} bytes)",
            remedy="see whether a quote is left open or line ends are lacking; shorten the value",
        )
    counted = re.search(r"Expected Number of Columns: \d+ Found: (\d+)", text)
    if counted:
        return uneven_row(where, file, path, number, above, int(counted.group(1)))
    if "unterminated quote" in text:
        told = csv_error(where, file, path, above)
        return told if "expected after" in told.received else open_quote(where, number + above)
    return SourceError(
        where, f"{at}: {first_line(error)}", remedy="mend that line, or deliver the file again"
    )
