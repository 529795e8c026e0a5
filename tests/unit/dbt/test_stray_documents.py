"""Documents that newer ones overtook, what unapplied money most likely pays, and what both mean for default."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, make_warehouse, run_dbt
from tests.unit.dbt.test_features import Company

AS_OF = "2026-06-30"
MODELS = ["+default_period", "+suspected_stray", "+match_suggestion"]


def on(day: int) -> str:
    """The day so many days after 2025-12-31."""
    return (date(2025, 12, 31) + timedelta(days=day)).isoformat()


def customers() -> Company:
    company = Company()
    for code in ("OVER", "STOP", "LATER", "SMALL", "LOST", "ON", "MONEY", "SUM", "LESS", "REST", "NOTHING"):
        company.customer(code)
    # A thousand of January, due on day 31; three newer ones of 400 paid on days 70, 75 and 80.
    company.bill("over", "OVER", on(1), on(31), 1000)
    # The same, but the newer ones stay open too.
    company.bill("stop", "STOP", on(1), on(31), 1000)
    # The newer ones are paid only on day 150, long after the old one was 91 days past due.
    company.bill("later", "LATER", on(1), on(31), 1000)
    # The newer ones come to 300, less than the document they would have overtaken.
    company.bill("small", "SMALL", on(1), on(31), 1000)
    for number in range(3):
        issued, due, paid = on(30 + number), on(60 + number), on(70 + 5 * number)
        company.bill(f"over{number}", "OVER", issued, due, 400)
        company.pay(f"over{number}", "OVER", paid, 400)
        company.bill(f"stop{number}", "STOP", issued, due, 400)
        company.bill(f"later{number}", "LATER", issued, due, 400)
        company.pay(f"later{number}", "LATER", on(150), 400)
        company.bill(f"small{number}", "SMALL", issued, due, 100)
        company.pay(f"small{number}", "SMALL", paid, 100)
    # Written off on day 60; LOST buys no more, ON pays on day 120 what it bought on day 70.
    for code in ("LOST", "ON"):
        company.bill(f"{code}1", code, on(1), on(20), 800)
        company.apply(f"{code}1", "write_off", on(60), 800)
    company.bill("ON2", "ON", on(70), on(100), 500)
    company.pay("ON2", "ON", on(120), 500)
    # Money that nobody applied, and what is open beside it.
    for code, amounts, received in (
        ("MONEY", (700, 300), 300),
        ("SUM", (250, 150, 500), 400),
        ("LESS", (1000, 600), 588),
        ("NOTHING", (1000, 600), 450),
    ):
        for place, amount in enumerate(amounts):
            company.bill(f"{code}{place}", code, on(100 + place), on(170 + place), amount)
        receipt(company, f"R-{code}", code, received)
    company.bill("REST0", "REST", on(100), on(130), 500)
    company.bill("REST1", "REST", on(101), on(175), 900)
    receipt(company, "R-REST", "REST", 540)
    company.apply("REST0", "cash", on(160), 500, source="R-REST")
    return company


def receipt(company: Company, number: str, code: str, amount: int) -> None:
    company.add(
        "payments", payment_id=number, customer_id=code, legal_entity="E1", received_date=on(160),
        currency="USD", amount=f"{Decimal(amount):.2f}", method="wire",
    )  # fmt: skip


def built(path: Path, *answers: dict[str, str]) -> Path:
    company = customers()
    codes = [row["customer_id"] for row in company.tables["customers"]]
    rows: dict[str, list[dict[str, Any]]] = {
        "ops.document_answer": [
            {"source_system": "erp", "decided_by": "A. Person", "decided_on": AS_OF, **answer}
            for answer in answers
        ]
    }
    make_warehouse(path, company.tables, as_of=AS_OF, xref={("erp", code): code for code in codes}, rows=rows)
    run_dbt(path, select=MODELS, as_of=AS_OF, command="run")
    return path


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("stray") / "warehouse.duckdb")


def periods(path: Path, code: str) -> list[tuple[str, str, str]]:
    rows = fetch(
        path,
        "select cause, default_from, default_to from core.default_period where basis = 'known' "
        f"and customer_code = '{code}' order by default_from",
    )
    return [(row["cause"], str(row["default_from"]), str(row["default_to"])) for row in rows]


def test_a_document_overtaken_by_newer_ones_is_asked_about_and_no_default(company: Path) -> None:
    strays = fetch(
        company, "select invoice_no, stray_from, open_amount, owner from mart.suspected_stray order by 1"
    )
    assert [(row["invoice_no"], str(row["stray_from"]), row["open_amount"]) for row in strays] == [
        ("later", on(150), 1000),
        ("over", on(80), 1000),
    ]
    assert {row["owner"] for row in strays} == {"Accounts Receivable"}
    assert periods(company, "OVER") == []


def test_until_it_was_overtaken_it_counted(company: Path) -> None:
    # 91 days past due on day 122; overtaken on day 150, and three months of probation.
    assert periods(company, "LATER") == [("past_due", on(122), "2026-08-30")]


@pytest.mark.parametrize("code", ["STOP", "SMALL"])
def test_one_who_pays_nothing_newer_or_less_than_the_old_is_in_default(company: Path, code: str) -> None:
    assert periods(company, code) == [("past_due", on(122), "9999-12-31")]


def test_an_answer_that_it_is_owed_makes_it_count_again(tmp_path: Path) -> None:
    path = built(tmp_path / "warehouse.duckdb", {"document_no": "over", "answer": "owed"})
    assert periods(path, "OVER") == [("past_due", on(122), "9999-12-31")]
    assert [row["invoice_no"] for row in fetch(path, "from mart.suspected_stray")] == ["later"]


def test_a_write_off_is_a_default_until_the_customer_has_bought_and_paid_since(company: Path) -> None:
    assert periods(company, "LOST") == [("write_off", on(60), "9999-12-31")]
    # Three months after day 60 (1 March) is 1 June, and by then it had paid.
    assert periods(company, "ON") == [("write_off", on(60), "2026-06-01")]


@pytest.mark.parametrize(
    ("receipt_no", "rule", "matches"),
    [
        ("R-MONEY", "exact_amount", [("MONEY1", 300)]),
        ("R-SUM", "sum_of_oldest", [("SUM0", 250), ("SUM1", 150)]),
        ("R-LESS", "less_discount", [("LESS1", 588)]),
        ("R-NOTHING", "oldest_first", [("NOTHING0", 450)]),
        ("R-REST", "rest_of_receipt", [("REST1", 40)]),
    ],
)
def test_unapplied_money_is_matched_by_the_rule_that_fits_best(
    company: Path, receipt_no: str, rule: str, matches: list[tuple[str, int]]
) -> None:
    found = fetch(
        company,
        "select invoice_no, suggested_amount, rule, match_probability from mart.match_suggestion "
        f"where from_document_no = '{receipt_no}' order by invoice_no",
    )
    assert [(row["invoice_no"], row["suggested_amount"]) for row in found] == matches
    assert {row["rule"] for row in found} == {rule}
    assert all(0 < row["match_probability"] < 1 for row in found)


def test_probability_is_measured_by_the_receipts_that_were_applied(company: Path) -> None:
    # On the morning of their day 70, 75 and 80 the receipts of 400 and of 100 met documents of just that amount, the
    # oldest of them the one that was paid: six right of six. So did the three of day 150 and ON's: but of LATER's three
    # receipts, all on one morning with three documents of 400, each is suggested the oldest and one of three is right.
    rows = fetch(
        company,
        "select distinct measured_count, match_probability from mart.match_suggestion "
        "where rule = 'exact_amount'",
    )
    assert rows == [{"measured_count": 10, "match_probability": pytest.approx((8 + 20 * 0.9) / 30)}]


def test_a_match_that_a_person_refused_is_not_suggested_again(tmp_path: Path) -> None:
    answer = {"document_no": "MONEY1", "from_document_no": "R-MONEY", "answer": "not_paid_by"}
    path = built(tmp_path / "warehouse.duckdb", answer)
    assert fetch(path, "from mart.match_suggestion where from_document_no = 'R-MONEY'") == []
