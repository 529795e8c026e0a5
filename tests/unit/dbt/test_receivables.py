"""Worked cases of ledger, balances and marts; each customer is one case, all built in one run."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.factories import fetch, make_warehouse, run_dbt

AS_OF = "2024-06-30"
EARLIER = "2024-03-31"
MODELS = ["tag:staging", "tag:transform", "tag:serve"]


def customer(customer_id: str, **more: Any) -> dict[str, Any]:
    return {"customer_id": customer_id, "legal_name": f"Company {customer_id}", **more}


def invoice(number: str, customer_id: str, issued: str, due: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "invoice_id": number,
        "document_type": "invoice",
        "customer_id": customer_id,
        "legal_entity": "US",
        "issue_date": issued,
        "due_date": due,
        "currency": "USD",
        "amount": amount,
        **more,
    }


def payment(number: str, customer_id: str, received: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "payment_id": number,
        "customer_id": customer_id,
        "legal_entity": "US",
        "received_date": received,
        "currency": "USD",
        "amount": amount,
        **more,
    }


def application(
    kind: str, to: str, applied: str, amount: str, origin: str | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "application_id": f"{kind}-{to}-{applied}",
        "kind": kind,
        "from_document_id": origin,
        "invoice_id": to,
        "applied_date": applied,
        "currency": "USD",
        "amount": amount,
        **more,
    }


def paid(number: str, customer_id: str, issued: str, due: str, on: str, amount: str, **more: Any) -> None:
    """An invoice and the one payment that settles it."""
    INVOICES.append(invoice(number, customer_id, issued, due, amount, **more))
    PAYMENTS.append(payment(f"P-{number}", customer_id, on, amount, **more))
    APPLICATIONS.append(application("cash", number, on, amount, f"P-{number}"))


CUSTOMERS = [
    customer("partial"),
    customer("many"),
    customer("unapplied"),
    customer("memo"),
    customer("discount"),
    customer("write_off"),
    customer("reversal"),
    customer("stated_reversal"),
    customer("late"),
    customer("bounced"),
    customer("moved", city="Lyon", _loaded_at="2024-06-01", _is_backfill=True),
    customer("moved", city="Nice", _loaded_at="2024-06-20"),
    customer("euro"),
    customer("index"),
    customer("few"),
    customer("recovered"),
    customer("contested"),
    customer("exposed"),
    customer("zero_limit"),
    customer("held"),
    customer("kpi", segment="Key", registration_no="12-345"),
    customer("weak", registration_no="99 999", parent_customer_id="kpi"),
    customer("cleared", source_system="files"),
]
INVOICES = [
    invoice("I1", "partial", "2024-04-01", "2024-05-01", "1000.00"),
    invoice("I2", "many", "2024-05-01", "2024-05-31", "500.00"),
    invoice("I3", "many", "2024-05-02", "2024-06-01", "300.00"),
    invoice("I4", "memo", "2024-06-01", "2024-07-01", "500.00"),
    invoice("M4", "memo", "2024-06-05", "2024-06-05", "120.00", document_type="credit_memo"),
    invoice("I5", "discount", "2024-05-01", "2024-05-31", "1000.00"),
    invoice("I6", "write_off", "2024-01-01", "2024-01-31", "300.00"),
    invoice("I7", "reversal", "2024-02-20", "2024-03-21", "700.00"),
    invoice("I8", "stated_reversal", "2024-02-20", "2024-03-21", "800.00"),
    invoice("I9", "late", "2024-05-01", "2024-05-31", "400.00"),
    invoice("I10", "euro", "2024-05-10", "2024-06-09", "100.00", currency="EUR", legal_entity="DE"),
    invoice("I11", "bounced", "2024-02-20", "2024-03-21", "50.00"),
    invoice("M15", "cleared", "2024-03-01", "2024-03-01", "25.00", source_system="files",
            document_type="credit_memo", cleared_date="2024-04-11", legal_entity="NL"),
    invoice("I12", "exposed", "2024-06-01", "2024-07-01", "600.00"),
    invoice("I13", "zero_limit", "2024-06-01", "2024-07-01", "10.00"),
    invoice("I14", "held", "2024-06-01", "2024-07-01", "77.00"),
    invoice("I15", "cleared", "2024-03-01", "2024-03-31", "900.00", source_system="files",
            cleared_date="2024-04-10", legal_entity="NL"),
    invoice("I16", "cleared", "2024-03-01", "2024-03-31", "60.00", source_system="files", legal_entity="NL"),
    invoice("I18", "contested", "2024-04-01", "2024-05-01", "300.00"),
    invoice("I17", "recovered", "2024-01-01", "2024-01-31", "500.00"),
    invoice("K-late", "kpi", "2024-05-15", "2024-06-14", "1000.00", legal_entity="KP"),
    invoice("K-current", "kpi", "2024-06-15", "2024-07-15", "1000.00", legal_entity="KP"),
    invoice("K-feb", "kpi", "2024-02-15", "2024-03-16", "1000.00", legal_entity="KP"),
    invoice("K-jan", "kpi", "2024-01-15", "2024-02-14", "1000.00", legal_entity="KP"),
]  # fmt: skip
PAYMENTS = [
    payment("P1", "partial", "2024-05-10", "400.00"),
    payment("P2", "many", "2024-06-03", "900.00"),
    payment("P3", "unapplied", "2024-06-20", "250.00"),
    payment("P5", "discount", "2024-05-20", "980.00"),
    payment("P7", "reversal", "2024-03-20", "700.00", reversed_at="2024-05-02"),
    payment("P8", "stated_reversal", "2024-03-20", "800.00", reversed_at="2024-05-02"),
    payment("P9", "late", "2024-06-10", "400.00", _loaded_at="2024-06-25"),
    payment("P11", "bounced", "2024-03-20", "50.00", _loaded_at="2024-06-01", _is_backfill=True),
    payment(
        "P11",
        "bounced",
        "2024-03-20",
        "50.00",
        _loaded_at="2024-06-12",
        reversed_at="2024-06-05",
        _source_file="payments_june.csv",
    ),
    payment("P12", "exposed", "2024-06-20", "50.00"),
    payment("P17", "recovered", "2024-06-12", "120.00"),
    payment("P-feb", "kpi", "2024-06-20", "500.00", legal_entity="KP"),
    payment("P-jan", "kpi", "2024-02-14", "880.00", legal_entity="KP"),
]
APPLICATIONS = [
    application("cash", "I1", "2024-05-10", "400.00", "P1"),
    application("cash", "I2", "2024-06-03", "500.00", "P2"),
    application("cash", "I3", "2024-06-03", "300.00", "P2"),
    application("credit_memo", "I4", "2024-06-10", "100.00", "M4"),
    application("cash", "I5", "2024-05-20", "980.00", "P5"),
    application("discount", "I5", "2024-05-20", "20.00"),
    application("write_off", "I6", "2024-06-15", "300.00"),
    application("cash", "I7", "2024-03-20", "700.00", "P7"),
    application("cash", "I8", "2024-03-20", "800.00", "P8"),
    application("reversal", "I8", "2024-05-02", "-800.00", "P8"),
    application("cash", "I9", "2024-06-10", "400.00", "P9", _loaded_at="2024-06-25"),
    application("cash", "I11", "2024-03-20", "50.00", "P11"),
    application("cash", "I17", "2024-06-12", "120.00", "P17"),
    application("write_off", "I17", "2024-05-15", "500.00"),
    application("discount", "I14", "2024-06-20", "7.00"),
    application("cash", "K-feb", "2024-06-20", "500.00", "P-feb"),
    application("cash", "K-jan", "2024-02-14", "880.00", "P-jan"),
    application("write_off", "K-jan", "2024-06-10", "120.00"),
]

# The payment index is worked on one document each paid on time, 15 and 30 days late, of equal amounts.
paid("X1", "index", "2024-03-01", "2024-03-31", "2024-03-31", "200.00")
paid("X2", "index", "2024-03-01", "2024-03-31", "2024-04-15", "200.00")
paid("X3", "index", "2024-03-01", "2024-03-31", "2024-04-30", "200.00")
paid("Y1", "few", "2024-03-01", "2024-03-31", "2024-03-31", "200.00")
paid("Y2", "few", "2024-03-01", "2024-03-31", "2024-03-31", "200.00")
# 12 months of 1,000 each up to June 2024; those not listed above are paid on the day they are due.
for month, due_day in (
    ("2023-06", "2023-07-15"), ("2023-07", "2023-08-14"), ("2023-08", "2023-09-14"),
    ("2023-09", "2023-10-15"), ("2023-10", "2023-11-14"), ("2023-11", "2023-12-15"),
    ("2023-12", "2024-01-14"), ("2024-03", "2024-04-14"), ("2024-04", "2024-05-15"),
):  # fmt: skip
    paid(f"K-{month}", "kpi", f"{month}-15", due_day, due_day, "1000.00", legal_entity="KP")

ORDERS = [
    {
        "order_id": f"O{number}",
        "customer_id": "exposed",
        "legal_entity": "US",
        "order_date": "2024-06-01",
        "requested_ship_date": ship,
        "currency": "USD",
        "amount": amount,
        "delivered_amount": delivered,
        "invoiced_amount": invoiced,
        "status": status,
    }
    for number, ship, amount, delivered, invoiced, status in [
        (1, "2024-07-30", "1000.00", "300.00", "200.00", "open"),
        (2, "2024-07-31", "5000.00", "0.00", "0.00", "open"),
        (3, "2024-07-01", "400.00", "0.00", "0.00", "cancelled"),
        (4, "2024-06-15", "90.00", "90.00", "90.00", "closed"),
    ]
]
LIMITS: list[dict[str, Any]] = [
    {
        "customer_id": code,
        "valid_from": valid_from,
        "currency": "USD",
        "amount": amount,
        "insured_amount": insured,
    }
    for code, valid_from, amount, insured in [
        ("exposed", "2023-01-01", "9000.00", None),
        ("exposed", "2024-01-01", "2000.00", "500.00"),
        ("exposed", "2025-01-01", "1.00", None),
        ("zero_limit", "2024-01-01", "0.00", None),
        ("kpi", "2024-01-01", "5000.00", None),
    ]
]
STATEMENTS = [
    {
        "registration_no": "12345",
        "period_end": "2023-12-31",
        "published_at": "2024-04-01",
        "currency": "USD",
        "total_assets": "1000",
        "current_assets": "400",
        "current_liabilities": "200",
        "retained_earnings": "300",
        "ebit": "100",
        "equity": "500",
        "total_liabilities": "500",
    },
    {
        "registration_no": "99999",
        "period_end": "2023-12-31",
        "published_at": "2024-04-01",
        "currency": "USD",
        "total_assets": "1000",
        "current_assets": "200",
        "current_liabilities": "300",
        "retained_earnings": "-200",
        "ebit": "-50",
        "equity": "100",
        "total_liabilities": "900",
    },
    {
        "registration_no": "99999",
        "period_end": "2024-06-30",
        "published_at": "2024-08-01",
        "currency": "USD",
        "total_assets": "1000",
    },
]
REQUESTS: list[dict[str, Any]] = [
    {"request_id": "R1", "customer_id": "partial", "requested_at": "2024-06-14 16:00:00",
     "decided_at": "2024-06-17 10:00:00", "decision": "approved", "currency": "USD", "amount": "100.00"},
    {"request_id": "R2", "customer_id": "partial", "requested_at": "2024-06-18 09:00:00",
     "decided_at": "2024-06-18 19:00:00", "decision": "declined", "currency": "USD", "amount": "100.00"},
    {"request_id": "R3", "customer_id": "partial", "requested_at": "2024-06-28 09:00:00", "decided_at": None,
     "decision": None, "currency": "USD", "amount": "100.00"},
]  # fmt: skip
DISPUTES: list[dict[str, Any]] = [
    {
        "dispute_id": number,
        "customer_id": "contested",
        "invoice_id": document,
        "opened_date": opened,
        "closed_date": closed,
        "currency": "USD",
        "amount": "350.00",
    }
    for number, document, opened, closed in [
        ("D1", "I18", "2024-06-05", None),
        ("D2", "I18", "2024-05-02", "2024-05-11"),
        ("D3", None, "2024-06-05", None),
        ("D4", None, "2024-03-20", "2024-04-15"),
    ]
]
OTHER_ROWS: dict[str, list[dict[str, Any]]] = {
    "quarantine.invoices": [
        {
            "as_of_date": AS_OF,
            "rule_id": "invoices_due_after_issue",
            "owner": "billing",
            "source_system": "erp",
            "_row_key": "I14",
            "_occurrence": 1,
            "amount": "77.00",
            "currency": "USD",
            "first_quarantined_on": "2024-06-12",
        }
    ],
    "ml.customer_score": [
        {
            "as_of_date": AS_OF,
            "customer_code": "kpi",
            "score_status": "scored",
            "pd": 0.01,
            "expires_on": "2024-07-30",
        }
    ],
}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables: dict[str, list[dict[str, Any]]] = {
        "customers": CUSTOMERS,
        "invoices": INVOICES,
        "payments": PAYMENTS,
        "payment_applications": APPLICATIONS,
        "orders": ORDERS,
        "credit_limits": LIMITS,
        "credit_requests": REQUESTS,
        "financial_statements": STATEMENTS,
        "disputes": DISPUTES,
        "credit_costs": [
            {
                "cost_month": "2024-05-01",
                "legal_entity": "KP",
                "cost_kind": "staff",
                "currency": "USD",
                "amount": "600",
            }
        ],
        "gl_balances": [
            {
                "balance_date": "2024-05-31",
                "legal_entity": "KP",
                "currency": "USD",
                "account": "receivables_control",
                "balance": "2120.00",
            }
        ],
        "fx_rates": [
            {"rate_date": "2024-05-01", "currency": "EUR", "rate": "1.10"},
            {"rate_date": "2024-06-15", "currency": "EUR", "rate": "1.20"},
        ],
    }  # fmt: skip
    xref = {(row.get("source_system", "erp"), row["customer_id"]): row["customer_id"] for row in CUSTOMERS}
    path = tmp_path_factory.mktemp("company") / "warehouse.duckdb"
    make_warehouse(path, tables, as_of=AS_OF, xref=xref, rows=OTHER_ROWS)
    run_dbt(path, select=MODELS, as_of=AS_OF)
    return path


@pytest.fixture(scope="module")
def earlier(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows, answered for an earlier day."""
    path = tmp_path_factory.mktemp("earlier") / company.name
    shutil.copy(company, path)
    run_dbt(path, select=["path:models/core", "fct_dispute", "fct_invoice"], as_of=EARLIER)
    return path


