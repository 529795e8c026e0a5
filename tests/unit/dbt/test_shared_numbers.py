"""One number for several documents: instalments, and one of each selling company; limits by selling company."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, make_warehouse, run_dbt

AS_OF = "2026-06-30"


def invoice(number: str, due: str, amount: int, occurrence: int = 1, entity: str = "E1") -> dict[str, Any]:
    return {
        "invoice_id": number, "document_type": "invoice", "customer_id": "A", "legal_entity": entity,
        "issue_date": "2026-03-01", "due_date": due, "currency": "USD", "amount": f"{amount}.00",
        "_occurrence": occurrence,
    }  # fmt: skip


def receipt(number: str, amount: int, entity: str = "E1") -> dict[str, Any]:
    return {
        "payment_id": number, "customer_id": "A", "legal_entity": entity, "received_date": "2026-06-01",
        "currency": "USD", "amount": f"{amount}.00", "method": "wire",
    }  # fmt: skip


def applied(number: str, source: str, invoice_id: str, amount: int, kind: str = "cash") -> dict[str, Any]:
    return {
        "application_id": number, "kind": kind, "from_document_id": source, "invoice_id": invoice_id,
        "applied_date": f"2026-06-0{number[-1]}", "currency": "USD", "amount": f"{amount}.00",
    }  # fmt: skip


def limit(amount: int, entity: str | None, since: str, occurrence: int = 1) -> dict[str, Any]:
    return {
        "customer_id": "A", "legal_entity": entity, "valid_from": since, "currency": "USD",
        "amount": f"{amount}.00", "_occurrence": occurrence,
    }  # fmt: skip


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("numbers") / "warehouse.duckdb"
    tables = {
        "customers": [{"customer_id": "A", "legal_name": "Firm A"}],
        "invoices": [
            # Three instalments, of which 1,500 are paid in two receipts.
            invoice("I", "2026-03-31", 1000),
            invoice("I", "2026-04-30", 1000, 2),
            invoice("I", "2026-05-31", 1000, 3),
            # One number in two companies; the second one's is paid, and overpaid by 10.
            invoice("N", "2026-04-30", 111),
            invoice("N", "2026-05-31", 222, 2, entity="E2"),
            # A payment taken back leaves the last instalment.
            invoice("B", "2026-03-31", 50),
            invoice("B", "2026-04-30", 50, 2),
        ],
        "payments": [receipt("P1", 700), receipt("P2", 800), receipt("P3", 232, "E2"), receipt("P4", 100)],
        "payment_applications": [
            applied("A1", "P1", "I", 700),
            applied("A2", "P2", "I", 800),
            applied("A3", "P3", "N", 232),
            applied("A4", "P4", "B", 100),
            applied("A5", "P4", "B", -50, "reversal"),
        ],
        "credit_limits": [
            limit(600, "E1", "2026-01-01"),
            limit(700, "E2", "2026-01-01", 2),
            limit(900, "E2", "2026-05-01"),
        ],
    }
    make_warehouse(path, tables, as_of=AS_OF, xref={("erp", "A"): "A"})
    run_dbt(path, select=["+fct_invoice", "+fct_credit_limit", "+fct_ar_aging"], as_of=AS_OF, command="run")
    return path


def open_amounts(path: Path, number: str) -> list[tuple[str, Decimal]]:
    rows = fetch(
        path,
        "select legal_entity, open_amount from mart.fct_invoice "
        f"where invoice_no = '{number}' order by due_date",
    )
    return [(row["legal_entity"], row["open_amount"]) for row in rows]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("I", [("E1", 0), ("E1", 500), ("E1", 1000)]),
        ("N", [("E1", 111), ("E2", -10)]),
        ("B", [("E1", 0), ("E1", 50)]),
    ],
)
def test_value_goes_to_the_documents_of_a_number_by_company_and_due_date(
    company: Path, number: str, expected: list[tuple[str, int]]
) -> None:
    assert open_amounts(company, number) == expected


def test_what_was_applied_is_no_more_and_no_less_than_stated(company: Path) -> None:
    rows = fetch(
        company,
        "select sum(amount) as amount, count(distinct application_id) as parts, count(*) as n from core.application",
    )
    assert rows == [{"amount": 700 + 800 + 232 + 100 - 50, "parts": 7, "n": 7}]
    [unapplied] = fetch(
        company,
        "select sum(balance) as balance from core.invoice_balance "
        "where document_kind = 'receipt' and valid_to > date '2026-07-01'",
    )
    assert unapplied["balance"] == -50


def test_limits_of_selling_companies_add_up_each_by_its_newest(company: Path) -> None:
    rows = fetch(
        company,
        "select legal_entity, amount from mart.fct_credit_limit where is_in_force order by legal_entity",
    )
    assert rows == [{"legal_entity": "E1", "amount": 600}, {"legal_entity": "E2", "amount": 900}]
