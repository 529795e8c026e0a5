"""What people answer about open documents is kept where the models read it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Make the table; every night writes it anew from the company's file."""
    connection.execute(
        "create table if not exists ops.document_answer (source_system varchar, document_no varchar, "
        "from_document_no varchar, answer varchar, decided_by varchar, decided_on date, reason varchar)"
    )