def one(path: Path, sql: str) -> dict[str, Any]:
    rows = fetch(path, sql)
    assert len(rows) == 1, f"expected one row, got {rows}"
    return rows[0]


def invoice_row(path: Path, number: str) -> dict[str, Any]:
    return one(path, f"select * from mart.fct_invoice where invoice_no = '{number}'")


def aging_on(path: Path, code: str, day: str) -> dict[str, Any]:
    rows = fetch(
        path, f"select * from mart.fct_ar_aging where customer_code = '{code}' and as_of_date = '{day}'"
    )
    return rows[0] if rows else {}


def balance_on(path: Path, table: str, document_id: str, day: str) -> Decimal:
    balance: Decimal = one(
        path,
        f"select balance from core.{table} where document_id = '{document_id}' "
        f"and valid_from <= '{day}' and valid_to > '{day}'",
    )["balance"]
    return balance


def test_partial_payment_leaves_the_rest_in_its_bucket(company: Path) -> None:
    row = invoice_row(company, "I1")
    assert (row["open_amount"], row["days_past_due"], row["aging_bucket"]) == (Decimal("600.00"), 60, "31-60")
    assert aging_on(company, "partial", AS_OF)["overdue_31_60_amount"] == Decimal("600.00")


def test_one_payment_settles_many_invoices_and_keeps_the_rest_unapplied(company: Path) -> None:
    assert invoice_row(company, "I2")["is_paid"]
    assert invoice_row(company, "I3")["is_paid"]
    aging = aging_on(company, "many", AS_OF)
    assert (aging["open_amount"], aging["unapplied_cash_amount"]) == (0, Decimal("-100.00"))
    assert aging["balance_amount"] == Decimal("-100.00")


