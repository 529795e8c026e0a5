"""The first rows of a landing, source beside contract, for a person who writes a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestration.sources.amounts import define_amounts
from orchestration.sources.connectors.protocol import Feed
from orchestration.sources.landing.planning import Plan
from orchestration.sources.mapping import mapping_query

if TYPE_CHECKING:
    import duckdb

SHOWN_ROWS = 3


@dataclass(frozen=True)
class Pair:
    """A row as the source gives it and as the contract's table gets it; values by column, those without left out."""

    source: dict[str, str]
    contract: dict[str, str]


@dataclass
class Sample:
    """How many rows of a feed to read; filled with SHOWN_ROWS of each table, and with the tables that were cut."""

    most_rows: int
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)

    def look_at(
        self,
        connection: duckdb.DuckDBPyConnection,
        plans: Sequence[Plan],
        relations: Mapping[int, str],
        time_zone: str,
    ) -> None:
        """Take the first rows of every table from what was carried."""
        for plan in plans:
            for feed in plan.feeds:
                relation = relations[feed.number]
                counted = connection.execute(f"select count(*) from {relation}").fetchone()
                rows = counted[0] if counted else 0
                if rows == self.most_rows:
                    self.cut.add(plan.where)
                if rows and plan.where not in self.pairs:
                    self.pairs[plan.where] = _pairs(connection, plan, feed, relation, time_zone)


def _pairs(
    connection: duckdb.DuckDBPyConnection, plan: Plan, feed: Feed, relation: str, time_zone: str
) -> list[Pair]:
    first = f"(select * from {relation} order by _seq limit {SHOWN_ROWS})"
    values = ", ".join(f"c{number}" for number in range(len(feed.columns))) or "null"
    source = connection.execute(f"select {values} from {first} order by _seq").fetchall()
    fields = {name: mapping for name, mapping in (feed.mapped.fields or {}).items() if not mapping.lookup}
    mapped = feed.mapped if feed.mapped.fields is None else feed.mapped.model_copy(update={"fields": fields})
    query = mapping_query(first, plan.table, mapped, feed.columns, time_zone=time_zone, lookups=str)
    define_amounts(connection, query.sql)
    names = plan.table.field_names
    chosen = ", ".join(f'"{name}"' for name in names)
    contract = connection.execute(f"select {chosen} from ({query.sql}) order by _seq").fetchall()
    return [
        Pair(
            {name: value for name, value in zip(feed.columns, given, strict=True) if value is not None},
            {name: value for name, value in zip(names, got, strict=True) if value is not None},
        )
        for given, got in zip(source, contract, strict=True)
    ]
