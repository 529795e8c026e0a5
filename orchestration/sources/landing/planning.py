"""Decides what a night reads of each source table, from what `raw` and `ops` already hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestration.sources.config import Source
from orchestration.sources.connectors.kinds import connector_of
from orchestration.sources.connectors.protocol import Feed, Reading, Visit
from orchestration.sources.contract import CONTRACT, Table
from orchestration.sources.field_mapping import Mapped
from orchestration.sources.mapped_columns import unmapped_columns
from orchestration.sources.waiting import Watch

if TYPE_CHECKING:
    import duckdb


@dataclass(kw_only=True)
class Plan(Reading):
    """What to read for one contract table of one source, and how to compare it with what has landed."""

    source_system: str
    table: Table
    where: str
    kind: Literal["database", "files", "rest"]
    rounds: int = 1
    # Temporary relations of the comparison, and whether each is a table or a view.
    made: dict[str, str] = field(default_factory=dict)
    status: str = "landed"

    @property
    def all_feeds(self) -> list[Feed]:
        """Every stream to carry, that for control totals included."""
        return [*self.feeds, *([self.totals] if self.totals else [])]

    @property
    def mapped_columns(self) -> set[str]:
        """Source columns that are read because a field is mapped to them, or an SQL expression may name them."""
        return {name for feed in self.feeds for name in feed.columns if name not in feed.kept}

    @property
    def picked_fields(self) -> list[str]:
        """Fields of which a key keeps its most frequent value; empty where every row lands as it is."""
        return sorted(
            {
                name
                for feed in self.feeds
                for name, mapping in (feed.mapped.fields or {}).items()
                if mapping.pick
            }
        )


def plan_all(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, Source],
    as_of: date,
    full_refresh: bool,
    work: Path,
    *,
    notice: Callable[[str], None] | None = None,
) -> list[Plan]:
    """What to read of every configured table; `notice` is told when a source is waited for."""
    with Watch(notice) as watch:
        visit = Visit(work, watch)
        plans: list[Plan] = []
        for name, source in sources.items():
            connector = connector_of(source, visit)
            checked = False
            for table_name, table in source.tables.items():
                system, contract = table.key_space or name, CONTRACT[table_name]
                landed = Landed(connection, system, contract, as_of, full_refresh)
                reading, status = Reading(), "replayed"
                if not landed.is_of_a_later_night():
                    if not checked:
                        connector.reachable()
                        checked = True
                    reading, status = connector.read(table_name, landed), "landed"
                plans.append(
                    Plan(
                        **vars(reading),
                        source_system=system,
                        table=contract,
                        where=f"{name}.{table_name}",
                        kind=source.kind,
                        status=status,
                    )
                )
    return plans


@dataclass(frozen=True)
class Landed:
    """What earlier nights landed of one table, looked up in the warehouse when a connector asks."""

    connection: duckdb.DuckDBPyConnection
    source_system: str
    table: Table
    as_of: date
    full_refresh: bool

    def is_of_a_later_night(self) -> bool:
        """Whether a night after this one has landed, so that this one replays what is in `raw`."""
        newest = self.connection.execute(
            "select max(as_of_date) from ops.landing where source_system = ? and table_name = ?", self._key
        ).fetchone()
        return newest is not None and newest[0] is not None and newest[0] > self.as_of

    def high_water(self) -> str | None:
        """The newest landed `updated_at`; a value after the night is a slip and must not hide later rows."""
        if self.full_refresh:
            return None
        row = self.connection.execute(
            f"select max(updated_at) from raw.{self.table.name} where source_system = ? "
            "and regexp_full_match(updated_at, '[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}') and updated_at < ?",
            [self.source_system, (self.as_of + timedelta(days=1)).isoformat()],
        ).fetchone()
        return None if row is None or row[0] is None else str(row[0])

    def files(self) -> dict[str, tuple[int, str]]:
        """Size in bytes and content hash of every landed file, by its label."""
        rows = self.connection.execute(
            "select source_file, size_bytes, content_hash from ops.landed_file "
            "where source_system = ? and table_name = ?",
            self._key,
        ).fetchall()
        return {label: (size, digest) for label, size, digest in rows}

    def undecided(self, mapped: Mapped, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns nobody has decided on: they appeared after the table first landed, and no field uses them.

        Columns that were there when the mapping was written and are not in it were left out by its writer.
        """
        known = dict(
            self.connection.execute(
                "select column_name, is_new from ops.source_column where source_system = ? and table_name = ?",
                self._key,
            ).fetchall()
        )
        if not known:
            return ()
        unmapped = unmapped_columns(mapped, columns, self.table)
        return tuple(name for name in unmapped if known.get(name, True) and name not in mapped.ignore)

    @property
    def _key(self) -> list[str]:
        return [self.source_system, self.table.name]