def test_unapplied_cash_stands_apart_from_the_buckets(company: Path) -> None:
    aging = aging_on(company, "unapplied", AS_OF)
    assert (aging["current_amount"], aging["open_amount"]) == (0, 0)
    assert aging["unapplied_cash_amount"] == Decimal("-250.00")


def test_credit_memo_lowers_its_invoice_and_keeps_its_rest_as_credit(company: Path) -> None:
    assert invoice_row(company, "I4")["open_amount"] == Decimal("400.00")
    memo = invoice_row(company, "M4")
    assert (memo["open_amount"], memo["aging_bucket"], memo["days_past_due"]) == (
        Decimal("-20.00"),
        "credit",
        None,
    )
    aging = aging_on(company, "memo", AS_OF)
    assert (aging["current_amount"], aging["credit_amount"]) == (Decimal("400.00"), Decimal("-20.00"))


def test_cash_with_discount_pays_the_invoice_in_full(company: Path) -> None:
    row = invoice_row(company, "I5")
    assert (row["is_paid"], row["paid_date"], row["days_beyond_terms"]) == (True, date(2024, 5, 20), 0)
    assert (row["days_paid_after_due"], row["days_to_pay"]) == (-11, 19)


def test_written_off_invoice_is_closed_but_not_paid(company: Path) -> None:
    row = invoice_row(company, "I6")
    assert (row["open_amount"], row["is_paid"], row["paid_date"]) == (0, False, None)
    assert (row["write_off_amount"], row["closed_date"]) == (Decimal("300.00"), date(2024, 6, 15))


