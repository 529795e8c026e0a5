"""Reads local files (CSV, JSON, Parquet, Excel) as all-text Arrow batches, and says clearly what is wrong."""

from __future__ import annotations

import codecs
import csv
import glob
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.sources.config import FileFeed, FileFormat
from orchestration.sources.errors import SourceError
from orchestration.sources.mapping import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 122_880
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class SourceFile:
    """One file of a feed, looked at but not read: its label in the data, fingerprint, dialect and columns."""

    path: Path
    label: str
    size_bytes: int
    content_hash: str
    format: FileFormat
    columns: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None


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


def content_hash(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def inspect_file(where: str, feed: FileFeed, path: Path, label: str, digest: str) -> SourceFile:
    """Look at a file: format, encoding, delimiter, columns.

    Raises SourceError where it is empty, cannot be decoded, or is not what its format says.
    """
    size = path.stat().st_size
    if size == 0:
        raise SourceError(where, "the file is empty (0 bytes)", remedy="deliver the file again")
    kind = feed.format_of(path)
    if kind == "csv":
        encoding = _encoding_of(where, path, feed.encoding)
        header, delimiter = _csv_header(where, path, encoding, feed.delimiter)
        return SourceFile(path, label, size, digest, kind, header, encoding, delimiter)
    if kind == "excel":
        columns, sheet = _excel_header(where, path, feed.sheet)
        return SourceFile(path, label, size, digest, kind, columns, sheet=sheet)
    if kind in ("jsonl", "json"):
        _encoding_of(where, path, "utf-8")
    return SourceFile(path, label, size, digest, kind, _queried_columns(where, path, kind))


def read_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns c0, c1, … for `columns` (NULL where absent) and `_source_row` from 1.

    Raises SourceError where a row cannot be read: too few or many columns, an unterminated quote, bad JSON.
    """
    import duckdb

    if file.format == "excel":
        yield from _excel_batches(file, columns)
        return
    connection = duckdb.connect(config={"threads": 2})
    utf8_copy: Path | None = None
    row = 0
    try:
        path = file.path
        if file.format == "csv" and file.encoding not in ("utf-8", "utf-8-sig"):
            path = utf8_copy = _utf8_copy(where, file)
        query = _select(path, file, columns)
        reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            numbered = batch.append_column("_source_row", counting(row + 1, batch.num_rows))
            row += batch.num_rows
            yield numbered
    except duckdb.Error as error:
        raise _read_error(where, file, error) from error
    finally:
        connection.close()
        if utf8_copy is not None:
            utf8_copy.unlink(missing_ok=True)


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
            "max_line_size=16777216)"
        )
    if file.format == "parquet":
        return (
            f"select {pick(lambda column: f'cast({quoted(column)} as varchar)')} from read_parquet({where})"
        )
    return (
        f"select {pick(lambda column: f'json ->> {literal(_json_path(column))}')} "
        f"from read_json_objects({where}, format='auto', maximum_object_size=67108864)"
    )


def _json_path(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


def _encoding_of(where: str, path: Path, declared: str | None) -> str:
    """The file's encoding: as declared, else by its byte-order mark, else UTF-8; checked over all bytes."""
    with path.open("rb") as handle:
        head = handle.read(4)
    marked = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    encoding = declared or marked or "utf-8"
    if codecs.lookup(encoding).name == "utf-8" and marked == "utf-8-sig":
        encoding = "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)()
    at = 0
    with path.open("rb") as handle:
        try:
            while chunk := handle.read(1 << 20):
                decoder.decode(chunk)
                at += len(chunk)
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
        line = handle.readline().lstrip("\ufeff").rstrip("\r\n")
    if not line.strip():
        raise SourceError(where, "the first line is empty", valid="a header line with column names")
    if delimiter is None:
        outside_quotes = re.sub(r'"[^"]*"', "", line)
        delimiter = max(_DELIMITERS, key=outside_quotes.count)
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(line), delimiter=delimiter)))
    return names, delimiter


