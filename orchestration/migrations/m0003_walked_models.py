"""Models that are judged by a walk through time say what the walk's first model learned from."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Add the column; models judged before had periods of their own and leave it empty."""
    connection.execute("alter table ml.model_run add column if not exists walk_learned_to date")