def test_money_after_a_write_off_is_a_recovery_and_leaves_no_credit(company: Path) -> None:
    row = invoice_row(company, "I17")
    assert (row["open_amount"], row["is_paid"], row["closed_date"]) == (0, False, date(2024, 5, 15))
    assert (row["write_off_amount"], row["recovered_amount"]) == (Decimal("380.00"), Decimal("120.00"))
    assert aging_on(company, "recovered", AS_OF) == {}
    recovery = one(company, "select * from mart.fct_ledger_entry where entry_kind = 'write_off_recovery'")
    assert (recovery["effective_date"], recovery["amount"]) == (date(2024, 6, 12), Decimal("120.00"))


def test_open_dispute_shows_on_its_invoice_up_to_what_is_open(company: Path) -> None:
    row = invoice_row(company, "I18")
    assert (row["open_amount"], row["disputed_amount"]) == (Decimal("300.00"), Decimal("300.00"))
    disputes = {row["dispute_id"]: row for row in fetch(company, "select * from mart.fct_dispute")}
    opened, settled, unnamed = disputes["D1"], disputes["D2"], disputes["D3"]
    assert (opened["is_open"], opened["days_in_dispute"], opened["disputed_open_amount"]) == (True, 25, 300)
    assert (settled["is_open"], settled["days_in_dispute"], settled["disputed_open_amount"]) == (False, 9, 0)
    assert (unnamed["document_id"], unnamed["disputed_open_amount"]) == (None, None)
    assert invoice_row(company, "I1")["disputed_amount"] == 0


