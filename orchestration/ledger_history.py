"""What earlier nights booked in the ledger: the table dbt compares with, and the one place that adds to it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.warehouse import open_warehouse

if TYPE_CHECKING:
    import duckdb

LEDGER_HISTORY_COLUMNS: dict[str, str] = {
    "entry_id": "VARCHAR",
    "posting_id": "VARCHAR",
    "posting_type": "VARCHAR",
    "reverses_entry_id": "VARCHAR",
    "source_system": "VARCHAR",
    "customer_id": "VARCHAR",
    "customer_code": "VARCHAR",
    "document_id": "VARCHAR",
    "document_kind": "VARCHAR",
    "entry_kind": "VARCHAR",
    "counter_document_id": "VARCHAR",
    "legal_entity": "VARCHAR",
    "due_date": "DATE",
    "effective_date": "DATE",
    "known_at": "DATE",
    "recorded_date": "DATE",
    "booked_on": "DATE",
    "currency": "VARCHAR",
    "amount": "DECIMAL(18,2)",
    "amount_reporting": "DECIMAL(18,2)",
    "load_id": "VARCHAR",
}


def prepare_ledger_history(connection: duckdb.DuckDBPyConnection) -> None:
    """Create core.ledger_history where it is missing."""
    columns = ", ".join(f"{name} {kind}" for name, kind in LEDGER_HISTORY_COLUMNS.items())
    connection.execute(f"create table if not exists core.ledger_history ({columns})")


def append_ledger_history(warehouse: Path, as_of: date) -> int:
    """Keep the entries that the night of `as_of` booked; returns how many.

    A night run again replaces what it booked before. A night that lies before one already kept adds nothing:
    it answers for an earlier day, and the later nights stand as they were published.
    """
    with open_warehouse(warehouse) as connection:
        later = connection.execute(
            "select count(*) from core.ledger_history where booked_on > ?", [as_of]
        ).fetchone()
        if later is None or later[0] > 0:
            return 0
        names = ", ".join(LEDGER_HISTORY_COLUMNS)
        connection.begin()
        try:
            connection.execute("delete from core.ledger_history where booked_on = ?", [as_of])
            added = connection.execute(
                f"insert into core.ledger_history ({names}) "
                f"select {names} from core.ledger_entry where booked_on = ?",
                [as_of],
            ).fetchone()
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        return int(added[0]) if added else 0
