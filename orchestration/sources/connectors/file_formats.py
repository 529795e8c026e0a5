"""Reads local files (CSV, JSON, Parquet, Excel) as all-text Arrow batches, and says clearly what is wrong."""

from __future__ import annotations

import codecs
import csv
import glob
import hashlib
import io
import mmap
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.sources.config import FileFeed, FileFormat
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.mapping import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 122_880
LONGEST_LINE = 16 * 2**20
LONGEST_RECORD = 64 * 2**20
_TAIL = 4096
# An Excel workbook is read at some six MB of unpacked XML a second. Real ones unpack to 5 to 20 times their size.
LARGEST_WORKBOOK = 512 * 2**20
_WORKBOOK_NEVER_REFUSED = 16 * 2**20
_MOST_UNPACKED = 100
_EXCEL_ROWS, _EXCEL_COLUMNS = 1_048_576, 16_384
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Fingerprint:
    """By what a file is recognised again: its size, its time of change and the hash of its bytes."""

    size_bytes: int
    modified_ns: int
    content_hash: str = ""


@dataclass(frozen=True)
class SourceFile:
    """One file of a feed, looked at but not read: its label in the data, fingerprint, dialect and columns.

    `has_records` is false where a JSON file holds none, and so has no columns either.
    """

    path: Path
    label: str
    fingerprint: Fingerprint
    format: FileFormat
    columns: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    has_records: bool = True

    @property
    def shown_name(self) -> str:
        """What to call the file in a message: its label, or its name where the label stands for several files."""
        return self.path.name if glob.has_magic(self.label) else self.label


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
        seen = _stat(path)
        _refuse_unwritten(where, path, kind)
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        _refuse_changed(where, path, seen)
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
        seen = seen or _stat(path)
        _refuse_changed(where, path, seen)
        if seen.size_bytes == 0:
            raise SourceError(where, "the file is empty (0 bytes)", remedy="deliver the file again")
        _refuse_unwritten(where, path, kind)
        if kind == "csv":
            encoding = _encoding_of(where, path, feed.encoding, LONGEST_LINE)
            header, delimiter = _csv_header(where, path, encoding, feed.delimiter)
            return SourceFile(path, label, seen, kind, header, encoding, delimiter)
        if kind == "excel":
            _refuse_oversized(where, path)
            columns, sheet = _excel_header(where, path, feed.sheet)
            return SourceFile(path, label, seen, kind, columns, sheet=sheet)
        if kind in ("jsonl", "json"):
            _encoding_of(where, path, "utf-8")
        columns, has_records = _queried_columns(where, path, kind)
        return SourceFile(path, label, seen, kind, columns, has_records=has_records)


