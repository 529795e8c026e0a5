"""Reads Excel workbooks: the header and the rows of one sheet, as text."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.sources.connectors.headers import HEADER_WITHIN, Header, header_of
from orchestration.sources.connectors.source_file import BATCH_ROWS, SourceFile, first_line
from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import FileLayout

if TYPE_CHECKING:
    import pyarrow as pa


# An Excel workbook is read at some six MB of unpacked XML a second. Real ones unpack to 5 to 20 times their size.
LARGEST_WORKBOOK = 512 * 2**20
_WORKBOOK_NEVER_REFUSED = 16 * 2**20
_MOST_UNPACKED = 100
_EXCEL_ROWS, _EXCEL_COLUMNS = 1_048_576, 16_384


def refuse_oversized(where: str, path: Path) -> None:
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
    said = first_line(error) or type(error).__name__
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


def excel_header(where: str, path: Path, layout: FileLayout, wanted: Collection[str]) -> tuple[Header, str]:
    """The column names of a sheet, the first where none is named, and its title."""
    with _open_sheet(where, path, layout.sheet) as page:
        rows = []
        for row in page.iter_rows(max_row=HEADER_WITHIN, max_col=_EXCEL_COLUMNS, values_only=True):
            while row and row[-1] is None:
                row = row[:-1]
            rows.append(["" if value is None else str(value).strip() for value in row])
        if not any(rows):
            raise SourceError(where, f"sheet {page.title!r} has no header", valid="column names in row 1")
        return header_of(
            where, layout, lambda number: (rows[number - 1], number), len(rows), wanted
        ), page.title


def excel_batches(where: str, file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns c0, c1, … for `columns` and `_source_row` from 1; blank rows are left out."""
    with _open_sheet(where, file.path, file.sheet) as page:
        values: list[list[str | None]] = [[] for _ in file.columns]
        numbers: list[int] = []
        for number, row in _data_rows(where, file, page):
            numbers.append(number)
            for position, column in enumerate(values):
                column.append(_excel_text(row[position]) if position < len(row) else None)
            if len(numbers) == BATCH_ROWS:
                yield _excel_batch(file, columns, values, numbers)
                values, numbers = [[] for _ in file.columns], []
        yield _excel_batch(file, columns, values, numbers)


def _data_rows(where: str, file: SourceFile, page: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows below the header that hold anything, numbered from 1, without those of the footer."""
    held: deque[tuple[int, tuple[Any, ...]]] = deque()
    rows = page.iter_rows(min_row=file.header.skipped + 1, max_col=len(file.columns), values_only=True)
    for number, row in enumerate(rows, start=1):
        if number >= _EXCEL_ROWS:
            raise SourceError(where, f"has a row beyond {_EXCEL_ROWS:,}", remedy="deliver the file again")
        if all(value is None for value in row):
            continue
        held.append((number, row))
        if len(held) > file.layout.footer:
            yield held.popleft()


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
