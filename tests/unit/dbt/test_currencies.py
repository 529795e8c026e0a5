"""Currencies of 0, 2, 3 and 4 decimals side by side, with amounts up to 10^15; figures worked by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.factories import make_warehouse, run_dbt

AS_OF = "2026-06-30"
# Rates of reporting currency (USD) for one unit, the same on every day.
RATES = {"JPY": "0.0067", "EUR": "1.10", "KWD": "3.25", "CLF": "40.00"}
# Invoice, part payment, credit memo.
AMOUNTS = {
    "JPY": ("100001", "40000", "1"),
    "EUR": ("100.10", "40.05", "0.01"),
    "KWD": ("123.456", "23.455", "0.001"),
    "CLF": ("1.2345", "0.2344", "0.0001"),
}
HUGE = "1000000000000000.01"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One customer a currency, overdue by 15 days after a part payment and a credit; and twelve invoices of 10^15."""
    customers, invoices, payments, applications = [], [], [], []
    for currency, (invoiced, paid, credited) in AMOUNTS.items():
        common = {"customer_id": currency, "legal_entity": "E1", "currency": currency}
        customers.append({"customer_id": currency, "legal_name": f"Customer {currency}", "country": "US"})
        invoices += [
            common | document(f"I-{currency}", "invoice", "2026-05-16", "2026-06-15", invoiced),
            common | document(f"M-{currency}", "credit_memo", "2026-06-20", "2026-06-20", credited),
        ]
        payments.append(
            common | {"payment_id": f"P-{currency}", "received_date": "2026-06-10", "amount": paid}
        )
        for number, (kind, origin, day, amount) in enumerate(
            (("cash", "P", "2026-06-10", paid), ("credit_memo", "M", "2026-06-20", credited))
        ):
            applications.append(
                {
                    "application_id": f"A{number}-{currency}", "kind": kind, "from_document_id": f"{origin}-{currency}",
                    "invoice_id": f"I-{currency}", "applied_date": day, "currency": currency, "amount": amount,
                }
            )  # fmt: skip
    customers.append({"customer_id": "HUGE", "legal_name": "Customer Huge", "country": "US"})
    invoices += [
        {"customer_id": "HUGE", "legal_entity": "E1", "currency": "EUR"}
        | document(f"H{number}", "invoice", "2026-06-01", "2026-07-01", HUGE)
        for number in range(12)
    ]
    days = [f"2026-{month:02d}-{day:02d}" for month in (5, 6) for day in range(1, 31)]
    path = make_warehouse(
        tmp_path_factory.mktemp("currencies") / "warehouse.duckdb",
        {
            "customers": customers,
            "invoices": invoices,
            "payments": payments,
            "payment_applications": applications,
            "fx_rates": [
                {"rate_date": day, "currency": currency, "rate": rate}
                for day in days
                for currency, rate in RATES.items()
            ],
        },
        as_of=AS_OF,
    )
    run_dbt(path, select=["+fct_invoice", "+fct_ar_aging", "+fct_ledger_entry"], as_of=AS_OF)
    return path


def document(number: str, kind: str, issued: str, due: str, amount: str) -> dict[str, Any]:
    return {
        "invoice_id": number, "document_type": kind, "issue_date": issued, "due_date": due, "amount": amount,
    }  # fmt: skip


def ask(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize(
    ("currency", "open_amount", "issued_reporting", "open_reporting"),
    [
        # 100001 x 0.0067 = 670.0067; 60000 x 0.0067 = 402.
        ("JPY", "60000", "670.01", "402.00"),
        # 100.10 x 1.10 = 110.11; 60.04 x 1.10 = 66.044.
        ("EUR", "60.04", "110.11", "66.04"),
        # 123.456 x 3.25 = 401.232; 100.000 x 3.25 = 325.
        ("KWD", "100.000", "401.23", "325.00"),
        # 1.2345 x 40 = 49.38; 1.0000 x 40 = 40.
        ("CLF", "1.0000", "49.38", "40.00"),
    ],
)
def test_document_of_each_currency_to_its_last_decimal(
    ledger: Path, currency: str, open_amount: str, issued_reporting: str, open_reporting: str
) -> None:
    expected = tuple(map(Decimal, (AMOUNTS[currency][0], open_amount, issued_reporting, open_reporting)))
    assert ask(
        ledger,
        "select amount, open_amount, amount_reporting, open_amount_reporting from mart.fct_invoice "
        f"where invoice_no = 'I-{currency}'",
    ) == [expected]
    assert ask(
        ledger,
        "select overdue_1_30_amount, overdue_1_30_amount_reporting, balance_amount from mart.fct_ar_aging "
        f"where as_of_date = '{AS_OF}' and currency = '{currency}' and overdue_1_30_amount <> 0",
    ) == [(expected[1], expected[3], expected[1])]


def test_sums_above_ten_to_the_sixteenth_are_exact(ledger: Path) -> None:
    # 12 x 1000000000000000.01, and 1000000000000000.01 x 1.10 = 1100000000000000.011, rounded by document.
    assert ask(
        ledger,
        "select sum(open_amount), sum(open_amount_reporting) from mart.fct_invoice where invoice_no like 'H%'",
    ) == [(Decimal("12000000000000000.12"), Decimal("13200000000000000.12"))]
    assert ask(
        ledger,
        f"select current_amount from mart.fct_ar_aging where as_of_date = '{AS_OF}' and current_amount > 1000000",
    ) == [(Decimal("12000000000000000.12"),)]


def test_ledger_adds_up_to_what_is_open_by_currency(ledger: Path) -> None:
    left = ask(
        ledger,
        "select currency, sum(amount) from mart.fct_ledger_entry where document_id not like '%H%' "
        "group by 1 order by 1",
    )
    assert left == [
        ("CLF", Decimal("1.0000")), ("EUR", Decimal("60.04")), ("JPY", Decimal(60000)), ("KWD", Decimal("100.000")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("100001", "JPY", "100001"),
        ("1234.5", "EUR", "1234.50"),
        ("1.234", "KWD", "1.234"),
        ("1.2", "CLF", "1.2000"),
        ("-1000000000000000.01", "USD", "-1000000000000000.01"),
    ],
)
def test_amounts_are_written_with_the_decimals_of_their_currency(
    ledger: Path, amount: str, currency: str, text: str
) -> None:
    assert ask(ledger, f"select ops.money_text(cast('{amount}' as decimal(38, 4)), '{currency}')") == [
        (text,)
    ]
