"""What was published stays: nights that bring late, changed, withdrawn and released rows only ever add entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.ledger_history import append_ledger_history
from tests.factories import fetch, land_night, make_warehouse, run_dbt

FIRST = date(2024, 6, 30)
SECOND = date(2024, 7, 1)
LEDGER = ["stg_invoices", "stg_payments", "stg_payment_applications", "stg_fx_rates", "path:models/core/fx_rate.sql",
          "document", "application", "posting", "ledger_entry", "invoice_balance", "invoice_balance_known"]  # fmt: skip
MODELS = [
    *LEDGER,
    "aging_date",
    "receivable_balance",
    "receivable_balance_known",
    "fct_ar_aging",
    "fct_ar_aging_as_known",
]


def invoice(number: str, **more: Any) -> dict[str, Any]:
    return {
        "invoice_id": number,
        "document_type": "invoice",
        "customer_id": number.split("-")[0],
        "legal_entity": "US",
        "issue_date": "2024-05-01",
        "due_date": "2024-05-31",
        "currency": "USD",
        "amount": "100.00",
        **more,
    }


INVOICES = [
    invoice("late"),
    invoice("amount"),
    invoice("amount", amount="120.00", _loaded_at=SECOND),
    invoice("deleted"),
    invoice("deleted", _loaded_at=SECOND, _is_deleted=True),
    invoice("due"),
    invoice("due", due_date="2024-07-31", _loaded_at=SECOND),
    invoice("currency"),
    invoice("currency", currency="EUR", _loaded_at=SECOND),
    invoice("released"),
    invoice("steady"),
]
PAYMENTS = [
    {
        "payment_id": "P-late",
        "customer_id": "late",
        "legal_entity": "US",
        "received_date": "2024-06-20",
        "currency": "USD",
        "amount": "100.00",
        "_loaded_at": SECOND,
    },
]
APPLICATIONS = [
    {
        "application_id": "A-late",
        "kind": "cash",
        "from_document_id": "P-late",
        "invoice_id": "late",
        "applied_date": "2024-06-20",
        "currency": "USD",
        "amount": "100.00",
        "_loaded_at": SECOND,
    },
]
CASES = ["late", "amount", "deleted", "due", "currency", "released", "steady"]


def warehouse(path: Path, **tables: Any) -> Path:
    tables = {"invoices": INVOICES, "payments": PAYMENTS, "payment_applications": APPLICATIONS, **tables}
    customers = sorted({row["customer_id"] for row in tables["invoices"]})
    return make_warehouse(
        path,
        {
            "customers": [{"customer_id": code, "legal_name": f"Company {code}"} for code in customers],
            "fx_rates": [{"rate_date": "2024-01-01", "currency": "EUR", "rate": "1.10"}],
            **tables,
        },
        as_of=FIRST,
        xref={("erp", code): code for code in customers},
        rows={
            "quarantine.invoices": [
                {"rule_id": "r", "source_system": "erp", "_row_key": "released", "_occurrence": 1}
            ]
        },
    )


def published(path: Path, as_of: date) -> dict[str, Any]:
    """Run the night and keep its ledger, as publication does; returns what it says."""
    land_night(path, as_of)
    run_dbt(path, select=MODELS, as_of=as_of)
    append_ledger_history(path, as_of)
    return said(path)


def said(path: Path) -> dict[str, Any]:
    return {
        name: fetch(path, f"select * from {name} order by all")
        for name in ("core.ledger_entry", "mart.fct_ar_aging", "mart.fct_ar_aging_as_known")
    }


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The first night, the second one, the second one again, and the first day asked for once more."""
    path = warehouse(tmp_path_factory.mktemp("nights") / "warehouse.duckdb")
    result: dict[str, Any] = {"first": published(path, FIRST)}
    with duckdb.connect(str(path)) as con:
        con.execute("delete from quarantine.invoices")
    result["second"] = published(path, SECOND)
    result["second again"] = published(path, SECOND)
    result["history"] = fetch(path, "select * from core.ledger_history order by all")
    with duckdb.connect(str(path)) as con:
        con.execute(
            "insert into quarantine.invoices (rule_id, source_system, _row_key, _occurrence) "
            "values ('r', 'erp', 'released', 1)"
        )
    result["first again"] = published(path, FIRST)
    result["history after going back"] = fetch(path, "select * from core.ledger_history order by all")
    return result


