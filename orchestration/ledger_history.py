"""What earlier nights booked in the ledger: the one place that adds to the table dbt compares with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from orchestration.warehouse import column_names, open_warehouse


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
        names = ", ".join(column_names(connection, "core", "ledger_history"))
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