def test_dispute_settled_later_was_open_on_the_earlier_day(earlier: Path) -> None:
    dispute = one(earlier, "select * from mart.fct_dispute")
    assert (dispute["dispute_id"], dispute["is_open"], dispute["closed_date"]) == ("D4", True, None)
    assert dispute["days_in_dispute"] == 11


def test_revaluation_stands_apart_from_what_customers_did(company: Path) -> None:
    may, june = fetch(
        company,
        "select * from mart.fct_receivable_movement where currency = 'EUR' order by measured_on",
    )
    # 100.00 EUR invoiced on 10 May at 1.10; at the end of June the rate is 1.20.
    assert (may["opening_amount"], may["invoiced_amount"], may["closing_amount"]) == (0, 100, 100)
    assert (may["invoiced_amount_reporting"], may["closing_amount_reporting"]) == (110, 110)
    assert may["revaluation_amount_reporting"] == 0
    assert (june["opening_amount_reporting"], june["closing_amount_reporting"]) == (110, 120)
    assert (june["invoiced_amount"], june["revaluation_amount_reporting"]) == (0, 10)


def test_movements_of_a_month_by_kind(company: Path) -> None:
    june = one(
        company,
        "select * from mart.fct_receivable_movement "
        "where measured_on = '2024-06-30' and legal_entity = 'KP' and currency = 'USD'",
    )
    # Of KP in June: one invoice of 1,000, 500 received, 120 written off; 2,120 were open at the end of May.
    assert (june["opening_amount"], june["invoiced_amount"], june["received_amount"]) == (2120, 1000, -500)
    assert (june["written_off_amount"], june["transferred_amount"], june["closing_amount"]) == (-120, 0, 2500)


@pytest.mark.parametrize(
    ("code", "number", "amount"), [("reversal", "I7", "700.00"), ("stated_reversal", "I8", "800.00")]
)
def test_reversed_receipt_reopens_its_invoice_from_the_day_of_reversal(
    company: Path, code: str, number: str, amount: str
) -> None:
    assert aging_on(company, code, "2024-03-31") == {}, "paid in March, nothing open"
    assert aging_on(company, code, "2024-05-01") == {}
    reopened = aging_on(company, code, "2024-05-02")
    assert reopened["overdue_31_60_amount"] == Decimal(amount)
    assert reopened["unapplied_cash_amount"] == 0, "the bounced receipt leaves no credit behind"
    assert invoice_row(company, number)["open_amount"] == Decimal(amount)


def test_late_known_payment_does_not_change_what_was_known_before(company: Path) -> None:
    assert balance_on(company, "invoice_balance", "erp|I9", "2024-06-15") == 0
    assert balance_on(company, "invoice_balance_known", "erp|I9", "2024-06-24") == Decimal("400.00")
    assert balance_on(company, "invoice_balance_known", "erp|I9", "2024-06-25") == 0


def test_reversal_told_by_a_later_version_is_known_from_that_night(company: Path) -> None:
    assert balance_on(company, "invoice_balance", "erp|I11", "2024-06-05") == Decimal("50.00")
    assert balance_on(company, "invoice_balance_known", "erp|I11", "2024-06-11") == 0
    assert balance_on(company, "invoice_balance_known", "erp|I11", "2024-06-12") == Decimal("50.00")


def test_version_replaced_by_a_later_file_is_counted_under_its_own_file(company: Path) -> None:
    rows = fetch(
        company,
        "select source_file, superseded_row_count as n from mart.reconciliation_source "
        "where source_table = 'payments' and source_system = 'erp' order by source_file",
    )
    assert [(row["source_file"], row["n"]) for row in rows] == [("payments.csv", 1), ("payments_june.csv", 0)]


def test_customer_history_keeps_each_version_with_its_period(company: Path) -> None:
    rows = fetch(
        company,
        "select city, valid_from, is_current from mart.dim_customer_history "
        "where customer_id = 'moved' order by valid_from",
    )
    assert [(row["city"], row["is_current"]) for row in rows] == [("Lyon", False), ("Nice", True)]
    assert rows[1]["valid_from"] == date(2024, 6, 20)


def test_cleared_credit_memo_is_settled(company: Path) -> None:
    row = invoice_row(company, "M15")
    assert (row["open_amount"], row["closed_date"]) == (0, date(2024, 4, 11))


def test_earlier_as_of_date_shows_the_invoice_open(company: Path, earlier: Path) -> None:
    assert invoice_row(company, "I15")["paid_date"] == date(2024, 4, 10)
    then = invoice_row(earlier, "I15")
    assert (then["open_amount"], then["is_paid"], then["days_past_due"]) == (Decimal("900.00"), False, 0)
    assert fetch(earlier, "select 1 from core.ledger_entry where known_at > '2024-03-31' limit 1") == []


