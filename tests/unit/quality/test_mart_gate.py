"""The rules over the marts: each passes what holds together and names the row or figure made to break it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
from mart_world import AS_OF, COLUMNS, build_world

from orchestration.sources.contract import CONTRACT
from quality.catalog import MART_RULES_FOLDER, Rule, RuleError, load_rules
from quality.runner import GateReport, run_mart_gate

RULES = load_rules(
    MART_RULES_FOLDER,
    contract={name: list(columns) for name, columns in COLUMNS.items()}
    | {table.name: table.field_names for table in CONTRACT.values()},
)

# rule id -> (what breaks it, what the finding says)
SPOILED: dict[str, tuple[str, str]] = {
    "mart_customer_exposure_missing": ("DELETE FROM mart.fct_exposure WHERE customer_code = 'C1'", "C1"),
    "mart_customer_score_missing": ("DELETE FROM mart.customer_score WHERE customer_code = 'C2'", "C2"),
    "mart_customer_nameless": ("UPDATE mart.dim_customer SET customer_name = NULL", "C1"),
    "mart_customer_registration_repeated": (
        "INSERT INTO mart.dim_customer BY NAME SELECT 'C9' AS customer_code, 'n 1' AS registration_no, "
        "'OTHER' AS registration_kind",
        "C1 (registration_no N-1, customer_name Nordwind)",
    ),
    "mart_receivables_without_country": (
        "UPDATE mart.dim_customer SET country = NULL",
        "100.0 % of open receivables, 1 customers",
    ),
    "mart_receivables_without_segment": (
        "UPDATE mart.dim_customer SET segment = NULL",
        "100.0 % of open receivables, 1 customers",
    ),
    "mart_invoice_customer_unknown": ("DELETE FROM mart.dim_customer WHERE customer_code = 'C1'", "erp|I1"),
    "mart_invoice_known_after_as_of": (
        "UPDATE mart.fct_invoice SET known_at = DATE '2026-11-01' WHERE document_id = 'erp|I0'",
        "erp|I0 (known_at 2026-11-01)",
    ),
    "mart_invoice_bucket_contradicts_days": (
        "UPDATE mart.fct_invoice SET days_past_due = 61 WHERE document_id = 'erp|I1'",
        "erp|I1 (days_past_due 61, aging_bucket 31-60)",
    ),
    "mart_invoice_open_exceeds_amount": (
        "UPDATE mart.fct_invoice SET open_amount = 1000.01 WHERE document_id = 'erp|I1'",
        "erp|I1 (amount 1000.00, open_amount 1000.01, currency USD)",
    ),
    "mart_invoice_open_for_years": (
        "UPDATE mart.fct_invoice SET days_past_due = 366 WHERE document_id = 'erp|I1'",
        "100.0 % of open receivables, 1 documents",
    ),
    "mart_entry_known_before_event": (
        "UPDATE mart.fct_ledger_entry SET known_at = DATE '2026-08-21'",
        "E1 (effective_date 2026-08-22, known_at 2026-08-21)",
    ),
    "mart_entry_after_as_of": (
        "UPDATE mart.fct_ledger_entry SET known_at = DATE '2026-11-01'",
        "E1 (effective_date 2026-08-22, known_at 2026-11-01)",
    ),
    "mart_entry_customer_unknown": ("DELETE FROM mart.dim_customer WHERE customer_code = 'C1'", "E1"),
    "mart_aging_bucket_negative": (
        "UPDATE mart.fct_ar_aging SET current_amount = -0.01",
        "2026-10-31|C1|USD",
    ),
    "mart_aging_after_as_of": (
        "UPDATE mart.fct_ar_aging SET as_of_date = DATE '2026-11-01'",
        "2026-11-01|C1|USD",
    ),
    "mart_aging_differs_from_documents": (
        "UPDATE mart.fct_ar_aging SET overdue_31_60_amount = 999.99",
        "USD 31-60: documents 1000.00, aging 999.99",
    ),
    "mart_exposure_stale": (
        "UPDATE mart.fct_exposure SET as_of_date = DATE '2026-10-30'",
        "C1 (as_of_date 2026-10-30)",
    ),
    "mart_exposure_utilisation_without_status": (
        "UPDATE mart.fct_exposure SET utilisation = 0 WHERE customer_code = 'C2'",
        "C2 (utilisation 0.0, utilisation_status no_limit)",
    ),
    "mart_exposure_net_implausible": (
        "UPDATE mart.fct_exposure SET net_exposure_reporting = 1000.01 WHERE customer_code = 'C1'",
        "C1 (exposure_reporting 1000.00, net_exposure_reporting 1000.01)",
    ),
    "mart_exposure_differs_from_aging": (
        "UPDATE mart.fct_exposure SET open_receivables_reporting = 0.01 WHERE customer_code = 'C2'",
        "C2 (open_receivables_reporting 0.01)",
    ),
    "mart_exposure_without_limit": (
        "UPDATE mart.fct_exposure SET utilisation_status = 'no_limit'",
        "C1 (net_exposure_reporting 1000.00)",
    ),
    "mart_limit_customer_unknown": ("DELETE FROM mart.dim_customer", "erp|1|all|2026-01-01|5000.00"),
    "mart_limit_insured_above_limit": (
        "UPDATE mart.fct_credit_limit SET insured_amount = 5000.01",
        "erp|1|all|2026-01-01|5000.00 (amount 5000.00, insured_amount 5000.01, currency USD)",
    ),
    "mart_limit_force_contradicts_dates": (
        "UPDATE mart.fct_credit_limit SET valid_to = DATE '2026-10-30'",
        "erp|1|all|2026-01-01|5000.00 (valid_to 2026-10-30)",
    ),
    "mart_behaviour_index_without_basis": (
        "UPDATE mart.fct_payment_behaviour SET payment_index = 80",
        "C1|3 (paid_invoice_count 2, payment_index 80.0, payment_index_status too_few_paid_invoices)",
    ),
    "mart_behaviour_out_of_range": (
        "UPDATE mart.fct_payment_behaviour SET payment_index = 101 WHERE window_months = 6",
        "C1|6 (payment_index 101.0, on_time_share 0.5, days_beyond_terms_weighted 3.0)",
    ),
    "mart_behaviour_windows_disagree": (
        "UPDATE mart.fct_payment_behaviour SET paid_invoice_count = 1 WHERE window_months = 6",
        "C1|6 (paid_invoice_count 1)",
    ),
    "mart_score_grade_contradicts_pd": (
        "UPDATE mart.customer_score SET pd = 0.0175 WHERE customer_code = 'C1'",
        "C1 (pd 0.0175, grade R07)",
    ),
    "mart_score_reasons_missing": (
        "DELETE FROM mart.score_reason WHERE reason_code NOT IN ('OTHER', 'BASE')",
        "C1 (model_kind not given, scored_on 2026-10-31)",
    ),
    "mart_score_expired": (
        "UPDATE mart.customer_score SET expires_on = DATE '2026-10-30' WHERE customer_code = 'C1'",
        "C1 (scored_on 2026-10-31, expires_on 2026-10-30)",
    ),
    "mart_score_stale": (
        "UPDATE mart.customer_score SET as_of_date = DATE '2026-10-30' WHERE customer_code = 'C1'",
        "C1 (as_of_date 2026-10-30)",
    ),
    "mart_score_unscored_share": (
        "UPDATE mart.customer_score SET score_status = 'not_scored' WHERE customer_code = 'C3'",
        "C2 (status_reason There is a reason)",
    ),
    "mart_score_status_without_reason": (
        "UPDATE mart.customer_score SET status_reason = ' ' WHERE customer_code = 'C3'",
        "C3 (score_status in_default)",
    ),
    "mart_score_account_open": (
        "UPDATE mart.score_reason SET contribution_log_odds = 0.6 WHERE reason_rank = 1",
        "C1 (pd 0.02)",
    ),
    "mart_reason_text_missing": (
        "UPDATE mart.score_reason SET reason_text = '' WHERE reason_rank = 2",
        "C1|2 (feature overdue_share)",
    ),
    "mart_reason_direction_contradicts_contribution": (
        "UPDATE mart.score_reason SET direction = 'raises' WHERE reason_rank = 2",
        "C1|2 (feature overdue_share, direction raises, contribution_log_odds -0.1)",
    ),
    "mart_reason_rank_skipped": (
        "UPDATE mart.score_reason SET reason_rank = 4 WHERE reason_rank = 2",
        "C1|4",
    ),
    "mart_limit_above_policy_cap": (
        "UPDATE mart.limit_recommendation SET policy_cap_reporting = 3999.99 WHERE customer_code = 'C1'",
        "C1 (recommended_limit_reporting 4000.00, policy_cap_reporting 3999.99)",
    ),
    "mart_limit_above_need_or_capacity": (
        "UPDATE mart.limit_recommendation SET graded_capacity_reporting = 3999.99 WHERE customer_code = 'C1'",
        "C1 (recommended_limit_reporting 4000.00, need_reporting 4800.00, graded_capacity_reporting 3999.99)",
    ),
    "mart_limit_granted_in_default": (
        "UPDATE mart.limit_recommendation SET recommended_limit_reporting = 1000 WHERE customer_code = 'C3'",
        "C3 (recommended_limit_reporting 1000.00, decision decline)",
    ),
    "mart_limit_approved_without_basis": (
        "UPDATE mart.limit_recommendation SET recommendation_status = 'not_available' WHERE customer_code = 'C1'",
        "C1 (score_status scored, recommendation_status not_available, decision_rule not given)",
    ),
    "mart_limit_without_decision": ("UPDATE mart.limit_recommendation SET decision = NULL", "C1"),
    "mart_warning_customer_unknown": ("DELETE FROM mart.dim_customer", "C1|overdue"),
    "mart_warning_open_past_validity": (
        "UPDATE mart.warning SET valid_until = DATE '2026-10-30'",
        "C1|overdue (valid_until 2026-10-30)",
    ),
    "mart_warning_without_evidence": (
        "UPDATE mart.warning SET evidence_text = NULL",
        "C1|overdue (rule_id overdue)",
    ),
    "mart_worklist_customer_repeated": (
        "INSERT INTO mart.worklist BY NAME SELECT 2 AS work_rank, 'C1' AS customer_code, 1.0 AS priority",
        "1 (customer_code C1)",
    ),
    "mart_worklist_without_open_warning": (
        "UPDATE mart.warning SET state = 'resolved'",
        "1 (customer_code C1)",
    ),
    "mart_worklist_out_of_order": (
        "INSERT INTO mart.worklist BY NAME SELECT 2 AS work_rank, 'C2' AS customer_code, 41.0 AS priority",
        "2 (customer_code C2, priority 41.0)",
    ),
    "mart_kpi_stale": (
        "UPDATE mart.kpi_monthly SET measured_on = DATE '2026-10-30'",
        "newest measured day 2026-10-30",
    ),
    "mart_kpi_share_out_of_range": (
        "UPDATE mart.kpi_monthly SET overdue_share = 1.01 WHERE currency_view = 'reporting'",
        "2026-10-01|all|all|reporting (overdue_share 1.01, overdue_91_plus_share 0.0, "
        "coverage_customer_share 1.0, coverage_receivables_share 1.0)",
    ),
    "mart_kpi_currency_unknown": (
        "UPDATE mart.kpi_monthly SET currency_view = 'CHF' WHERE currency_view = 'USD'",
        "2026-10-01|all|all|CHF",
    ),
    "mart_kpi_differs_from_aging": (
        "UPDATE mart.kpi_monthly SET open_amount = 999.99 WHERE currency_view = 'USD'",
        "USD: key figures 999.99, aging 1000.00",
    ),
    "mart_provision_above_balance": (
        "UPDATE mart.provision_matrix SET expected_credit_loss_reporting = 1000.01 WHERE bucket = '31-60'",
        "mid-market|31-60 (balance_reporting 1000.00, expected_credit_loss_reporting 1000.01)",
    ),
    "mart_provision_balance_differs": (
        "UPDATE mart.provision_matrix SET balance_reporting = 0.01 WHERE bucket = 'current'",
        "provided for 1000.01, aging 1000.00",
    ),
    "mart_provision_rate_falls_with_age": (
        "UPDATE mart.provision_matrix SET loss_rate = 0.002 WHERE bucket = '31-60'",
        "mid-market|31-60 (loss_rate 0.002000)",
    ),
    "mart_gl_unexplained": (
        "UPDATE mart.reconciliation SET gl_status = 'unexplained', gl_unexplained = 0.01 WHERE currency = 'USD'",
        "E1|USD|2026-10-31 (gl_unexplained 0.01)",
    ),
    "mart_gl_not_given": (
        "DELETE FROM mart.reconciliation WHERE currency = 'USD'",
        "1 of 1 entities and currencies",
    ),
    "mart_model_published_once": ("UPDATE mart.model_run SET is_published = true", "2 models published"),
    "mart_model_decision_without_reason": (
        "UPDATE mart.model_run SET decision_reason = NULL WHERE NOT is_published",
        "2026-10-31|challenger (decision unchanged)",
    ),
    "mart_model_tested_on_training_period": (
        "UPDATE mart.model_run SET walk_learned_to = test_from WHERE is_published",
        "2026-10-31|champion (walk_learned_to 2026-01-31, test_from 2026-01-31)",
    ),
    "mart_model_trained_on_the_future": (
        "UPDATE mart.model_run SET test_to = DATE '2026-11-30' WHERE is_published",
        "2026-10-31|champion (train_to 2026-07-31, test_to 2026-11-30)",
    ),
    "mart_feature_not_as_learned": (
        "UPDATE mart.feature_availability SET learned_nonzero_share = 0, is_as_learned = false",
        "disputes_open_share|2026-10-31 (available_share 1.0, learned_available_share 1.0, nonzero_share 0.04, "
        "learned_nonzero_share 0.0)",
    ),
    "mart_population_moved": (
        "UPDATE mart.model_monitoring SET is_within_chi_squared = false",
        "2026-10-31|champion|psi| (value 0.3, convention_bound 0.25)",
    ),
}


@pytest.fixture
def world() -> Iterator[duckdb.DuckDBPyConnection]:
    con = build_world()
    yield con
    con.close()


def judge(
    con: duckdb.DuckDBPyConnection,
    *rules: Rule,
    as_of: date = AS_OF,
    docs_dir: Path | None = None,
) -> GateReport:
    return run_mart_gate(
        con,
        as_of=as_of,
        docs_dir=docs_dir,
        company="Test company",
        rules=rules or RULES,
        reporting_currency="USD",
    )


def rule_of(rule_id: str, rules: Sequence[Rule] = RULES) -> Rule:
    return next(rule for rule in rules if rule.id == rule_id)


def test_rules_cover_the_marts_and_all_six_dimensions() -> None:
    assert len({rule.table for rule in RULES}) >= 12
    assert {rule.dimension for rule in RULES} == {
        "completeness",
        "uniqueness",
        "validity",
        "consistency",
        "timeliness",
        "accuracy",
    }
    landed = {rule.id for rule in load_rules()}
    assert landed.isdisjoint({rule.id for rule in RULES})


def test_marts_that_hold_together_pass_every_rule(world: duckdb.DuckDBPyConnection) -> None:
    report = judge(world)
    assert report.blocking == ()
    assert [(result.rule.id, result.error) for result in report.results if result.status != "passed"] == []
    assert {result.rule.id for result in report.results} == set(SPOILED)


@pytest.mark.parametrize("rule_id", SPOILED)
def test_rule_finds_what_was_made_to_break_it(world: duckdb.DuckDBPyConnection, rule_id: str) -> None:
    spoil, found = SPOILED[rule_id]
    world.execute(spoil)
    rule = rule_of(rule_id)
    report = judge(world, rule)
    result = report.result(rule_id)
    assert result.status == "failed", result.error
    assert result.sample_keys[0].startswith(found)
    if rule.severity == "block":
        assert len(report.blocking) == 1
        assert rule_id in report.blocking[0]
        assert found in report.blocking[0]
        assert rule.owner in report.blocking[0]
    else:
        assert report.blocking == ()


def test_one_cent_against_the_control_account_names_entity_currency_day_and_amount(
    world: duckdb.DuckDBPyConnection,
) -> None:
    world.execute(SPOILED["mart_gl_unexplained"][0])
    (reason,) = judge(world, rule_of("mart_gl_unexplained")).blocking
    assert "E1|USD|2026-10-31 (gl_unexplained 0.01)" in reason
    assert "(Finance)" in reason


def test_column_shown_beside_a_key_may_be_gone(world: duckdb.DuckDBPyConnection) -> None:
    rule = rule_of("mart_warning_open_past_validity")
    world.execute(SPOILED[rule.id][0])
    shown = replace(rule, show=("no_such_column", "rule_id"))
    assert judge(world, shown).results[0].sample_keys == ("C1|overdue (rule_id overdue)",)
    nothing = replace(rule, show=("no_such_column",))
    assert judge(world, nothing).results[0].sample_keys == ("C1|overdue",)


def test_rules_on_what_no_source_delivers_do_not_apply(world: duckdb.DuckDBPyConnection) -> None:
    world.execute("UPDATE ops.source_table SET is_provided = false")
    world.execute("UPDATE mart.reconciliation SET gl_status = 'unexplained'")
    report = judge(world)
    assert report.blocking == ()
    assert report.result("mart_gl_unexplained").status == "not_applicable"
    assert report.result("mart_gl_unexplained").observed == "no source delivers gl_balances"


@pytest.mark.parametrize(
    "expect",
    [
        {"kind": "fails_when", "params": {"predicate": "r.no_such_column > 1"}},
        {"kind": "finds_nothing", "params": {"query": "SELECT 1 FROM mart.no_such_mart"}},
        {"table": "mart.no_such_mart"},
    ],
)
def test_rule_that_cannot_run_is_an_error_and_blocks(
    world: duckdb.DuckDBPyConnection, expect: dict[str, object]
) -> None:
    stale = rule_of("mart_exposure_stale")
    broken = replace(stale, id="broken", severity="warn", **expect)  # type: ignore[arg-type]
    report = judge(world, broken, stale)
    assert report.result("broken").status == "error"
    assert len(report.blocking) == 1
    assert report.blocking[0].startswith(f"rule broken on {broken.table} could not run")
    assert report.result("mart_exposure_stale").status == "passed"
    assert world.execute("SELECT status FROM ops.dq_result WHERE rule_id = 'broken'").fetchall() == [
        ("error",)
    ]


def test_results_are_recorded_by_night_and_failing_rows_named(world: duckdb.DuckDBPyConnection) -> None:
    rule = rule_of("mart_warning_without_evidence")
    world.execute(SPOILED[rule.id][0])
    for night in (date(2026, 10, 30), AS_OF, date(2026, 10, 30)):
        judge(world, rule, as_of=night)
    assert world.execute(
        "SELECT as_of_date, table_name, severity, status, rows_checked, rows_failed FROM ops.dq_result ORDER BY 1"
    ).fetchall() == [
        (date(2026, 10, 30), "mart.warning", "block", "failed", 1, 1),
        (AS_OF, "mart.warning", "block", "failed", 1, 1),
    ]
    assert world.execute("SELECT table_name, source_system, _row_key FROM ops.dq_failing_row").fetchall() == [
        ("mart.warning", None, "C1|overdue")
    ]


def test_docs_show_marts_beside_landed_tables_and_fetch_nothing(
    world: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    landed_page = tmp_path / "tables" / "invoices.html"
    landed_page.parent.mkdir(parents=True)
    landed_page.write_text("<html></html>", encoding="utf-8")
    rule = rule_of("mart_warning_without_evidence")
    world.execute("UPDATE mart.warning SET evidence_text = NULL, warning_id = '<script>alert(1)</script>'")
    judge(world, rule, docs_dir=tmp_path)
    world.execute(
        "INSERT INTO ops.dq_result BY NAME SELECT DATE '2026-10-31' AS as_of_date, 'invoices' AS table_name, "
        "'invoice_repeated' AS rule_id, 'passed' AS status"
    )
    report = judge(world, rule, docs_dir=tmp_path)
    assert report.docs_index == tmp_path / "index.html"
    index = report.docs_index.read_text(encoding="utf-8")
    assert "mart_warning_without_evidence" in index
    assert "&lt;script&gt;alert(1)" in index
    page = tmp_path / "tables" / "mart.warning.html"
    assert sorted(tmp_path.rglob("*.html")) == [report.docs_index, landed_page, page]
    assert 'href="tables/mart.warning.html"' in index
    assert 'href="tables/invoices.html"' in index
    for path in (report.docs_index, page):
        text = path.read_text(encoding="utf-8")
        assert "<script>alert(1)" not in text
        assert not [part for part in ('src="http', "<link") if part in text]
        assert "<style>" in text
    assert "1 of 1 rows fail" in page.read_text(encoding="utf-8")
    assert 'href="../index.html"' in page.read_text(encoding="utf-8")


def test_mistakes_in_rules_over_marts_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        """
table: mart.fct_invoice
key: [document_id, number]
event_date: issue_date
rules:
  - {id: held, dimension: validity, severity: quarantine, owner: Treasury, reason: r, remedy: m, scope: new,
     show: [colour], expect: {kind: is_date, columns: [due_date]}}
  - {id: refers, dimension: validity, severity: warn, owner: Treasury, reason: r, remedy: m,
     expect: {kind: refers_to, column: customer_code, table: mart.dim_customer, key: code, among: accepted}}
