"""Reads local files (CSV, JSON, Parquet, Excel) as all-text Arrow batches, and says clearly what is wrong."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.sources.config import FileFeed, FileFormat
from orchestration.sources.connectors.csv_files import (
    LONGEST_LINE,
    csv_error,
    csv_header,
    encoding_of,
    plain_copy,
)
from orchestration.sources.connectors.excel_files import excel_batches, excel_header, refuse_oversized
from orchestration.sources.connectors.source_file import (
    BATCH_ROWS,
    Fingerprint,
    SourceFile,
    first_line,
    refuse_changed,
    state_of,
)
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.sql_text import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_RECORD = 64 * 2**20
_TAIL = 4096


def find_files(where: str, feed: FileFeed) -> list[tuple[Path, str]]:
    """The files that match a feed, sorted, each with its label: its path below the pattern's fixed folder.

    Raises SourceError where a pattern matches nothing.
    """
    found: dict[Path, str] = {}
    for pattern in feed.files:
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


def fingerprint(where: str, feed: FileFeed, path: Path) -> Fingerprint:
    """Look at a file's bytes, without reading a value.

    Raises SourceError where it cannot be opened, or was not written to its end (told at once, whatever its size),
    and TransientSourceError where it changes meanwhile.
    """
    kind = feed.format_of(path)
    with _clear_errors(where, kind):
        seen = state_of(path)
        _refuse_unwritten(where, path, kind)
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        refuse_changed(where, path, seen)
        return Fingerprint(seen.size_bytes, seen.modified_ns, digest)


def inspect_file(
    where: str, feed: FileFeed, path: Path, label: str, seen: Fingerprint | None = None
) -> SourceFile:
    """Look at a file: format, encoding, delimiter, columns. `seen` is its fingerprint, where it has been taken.

    Raises SourceError where it is empty, cannot be decoded, is not what its format says, or unpacks to more than can
    be read; TransientSourceError where it is not the file of the fingerprint any more.
    """
    kind = feed.format_of(path)
    with _clear_errors(where, kind):
        seen = seen or state_of(path)
        refuse_changed(where, path, seen)
        if seen.size_bytes == 0:
            raise SourceError(where, "the file is empty (0 bytes)", remedy="deliver the file again")
        _refuse_unwritten(where, path, kind)
        if kind == "csv":
            encoding = encoding_of(where, path, feed.encoding, LONGEST_LINE)
            header, delimiter = csv_header(where, path, encoding, feed.delimiter)
            return SourceFile(path, label, seen, kind, header, encoding, delimiter)
        if kind == "excel":
            refuse_oversized(where, path)
            columns, sheet = excel_header(where, path, feed.sheet)
            return SourceFile(path, label, seen, kind, columns, sheet=sheet)
        if kind in ("jsonl", "json"):
            encoding_of(where, path, "utf-8")
        columns, has_records = _queried_columns(where, path, kind)
        return SourceFile(path, label, seen, kind, columns, has_records=has_records)


def read_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns c0, c1, … for `columns` (NULL where absent) and `_source_row` from 1.

    Raises SourceError where a row cannot be read: too few or many columns, an unterminated quote, bad JSON, and
    TransientSourceError where the file is not the one that was inspected any more.
    """
    with _clear_errors(where, file.format):
        refuse_changed(where, file.path, file.fingerprint)
        try:
            if file.format == "excel":
                yield from excel_batches(where, file, columns)
            elif file.has_records:
                yield from _queried_batches(where, file, columns)
        except SourceError:
            # Where the file changed meanwhile, that is the reason.
            refuse_changed(where, file.path, file.fingerprint)
            raise
        refuse_changed(where, file.path, file.fingerprint)


def _queried_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    copy = plain_copy(file) if file.format == "csv" else None
    row = 0
    try:
        query = _select(copy or file.path, file, columns)
        reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            numbered = batch.append_column("_source_row", counting(row + 1, batch.num_rows))
            row += batch.num_rows
            yield numbered
    except duckdb.Error as error:
        raise _read_error(where, file, copy or file.path, error) from error
    finally:
        connection.close()
        if copy is not None:
            copy.unlink(missing_ok=True)


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


