"""Amounts kept from earlier nights hold four decimals, the most a currency has, instead of two."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# The histories that hold amounts: what the ledger booked, and the warnings, which dbt makes with its first night.
_AMOUNTS = {
    "ledger_history": ("amount", "amount_reporting"),
    "warning_signal": ("amount_at_risk_reporting",),
}


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Widen the columns; every amount stays what it was."""
    for table, columns in _AMOUNTS.items():
        for column in columns:
            connection.execute(
                f"alter table if exists core.{table} alter column {column} type decimal(38, 4)"
            )
