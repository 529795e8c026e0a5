"""Random histories: buckets, balances and ledger agree with a plain recount of the events on several days."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.factories import fetch, make_warehouse, run_dbt

START = date(2024, 1, 1)
AS_OF = date(2024, 6, 30)
DAYS = [date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 17), AS_OF]
BUCKETS = (
    ("current_amount", -(10**6), 0),
    ("overdue_1_30_amount", 1, 30),
    ("overdue_31_60_amount", 31, 60),
    ("overdue_61_90_amount", 61, 90),
    ("overdue_91_plus_amount", 91, 10**6),
)

Rows = dict[str, list[dict[str, Any]]]

day = st.integers(0, (AS_OF - START).days).map(lambda offset: START + timedelta(days=offset))
cents = st.integers(1, 10**7).map(lambda value: Decimal(value) / 100)


@dataclass(frozen=True)
class Bill:
    """One document with what was taken off it: (kind, day, percent of the amount, day of reversal)."""

    issued: date
    terms: int
    amount: Decimal
    is_credit_memo: bool
    currency: str
    settlements: tuple[tuple[str, date, int, date | None], ...]


settlement = st.tuples(
    st.sampled_from(["cash", "discount", "write_off", "adjustment"]), day, st.integers(1, 60), st.none() | day
)
bill = st.builds(
    Bill,
    issued=day,
    terms=st.sampled_from([0, 14, 30, 90]),
    amount=cents,
    is_credit_memo=st.sampled_from([False, False, False, True]),
    currency=st.sampled_from(["USD", "EUR"]),
    settlements=st.lists(settlement, max_size=4).map(tuple),
)
histories = st.lists(st.lists(bill, min_size=1, max_size=6), min_size=60, max_size=80)


def contract_rows(
    customers: list[list[Bill]],
) -> tuple[Rows, list[tuple[Any, ...]], list[tuple[str, date, Decimal]]]:
    """The histories as rows, as events (customer, currency, document, kind, due, day, amount), and write-offs."""
    rows: Rows = {name: [] for name in ("customers", "invoices", "payments", "payment_applications")}
    events: list[tuple[Any, ...]] = []
    written_off: list[tuple[str, date, Decimal]] = []
    for number, bills in enumerate(customers):
        code = f"{number:03d}"
        rows["customers"].append({"customer_id": code, "legal_name": f"Company {code}"})
        for position, item in enumerate(bills):
            name = f"{code}-{position}"
            due = item.issued + timedelta(days=item.terms)
            common = {"currency": item.currency, "legal_entity": "US"}
            sign = -1 if item.is_credit_memo else 1
            rows["invoices"].append(
                {
                    "invoice_id": name,
                    "document_type": "credit_memo" if item.is_credit_memo else "invoice",
                    "customer_id": code,
                    "issue_date": item.issued,
                    "due_date": due,
                    "amount": item.amount,
                    **common,
                }
            )
            kind_of_document = "credit" if item.is_credit_memo else "invoice"
            events.append((code, item.currency, name, kind_of_document, due, item.issued, sign * item.amount))
            if item.is_credit_memo:
                continue
            for index, (kind, on, percent, reversed_on) in enumerate(item.settlements):
                amount = (item.amount * percent / 100).quantize(Decimal("0.01"))
                if amount == 0:
                    continue
                # Neither side of an application acts before both documents exist.
                applied = max(on, item.issued)
                receipt = f"{name}-{index}"
                application = {
                    "application_id": receipt,
                    "kind": kind,
                    "invoice_id": name,
                    "applied_date": on,
                    "amount": amount,
                    "currency": item.currency,
                }
                events.append((code, item.currency, name, "invoice", due, applied, -amount))
                if kind == "write_off":
                    written_off.append((name, applied, amount))
                if kind == "cash":
                    application["from_document_id"] = receipt
                    taken_back = None if reversed_on is None else max(reversed_on, on)
                    rows["payments"].append(
                        {
                            "payment_id": receipt,
                            "customer_id": code,
                            "received_date": on,
                            "amount": amount,
                            "reversed_at": taken_back,
                            **common,
                        }
                    )
                    events.append((code, item.currency, receipt, "receipt", None, on, -amount))
                    events.append((code, item.currency, receipt, "receipt", None, applied, amount))
                    if taken_back is not None:
                        back = max(taken_back, applied)
                        events.append((code, item.currency, receipt, "receipt", None, taken_back, amount))
                        events.append((code, item.currency, receipt, "receipt", None, back, -amount))
                        events.append((code, item.currency, name, "invoice", due, back, amount))
                rows["payment_applications"].append(application)
    rows["fx_rates"] = [{"rate_date": START, "currency": "EUR", "rate": "1.10"}]
    return rows, events, written_off


def expected_aging(
    events: list[tuple[Any, ...]], written_off: list[tuple[str, date, Decimal]], on: date
) -> dict[tuple[str, str], dict[str, Decimal]]:
    """Recount by customer and currency of what each document carries at the end of the day `on`.

    A document settled for more than its amount takes back what was written off, as far as that goes.
    """
    balance: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for code, currency, name, kind, due, effective, amount in events:
        if effective <= on:
            balance[(code, currency, name, kind, due)] += amount
    losses: dict[str, Decimal] = defaultdict(Decimal)
    for name, effective, amount in written_off:
        if effective <= on:
            losses[name] += amount
    result: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (code, currency, name, kind, due), stated in balance.items():
        amount = stated + max(Decimal(0), min(-stated, losses[name]))
        if amount == 0:
            continue
        if kind == "receipt":
            part = "unapplied_cash_amount"
        elif kind == "credit" or amount < 0:
            part = "credit_amount"
        else:
            late = (on - due).days
            part = next(name for name, low, high in BUCKETS if low <= late <= high)
        result[(code, currency)][part] += amount
    return result


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(customers=histories)
def test_buckets_balances_and_ledger_agree_with_a_recount(
    customers: list[list[Bill]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: Path = tmp_path_factory.mktemp("histories") / "warehouse.duckdb"
    rows, events, written_off = contract_rows(customers)
    make_warehouse(path, rows, as_of=AS_OF)
    run_dbt(
        path,
        select=[
            "+fct_ar_aging",
            "+reconciliation",
            "aging_equals_ledger",
            "applications_move_value",
            "receivables_reconcile",
        ],
        as_of=AS_OF,
    )
    codes = {f"C{number + 1:06d}": f"{number:03d}" for number in range(len(customers))}
    parts = [name for name, _, _ in BUCKETS] + ["credit_amount", "unapplied_cash_amount"]
    for on in DAYS:
        shown = {
            (codes[row["customer_code"]], row["currency"]): {
                part: row[part] for part in parts if row[part] != 0
            }
            for row in fetch(path, f"select * from mart.fct_ar_aging where as_of_date = '{on}'")
        }
        recount = {key: dict(value) for key, value in expected_aging(events, written_off, on).items()}
        assert {key: value for key, value in shown.items() if value} == {
            key: {part: amount for part, amount in value.items() if amount != 0}
            for key, value in recount.items()
        }
        ledger = fetch(
            path,
            f"select currency, sum(amount) as amount from core.ledger_entry where effective_date <= '{on}' "
            "group by currency",
        )
        for row in ledger:
            total = sum(
                (
                    sum(value.values())
                    for (_, currency), value in recount.items()
                    if currency == row["currency"]
                ),
                Decimal(0),
            )
            assert row["amount"] == total