def _refuse_unwritten(where: str, path: Path, kind: FileFormat) -> None:
    """Raise where the end of a file, or a part of a text file, was reserved on disk and never written."""
    is_text = kind in ("csv", "json", "jsonl")
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


def _select(path: Path, file: SourceFile, columns: Sequence[str]) -> str:
    positions = {name: number for number, name in reversed(list(enumerate(file.columns)))}
    names = [f"c{number}" for number in range(len(columns))]

    def pick(expression: Any) -> str:
        return ", ".join(
            f"{expression(column) if column in positions else 'cast(null as varchar)'} as {name}"
            for name, column in zip(names, columns, strict=True)
        )

    where = literal(str(path))
    if file.format == "csv":
        types = ", ".join(f"'h{number}': 'VARCHAR'" for number in range(len(file.columns)))
        return (
            f"select {pick(lambda column: f'h{positions[column]}')} from read_csv({where}, "
            f"columns={{{types}}}, auto_detect=false, header=false, skip=1, delim={literal(file.delimiter)}, "
            "quote='\"', escape='\"', nullstr='', strict_mode=true, null_padding=false, "
            f"max_line_size={LONGEST_LINE})"
        )
    if file.format == "parquet":
        return (
            f"select {pick(lambda column: f'cast({quoted(column)} as varchar)')} from read_parquet({where})"
        )
    return (
        f"select {pick(lambda column: f'json ->> {literal(_json_path(column))}')} "
        f"from read_json_objects({where}, format='auto', maximum_object_size={LONGEST_RECORD})"
    )


def _json_path(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


def _queried_columns(where: str, path: Path, kind: FileFormat) -> tuple[tuple[str, ...], bool]:
    """The columns of a Parquet or JSON file, and whether it holds any record."""
    import duckdb

    file = literal(str(path))
    connection = duckdb.connect()
    try:
        if kind == "parquet":
            rows = connection.execute(f"describe select * from read_parquet({file})").fetchall()
            return tuple(row[0] for row in rows), True
        objects = f"read_json_objects({file}, format='auto', maximum_object_size={LONGEST_RECORD})"
        rows = connection.execute(
            "select key from (select unnest(json_keys(json)) as key, place from "
            f"(select json, row_number() over () as place from {objects})) group by key order by min(place), key"
        ).fetchall()
        is_empty = not rows and connection.execute(f"select 1 from {objects} limit 1").fetchone() is None
        return tuple(row[0] for row in rows), not is_empty
    except duckdb.Error as error:
        raise _unreadable(where, kind, error) from error
    finally:
        connection.close()


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


def _read_error(where: str, file: SourceFile, path: Path, error: Exception) -> SourceError:
    """What was wrong with `path`, which is the file or a plain copy of it, in the reader's or in clearer words."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    if line is None:
        if file.format == "csv":
            return csv_error(where, file, path)
        return _unreadable(where, file.format, error)
    at = f"line {line.group(1)}"
    longest = re.search(r"Maximum line size of (\d+) bytes exceeded. Actual Size:(\d+)", text)
    if longest:
        limit, actual = int(longest.group(1)), int(longest.group(2))
        return SourceError(
            where,
            f"{at} is {actual:,} bytes long",
            valid=f"at most {limit >> 20} MiB ({limit:,} bytes)",
            remedy="see whether a quote is left open or line ends are lacking; shorten the value",
        )
    counted = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counted:
        expected, found = int(counted.group(1)), int(counted.group(2))
        likely = "the file looks truncated" if found < expected else "a delimiter stands unquoted in a value"
        return SourceError(
            where,
            f"{at} has {found} columns; {likely}",
            valid=f"{expected} columns separated by {file.delimiter!r}, as in the header",
            remedy="deliver the whole file again, or set `delimiter`",
        )
    if "unterminated quote" in text:
        told = csv_error(where, file, path)
        if "expected after" in told.received:
            return told
        return SourceError(
            where,
            f"a quote opened on {at} is never closed; the file looks truncated",
            valid='values in "…", quotes inside doubled',
            remedy="deliver the whole file again",
        )
    return SourceError(
        where, f"{at}: {first_line(error)}", remedy="mend that line, or deliver the file again"
    )
