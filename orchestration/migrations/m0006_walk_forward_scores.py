"""PDs that the scoring model's recipe would have given at past month-ends are kept, for warnings to be replayed on."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Make the table; every night that learns writes it anew."""
    connection.execute(
        "create table if not exists ml.walk_forward_score (customer_code varchar, cutoff_date date, pd double, "
        "model_id varchar, model_kind varchar)"
    )