""",
        encoding="utf-8",
    )
    (tmp_path / "b.yml").write_text(
        """
table: mart.worklist
rules:
  - {id: keyless, dimension: validity, severity: warn, owner: Treasury, reason: r, remedy: m,
     expect: {kind: not_empty}}
""",
        encoding="utf-8",
    )
    (tmp_path / "c.yml").write_text(
        """
table: invoices
key: [invoice_id]
rules:
  - {id: landed, dimension: validity, severity: warn, owner: Treasury, reason: r, remedy: m,
     expect: {kind: not_empty}}
""",
        encoding="utf-8",
    )
    with pytest.raises(RuleError) as caught:
        load_rules(
            tmp_path,
            contract={name: list(columns) for name, columns in COLUMNS.items()}
            | {"invoices": ["invoice_id"]},
        )
    text = "\n".join(caught.value.problems)
    for expected in (
        "a.yml: event_date is for landed tables",
        "a.yml: key: table mart.fct_invoice has no column 'number'",
        "severity must be block or warn",
        "scope is for landed tables",
        "show: the table has no column 'colour'",
        "is_date reads columns as delivered text",
        "among must be 'published'",
        "table mart.dim_customer has no column 'code'",
        "b.yml: 'key' is missing",
        "c.yml: 'key' is for marts",
    ):
        assert expected in text, expected
