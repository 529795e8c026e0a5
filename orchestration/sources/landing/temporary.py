"""Temporary relations of one comparison: made, remembered in the plan, and dropped with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.sources.landing.planning import Plan

if TYPE_CHECKING:
    import duckdb


def make(connection: duckdb.DuckDBPyConnection, plan: Plan, kind: str, name: str, query: str) -> None:
    """Create temp table or view `name`, whichever of the two it was before."""
    if plan.made.get(name, kind) != kind:
        drop(connection, plan, name)
    connection.execute(f"create or replace temp {kind} {name} as {query}")
    plan.made[name] = kind


def drop(connection: duckdb.DuckDBPyConnection, plan: Plan, *names: str) -> None:
    """Drop temp tables or views, whichever they were made as."""
    for name in names:
        kind = plan.made.pop(name, "table")
        connection.execute(f"drop {kind} if exists temp.{name}")
