"""A try of the sources: some rows of each table go through the whole mapping and the row rules, and nothing is kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.plain_text import plain
from orchestration.sources.errors import SourceError
from orchestration.sources.landing import land
from orchestration.sources.landing.sample import Pair, Sample
from orchestration.warehouse import open_warehouse, prepare_warehouse

if TYPE_CHECKING:
    from orchestration.settings import Settings
    from quality.catalog import Rule

# Enough to meet what is odd in an export, read in seconds.
SAMPLE_ROWS = 20_000
_SHOWN_VALUE = 40


@dataclass(frozen=True)
class Waiting:
    """Rows that a rule would hold in quarantine, one of them, and what to do."""

    rule: Rule
    rows: int
    example: str


@dataclass(frozen=True)
class TableTrial:
    """What came of one table of one source: rows read (all of them, or the first ones), and rows that would wait."""

    where: str
    rows: int
    is_cut: bool
    held: int
    waiting: tuple[Waiting, ...]
    pairs: tuple[Pair, ...]

    def lines(self) -> list[str]:
        """What to print of it."""
        read = f"the first {self.rows:,}" if self.is_cut else f"{self.rows:,}"
        text = [f"{self.where}: {read} rows, {self.rows - self.held:,} kept, {self.held:,} would wait"]
        for one in self.waiting:
            text.append(f"  {one.rows:,} x {one.rule.id}: {one.rule.reason} To mend: {one.rule.remedy}")
            text.append(f"      for example {one.example}")
        for number, pair in enumerate(self.pairs, start=1):
            text.append(f"  row {number}  source    {_shown(pair.source)}")
            text.append(f"         contract  {_shown(pair.contract)}")
        return [plain(line) for line in text]


@dataclass(frozen=True)
class Trial:
    """The tables that were tried, what a person should know of how they were read, and what stopped it."""

    tables: tuple[TableTrial, ...] = ()
    told: tuple[str, ...] = ()
    problem: str | None = None


def try_sources(
    settings: Settings, *, as_of: date, with_services: bool, most_rows: int = SAMPLE_ROWS
) -> Trial:
    """Read up to `most_rows` of every feed into a warehouse that is thrown away, as a first night of `as_of` would.

    Services are asked only `with_services`: they answer in full, and may count or charge for it. Rules that look into
    other tables are left out where a table was cut, since what they look for may be beyond the cut. The state folder
    is neither read nor written.
    """
    sources = {
        name: source for name, source in settings.sources.items() if with_services or source.kind != "rest"
    }
    if not sources:
        return Trial()
    with tempfile.TemporaryDirectory(prefix="trade-credit-try-") as folder:
        own = settings.model_copy(update={"home": Path(folder), "sources": sources})
        prepare_warehouse(own.warehouse_path)
        sample, told = Sample(most_rows), list[str]()
        try:
            land(own.warehouse_path, own, as_of=as_of, warn=told.append, sample=sample)
        except SourceError as error:
            return Trial(told=tuple(told), problem=str(error))
        return Trial(_judged(own, as_of, sample), tuple(told))


def _judged(settings: Settings, as_of: date, sample: Sample) -> tuple[TableTrial, ...]:
    from quality.catalog import load_rules
    from quality.predicates import looks_beyond_its_row
    from quality.runner import rows_held

    names = {table for source in settings.sources.values() for table in source.tables}
    rules = [
        rule
        for rule in load_rules()
        if rule.table in names
        and rule.severity == "quarantine"
        and not (sample.cut and looks_beyond_its_row(rule))
    ]
    with open_warehouse(settings.warehouse_path) as connection:
        held = rows_held(
            connection,
            rules,
            as_of=as_of,
            cut_over=settings.quality.cut_over_date,
            reporting_currency=settings.reporting_currency,
        )
        rows: dict[tuple[str, str], int] = {
            (system, table): count
            for table in names
            for system, count in connection.execute(
                f"select source_system, count(*) from staging.landed_{table} group by source_system"
            ).fetchall()
        }
    by_rule = {rule.id: rule for rule in rules}
    return tuple(
        TableTrial(
            f"{name}.{table_name}",
            rows.get((system, table_name), 0),
            f"{name}.{table_name}" in sample.cut,
            held.rows.get((system, table_name), 0),
            tuple(
                Waiting(by_rule[rule_id], count, example)
                for (of, table, rule_id), (count, example) in held.by_rule.items()
                if (of, table) == (system, table_name)
            ),
            tuple(sample.pairs.get(f"{name}.{table_name}", ())),
        )
        for name, source in settings.sources.items()
        for table_name, table in source.tables.items()
        for system in [table.key_space or name]
    )


def _shown(values: dict[str, str]) -> str:
    cut = {
        name: value if len(value) <= _SHOWN_VALUE else value[: _SHOWN_VALUE - 1] + "…"
        for name, value in values.items()
    }
    return " | ".join(f"{name} {value}" for name, value in cut.items())
