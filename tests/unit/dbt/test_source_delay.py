"""Days from an event to the night that landed it, by source and table."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.factories import PROJECT_DIR, fetch, make_warehouse, run_dbt

AS_OF = "2026-10-31"
RULES = PROJECT_DIR.parent / "quality" / "rules"


def _payment(number: int, landed: str | None, days_before: int, **more: Any) -> dict[str, Any]:
    received = date.fromisoformat(landed or AS_OF) - timedelta(days=days_before)
    night = {"_loaded_at": landed} if landed else {}
    return {
        "payment_id": f"P{number}",
        "customer_id": "c",
        "received_date": received,
        "currency": "USD",
        "amount": "10.00",
        **night,
        **more,
    }


@pytest.fixture(scope="module")
def delays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("delays") / "warehouse.duckdb"
    make_warehouse(
        path,
        {
            "customers": [
                {"customer_id": "c", "legal_name": "Company c", "source_system": source}
                for source in ("erp", "bank")
            ],
            "invoices": [],
            "payments": [
                # Eleven new rows, 0 to 10 days late: median 5, nine in ten within 9.
                *(_payment(days, "2026-10-20", days) for days in range(11)),
                # A first load of old history, and a row that landed 90 days ago, are no delay of today.
                _payment(20, None, 700),
                _payment(21, "2026-08-02", 30),
                # Posted ahead: in time, not two days early.
                _payment(22, "2026-10-20", -2, source_system="bank"),
            ],
        },
        as_of=AS_OF,
    )
    run_dbt(path, select="source_delay", as_of=AS_OF, command="run")
    return path


def test_late_rows_of_a_source(delays: Path) -> None:
    rows = fetch(
        delays, "select * from mart.source_delay where table_name = 'payments' order by source_system"
    )
    assert [
        (
            row["source_system"],
            row["row_count"],
            row["delay_days_median"],
            row["delay_days_p90"],
            row["delay_days_max"],
        )
        for row in rows
    ] == [("bank", 1, 0.0, 0.0, 0), ("erp", 11, 5.0, 9.0, 10)]


def test_a_source_that_only_delivered_once_has_no_delay_yet(delays: Path) -> None:
    (row,) = fetch(delays, "select * from mart.source_delay where table_name = 'invoices'")
    assert (row["row_count"], row["delay_days_p90"], row["delay_status"]) == (None, None, "not_observed")


def test_the_event_of_a_row_is_the_one_its_rules_name() -> None:
    model = (PROJECT_DIR / "models" / "marts" / "quality" / "source_delay.sql").read_text(encoding="utf-8")
    listed = re.search(r"event_of = \{(.*?)\}", model, re.DOTALL)
    assert listed
    for table, event in re.findall(r"'(\w+)': '(\w+)'", listed[1]):
        assert yaml.safe_load((RULES / f"{table}.yml").read_text(encoding="utf-8"))["event_date"] == event
