"""One file of a source: how it is recognised again, and what was seen of it."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from orchestration.sources.connectors.headers import Header
from orchestration.sources.errors import TransientSourceError
from orchestration.sources.file_config import FileFormat, FileLayout

BATCH_ROWS = 122_880


@dataclass(frozen=True)
class Fingerprint:
    """By what a file is recognised again: its size, its time of change and the hash of its bytes."""

    size_bytes: int
    modified_ns: int
    content_hash: str = ""


_NO_HEADER = Header((), (), 0)


@dataclass(frozen=True)
class SourceFile:
    """One file of a feed, looked at but not read: its label in the data, fingerprint, dialect and columns.

    `has_records` is false where a JSON file holds none, and so has no columns either. `is_selected` says that what
    lands of it is what a query takes.
    """

    path: Path
    label: str
    fingerprint: Fingerprint
    format: FileFormat
    columns: tuple[str, ...]
    layout: FileLayout
    header: Header = _NO_HEADER
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    has_records: bool = True
    is_selected: bool = False

    @property
    def shown_name(self) -> str:
        """What to call the file in a message: its label, or its name where the label stands for several files."""
        return self.path.name if glob.has_magic(self.label) else self.label


def state_of(path: Path) -> Fingerprint:
    """Size and time of change, without reading the file."""
    status = path.stat()
    return Fingerprint(status.st_size, status.st_mtime_ns)


def refuse_changed(where: str, path: Path, seen: Fingerprint) -> None:
    """Raise TransientSourceError where the file is not the one that was seen."""
    now = state_of(path)
    if (now.size_bytes, now.modified_ns) == (seen.size_bytes, seen.modified_ns):
        return
    grew = f"from {seen.size_bytes:,} to {now.size_bytes:,} bytes"
    raise TransientSourceError(
        where,
        f"the file changed while it was read ({grew if now.size_bytes != seen.size_bytes else 'same size'})",
        remedy="start the night once the export has ended, or write it aside and rename it",
    )


def first_line(error: Exception) -> str:
    """What an error says first, cut to a length that fits a message."""
    return (str(error).splitlines() or [""])[0][:300]