def test_invoice_without_a_clearing_date_stays_open(company: Path) -> None:
    assert invoice_row(company, "I16")["open_amount"] == Decimal("60.00")


def test_earlier_as_of_date_knows_nothing_of_a_later_reversal(earlier: Path) -> None:
    assert invoice_row(earlier, "I7")["is_paid"]


def test_foreign_amounts_use_the_rate_of_their_day(company: Path) -> None:
    row = invoice_row(company, "I10")
    assert (row["amount_reporting"], row["open_amount_reporting"]) == (Decimal("110.00"), Decimal("120.00"))
    assert aging_on(company, "euro", "2024-06-14")["open_amount_reporting"] == Decimal("110.00")


def behaviour(path: Path, code: str, months: int) -> dict[str, Any]:
    where = f"customer_code = '{code}' and window_months = {months}"
    return one(path, f"select * from mart.fct_payment_behaviour where {where}")


def test_payment_index_is_weighted_and_needs_three_paid_invoices(company: Path) -> None:
    row = behaviour(company, "index", 6)
    # Points 80 on time, 70 at 15 days and 50 at 30 days late; days beyond terms 0, 15, 30.
    assert row["payment_index"] == pytest.approx(200 / 3)
    assert row["days_beyond_terms_weighted"] == pytest.approx(15)
    assert (row["on_time_share"], row["average_days_to_pay"]) == (pytest.approx(1 / 3), pytest.approx(45))
    few = behaviour(company, "few", 12)
    assert (few["payment_index"], few["payment_index_status"]) == (None, "too_few_paid_invoices")
    none = behaviour(company, "euro", 12)
    assert (none["paid_invoice_count"], none["payment_index_status"]) == (0, "no_paid_invoice")


def test_exposure_adds_deliveries_and_near_orders_and_takes_off_cash(company: Path) -> None:
    row = one(company, "select * from mart.fct_exposure where customer_code = 'exposed'")
    # 600 open + (300 - 200) delivered + (1000 - 300) ordered within 30 days - 50 unapplied cash.
    assert row["exposure_reporting"] == Decimal("1350.00")
    assert (row["delivered_not_invoiced_reporting"], row["open_orders_reporting"]) == (100, 700)
    assert (row["credit_limit_reporting"], row["utilisation"]) == (2000, pytest.approx(0.675))
    assert row["net_exposure_reporting"] == Decimal("850.00")


@pytest.mark.parametrize(("code", "status"), [("zero_limit", "zero_limit"), ("partial", "no_limit")])
def test_limit_of_zero_and_no_limit_are_states_of_their_own(company: Path, code: str, status: str) -> None:
    row = one(company, f"select * from mart.fct_exposure where customer_code = '{code}'")
    assert (row["utilisation"], row["utilisation_status"]) == (None, status)


def test_z_score_of_a_sound_and_a_failing_company(company: Path) -> None:
    rows = fetch(company, "select * from mart.fct_financial_ratio order by customer_code")
    assert [(row["customer_code"], row["altman_zone"]) for row in rows] == [
        ("kpi", "safe"),
        ("weak", "distress"),
    ]
    # 6.56 x 0.2 + 3.26 x 0.3 + 6.72 x 0.1 + 1.05 x 1.0
    assert rows[0]["altman_z"] == pytest.approx(4.012)
    # 6.56 x -0.1 + 3.26 x -0.2 + 6.72 x -0.05 + 1.05 x 1/9
    assert rows[1]["altman_z"] == pytest.approx(-1.527333, abs=1e-6)
    assert rows[1]["period_end"] == date(2023, 12, 31), "published in August, not known in June"


def test_group_takes_the_code_of_its_parent(company: Path) -> None:
    row = one(
        company, "select group_code, group_customer_count from mart.dim_customer where customer_code = 'weak'"
    )
    assert row == {"group_code": "kpi", "group_customer_count": 2}


def test_approval_hours_count_working_time_over_a_weekend(company: Path) -> None:
    rows = fetch(company, "select * from mart.fct_credit_decision order by request_id")
    assert [row["approval_hours"] for row in rows] == [66.0, 10.0, None]
    # Friday 16-17 and Monday 9-10; Tuesday 9-17; still open.
    assert [row["approval_business_hours"] for row in rows] == [2.0, 8.0, None]
    assert rows[2]["decision"] == "open"


def kpi(path: Path, month: str, legal_entity: str = "KP", view: str = "reporting") -> dict[str, Any]:
    return one(
        path,
        f"select * from mart.kpi_monthly where month_start_date = '{month}-01' and segment = 'all' "
        f"and legal_entity = '{legal_entity}' and currency_view = '{view}'",
    )


