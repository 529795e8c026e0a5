"""CSV files before the engine reads them: encoding, header, line ends, and a copy of what a reader would stumble at."""

from __future__ import annotations

import codecs
import csv
import mmap
import os
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.sources.connectors.headers import HEADER_WITHIN, Header, header_of
from orchestration.sources.connectors.source_file import SourceFile
from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import FileLayout
from orchestration.sources.sql_text import literal

LONGEST_LINE = 16 * 2**20
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# What files are written in that are not UTF-8, and say not what: the West, China, Japan.
_OTHER_ENCODINGS = ("cp1252", "gb18030", "cp932")
# The end of a text for DOS and for what still writes as it did.
_CTRL_Z = b"\x1a"
_LAST_BYTES = 16 * 2**20


def encoding_of(where: str, path: Path, declared: str | None, longest_line: int | None = None) -> str:
    """The file's encoding: as declared, else by its byte-order mark, else by what its bytes can be; checked over all.

    Lines longer than `longest_line` characters are refused: the reader drops them silently at the end of a file.
    """
    with path.open("rb") as handle:
        head = handle.read(4096)
    marked = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    encoding = declared or marked or _unmarked_utf16(head) or "utf-8"
    if codecs.lookup(encoding).name == "utf-8" and marked == "utf-8-sig":
        encoding = "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)()
    utf8 = _Utf8Suspicion(encoding)
    at, lines, length = 0, 0, 0
    with path.open("rb") as handle:
        try:
            while chunk := handle.read(1 << 20):
                text = decoder.decode(chunk)
                utf8.look_at(chunk)
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
            raise _undecodable(where, encoding, declared, at, error) from error
    utf8.refuse(where)
    return "utf-8" if codecs.lookup(encoding).name == "utf-8" else encoding


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of Latin letters, digits and separators is zero."""
    pairs = len(head) // 2
    low, high = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs < 4 or max(low, high) < 0.4 * pairs or min(low, high) > 0.02 * pairs:
        return None
    return "utf-16-le" if high > low else "utf-16-be"


class _Utf8Suspicion:
    """Whether a file declared as another encoding is UTF-8: its letters would be read as others, without a word."""

    def __init__(self, declared: str) -> None:
        name = codecs.lookup(declared).name
        self._decoder = None if name.startswith("utf") else codecs.getincrementaldecoder("utf-8")()
        self._declared = declared
        self._sample = b""

    def look_at(self, chunk: bytes) -> None:
        if self._decoder is None:
            return
        try:
            self._decoder.decode(chunk)
        except UnicodeDecodeError:
            self._decoder = None
            return
        if not self._sample:
            found = re.search(rb"[\x20-\x7e]{0,12}[\x80-\xff]+[\x20-\x7e]{0,12}", chunk)
            self._sample = found[0] if found is not None else b""

    def refuse(self, where: str) -> None:
        """Raise where every byte was UTF-8, some of them of letters beyond ASCII."""
        if self._decoder is None or not self._sample:
            return
        meant = self._sample.decode("utf-8", errors="replace")
        misread = self._sample.decode(self._declared, errors="replace")
        raise SourceError(
            where,
            f"is declared as {self._declared.upper()} but is UTF-8: {meant!r} would be read as {misread!r}",
            remedy="leave `encoding` out, or set it to utf-8",
        )


def _undecodable(
    where: str, encoding: str, declared: str | None, at: int, error: UnicodeDecodeError
) -> SourceError:
    byte = error.object[error.start : error.start + 1].hex()
    name = {"utf-8-sig": "UTF-8"}.get(encoding, encoding.upper())
    received = f"is {'declared as' if declared else 'not'} {name}" + (" but is not" if declared else "")
    before = error.object[max(0, error.start - 40) : error.start].rpartition(b"\n")[2]
    after = error.object[error.start : error.start + 40].partition(b"\n")[0]
    readings = []
    for other in _OTHER_ENCODINGS:
        if other == encoding:
            continue
        try:
            readings.append(f"{other} {codecs.decode(before + after.rstrip(), other)!r}")
        except UnicodeDecodeError:
            # The cut may have split a character of two bytes.
            continue
    shown = f" (the text there: {'; '.join(readings)})" if readings else ""
    return SourceError(
        where,
        f"{received}: byte 0x{byte} at about position {at + error.start} cannot be decoded{shown}",
        valid="UTF-8, or any encoding named in the configuration",
        remedy="set `encoding` (for example cp1252, latin-1, gb18030, utf-16), or export as UTF-8",
    )


@dataclass(frozen=True)
class Dialect:
    """How the rows of a CSV file are written."""

    header: Header
    delimiter: str


def look_at_csv(
    where: str, path: Path, encoding: str, layout: FileLayout, wanted: Collection[str]
) -> Dialect:
    """The column names and where they stand, and the delimiter: as configured, else the one that stands most often."""
    csv.field_size_limit(LONGEST_LINE)
    lines: list[str] = []
    with path.open(encoding=encoding, newline="") as handle:
        while len(lines) < HEADER_WITHIN and (line := handle.readline(LONGEST_LINE)):
            lines.append(line.lstrip("\ufeff") if not lines else line)
    if not "".join(lines).strip():
        raise SourceError(where, "the file holds empty lines alone", valid="a header line with column names")
    said = re.fullmatch(r"(?i)sep=(.)\s*", lines[0].strip("\r\n"))
    above = 1 if said is not None else 0
    known = layout.delimiter or (said.group(1) if said is not None else None)

    def record(number: int) -> tuple[list[str], int]:
        return _record(lines, number, layout, _delimiter(path, lines[number - 1], layout, known))

    header = header_of(where, layout, record, len(lines), wanted, above=above)
    at = header.lines[-1] if header.lines else above + 1
    return Dialect(header, _delimiter(path, lines[min(at, len(lines)) - 1], layout, known))


def _record(lines: Sequence[str], number: int, layout: FileLayout, delimiter: str) -> tuple[list[str], int]:
    """The values of the row that begins on line `number`, and the line it ends on: quotes may hold line ends."""
    reader = csv.reader(lines[number - 1 :], delimiter=delimiter, **_quoting(layout))
    try:
        values = next(reader, [])
    except csv.Error:
        return [], number
    return [value.strip() for value in values], number - 1 + reader.line_num


def _quoting(layout: FileLayout) -> dict[str, Any]:
    """The quoting of a layout in the words of Python's reader."""
    if layout.quote == "none":
        return {"quoting": csv.QUOTE_NONE}
    escape = layout.escape if layout.escape not in (None, layout.quote or '"') else None
    return {"quotechar": layout.quote or '"', "doublequote": escape is None, "escapechar": escape}


