"""What a customer's payments had shown when a document was asked about: worked by hand, and nothing that came later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, make_warehouse, run_dbt
from tests.unit.dbt.test_features import Company

AS_OF = "2026-03-31"  # so the check day, 60 days before, is 2026-01-30


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    company = Company()
    company.customer("C")
    company.bill("ten", "C", "2025-10-01", "2025-10-31", 100)
    company.pay("ten", "C", "2025-11-10", 100)
    company.bill("twenty", "C", "2025-11-01", "2025-12-01", 300)
    company.pay("twenty", "C", "2025-12-21", 300)
    company.bill("thirty", "C", "2025-12-20", "2026-01-19", 200)
    company.pay("thirty", "C", "2026-02-18", 200)
    # Paid 5 days late in December, which nobody knew before 20 March.
    company.bill("told_late", "C", "2025-11-03", "2025-12-03", 50)
    company.pay("told_late", "C", "2025-12-08", 50, _loaded_at="2026-03-20")
    company.bill("overdue", "C", "2026-02-01", "2026-03-03", 80)
    company.bill("due_next", "C", "2026-03-10", "2026-04-09", 600)
    path: Path = tmp_path_factory.mktemp("questions") / "warehouse.duckdb"
    make_warehouse(path, company.tables, as_of=AS_OF, xref={("erp", "C"): "C"})
    run_dbt(path, select=["+invoice_question"], exclude="resource_type:test", as_of=AS_OF)
    rows = fetch(path, "select * from features.invoice_question")
    return {(row["purpose"], row["document_id"].split("|")[1]): row for row in rows}


def test_tonight_a_document_is_asked_about_with_all_that_has_been_paid(
    questions: dict[tuple[str, str], dict[str, Any]],
) -> None:
    row = questions["tonight", "due_next"]
    assert (row["days_to_due"], row["terms_days"], row["amount"]) == (9, 30, 600)
    assert (row["paid_count"], row["days_late_mean"]) == (4, (10 + 20 + 30 + 5) / 4)
    assert row["very_late_share"] == 2 / 4, "20 and 30 days are more than 15"
    # In the order in which they became known.
    assert [row[f"last_{step}_days_late"] for step in (1, 2, 3)] == [5, 30, 20]
    assert (row["recent_paid_count"], row["recent_days_late_mean"]) == (2, (30 + 5) / 2)
    assert row["overdue_count"] == 1
    assert row["days_since_payment"] == 11, "since 20 March, when the last one was known"
    assert row["amount_ratio"] == 600 / ((100 + 300 + 200 + 50) / 4)


def test_on_the_check_day_nothing_is_known_that_came_later(
    questions: dict[tuple[str, str], dict[str, Any]],
) -> None:
    row = questions["check", "thirty"]
    assert str(row["asked_on"]) == "2026-01-30"
    assert (row["paid_count"], row["days_late_mean"], row["last_1_days_late"]) == (2, 15, 20)
    assert row["overdue_count"] == 2, "itself, and the one that nobody knew to be paid"
    assert str(row["paid_on"]) == "2026-02-18"
    told = questions["check", "told_late"]
    assert (str(told["paid_on"]), str(told["paid_known_on"])) == ("2025-12-08", "2026-03-20")


def test_what_is_paid_is_asked_about_in_the_month_before_it_fell_due(
    questions: dict[tuple[str, str], dict[str, Any]],
) -> None:
    learned = {name: row for (purpose, name), row in questions.items() if purpose == "learn"}
    assert {"ten", "twenty", "thirty"} <= set(learned)
    for row in learned.values():
        assert 1 <= row["days_to_due"] <= 30
        assert row["asked_on"] >= row["issue_date"]
    assert ("tonight", "thirty") not in questions, "paid"