def read_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns c0, c1, … for `columns` (NULL where absent) and `_source_row` from 1.

    Raises SourceError where a row cannot be read: too few or many columns, an unterminated quote, bad JSON, and
    TransientSourceError where the file is not the one that was inspected any more.
    """
    with _clear_errors(where, file.format):
        _refuse_changed(where, file.path, file.fingerprint)
        try:
            if file.format == "excel":
                yield from _excel_batches(where, file, columns)
            elif file.has_records:
                yield from _queried_batches(where, file, columns)
        except SourceError:
            # Where the file changed meanwhile, that is the reason.
            _refuse_changed(where, file.path, file.fingerprint)
            raise
        _refuse_changed(where, file.path, file.fingerprint)


def _queried_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    copy = _plain_copy(file) if file.format == "csv" else None
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
            f"cannot be read as {kind}: {type(error).__name__}: {_first_line(error)}",
            remedy="deliver the file again",
        ) from error


def _stat(path: Path) -> Fingerprint:
    status = path.stat()
    return Fingerprint(status.st_size, status.st_mtime_ns)


def _refuse_changed(where: str, path: Path, seen: Fingerprint) -> None:
    now = _stat(path)
    if (now.size_bytes, now.modified_ns) == (seen.size_bytes, seen.modified_ns):
        return
    grew = f"from {seen.size_bytes:,} to {now.size_bytes:,} bytes"
    raise TransientSourceError(
        where,
        f"the file changed while it was read ({grew if now.size_bytes != seen.size_bytes else 'same size'})",
        remedy="start the night once the export has ended, or write it aside and rename it",
    )


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


def _encoding_of(where: str, path: Path, declared: str | None, longest_line: int | None = None) -> str:
    """The file's encoding: as declared, else by its byte-order mark, else UTF-8; checked over all bytes.

    Lines longer than `longest_line` characters are refused: the reader drops them silently at the end of a file.
    """
    with path.open("rb") as handle:
        head = handle.read(4)
    marked = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    encoding = declared or marked or "utf-8"
    if codecs.lookup(encoding).name == "utf-8" and marked == "utf-8-sig":
        encoding = "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)()
    at, lines, length = 0, 0, 0
    with path.open("rb") as handle:
        try:
            while chunk := handle.read(1 << 20):
                text = decoder.decode(chunk)
                at += len(chunk)
                if longest_line is None:
                    continue
                end = "\n" if "\n" in text else "\r"
                first = text.find(end)
                length += len(text) if first < 0 else first
                if length > longest_line:
                    raise SourceError(
                        where,
                        f"line {lines + 1} is longer than {longest_line >> 20} MiB ({longest_line:,} bytes)",
                        remedy="see whether the file has line ends, and whether a quote is left open",
                    )
                if first >= 0:
                    lines += text.count(end)
                    length = len(text) - text.rfind(end) - 1
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            byte = error.object[error.start : error.start + 1].hex()
            name = {"utf-8-sig": "UTF-8"}.get(encoding, encoding.upper())
            said = "declared as" if declared else "not"
            received = f"is {said} {name}" + (" but is not" if declared else "")
            raise SourceError(
                where,
                f"{received}: byte 0x{byte} at about position {at + error.start} cannot be decoded",
                valid="UTF-8, or any encoding named in the configuration",
                remedy="set `encoding` (for example cp1252, latin-1, gb18030, utf-16), or export as UTF-8",
            ) from error
    return "utf-8" if codecs.lookup(encoding).name == "utf-8" else encoding


def _csv_header(where: str, path: Path, encoding: str, delimiter: str | None) -> tuple[tuple[str, ...], str]:
    with path.open(encoding=encoding, newline="") as handle:
        line = handle.readline(LONGEST_LINE).lstrip("\ufeff").rstrip("\r\n")
    if not line.strip():
        raise SourceError(where, "the first line is empty", valid="a header line with column names")
    if delimiter is None:
        outside_quotes = re.sub(r'"[^"]*"', "", line)
        delimiter = max(_DELIMITERS, key=outside_quotes.count)
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(line), delimiter=delimiter)))
    return names, delimiter


def _plain_copy(file: SourceFile) -> Path | None:
    """A temporary copy in UTF-8 with one kind of line end, or None where the file is so already.

    The reader's own conversion of other encodings needs a download, and it stops at a line end of another kind.
    """
    if file.encoding in ("utf-8", "utf-8-sig") and not _mixes_line_ends(file.path):
        return None
    copy = _temporary_file()
    try:
        with (
            file.path.open(encoding=file.encoding, newline="") as source,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            while chunk := source.read(1 << 20):
                target.write(chunk)
        if not _mixes_line_ends(copy):
            return copy
        even = _temporary_file()
        _even_line_ends(copy, even, file.delimiter)
        even.replace(copy)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _temporary_file() -> Path:
    descriptor, name = tempfile.mkstemp(suffix=".csv")
    os.close(descriptor)
    return Path(name)


def _mixes_line_ends(path: Path) -> bool:
    """Whether CRLF, LF and CR alone occur side by side, within quotes or not."""
    pairs = returns = feeds = 0
    held = b""
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            chunk = held + chunk
            held = b"\r" if chunk.endswith(b"\r") else b""
            chunk = chunk[: len(chunk) - len(held)]
            pairs += chunk.count(b"\r\n")
            returns += chunk.count(b"\r")
            feeds += chunk.count(b"\n")
    alone = returns + len(held) - pairs
    return [pairs > 0, feeds > pairs, alone > 0].count(True) > 1


def _even_line_ends(source: Path, target: Path, delimiter: str) -> None:
    """Write `source` (UTF-8) with LF at every line end; what stands in quotes stays as it is."""
    before_value = rb"(?:\A|(?<=\n)|(?<=\r)|(?<=" + re.escape(delimiter.encode()) + rb"))"
    quoted_or_end = re.compile(before_value + rb' *+"[^"]*+(?:""[^"]*+)*+"|\r++\n?')
    with (
        source.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text,
        target.open("wb") as out,
    ):
        written = 0
        for match in quoted_or_end.finditer(text):
            if text[match.end() - 1] == ord('"'):
                continue
            out.write(text[written : match.start()])
            out.write(b"\n")
            written = match.end()
        out.write(text[written:])


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
        where, f"cannot be read as {kind}: {_first_line(error)}", remedy="deliver the file again"
    )


def _read_error(where: str, file: SourceFile, path: Path, error: Exception) -> SourceError:
    """What was wrong with `path`, which is the file or a plain copy of it, in the reader's or in clearer words."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    if line is None:
        if file.format == "csv":
            return _csv_error(where, file, path)
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
        told = _csv_error(where, file, path)
        if "expected after" in told.received:
            return told
        return SourceError(
            where,
            f"a quote opened on {at} is never closed; the file looks truncated",
            valid='values in "…", quotes inside doubled',
            remedy="deliver the whole file again",
        )
    return SourceError(
        where, f"{at}: {_first_line(error)}", remedy="mend that line, or deliver the file again"
    )