def _delimiter(path: Path, line: str, layout: FileLayout, known: str | None) -> str:
    if known is not None:
        return known
    if path.suffix.lower() == ".tsv" and "\t" in line:
        return "\t"
    outside_quotes = line if layout.quote == "none" else re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=outside_quotes.count)


@dataclass(frozen=True)
class PlainCopy:
    """A temporary file of the rows alone; `is_evened` says that other line ends than LF stand in values at most."""

    path: Path
    is_evened: bool


def plain_copy(file: SourceFile) -> PlainCopy | None:
    """A temporary copy of the data alone, in UTF-8 with one kind of line end, or None where the file is so already.

    The reader's own conversion of other encodings needs a download, it stops at a line end of another kind, and it
    knows of no more than one line above the data and none below.
    """
    is_utf8 = file.encoding in ("utf-8", "utf-8-sig")
    has_more = file.header.skipped > 1 or file.layout.footer > 0 or (is_utf8 and _ends_in_ctrl_z(file.path))
    if is_utf8 and not has_more and len(_line_ends(file.path)) < 2:
        return None
    copy = _temporary_file()
    try:
        with (
            file.path.open(encoding=file.encoding, newline="") as source,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            for _ in range(file.header.skipped):
                source.readline(LONGEST_LINE)
            while chunk := source.read(1 << 20):
                target.write(chunk)
        _cut_end(copy, file.layout.footer)
        if len(_line_ends(copy)) < 2:
            return PlainCopy(copy, is_evened=False)
        even = _temporary_file()
        _even_line_ends(copy, even, file.delimiter, file.layout)
        even.replace(copy)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return PlainCopy(copy, is_evened=True)


def _ends_in_ctrl_z(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(max(0, handle.seek(0, os.SEEK_END) - 64))
        return handle.read().rstrip().endswith(_CTRL_Z)


def _cut_end(path: Path, footer: int) -> None:
    """Take off the mark of a text's end, and the last `footer` lines that hold anything."""
    with path.open("r+b") as handle:
        size = handle.seek(0, os.SEEK_END)
        begin = max(0, size - _LAST_BYTES)
        handle.seek(begin)
        tail = handle.read()
        bare = tail.rstrip(b"\r\n \t")
        kept = bare.rstrip(_CTRL_Z) if bare.endswith(_CTRL_Z) else tail
        for _ in range(footer):
            bare = kept.rstrip(b"\r\n \t")
            kept = bare[: max(bare.rfind(b"\n"), bare.rfind(b"\r")) + 1]
        if len(kept) < len(tail):
            handle.truncate(begin + len(kept))


def _temporary_file() -> Path:
    descriptor, name = tempfile.mkstemp(suffix=".csv")
    os.close(descriptor)
    return Path(name)


def _line_ends(path: Path) -> list[str]:
    """Which of CRLF, LF and CR alone occur, within quotes or not."""
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
    counted = {"CRLF": pairs, "LF": feeds - pairs, "CR": alone}
    return [end for end, count in counted.items() if count > 0]


def _even_line_ends(source: Path, target: Path, delimiter: str, layout: FileLayout) -> None:
    """Write `source` (UTF-8) with LF at every line end; what stands in quotes stays as it is."""
    quote = re.escape((layout.quote or '"').encode())
    before_value = rb"(?:\A|(?<=\n)|(?<=\r)|(?<=" + re.escape(delimiter.encode()) + rb"))"
    in_quotes = (
        rb" *+" + quote + rb"[^" + quote + rb"]*+(?:" + quote * 2 + rb"[^" + quote + rb"]*+)*+" + quote
    )
    pattern = rb"\r++\n?" if layout.quote == "none" else before_value + in_quotes + rb"|\r++\n?"
    with (
        source.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text,
        target.open("wb") as out,
    ):
        written = 0
        for match in re.finditer(pattern, text):
            if text[match.end() - 1] not in b"\r\n":
                continue
            out.write(text[written : match.start()])
            out.write(b"\n")
            written = match.end()
        out.write(text[written:])


def csv_error(where: str, file: SourceFile, path: Path, above: int) -> SourceError:
    """Find the line that the reader stopped at without saying which: the first that is no row of the header's.

    `above` lines of the file are not in `path`.
    """
    remedy = "mend that line, or deliver the file again"
    csv.field_size_limit(LONGEST_LINE)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle, delimiter=file.delimiter, strict=True, **_quoting(file.layout))
        try:
            for row in rows:
                if row and len(row) != len(file.columns):
                    return uneven_row(where, file, path, rows.line_num, above, len(row))
        except csv.Error as error:
            at = f"line {rows.line_num + above}"
            return SourceError(
                where, f"{at} cannot be read as csv: {error}", remedy=f"{remedy}; {_OTHER_QUOTES}"
            )
    return SourceError(
        where,
        f"cannot be read as csv after its first line: quotes, line ends or {file.delimiter!r} stand where no reader "
        "expects them",
        remedy=f"export it with one kind of line end and with values in quotes; {_OTHER_QUOTES}",
    )


_OTHER_QUOTES = (
    "where marks are part of the values, set `quote: none`; where a \\ stands before them, `escape: '\\'`"
)


def open_quote(where: str, line: int) -> SourceError:
    """The error of a quotation mark that no other one follows."""
    return SourceError(
        where,
        f"a quote opened on line {line} is never closed; the file looks truncated, or the mark is part of a value",
        valid='values in "…", quotes inside doubled',
        remedy=f"deliver the whole file again; {_OTHER_QUOTES}",
    )


def uneven_row(where: str, file: SourceFile, path: Path, line: int, above: int, found: int) -> SourceError:
    """The error of a row with another number of columns than the header has; `line` counts in `path`."""
    expected = len(file.columns)
    said = "as `columns` names" if file.layout.header == () else "as in the header"
    valid = f"{expected} columns separated by {file.delimiter!r}, {said}"
    received = f"line {line + above} has {found} columns"
    if found > expected:
        return SourceError(
            where,
            f"{received}; a delimiter stands unquoted in a value",
            valid=valid,
            remedy="deliver the whole file again, or set `delimiter`",
        )
    last, shown = _last_line(path)
    below = last - line
    if below < 0 or below >= 3:
        return SourceError(
            where,
            f"{received}; the file looks truncated, or that line is no row",
            valid=valid,
            remedy="deliver the whole file again; where headings, rulers or totals stand between the rows, set "
            "`short_rows: fill` and take the rows you mean with `from: select … from rows where …`",
        )
    return SourceError(
        where,
        f"{received}; the file looks truncated, or ends in a footer ({shown!r})",
        valid=valid,
        remedy=f"where it is a footer, set `footer: {below + 1}`; else deliver the whole file again",
    )


def _last_line(path: Path) -> tuple[int, str]:
    """The number of the last line that holds anything, and its text."""
    number, text = 0, ""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        for at, line in enumerate(handle, start=1):
            if line.strip():
                number, text = at, line.strip()[:60]
    return number, text


def csv_source_sql(file: SourceFile, copy: PlainCopy | None) -> str:
    """The engine's table of the rows of a file, or of its plain copy, with columns h0, h1, …; all text."""
    # A copy holds the data alone.
    path, skip = (file.path, file.header.skipped) if copy is None else (copy.path, 0)
    types = ", ".join(f"'h{number}': 'VARCHAR'" for number in range(len(file.columns)))
    quote = "" if file.layout.quote == "none" else file.layout.quote or '"'
    escape = "" if not quote else file.layout.escape or quote
    fills = file.layout.short_rows == "fill"
    dialect = f"delim={literal(file.delimiter)}, quote={literal(quote)}, escape={literal(escape)}"
    # Filling rows needs to know where lines begin, which readers side by side do not.
    parallel = ", parallel=false" if fills else ""
    # The engine takes the first line end it sees for that of the rows, though it may stand in a value.
    line_end = ", new_line='\\n'" if copy is not None and copy.is_evened else ""
    columns = f"columns={{{types}}}, auto_detect=false, header=false, skip={skip}"
    strictness = f"nullstr='', strict_mode=true, null_padding={str(fills).lower()}{parallel}{line_end}"
    return f"read_csv({literal(str(path))}, {columns}, {dialect}, {strictness}, max_line_size={LONGEST_LINE})"