def _utf8_copy(where: str, file: SourceFile) -> Path:
    """A temporary copy in UTF-8: the reader's own conversion of other encodings needs a download."""
    import tempfile

    descriptor, name = tempfile.mkstemp(suffix=".csv")
    with (
        file.path.open(encoding=file.encoding, newline="") as source,
        open(descriptor, "w", encoding="utf-8", newline="") as target,
    ):
        while chunk := source.read(1 << 20):
            target.write(chunk)
    return Path(name)


def _queried_columns(where: str, path: Path, kind: FileFormat) -> tuple[str, ...]:
    import duckdb

    file = literal(str(path))
    connection = duckdb.connect()
    try:
        if kind == "parquet":
            rows = connection.execute(f"describe select * from read_parquet({file})").fetchall()
        else:
            rows = connection.execute(
                "select key from (select unnest(json_keys(json)) as key, place from "
                "(select json, row_number() over () as place from "
                f"read_json_objects({file}, format='auto', maximum_object_size=67108864))) "
                "group by key order by min(place), key"
            ).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            where, f"cannot be read as {kind}: {_first_line(error)}", remedy="deliver the file again"
        ) from error
    finally:
        connection.close()
    return tuple(row[0] for row in rows)


def _read_error(where: str, file: SourceFile, error: Exception) -> SourceError:
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    if line is None:
        return SourceError(
            where, f"cannot be read as {file.format}: {_first_line(error)}", remedy="deliver the file again"
        )
    at = f"line {line.group(1)}"
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
        return SourceError(
            where,
            f"a quote opened on {at} is never closed; the file looks truncated",
            valid='values in "…", quotes inside doubled',
            remedy="deliver the whole file again",
        )
    return SourceError(
        where, f"{at}: {_first_line(error)}", remedy="mend that line, or deliver the file again"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]


def _open_sheet(where: str, path: Path, sheet: str | None) -> tuple[Any, Any]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, OSError) as error:
        raise SourceError(
            where, f"cannot be read as Excel: {_first_line(error)}", valid=".xlsx", remedy="save it as .xlsx"
        ) from error
    if sheet is not None and sheet not in book.sheetnames:
        valid = ", ".join(book.sheetnames)
        book.close()
        raise SourceError(where, f"has no sheet {sheet!r}", valid=valid, remedy="correct `sheet`")
    return book, book[sheet] if sheet is not None else book.worksheets[0]


def _excel_header(where: str, path: Path, sheet: str | None) -> tuple[tuple[str, ...], str]:
    book, page = _open_sheet(where, path, sheet)
    try:
        first = next(page.iter_rows(max_row=1, values_only=True), ())
        if not any(value is not None for value in first):
            raise SourceError(where, f"sheet {page.title!r} has no header", valid="column names in row 1")
        return tuple("" if value is None else str(value).strip() for value in first), page.title
    finally:
        book.close()


def _excel_batches(file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    book, page = _open_sheet(file.label, file.path, file.sheet)
    try:
        values: list[list[str | None]] = [[] for _ in file.columns]
        numbers: list[int] = []
        for number, row in enumerate(page.iter_rows(min_row=2, values_only=True), start=1):
            if all(value is None for value in row):
                continue
            numbers.append(number)
            for position, column in enumerate(values):
                column.append(_excel_text(row[position]) if position < len(row) else None)
    finally:
        book.close()
    positions = {name: number for number, name in reversed(list(enumerate(file.columns)))}
    arrays = [
        pa.array(values[positions[name]] if name in positions else [None] * len(numbers), pa.string())
        for name in columns
    ]
    names = [f"c{number}" for number in range(len(columns))]
    yield pa.RecordBatch.from_arrays([*arrays, pa.array(numbers, pa.int64())], names=[*names, "_source_row"])


def _excel_text(value: Any) -> str | None:
    if value is None:
        return None
    if hasattr(value, "isoformat"):
        return str(value.isoformat(" ")) if hasattr(value, "hour") and hasattr(value, "year") else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