def _csv_error(where: str, file: SourceFile, path: Path) -> SourceError:
    """Find the line that the reader stopped at without saying which: the first that is no row of the header's."""
    remedy = "mend that line, or deliver the file again"
    csv.field_size_limit(LONGEST_LINE)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle, delimiter=file.delimiter, strict=True)
        try:
            for row in rows:
                if row and len(row) != len(file.columns):
                    return SourceError(
                        where,
                        f"line {rows.line_num} has {len(row)} columns",
                        valid=f"{len(file.columns)} columns separated by {file.delimiter!r}, as in the header",
                        remedy=remedy,
                    )
        except csv.Error as error:
            return SourceError(where, f"line {rows.line_num} cannot be read as csv: {error}", remedy=remedy)
    return SourceError(
        where,
        f"cannot be read as csv after its first line: quotes, line ends or {file.delimiter!r} stand where no reader "
        "expects them",
        remedy="export it with one kind of line end and with values in quotes",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]


def _refuse_oversized(where: str, path: Path) -> None:
    """Raise where a workbook says to unpack to more than can be read; one that lies about it ends in a bad checksum."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as book:
            entries = book.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _no_excel(where, error) from error
    unpacked = sum(entry.file_size for entry in entries)
    is_bomb = unpacked > _WORKBOOK_NEVER_REFUSED and unpacked > _MOST_UNPACKED * path.stat().st_size
    if unpacked > LARGEST_WORKBOOK or is_bomb:
        raise SourceError(
            where,
            f"the workbook unpacks to {unpacked / 2**20:,.0f} MiB from {path.stat().st_size / 2**20:,.1f} MiB",
            valid=f"at most {LARGEST_WORKBOOK >> 20} MiB, and {_MOST_UNPACKED} times its size",
            remedy="save the sheet as CSV or Parquet",
        )


def _no_excel(where: str, error: Exception) -> SourceError:
    said = _first_line(error) or type(error).__name__
    return SourceError(where, f"cannot be read as Excel: {said}", valid=".xlsx", remedy="save it as .xlsx")


@contextmanager
def _open_sheet(where: str, path: Path, sheet: str | None) -> Iterator[Any]:
    """The sheet as openpyxl reads it; whatever goes wrong with it inside the block is a SourceError."""
    import openpyxl

    book = None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        if sheet is not None and sheet not in book.sheetnames:
            valid = ", ".join(book.sheetnames)
            raise SourceError(where, f"has no sheet {sheet!r}", valid=valid, remedy="correct `sheet`")
        page = book[sheet] if sheet is not None else book.worksheets[0]
        # Its stated size may be the whole grid, where a format was set on all of it.
        page.reset_dimensions()
        yield page
    except (SourceError, FileNotFoundError):
        raise
    except Exception as error:
        raise _no_excel(where, error) from error
    finally:
        if book is not None:
            book.close()


def _excel_header(where: str, path: Path, sheet: str | None) -> tuple[tuple[str, ...], str]:
    with _open_sheet(where, path, sheet) as page:
        first = next(page.iter_rows(max_row=1, max_col=_EXCEL_COLUMNS, values_only=True), ())
        while first and first[-1] is None:
            first = first[:-1]
        if not first:
            raise SourceError(where, f"sheet {page.title!r} has no header", valid="column names in row 1")
        return tuple("" if value is None else str(value).strip() for value in first), page.title


def _excel_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _open_sheet(where, file.path, file.sheet) as page:
        values: list[list[str | None]] = [[] for _ in file.columns]
        numbers: list[int] = []
        rows = page.iter_rows(min_row=2, max_col=len(file.columns), values_only=True)
        for number, row in enumerate(rows, start=1):
            if number >= _EXCEL_ROWS:
                raise SourceError(where, f"has a row beyond {_EXCEL_ROWS:,}", remedy="deliver the file again")
            if all(value is None for value in row):
                continue
            numbers.append(number)
            for position, column in enumerate(values):
                column.append(_excel_text(row[position]) if position < len(row) else None)
            if len(numbers) == BATCH_ROWS:
                yield _excel_batch(file, columns, values, numbers)
                values, numbers = [[] for _ in file.columns], []
        yield _excel_batch(file, columns, values, numbers)


def _excel_batch(
    file: SourceFile, columns: Sequence[str], values: Sequence[list[str | None]], numbers: Sequence[int]
) -> pa.RecordBatch:
    import pyarrow as pa

    positions = {name: number for number, name in reversed(list(enumerate(file.columns)))}
    arrays = [
        pa.array(values[positions[name]] if name in positions else [None] * len(numbers), pa.string())
        for name in columns
    ]
    names = [f"c{number}" for number in range(len(columns))]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(numbers, pa.int64())], names=[*names, "_source_row"])


def _excel_text(value: Any) -> str | None:
    if value is None:
        return None
    if hasattr(value, "isoformat"):
        return str(value.isoformat(" ")) if hasattr(value, "hour") and hasattr(value, "year") else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