def balance(ledger: list[dict[str, Any]], customer: str, as_of: date, **known: date) -> dict[str, Decimal]:
    """Balance by currency from entries in effect by `as_of` and, say, known_at or booked_on by a day."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    for entry in ledger:
        if (
            entry["customer_code"] == customer
            and entry["effective_date"] <= as_of
            and all(entry[column] <= day for column, day in known.items())
        ):
            total[entry["currency"]] += entry["amount"]
    return {currency: amount for currency, amount in total.items() if amount}


@pytest.mark.parametrize("known", ["known_at", "booked_on"])
@pytest.mark.parametrize("customer", CASES)
def test_figure_of_the_first_night_as_known_then_is_unchanged(
    nights: Mapping[str, Any], customer: str, known: str
) -> None:
    then = balance(nights["first"]["core.ledger_entry"], customer, FIRST)
    now = balance(nights["second"]["core.ledger_entry"], customer, FIRST, **{known: FIRST})
    assert now == then
    assert then == ({} if customer == "released" else {"USD": Decimal("100.00")})


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        ("late", {}),
        ("amount", {"USD": Decimal("120.00")}),
        ("deleted", {}),
        ("due", {"USD": Decimal("100.00")}),
        ("currency", {"EUR": Decimal("100.00")}),
        ("released", {"USD": Decimal("100.00")}),
        ("steady", {"USD": Decimal("100.00")}),
    ],
)
def test_new_knowledge_gives_the_new_figure_of_the_same_day(
    nights: Mapping[str, Any], customer: str, expected: dict[str, Decimal]
) -> None:
    assert balance(nights["second"]["core.ledger_entry"], customer, FIRST) == expected


def aging(rows: list[dict[str, Any]], customer: str, on: date) -> dict[str, Decimal]:
    parts = [
        {
            name: value
            for name, value in row.items()
            if name in ("current_amount", "overdue_1_30_amount") and value
        }
        for row in rows
        if row["customer_code"] == customer and row["as_of_date"] == on
    ]
    return parts[0] if parts else {}


def test_due_date_put_right_moves_the_bucket_from_the_night_it_was_known(nights: Mapping[str, Any]) -> None:
    overdue, current = {"overdue_1_30_amount": Decimal("100.00")}, {"current_amount": Decimal("100.00")}
    assert aging(nights["first"]["mart.fct_ar_aging"], "due", FIRST) == overdue
    assert aging(nights["second"]["mart.fct_ar_aging"], "due", FIRST) == current
    as_known = nights["second"]["mart.fct_ar_aging_as_known"]
    assert aging(as_known, "due", FIRST) == overdue
    assert aging(as_known, "due", SECOND) == current


@pytest.mark.parametrize("customer", CASES)
def test_aging_as_known_never_changes(nights: Mapping[str, Any], customer: str) -> None:
    for on in (date(2024, 5, 31), date(2024, 6, 25), FIRST):
        first, second = (
            aging(nights[night]["mart.fct_ar_aging_as_known"], customer, on) for night in ("first", "second")
        )
        assert second == first


def test_corrections_reverse_and_book_again(nights: Mapping[str, Any]) -> None:
    entries = {
        (entry["posting_type"], entry["amount"], entry["booked_on"], entry["is_standing"])
        for entry in nights["second"]["core.ledger_entry"]
        if entry["customer_code"] == "amount"
    }
    assert entries == {
        ("original", Decimal("100.00"), FIRST, False),
        ("reversing", Decimal("-100.00"), SECOND, False),
        ("correcting", Decimal("120.00"), SECOND, True),
    }


def test_rerun_of_the_night_books_the_same(nights: Mapping[str, Any]) -> None:
    assert nights["second again"] == nights["second"]


def test_going_back_answers_as_that_night_did_and_leaves_later_nights(nights: Mapping[str, Any]) -> None:
    assert nights["first again"] == nights["first"]
    assert nights["history after going back"] == nights["history"]


# ---------------------------------------------------------------- random nights

NIGHTS = [FIRST + timedelta(days=offset) for offset in range(3)]
state = st.none() | st.tuples(
    st.integers(1, 10**6).map(lambda value: Decimal(value) / 100),
    st.sampled_from([date(2024, 5, 15), date(2024, 6, 29), date(2024, 8, 1)]),
    st.sampled_from(["USD", "EUR"]),
)
lives = st.lists(st.tuples(state, state, state), min_size=30, max_size=40)


@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(lives=lives)
def test_every_night_can_be_had_again(
    lives: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    versions = []
    for number, life in enumerate(lives):
        previous = None
        for night, now in zip(NIGHTS, life, strict=True):
            if now == previous:
                continue
            amount, due, currency = now or previous
            first = {} if night == FIRST else {"_loaded_at": night, "_is_deleted": now is None}
            versions.append(invoice(f"{number:03d}", amount=amount, due_date=due, currency=currency, **first))
            previous = now
    path = warehouse(
        tmp_path_factory.mktemp("lives") / "warehouse.duckdb",
        invoices=versions,
        payments=[],
        payment_applications=[],
    )
    said_on: dict[date, list[dict[str, Any]]] = {}
    for night in NIGHTS:
        land_night(path, night)
        run_dbt(path, select=LEDGER, as_of=night)
        append_ledger_history(path, night)
        said_on[night] = fetch(path, "select * from core.ledger_entry")
    last = said_on[NIGHTS[-1]]
    for index, night in enumerate(NIGHTS):
        for number, life in enumerate(lives):
            code = f"{number:03d}"
            expected = {} if life[index] is None else {life[index][2]: life[index][0]}
            assert balance(said_on[night], code, night) == expected
            assert balance(last, code, night, booked_on=night) == expected
            assert balance(last, code, night, known_at=night) == expected
