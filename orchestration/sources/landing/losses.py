"""Finds the known rows that a full delivery lacks, and stops a night in which too many of them are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.sources.config import Source
from orchestration.sources.connectors.protocol import TOTALLED_TABLES
from orchestration.sources.errors import SourceError, closest
from orchestration.sources.landing.planning import Plan
from orchestration.sources.landing.records import rows_by_file
from orchestration.sources.landing.told import Told

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Loss:
    """Known rows of one source table that a full delivery of it lacks.

    `live` rows were known and not deleted before, `gone` of them are missing tonight; `delivered` counts the rows
    of the delivery, new ones included. `amounts` says what the rows gone come to by currency, `missing` and
    `shrunk` which files of a snapshot are no longer there or hold fewer rows.
    """

    where: str
    table_name: str
    live: int
    delivered: int
    gone: int
    amounts: tuple[str, ...]
    missing: tuple[str, ...]
    shrunk: tuple[str, ...]
    # What becomes of the rows: deleted, or of an open-item list cleared.
    counts_as: str = "deleted"

    def exceeds(self, share: float, rows: int) -> bool:
        """Whether so much is gone that a fault of the export is likelier than a fact."""
        return self.delivered == 0 or (self.gone >= rows and self.gone > share * self.live)

    def __str__(self) -> str:
        if self.delivered == 0:
            said = f"is empty tonight, though {self.live:,} rows of it had landed and were not deleted"
        else:
            said = (
                f"{self.gone:,} of {self.live:,} rows that had landed are gone tonight "
                f"({self.gone / self.live:.1%}), {self.delivered:,} rows delivered"
            )
        amounts = [f"amount gone: {', '.join(self.amounts)}"] if self.amounts else []
        return "; ".join([said, *amounts, *self.missing, *self.shrunk])


def measure_loss(
    connection: duckdb.DuckDBPyConnection, plan: Plan, live: int, read: Mapping[str, int]
) -> Loss | None:
    """What temp.vanished_rows comes to for a delivery of `read` rows by file; None where nothing is gone."""
    gone = _number(connection, "select count(*) from vanished_rows")
    if gone == 0:
        return None
    before = rows_by_file(connection, plan)
    shrunk = [
        f"file {file.shown_name} holds {read.get(file.label, 0):,} rows after {before[file.label]:,}"
        for file in plan.read_files
        if read.get(file.label, 0) < before.get(file.label, 0)
    ]
    shrunk += [f"file {label} is a copy of {original}" for label, original in plan.duplicates]
    return Loss(
        plan.where,
        plan.table.name,
        live,
        _number(connection, "select count(*) from collected_rows"),
        gone,
        _amounts_gone(connection, plan),
        tuple(f"file {label} is missing ({before.get(label, 0):,} rows)" for label in plan.gone),
        tuple(shrunk),
        "cleared" if plan.lists_open_items else "deleted",
    )


class UnknownTableError(SourceError):
    """A person named a source table that the configuration does not have."""


def check_names(accepted: Collection[str], sources: Mapping[str, Source]) -> None:
    """Raise UnknownTableError where `accepted` names a table that the configuration does not, as `source.table`."""
    valid = [f"{name}.{table}" for name, source in sources.items() for table in source.tables]
    for name in accepted:
        if name not in valid:
            nearest = closest(name, valid)
            raise UnknownTableError(
                "--accept-drop",
                f"{name!r} is no table of a configured source",
                valid=", ".join(valid),
                remedy=f"did you mean {nearest!r}?" if nearest else "name source and table as configured",
            )


def judge_losses(losses: Iterable[Loss], settings: Told, as_of: date, accepted: Collection[str]) -> list[str]:
    """What is to be told of the losses that may land.

    Raises SourceError that names every table with more rows gone than `landing` in the configuration allows and
    nobody accepted, and what to type where the rows are gone in truth.
    """
    told: list[str] = []
    refused: list[tuple[Loss, str]] = []
    for loss in losses:
        share, rows = settings.landing.drop_limit_of(loss.table_name)
        if not loss.exceeds(share, rows):
            if loss.missing:
                told.append(f"{loss.where}: {loss}; they count as {loss.counts_as}")
        elif loss.where in accepted:
            told.append(f"{loss.where}: {loss}; accepted by --accept-drop, they count as {loss.counts_as}")
        else:
            refused.append((loss, _allowed(share, rows)))
    if not refused:
        return told
    flags = " ".join(f"--accept-drop {loss.where}" for loss, _ in refused)
    remedy = (
        "mend the export or its mapping and run again; if the rows are gone in truth, accept that once: "
        f"trade-credit run --as-of {as_of.isoformat()} {flags} {settings.config_option}".rstrip()
    )
    if len(refused) == 1:
        [(loss, allowed)] = refused
        raise SourceError(loss.where, f"{loss}; nothing was landed", valid=allowed, remedy=remedy)
    lines = [f"\n  - {loss.where}: {loss}; {allowed}" for loss, allowed in refused]
    raise SourceError(
        f"{len(refused)} tables",
        f"have lost more rows than one night may lose; nothing was landed{''.join(lines)}\n  ",
        remedy=remedy,
    )


def _allowed(share: float, rows: int) -> str:
    return f"up to {100 * share:g} % of the rows or {rows - 1:,} rows, and never all (`landing` in the configuration)"


def _amounts_gone(connection: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[str, ...]:
    if plan.table.name not in TOTALLED_TABLES:
        return ()
    rows = connection.execute(
        "select coalesce(nullif(trim(currency), ''), 'no currency'), coalesce(sum(amount), 0), "
        "coalesce(ops.minor_units(any_value(trim(currency))), 2), "
        f"count(*) - count(amount) from (select currency, ops.plain_number(amount) as amount "
        f"from raw.{plan.table.name} "
        "where rowid in (select latest_rowid from vanished_rows)) group by 1 order by 1"
    ).fetchall()
    return tuple(
        f"{currency} {amount:,.{decimals}f}" + (f" (and {unreadable:,} unreadable)" if unreadable else "")
        for currency, amount, decimals, unreadable in rows
    )


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
