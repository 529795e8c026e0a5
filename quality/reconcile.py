"""Compares what the sources said they delivered with what was landed, to the cent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class SourceDifference:
    """One file and currency whose control total does not equal the landed rows, quarantined ones included.

    Amounts are in `currency`, which has that many `decimals` (None where it is no currency).
    """

    source_system: str
    table: str
    source_file: str
    currency: str
    source_rows: int
    landed_rows: int
    source_amount: Decimal
    landed_amount: Decimal
    decimals: int | None = None

    @property
    def text(self) -> str:
        """The difference in words."""
        return (
            f"{self.source_system} {self.table} {self.source_file} {self.currency or 'no currency'}: "
            f"source {self.source_rows:,} rows, {_money(self.source_amount, self.decimals)}; "
            f"landed {self.landed_rows:,} rows, {_money(self.landed_amount, self.decimals)}"
        )


def reconcile_sources(
    con: DuckDBPyConnection, as_of: date, table: str | None = None
) -> tuple[SourceDifference, ...]:
    """Every source, table, file and currency whose control total differs from the rows landed from it.

    Control totals (ops.source_total) are taken while reading; those of a load after `as_of` say nothing
    about it and are left out, with their files. An amount that is not a plain number counts as zero on both
    sides: it shows as a failed rule, not as a missing row. Two things are no difference: rows replaced by a
    later version from another file count for the file that brought them first, and rows the landing
    recognised as known when it first read a file (ops.landing: rows read minus rows landed) stay with the
    file they came from.
    """
    tables = con.execute("SELECT DISTINCT table_name FROM ops.source_total ORDER BY 1").fetchall()
    differences: list[SourceDifference] = []
    for (name,) in tables:
        if table in (None, name):
            landed = f"SELECT source_system, _source_file, currency, amount FROM staging.landed_{name}"
            # Versions are joined only where the plain comparison leaves a difference: on most nights it does
            # not.
            if _compare(con, name, landed, as_of):
                differences += _compare(con, name, f"{landed} UNION ALL {_replaced(name)}", as_of)
    return tuple(differences)


def _replaced(table: str) -> str:
    """The last version from each other file of the rows that are landed from a later one."""
    return f"""
        SELECT v.source_system, v._source_file, v.currency, v.amount
        FROM raw.{table} v
        JOIN staging.landed_{table} l
            ON v.source_system = l.source_system AND v._row_key = l._row_key AND v._occurrence = l._occurrence
            AND v._source_file <> l._source_file
        WHERE NOT v._is_deleted AND (v._is_backfill OR CAST(v._loaded_at AS DATE) <= $as_of)
        QUALIFY row_number() OVER (
            PARTITION BY v.source_system, v._row_key, v._occurrence, v._source_file ORDER BY v._loaded_at
            DESC) = 1
    """


def _compare(con: DuckDBPyConnection, table: str, landed: str, as_of: date) -> list[SourceDifference]:
    rows = con.execute(
        rf"""
        WITH latest AS (
            SELECT source_system, source_file, max(as_of_date) AS as_of_date
            FROM ops.source_total WHERE table_name = $table GROUP BY ALL
        ),
        source AS (
            SELECT s.source_system, s.source_file, coalesce(trim(s.currency), '') AS currency,
                sum(s.row_count) AS row_count, coalesce(sum(s.amount), 0) AS amount
            FROM ops.source_total s JOIN latest USING (source_system, source_file, as_of_date)
            WHERE s.table_name = $table AND s.as_of_date <= $as_of GROUP BY ALL
        ),
        landed AS (
            SELECT source_system, _source_file AS source_file, coalesce(trim(currency), '') AS currency,
                count(*) AS row_count,
                coalesce(sum(ops.plain_number(amount)), 0) AS amount
            FROM ({landed})
            WHERE (source_system, _source_file) NOT IN (
                SELECT (source_system, source_file) FROM latest WHERE as_of_date > $as_of)
            GROUP BY ALL
        ),
        compared AS (
            SELECT coalesce(s.source_system, l.source_system) AS source_system,
                coalesce(s.source_file, l.source_file) AS source_file, coalesce(s.currency, l.currency) AS
                currency, coalesce(s.row_count, 0)::BIGINT AS source_rows, coalesce(l.row_count, 0) AS
                landed_rows, coalesce(s.amount, 0) AS source_amount, coalesce(l.amount, 0) AS landed_amount
            FROM source s FULL JOIN landed l
                ON s.source_system = l.source_system AND s.source_file = l.source_file AND s.currency =
                l.currency
        ),
        known_before AS (
            SELECT source_system, source_file, arg_min(rows_read - rows_landed, as_of_date) AS row_count
            FROM ops.landing WHERE table_name = $table GROUP BY ALL
        ),
        explained AS (
            SELECT source_system, source_file
            FROM compared JOIN known_before k USING (source_system, source_file)
            GROUP BY source_system, source_file, k.row_count
            HAVING k.row_count > 0 AND sum(source_rows - landed_rows) = k.row_count
        )
        SELECT source_system, $table, source_file, currency, source_rows, landed_rows, source_amount,
        landed_amount, ops.minor_units(currency)
        FROM compared ANTI JOIN explained USING (source_system, source_file)
        WHERE source_rows <> landed_rows OR source_amount <> landed_amount
        ORDER BY 1, 3, 4
        """,
        {"table": table, "as_of": as_of},
    ).fetchall()
    return [SourceDifference(*row) for row in rows]


def _money(amount: Decimal, decimals: int | None) -> str:
    """The decimals of the currency, more where there are more."""
    if decimals is not None and amount == round(amount, decimals):
        return f"{amount:,.{decimals}f}"
    return f"{amount.normalize():,f}"
