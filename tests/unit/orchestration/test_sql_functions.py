"""Functions in the warehouse that landing, rules and dbt read alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.warehouse import open_warehouse, prepare_warehouse


@pytest.mark.parametrize(
    ("terms", "days", "from_month_end"),
    [
        ("NET30", 30, False),
        ("n/45", 45, False),
        ("30 days", 30, False),
        ("14 Tage", 14, False),
        ("2/10 NET 30", 30, False),
        ("2%/10, net 30", 30, False),
        ("2/10NET30", 30, False),
        ("1.5/10 60", 60, False),
        ("3/14, 30 EOM", 30, True),
        ("EOM", 0, True),
        ("60 days EOM", 60, True),
        # A discount alone says not when the whole is due.
        ("2/10", None, False),
        ("2/ 10", None, False),
        ("on receipt", None, False),
        ("1000", None, False),
    ],
)
def test_payment_terms_are_read_as_they_are_written(
    tmp_path: Path, terms: str, days: int | None, from_month_end: bool
) -> None:
    prepare_warehouse(tmp_path / "warehouse.duckdb")
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        assert connection.execute(
            "select ops.payment_terms_days(?), ops.payment_terms_from_month_end(?)", [terms, terms]
        ).fetchone() == (days, from_month_end)
