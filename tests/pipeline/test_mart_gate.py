"""The rules over the marts on the real command: one cent against the general ledger stops the publication."""

import csv
from datetime import timedelta
from decimal import Decimal

import pytest

from quality import evaluation
from quality.catalog import Rule
from tests.pipeline.conftest import AS_OF, Company

CENT = Decimal("0.01")


def test_one_cent_against_the_general_ledger_stops_the_night_before_publication(
    published_company: Company,
) -> None:
    balance = _billed(published_company) - _received(published_company)
    _state(published_company, balance)
    outcome = published_company.run_here()
    assert outcome.exit_code == 0, outcome.output
    assert published_company.published(
        f"select gl_status, gl_difference from mart.reconciliation where balance_date = date '{AS_OF}'"
    ) == [("reconciled", 0)]
    # Tonight's rules over the marts are published with the marts they judged.
    assert published_company.published(
        "select status, owner from mart.dq_result "
        f"where rule_id = 'mart_gl_unexplained' and as_of_date = date '{AS_OF}'"
    ) == [("passed", "Finance")]
    assert (
        published_company.published("select rule_id, message from mart.dq_result where status = 'error'")
        == []
    )
    before = published_company.snapshot()

    _state(published_company, balance + CENT)
    outcome = published_company.run_here(as_of=AS_OF + timedelta(days=1))
    assert outcome.exit_code == 1
    assert "rule mart_gl_unexplained on mart.reconciliation failed" in outcome.output
    for named in (f"E1|USD|{AS_OF}", "gl_unexplained 0.01", "Finance"):
        assert named in outcome.output
    assert "Traceback" not in outcome.output
    assert published_company.snapshot() == before
    page = (published_company.home / "quality" / "index.html").read_text(encoding="utf-8")
    assert "mart_gl_unexplained" in page


def test_a_row_that_the_scan_lets_through_stops_the_night_and_nothing_is_published(
    published_company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published_company.snapshot()
    predicates = evaluation.row_predicates

    def with_a_hole(rule: Rule) -> list[tuple[str | None, str]]:
        found = predicates(rule)
        return (
            [(column, "false") for column, _ in found] if rule.id == "invoice_issue_date_missing" else found
        )

    monkeypatch.setattr(evaluation, "row_predicates", with_a_hole)
    file = published_company.folder / "invoices.csv"
    with file.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        rows, names = list(reader), list(reader.fieldnames or ())
    rows[0]["issue_date"] = ""
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(rows)
    outcome = published_company.run_here(as_of=AS_OF + timedelta(days=1))
    assert outcome.exit_code == 1
    said = " ".join(outcome.output.split())
    for named in (
        "rule invoice_issue_date_missing on invoices: Great Expectations finds 1 that the scan let through",
        "ExpectColumnValuesToNotBeNull (issue_date) on staging.accepted_invoices",
        rows[0]["invoice_id"],
        "Accounts Receivable",
    ):
        assert named in said
    assert "Traceback" not in outcome.output
    assert published_company.snapshot() == before
    # The pages are written beside the night, also beside one that stops.
    page = (published_company.home / "quality" / "index.html").read_text(encoding="utf-8")
    assert "that the scan let through" in page


def _billed(company: Company) -> Decimal:
    return _sum(company, "invoices", "issue_date")


def _received(company: Company) -> Decimal:
    return _sum(company, "payments", "received_date")


def _sum(company: Company, table: str, day: str) -> Decimal:
    """The amounts of one file up to the as-of date, added up without the pipeline."""
    with (company.folder / f"{table}.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row[day] <= AS_OF.isoformat()]
    return sum((Decimal(row["amount"]) for row in rows), Decimal(0))


def _state(company: Company, balance: Decimal) -> None:
    """The control account of the company as its general ledger closes the as-of date."""
    (company.folder / "gl_balances.csv").write_text(
        f"balance_date,legal_entity,currency,account,balance\n{AS_OF},E1,USD,receivables_control,{balance}\n",
        encoding="utf-8",
    )
    company.config["sources"]["erp"]["tables"]["gl_balances"] = {"files": "gl_balances.csv"}  # type: ignore[index]
    company.write_config()
