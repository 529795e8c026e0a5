"""Parameters of the company in the figures: working time by the calendar in use, and no figure without a parameter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import WAREHOUSE, fetch, make_warehouse, run_dbt

AS_OF = "2025-07-31"


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A request of Thursday 16:00, decided on Monday 10:00; the Friday between is 4 July."""
    path = tmp_path_factory.mktemp("calendar") / WAREHOUSE
    request = {
        "request_id": "r", "customer_id": "a", "currency": "USD", "amount": "10.00", "decision": "approved",
        "requested_at": "2025-07-03 16:00:00", "decided_at": "2025-07-07 10:00:00",
    }  # fmt: skip
    invoice = {
        "invoice_id": "i", "document_type": "invoice", "customer_id": "a", "legal_entity": "US", "currency": "USD",
        "issue_date": "2025-06-01", "due_date": "2025-07-01", "amount": "10.00",
    }  # fmt: skip
    customers = [{"customer_id": "a", "legal_name": "A"}]
    make_warehouse(
        path, {"customers": customers, "invoices": [invoice], "credit_requests": [request]}, as_of=AS_OF
    )
    run_dbt(path, select="+fct_credit_decision", as_of=AS_OF, exclude="resource_type:test")
    return path


@pytest.mark.parametrize(
    ("parameters", "hours"),
    [
        ({}, 2),
        ({"business_calendar": "none"}, 10),
        ({"business_calendar": "days.csv", "business_holidays": ["2025-07-07"]}, 9),
        ({"business_hours_from": 8, "business_hours_to": 18}, 4),
    ],
    ids=["us_federal", "none", "own days", "longer days"],
)
def test_working_time_follows_the_companys_calendar(
    decisions: Path, parameters: dict[str, Any], hours: float
) -> None:
    selected = ["fct_credit_decision", "business_calendar_has_holidays"]
    run_dbt(decisions, select=selected, as_of=AS_OF, vars=parameters)
    (row,) = fetch(decisions, "select approval_business_hours from mart.fct_credit_decision")
    assert row["approval_business_hours"] == hours


def test_a_parameter_that_was_not_passed_stops_dbt_with_its_name(decisions: Path) -> None:
    with pytest.raises(AssertionError, match="variable business_hours_to was not passed"):
        run_dbt(decisions, select="fct_credit_decision", as_of=AS_OF, vars={"business_hours_to": None})
