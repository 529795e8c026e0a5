"""What the scan lets through, Great Expectations finds: holes are planted in the scan, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mart_world
import pytest
import test_mart_gate
import test_rules
from gate_warehouse import AS_OF, SOUND, Warehouse

from quality import evaluation, runner
from quality.catalog import KINDS, Rule
from quality.expectations import Expected, expected_of_accepted

# The warehouse in which every rule has a row that breaks it, judged once with nothing amiss.
judged = test_rules.judged

QUARANTINING = {
    rule.id: rule
    for rule in Warehouse.rules()
    if rule.severity == "quarantine" and rule.id not in test_rules.SPOILED_ELSEWHERE
}


def blind(monkeypatch: pytest.MonkeyPatch, *, row_rules: bool, others: bool) -> None:
    """Make the scan skip the quarantining rules that one row decides, or those that look at other rows."""
    predicates, queries = evaluation.row_predicates, evaluation.failing_rows_query

    def no_predicates(rule: Rule) -> list[tuple[str | None, str]]:
        found = predicates(rule)
        return [(column, "false") for column, _ in found] if rule.severity != "warn" else found

    def no_rows(rule: Rule) -> tuple[str | None, str]:
        column, query = queries(rule)
        return column, query if rule.severity == "warn" else "SELECT 1::BIGINT AS row_id WHERE false"

    if row_rules:
        monkeypatch.setattr(evaluation, "row_predicates", no_predicates)
    if others:
        monkeypatch.setattr(evaluation, "failing_rows_query", no_rows)


def test_where_the_scan_is_sound_nothing_is_left_to_find(judged: test_rules.Judged) -> None:
    assert judged.report.found == ()


def goes_on(judged: test_rules.Judged, rule_id: str) -> bool:
    table, (key, occurrence) = judged.spots[rule_id]
    return bool(
        judged.warehouse.rows(
            f"SELECT 1 FROM staging.accepted_{table} WHERE _row_key = '{key}' AND _occurrence = {occurrence}"
        )
    )


@pytest.mark.parametrize("looks_at", ["row", "rows"])
def test_every_rule_that_the_scan_skips_is_found_in_what_goes_on(
    judged: test_rules.Judged, monkeypatch: pytest.MonkeyPatch, looks_at: str
) -> None:
    blind(monkeypatch, row_rules=looks_at == "row", others=looks_at == "rows")
    report = judged.warehouse.gate(*SOUND)
    # A row that another rule still keeps apart, as an unknown currency without a rate, does not go on.
    skipped = {
        rule_id
        for rule_id, rule in QUARANTINING.items()
        if KINDS[rule.kind].looks_at == looks_at and goes_on(judged, rule_id)
    }
    assert len(skipped) >= {"row": 100, "rows": 20}[looks_at]
    found = {one.expected.rule.id: one for one in report.found if one.error is None}
    assert skipped <= found.keys()
    assert [one.told for one in report.found if one.error is not None] == []
    reasons = "\n".join(report.blocking)
    for rule_id in skipped:
        rule, (_, (key, _occurrence)) = QUARANTINING[rule_id], judged.spots[rule_id]
        assert found[rule_id].rows > 0
        assert f"rule {rule_id} on {rule.table}: Great Expectations finds " in reasons
        assert f"({rule.owner})" in reasons
        if found[rule_id].rows < 20:
            assert any(f"erp|{key}" in sample for sample in found[rule_id].sample_keys), (
                rule_id,
                key,
                found[rule_id],
            )
        assert report.result(rule_id).status == "error"


def test_what_was_let_through_is_recorded_and_shown(
    sound: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blind(monkeypatch, row_rules=True, others=False)
    sound.docs_dir = tmp_path
    sound.add("invoices", invoice_id="<b>I2</b>", due_date="")
    report = sound.gate("customers", "invoices")
    (reason,) = report.blocking
    assert (
        "rule invoice_due_date_missing on invoices: Great Expectations finds 1 that the scan let through"
        in reason
    )
    assert (
        "ExpectColumnValuesToNotBeNull (due_date, where needed) on staging.accepted_invoices: erp|<b>I2</b>|1"
        in reason
    )
    assert "(Accounts Receivable)" in reason
    ((status, message, keys),) = sound.rows(
        "SELECT status, message, sample_keys FROM ops.dq_result WHERE rule_id = 'invoice_due_date_missing'"
    )
    assert (status, keys) == ("error", ["erp|<b>I2</b>|1"])
    assert "let through" in message
    for page in (tmp_path / "index.html", tmp_path / "tables" / "invoices.html"):
        text = page.read_text(encoding="utf-8")
        assert "erp|&lt;b&gt;I2&lt;/b&gt;|1" in text
        assert "<b>I2" not in text


def test_rows_before_the_cut_over_keep_their_tolerant_rule(sound: Warehouse) -> None:
    sound.add("invoices", invoice_id="I2", issue_date="2024-03-02", due_date="2024-03-01")
    sound.add("payments", payment_id="P2", received_date="2024-03-02", reversed_at="2024-03-01")
    report = sound.gate("customers", "invoices", "payments", cut_over=AS_OF.replace(day=1))
    assert report.blocking == ()
    assert report.result("invoice_due_before_issue").rows_failed_old == 1


@pytest.mark.parametrize(
    "rule_id",
    [
        "mart_invoice_known_after_as_of",  # a bound
        "mart_limit_above_policy_cap",  # a pair of columns
        "mart_limit_without_decision",  # a missing value
        "mart_kpi_share_out_of_range",  # a range
        "mart_invoice_bucket_contradicts_days",  # SQL on one row
        "mart_invoice_customer_unknown",  # a reference
        "mart_exposure_differs_from_aging",  # SQL on other rows
        "mart_aging_differs_from_documents",  # totals
    ],
)
def test_a_mart_rule_that_the_scan_skips_stops_the_publication(
    monkeypatch: pytest.MonkeyPatch, rule_id: str
) -> None:
    blind(monkeypatch, row_rules=True, others=True)
    monkeypatch.setattr(evaluation, "_judge_table", lambda *_: [])
    con = mart_world.build_world()
    spoil, found = test_mart_gate.SPOILED[rule_id]
    con.execute(spoil)
    rule = test_mart_gate.rule_of(rule_id)
    report = test_mart_gate.judge(con, rule)
    con.close()
    (reason,) = report.blocking
    assert f"rule {rule_id} on {rule.table}: Great Expectations finds " in reason
    assert "that the scan let through" in reason
    assert found.split(" ")[0] in reason
    assert f"({rule.owner})" in reason


def test_a_repeated_key_of_a_mart_stops_the_publication_though_no_rule_names_it() -> None:
    con = mart_world.build_world()
    con.execute("INSERT INTO mart.fct_invoice SELECT * FROM mart.fct_invoice WHERE document_id = 'erp|I1'")
    report = test_mart_gate.judge(con, test_mart_gate.rule_of("mart_invoice_known_after_as_of"))
    recorded = con.execute(
        "SELECT status FROM ops.dq_result WHERE rule_id = 'mart_fct_invoice_key'"
    ).fetchall()
    con.close()
    (reason,) = report.blocking
    assert "rule mart_fct_invoice_key on mart.fct_invoice" in reason
    assert "erp|I1" in reason
    assert recorded == [("error",)]


def test_an_expectation_that_cannot_run_is_an_error_of_its_own_kind(
    sound: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rules: Any, **options: Any) -> list[Expected]:
        return [
            replace(one, arguments={**one.arguments, "column": "no_such_column"}, columns={})
            if one.rule.id == "invoice_due_date_missing"
            else one
            for one in expected_of_accepted(rules, **options)
        ]

    monkeypatch.setattr(runner, "expected_of_accepted", broken)
    report = sound.gate("customers", "invoices")
    (reason,) = report.blocking
    assert "rule invoice_due_date_missing on invoices: the expectation " in reason
    assert "could not run" in reason
    assert "not of the data" in reason
    assert report.result("invoice_due_date_missing").status == "error"
    assert report.result("invoice_currency_missing").status == "passed"
