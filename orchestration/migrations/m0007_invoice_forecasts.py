"""When open documents are expected to be paid, and what earlier forecasts were worth, is kept for the marts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Make the tables: every night writes the forecasts anew and adds its record."""
    weeks = ", ".join(f"week_{week}_share double" for week in range(1, 14))
    connection.execute(
        "create table if not exists ml.invoice_forecast (document_id varchar, late_probability double, "
        f"paid_on_p10 date, paid_on_p50 date, paid_on_p90 date, {weeks})"
    )
    connection.execute(
        "create table if not exists ml.late_risk_record (as_of_date date, checked_on date, documents bigint, "
        "paid bigint, unpaid bigint, late_known bigint, late bigint, expected_late double, "
        "mean_absolute_error_days double, median_absolute_error_days double, "
        "baseline_mean_absolute_error_days double, auc double, baseline_auc double, refusal varchar)"
    )
