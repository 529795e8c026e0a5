"""The questions a night asks of every source, whatever its kind, and the shape of the answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from orchestration.sources.connectors.source_file import SourceFile
from orchestration.sources.field_mapping import Mapped
from orchestration.sources.waiting import Watch

if TYPE_CHECKING:
    import pyarrow as pa

# Tables whose rows are money received or owed, and so get control totals over these fields.
TOTALLED_TABLES = ("invoices", "payments")
NEEDED_FOR_TOTALS = ("currency", "amount")


@dataclass
class Feed:
    """One stream of rows on its way to a contract table."""

    number: int
    name: str | None
    mapped: Mapped
    columns: Sequence[str]
    batches: Callable[[], Iterator[pa.RecordBatch]]
    only: tuple[str, ...] = ()
    # Those of `columns` that no field is mapped to, read only to be kept.
    kept: tuple[str, ...] = ()
    # The delivery holds no record and shows no columns, so there is nothing to map.
    is_empty: bool = False
    # What is read, as messages name it, and the seconds after which its reader gives up; None where it cannot wait.
    where: str = ""
    longest: float | None = None

    @property
    def landing_name(self) -> str:
        return f"feed_{self.number}"


@dataclass
class Reading:
    """What a night reads of one table: opened and compared with its mapping, not yet streamed."""

    feeds: list[Feed] = field(default_factory=list)
    # Covers the whole table, where the feeds bring its news alone.
    totals: Feed | None = None
    is_full: bool = False
    delivers_changes: bool = False
    # A list of what is open: a row that leaves it has not gone, it was cleared since the night before.
    lists_open_items: bool = False
    cursor_value: str | None = None
    file_names: list[str] = field(default_factory=list)
    # Every column the source showed, mapped or not; empty where nothing was opened.
    found_columns: tuple[str, ...] = ()
    read_files: list[SourceFile] = field(default_factory=list)
    # Files that a query reads without tracing its rows to them, and those of an earlier night that have gone.
    beside: list[SourceFile] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    # Labels of rows that are traced to no file.
    made_labels: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    # What a person should know of how it was read.
    told: list[str] = field(default_factory=list)
    # Whether the order of its files is that of dates or numbers in their names, not of the names alone.
    is_certain: bool = True


class History(Protocol):
    """What earlier nights landed of one table, as far as it decides what to read of it."""

    @property
    def full_refresh(self) -> bool:
        """Whether everything is to be read again."""

    def high_water(self) -> str | None:
        """The newest landed `updated_at`; None where nothing landed, or everything is to be read."""

    def files(self) -> dict[str, tuple[int, str]]:
        """Size in bytes and content hash of every landed file, by its label."""

    def undecided(self, mapped: Mapped, columns: Sequence[str]) -> tuple[str, ...]:
        """Those of `columns` that appeared after the table first landed, and that no field uses."""


@dataclass(frozen=True)
class Visit:
    """What the connectors of one night share: a folder to work in, who is told of waits, and the feeds' numbers."""

    work: Path = Path()
    watch: Watch = field(default_factory=Watch)
    numbers: Iterator[int] = field(default_factory=itertools.count)


class Connector(Protocol):
    """A configured source. To add a kind: its section in `config.py`, and a class here that answers this."""

    def reachable(self) -> None:
        """Raise SourceError where the source does not answer; asked once a night, before its first table."""

    def check(self, table_name: str) -> None:
        """Raise SourceError where the columns of a table are not those its mapping names; reads no rows."""

    def read(self, table_name: str, history: History) -> Reading:
        """What there is to read of a table tonight: columns, batches, control totals.

        Raises SourceError where the table cannot be read as configured.
        """


def less_days(high_water: str | None, days: int) -> str | None:
    """The moment `days` before `high_water`, from where news are read."""
    if high_water is None:
        return None
    return (datetime.fromisoformat(high_water) - timedelta(days=days)).isoformat(" ")


def labelled(batches: Iterator[pa.RecordBatch], label: str, *, with_rows: bool) -> Iterator[pa.RecordBatch]:
    """Batches with `_source_file`, and `_source_row` (NULL where the source knows no order)."""
    import pyarrow as pa

    for batch in batches:
        if not with_rows:
            batch = batch.append_column("_source_row", pa.nulls(batch.num_rows, pa.int64()))
        yield batch.append_column("_source_file", pa.repeat(pa.scalar(label, pa.string()), batch.num_rows))
