"""CSV files before the engine reads them: encoding, delimiter, header, line ends, and the row that is wrong."""

from __future__ import annotations

import codecs
import csv
import io
import mmap
import os
import re
import tempfile
from pathlib import Path

from orchestration.sources.connectors.source_file import SourceFile
from orchestration.sources.errors import SourceError

LONGEST_LINE = 16 * 2**20
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(where: str, path: Path, declared: str | None, longest_line: int | None = None) -> str:
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


def csv_header(where: str, path: Path, encoding: str, delimiter: str | None) -> tuple[tuple[str, ...], str]:
    """The column names in the first line, and the delimiter: as configured, else the one that stands most often."""
    with path.open(encoding=encoding, newline="") as handle:
        line = handle.readline(LONGEST_LINE).lstrip("\ufeff").rstrip("\r\n")
    if not line.strip():
        raise SourceError(where, "the first line is empty", valid="a header line with column names")
    if delimiter is None:
        outside_quotes = re.sub(r'"[^"]*"', "", line)
        delimiter = max(_DELIMITERS, key=outside_quotes.count)
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(line), delimiter=delimiter)))
    return names, delimiter


def plain_copy(file: SourceFile) -> Path | None:
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


def csv_error(where: str, file: SourceFile, path: Path) -> SourceError:
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
