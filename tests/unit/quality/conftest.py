"""Warehouses to run the gate on: one empty, one with rows that pass every rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path / "warehouse.duckdb")
    yield made
    made.con.close()


@pytest.fixture
def sound(warehouse: Warehouse) -> Warehouse:
    """One customer, one invoice half paid."""
    for table in ("customers", "invoices", "payments", "payment_applications", "fx_rates", "credit_limits"):
        warehouse.add(table)
    return warehouse