def test_dso_and_its_parts(company: Path) -> None:
    row = kpi(company, "2024-06")
    assert (row["open_amount"], row["current_amount"], row["sales_12m_amount"]) == (2500, 1000, 12000)
    assert row["dso_days"] == pytest.approx(2500 * 365 / 12000)
    assert row["best_possible_dso_days"] == pytest.approx(1000 * 365 / 12000)
    assert row["average_days_delinquent"] == pytest.approx(45.625)
    # June 30 days, May 31 days, half of April.
    assert row["countback_dso_days"] == pytest.approx(76.0)
    assert row["dso_status"] == "available"
    assert kpi(company, "2023-08")["dso_status"] == "not_available", "78 days are too short a history"


def test_collection_effectiveness_and_shares(company: Path) -> None:
    row = kpi(company, "2024-06")
    # Beginning 1000 + 1000 + 120 open, sales 1000, ending 2500 of which 1000 current.
    assert row["collection_effectiveness_index"] == pytest.approx(100 * 620 / 2120)
    assert (row["overdue_share"], row["overdue_91_plus_share"]) == (pytest.approx(0.6), pytest.approx(0.2))


def test_bad_debt_and_cost_ratio(company: Path) -> None:
    row = kpi(company, "2024-06")
    assert (row["net_write_off_amount"], row["bad_debt_rate"]) == (120, pytest.approx(0.01))
    assert row["credit_cost_ratio"] == pytest.approx(0.05)
    by_segment = one(
        company,
        "select credit_cost_ratio, credit_cost_status from mart.kpi_monthly "
        "where month_start_date = '2024-06-01' and segment = 'Key' and legal_entity = 'KP' "
        "and currency_view = 'reporting'",
    )
    assert by_segment == {"credit_cost_ratio": None, "credit_cost_status": "not_available"}


def test_approval_time_and_coverage_by_month(company: Path) -> None:
    all_entities = kpi(company, "2024-06", "all")
    assert (all_entities["approval_hours_median"], all_entities["approval_hours_p90"]) == (
        38.0,
        pytest.approx(60.4),
    )
    assert all_entities["approval_within_4_business_hours_share"] == pytest.approx(0.5)
    assert kpi(company, "2024-06")["coverage_customer_share"] == 1.0
    may = kpi(company, "2024-05")
    assert (may["coverage_customer_share"], may["coverage_status"]) == (None, "not_available")


def test_each_document_currency_has_a_view_in_its_own_amounts(company: Path) -> None:
    euros, dollars = kpi(company, "2024-06", "DE", "EUR"), kpi(company, "2024-06", "DE")
    # 100 EUR sold on 10 May at 1.10 and still open on 30 June at 1.20.
    assert (euros["open_amount"], euros["overdue_amount"], euros["sales_12m_amount"]) == (100, 100, 100)
    assert (dollars["open_amount"], dollars["overdue_amount"], dollars["sales_12m_amount"]) == (120, 120, 110)
    # All of May's sales, and none of June's, are still open.
    assert euros["countback_dso_days"] == pytest.approx(30 + 31)
    assert (kpi(company, "2024-06", "all", "EUR")["open_amount"], euros["dso_status"]) == (
        100,
        "not_available",
    )
    everything = kpi(company, "2024-06", "all")
    in_dollars = kpi(company, "2024-06", "all", "USD")
    assert everything["open_amount"] == in_dollars["open_amount"] + dollars["open_amount"]
    of_the_customer = ("credit_cost_ratio", "approval_hours_median", "coverage_customer_share", "utilisation")
    assert [in_dollars[name] for name in of_the_customer] == [None] * 4


def test_utilisation_is_measured_on_month_ends_with_the_limits_of_the_day(company: Path) -> None:
    june = kpi(company, "2024-06", "all")
    # kpi owes 2500 of 5000 and exposed 600 less 50 paid ahead of 2000; a limit of zero stays out.
    assert (june["credit_limit_amount"], june["receivables_utilisation"]) == (
        7000,
        pytest.approx(3050 / 7000),
    )
    # With 100 delivered and 700 ordered by exposed.
    assert june["utilisation"] == pytest.approx(3850 / 7000)
    december = kpi(company, "2023-12", "all")
    assert (december["credit_limit_amount"], december["receivables_utilisation"]) == (9000, 0)
    assert (december["utilisation"], december["utilisation_status"]) == (None, "not_available")


def test_control_account_is_compared_on_its_own_day(company: Path) -> None:
    rows = {
        str(row["balance_date"]): row
        for row in fetch(company, "select * from mart.reconciliation where legal_entity = 'KP'")
    }
    may, june = rows["2024-05-31"], rows[AS_OF]
    assert (may["gl_balance"], may["ledger_amount"], may["gl_status"]) == (2120, 2120, "reconciled")
    assert (june["gl_balance"], june["ledger_amount"], june["gl_status"]) == (None, 2500, "not_available")


