"""Files that came compressed (gzip, zip): unpacked into a temporary file while they are looked at or read."""

from __future__ import annotations

import fnmatch
import gzip
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import FORMAT_OF_SUFFIX, FileLayout, without_packing

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
# Exports of rows pack to a tenth, those of zeros to a hundredth; what unpacks to more is made to fill a disk.
_MOST_UNPACKED = 400
_NEVER_REFUSED = 256 * 2**20
LARGEST_UNPACKED = 64 * 2**30
_CHUNK = 1 << 20


def packing_of(layout: FileLayout, path: Path) -> str | None:
    """How a file is compressed, by its first bytes and its name: gzip, zip, or not at all."""
    with path.open("rb") as handle:
        head = handle.read(4)
    if head.startswith(_GZIP):
        return "gzip"
    # A workbook is a zip archive itself.
    if head == _ZIP and (path.suffix.lower() == ".zip" or layout.format_of(path) in ("csv", "json", "jsonl")):
        return "zip"
    return None


@contextmanager
def unpacked(where: str, layout: FileLayout, path: Path) -> Iterator[tuple[Path, str]]:
    """The file to read in place of `path`, and the name that tells its format: itself where it is not compressed.

    Raises SourceError where an archive holds several files and none is named, where what it holds is damaged or
    locked, and where it unpacks to more than a table can be.
    """
    packing = packing_of(layout, path)
    if packing is None:
        if path.suffix.lower() == ".zip":
            raise SourceError(where, "is called .zip but is no archive", remedy="deliver the file again")
        yield path, path.name
        return
    try:
        if packing == "gzip":
            name = without_packing(path.name)
            with gzip.open(path, "rb") as stream, _copied(where, path, stream, name) as copy:
                yield copy, name
            return
        with zipfile.ZipFile(path) as archive:
            member = _member(where, layout, archive)
            with archive.open(member) as packed, _copied(where, path, packed, member) as copy:
                yield copy, member
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise SourceError(
            where, f"cannot be unpacked as {packing} ({error})", remedy="deliver the whole file again"
        ) from error
    except RuntimeError as error:
        # So the library says that a password is asked for.
        raise SourceError(
            where, f"cannot be unpacked as {packing} ({error})", remedy="deliver it without a password"
        ) from error


def _member(where: str, layout: FileLayout, archive: zipfile.ZipFile) -> str:
    files = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/") and Path(name).name != ".DS_Store"
    ]
    if "[Content_Types].xml" in files:
        raise SourceError(where, "is an Excel workbook", remedy="set `format: excel`")
    if layout.member is not None:
        found = [
            name
            for name in files
            if fnmatch.fnmatchcase(name, layout.member) or Path(name).name == layout.member
        ]
    elif layout.format is None and len(files) > 1:
        found = [name for name in files if Path(without_packing(name)).suffix.lower() in FORMAT_OF_SUFFIX]
    else:
        found = files
    if len(found) == 1:
        return found[0]
    received = (
        f"has no file {layout.member!r}" if layout.member and not found else f"holds {len(found)} files"
    )
    raise SourceError(
        where,
        f"the archive {received} to read",
        valid=", ".join(files[:20]) or "one file",
        remedy="name one of them under `member`",
    )


@contextmanager
def _copied(where: str, path: Path, stream: IO[bytes] | gzip.GzipFile, name: str) -> Iterator[Path]:
    limit = min(LARGEST_UNPACKED, max(_NEVER_REFUSED, _MOST_UNPACKED * path.stat().st_size))
    descriptor, copy = tempfile.mkstemp(suffix=Path(name).suffix)
    try:
        written = 0
        with os.fdopen(descriptor, "wb") as target:
            while chunk := stream.read(_CHUNK):
                written += len(chunk)
                if written > limit:
                    raise SourceError(
                        where,
                        f"unpacks to more than {limit >> 20:,} MiB from {path.stat().st_size / 2**20:,.1f} MiB",
                        valid=f"at most {_MOST_UNPACKED} times its size",
                        remedy="deliver the file unpacked",
                    )
                target.write(chunk)
        yield Path(copy)
    finally:
        Path(copy).unlink(missing_ok=True)