def test_every_day_is_reconciled_against_buckets_balances_ledger_and_sources(company: Path) -> None:
    [counted] = fetch(
        company,
        "select count(distinct balance_date) as days, "
        "count(*) filter (bucket_difference <> 0 or balance_difference <> 0 or source_difference <> 0) as differ "
        "from mart.reconciliation where bucket_amount is not null",
    )
    # 91 single days from 31 March (itself a month-end), and the month-ends before it from June 2023.
    assert counted["differ"] == 0
    assert counted["days"] > 90


@pytest.mark.parametrize(
    ("balance", "status", "unexplained"),
    [
        ("2120.00", "reconciled", Decimal(0)),
        ("2120.01", "unexplained", Decimal("0.01")),
    ],
)
def test_one_cent_in_the_control_account_is_named(
    company: Path, tmp_path: Path, balance: str, status: str, unexplained: Decimal
) -> None:
    path = tmp_path / company.name
    shutil.copy(company, path)
    with duckdb.connect(str(path)) as con:
        con.execute("update staging.landed_gl_balances set balance = ?", [balance])
    run_dbt(path, select="reconciliation", as_of=AS_OF)
    assert one(
        path,
        "select legal_entity, currency, gl_difference, gl_unexplained, gl_status from mart.reconciliation "
        "where gl_balance is not null",
    ) == {
        "legal_entity": "KP",
        "currency": "USD",
        "gl_difference": Decimal(balance) - 2120,
        "gl_unexplained": unexplained,
        "gl_status": status,
    }


def test_quarantined_rows_and_those_that_wait_for_them_are_named(company: Path) -> None:
    where = "source_table = 'invoices' and currency = 'USD' and source_system = 'erp'"
    total = one(company, f"select * from mart.reconciliation_source where {where}")
    assert (total["quarantined_row_count"], total["quarantined_amount"]) == (1, Decimal("77.00"))
    assert total["source_amount"] == total["ledger_amount"] + 77
    assert total["difference_cause"] == "reconciled"
    waiting = one(company, "select source_table, reason, row_count from mart.waiting_summary")
    assert waiting == {
        "source_table": "payment_applications",
        "reason": "document I14 is not in the ledger",
        "row_count": 1,
    }
    burn_down = one(company, "select * from mart.dq_burn_down")
    assert (burn_down["owner"], burn_down["first_quarantined_week"], burn_down["open_row_count"]) == (
        "billing",
        date(2024, 6, 10),
        1,
    )


def test_rows_later_than_the_as_of_date_are_accounted_for(earlier: Path) -> None:
    states = fetch(
        earlier,
        "select state, count(*) as n from core.source_posting where source_table = 'payments' group by 1",
    )
    assert {row["state"]: row["n"] for row in states}["not_yet_known"] > 0


def test_branching_logic_by_dbt_unit_tests(company: Path) -> None:
    result = run_dbt(company, command="test", select="test_type:unit", as_of=AS_OF)
    assert {run.node.name for run in result.result.results} >= {
        "posting_kinds",
        "ledger_entry_corrections",
        "receivable_balance_bucket_edges",
        "exposure_utilisation_states",
        "exposure_parts_with_flags_and_caps",
        "group_shares_its_limits",
        "payment_index_points",
        "concentration_shares",
        "credit_decision_hours_and_states",
        "credit_limit_in_force",
        "financial_ratio_zones_and_states",
        "measured_cell_in_two_currencies",
        "countback_dso_examples",
        "kpi_figures_and_states_worked_by_hand",
        "kpi_states_without_limits_costs_and_decisions",
        "kpi_target_states",
        "roll_rates_worked_by_hand",
        "provision_on_policy_rates",
        "provision_on_observed_rates",
        "provision_by_months_observed",
        "customer_score_states",
        "limit_recommendation_states",
        "warning_signal_levels",
        "worklist_order_and_cut",
    }


def test_absent_tables_give_no_figure_instead_of_zero(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    make_warehouse(
        path,
        {"customers": [customer("a")], "invoices": [invoice("I1", "a", "2024-06-01", "2024-07-01", "10.00")]},
        as_of=AS_OF,
    )
    run_dbt(path, select=["+fct_exposure"], exclude="resource_type:test", as_of=AS_OF)
    row = one(path, "select * from mart.fct_exposure")
    assert (row["open_orders_reporting"], row["orders_status"]) == (None, "not_available")
    assert (row["insured_reporting"], row["utilisation_status"]) == (None, "not_available")
    assert row["exposure_reporting"] == Decimal("10.00")


def test_a_currency_without_a_rate_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    make_warehouse(
        path,
        {
            "customers": [customer("a")],
            "invoices": [invoice("I1", "a", "2024-06-01", "2024-07-01", "10.00", currency="CHF")],
            "fx_rates": [{"rate_date": "2024-06-02", "currency": "CHF", "rate": "1.1"}],
        },
        as_of=AS_OF,
    )
    with pytest.raises(AssertionError, match="every_entry_has_a_rate"):
        run_dbt(path, select=["+ledger_entry", "every_entry_has_a_rate"], as_of=AS_OF)
