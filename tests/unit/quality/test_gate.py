"""The gate as a night sees it: what it blocks, keeps apart, releases and records."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
from gate_warehouse import AS_OF, Warehouse

from quality.catalog import Rule, RuleError
from quality.quarantine import QuarantineThresholds
from tests.factories import run_dbt

NEXT_NIGHT = date(2026, 11, 1)
THIRD_NIGHT = date(2026, 11, 2)
NEXT_WEEK = date(2026, 11, 7)


def some(*rule_ids: str) -> tuple[Rule, ...]:
    chosen = tuple(rule for rule in Warehouse.rules() if rule.id in rule_ids)
    assert len(chosen) == len(rule_ids)
    return chosen


def test_sound_rows_pass_every_rule_and_the_docs_show_it(sound: Warehouse, tmp_path: Path) -> None:
    sound.docs_dir = tmp_path / "quality"
    report = sound.gate()
    assert report.blocking == ()
    assert [result.rule.id for result in report.results if result.status != "passed"] == []
    assert len(report.results) == len(Warehouse.rules())
    assert report.docs_index == tmp_path / "quality" / "index.html"
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sound.docs_dir.rglob("*.html"))
    assert (
        "invoice_due_date_missing: due_date: given<br>completeness, quarantine, Accounts Receivable" in pages
    )


def test_docs_name_failing_keys_and_run_nothing_that_came_with_the_data(
    sound: Warehouse, tmp_path: Path
) -> None:
    sound.docs_dir = tmp_path
    sound.add("invoices", invoice_id="<script>alert(1)</script>$id", due_date=None)
    sound.gate(rules=some("invoice_due_date_missing"))
    pages = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "tables").glob("*.html"))
    assert "1 of 2 rows fail, among them erp|&lt;script&gt;alert(1)&lt;/script&gt;&#36;id (due_date)" in pages
    assert "<script>alert(1)" not in pages


def test_docs_show_hostile_names_as_text_and_cut_megabytes(sound: Warehouse, tmp_path: Path) -> None:
    sound.docs_dir = tmp_path
    hostile = (
        "<script>run()</script><img src=x onerror=run()>\x1b[2J\u202e=cmd()|'{{m}} ${m} <!-- </style>\nاسم‌"
    )
    changed = dict.fromkeys(("legal_entity", "document_type", "currency", "amount", "customer_id"), hostile)
    sound.add("invoices", **changed, invoice_id=hostile, due_date=None)
    sound.add("invoices", invoice_id="A" * 1_000_000, due_date=None)
    sound.add("customers", customer_id=hostile, legal_name=hostile, country=hostile)
    sound.gate("invoices", "customers", company=hostile)
    pages = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")]
    assert len(pages) == 3
    for page in pages:
        assert "&lt;script&gt;run()&lt;/script&gt;&lt;img src=x onerror=run()&gt;\\x1b[2J\\u202e" in page
        assert not [
            part for part in ("<script>run", "<img src=x", "\x1b", "\u202e", "<!-- </style>") if part in page
        ]
        assert "\\nاسم‌" in page
        assert len(page) < 200_000


def test_docs_of_an_earlier_night_are_replaced_and_other_files_left(sound: Warehouse, tmp_path: Path) -> None:
    sound.docs_dir = tmp_path
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    sound.gate(rules=some("invoice_due_date_missing", "customer_country_unknown"))
    sound.gate(rules=some("invoice_due_date_missing"))
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["invoices.html"]
    assert (tmp_path / "note.txt").read_text(encoding="utf-8") == "mine"


def test_empty_required_table_blocks(warehouse: Warehouse) -> None:
    warehouse.provide("customers")
    warehouse.add("customers")
    report = warehouse.gate("customers", "invoices")
    assert report.result("invoices_delivered").status == "failed"
    assert len(report.blocking) == 1
    assert "invoices_delivered" in report.blocking[0]
    assert "To mend: Check that the invoice source was reachable" in report.blocking[0]
    assert report.result("invoice_due_date_missing").status == "not_applicable"


def test_rules_on_absent_optional_tables_do_not_apply(sound: Warehouse) -> None:
    sound.provide("customers", "invoices", "payments")
    report = sound.gate("payments", "payment_applications", "invoices")
    assert report.result("application_repeated").status == "not_applicable"
    assert report.result("application_repeated").observed == "no source delivers payment_applications"
    assert report.result("invoice_order_unknown").status == "not_applicable"
    assert report.result("payment_repeated").status == "passed"
    assert report.blocking == ()


def test_rate_rules_need_a_reporting_currency(sound: Warehouse) -> None:
    report = sound.gate(rules=some("invoice_rate_missing"), reporting_currency=None)
    assert report.result("invoice_rate_missing").status == "not_applicable"
    assert sound.gate(rules=some("invoice_rate_missing")).result("invoice_rate_missing").status == "passed"


@pytest.mark.parametrize(
    "expect",
    [
        {"kind": "fails_when", "params": {"predicate": "r.no_such_column = 1"}},
        {"kind": "fails_when", "params": {"predicate": "cast(r.invoice_id AS INTEGER) > 3"}},
        {"kind": "failing_rows", "params": {"query": "SELEKT 'a:b {c}' it's"}},
        {"kind": "fresh", "params": {"column": "no_such_column", "max_age_days": 3}},
    ],
)
def test_rule_that_cannot_run_is_an_error_and_blocks(sound: Warehouse, expect: dict[str, object]) -> None:
    missing, amount = some("invoice_due_date_missing", "invoice_amount_negative")
    broken = replace(missing, id="broken", severity="warn", **expect)  # type: ignore[arg-type]
    sound.add("invoices", invoice_id="I2", amount="-1.00")
    report = sound.gate(rules=(broken, missing, amount))
    assert report.result("broken").status == "error"
    assert report.result("broken").error
    assert len(report.blocking) == 1
    assert report.blocking[0].startswith("rule broken on invoices could not run")
    # The sound rules beside it are judged all the same.
    assert report.result("invoice_due_date_missing").status == "passed"
    assert report.result("invoice_amount_negative").sample_keys == ("erp|I2 (amount)",)
    assert sound.rows("SELECT status FROM ops.dq_result WHERE rule_id = 'broken'") == [("error",)]


def test_quarantined_share_above_the_threshold_blocks_and_names_the_rules(sound: Warehouse) -> None:
    for number in range(2, 11):
        sound.add("invoices", invoice_id=f"I{number}", due_date=None if number < 4 else "2026-11-24")
    rules = some("invoice_due_date_missing")
    at_limit = QuarantineThresholds(default=0.0, by_table={"invoices": 0.2})
    assert sound.gate(rules=rules, thresholds=at_limit).blocking == ()
    report = sound.gate(rules=rules, thresholds=QuarantineThresholds(default=0.19))
    assert report.blocking == (
        "invoices: 2 of 10 rows (20.0%) quarantined, the threshold is 19.0%; "
        "most by invoice_due_date_missing 2",
    )


def test_a_threshold_is_a_share() -> None:
    with pytest.raises(ValueError, match="shares from 0 to 1"):
        QuarantineThresholds(default=5)


def test_warning_tolerates_its_share(sound: Warehouse) -> None:
    (rule,) = some("invoice_amount_zero")
    for number in range(2, 11):
        sound.add("invoices", invoice_id=f"I{number}", amount="0.00" if number == 2 else "10.00")
    tolerant = replace(rule, max_failed_share=0.1)
    strict = replace(rule, max_failed_share=0.09)
    passed = sound.gate(rules=(tolerant,)).results[0]
    assert (passed.status, passed.rows_failed) == ("passed", 1)
    assert sound.gate(rules=(strict,)).results[0].status == "failed"


def test_rows_that_refer_to_quarantined_rows_follow_them(sound: Warehouse) -> None:
    sound.con.execute("UPDATE staging.landed_customers SET legal_name = NULL")
    report = sound.gate("customers", "invoices", "payments", "payment_applications", "fx_rates")
    rows = {
        table: sound.rows(f"SELECT rule_id, all_rule_ids FROM quarantine.{table}")
        for table in ("customers", "invoices", "payments", "payment_applications")
    }
    assert rows["customers"] == [("customer_name_missing", ["customer_name_missing"])]
    assert rows["invoices"] == [("invoice_customer_quarantined", ["invoice_customer_quarantined"])]
    assert rows["payments"][0][0] == "payment_customer_quarantined"
    assert rows["payment_applications"] == [
        (
            "application_document_quarantined",
            ["application_document_quarantined", "application_receipt_quarantined"],
        )
    ]
    assert all(table.accepted == 0 for table in report.tables if table.table in rows)


def test_old_rows_meet_the_tolerant_rule(sound: Warehouse) -> None:
    sound.add("payments", payment_id="OLD", received_date="2025-12-31", reversed_at="2025-12-01")
    sound.add("payments", payment_id="NEW", received_date="2026-01-01", reversed_at="2025-12-01")
    rules = some("payment_reversed_before_received")
    result = sound.gate(rules=rules, cut_over=date(2026, 1, 1)).results[0]
    assert (result.rows_failed, result.rows_failed_old, result.rows_quarantined) == (2, 1, 1)
    assert sound.rows("SELECT _row_key FROM quarantine.payments") == [("NEW",)]
    assert sound.rows("SELECT _row_key, severity FROM ops.dq_failing_row ORDER BY 1") == [
        ("NEW", "quarantine"),
        ("OLD", "warn"),
    ]
    # The old row goes on and is counted as old; the same defect after the cut-over is kept apart.
    assert sound.rows("SELECT _row_key FROM staging.accepted_payments ORDER BY 1") == [("OLD",), ("P1",)]
    assert sound.rows("SELECT rows_failed, rows_failed_old, rows_quarantined FROM ops.dq_result") == [
        (2, 1, 1)
    ]
    assert sound.gate(rules=rules).results[0].rows_quarantined == 2
    assert sound.rows("SELECT _row_key FROM staging.accepted_payments") == [("P1",)]


def test_rule_for_new_rows_does_not_look_at_old_ones(sound: Warehouse) -> None:
    sound.add("credit_limits", valid_from="2025-01-01", valid_to="2025-12-31", approved_by=None)
    result = sound.gate(rules=some("limit_approver_missing"), cut_over=date(2026, 1, 1)).results[0]
    assert (result.status, result.rows_checked, result.rows_failed) == ("passed", 1, 0)
    assert sound.gate(rules=some("limit_approver_missing")).results[0].rows_failed == 1


def test_mended_row_is_released_with_its_history(sound: Warehouse) -> None:
    rules = some("invoice_due_date_missing")
    sound.add("invoices", invoice_id="I2", due_date=None)
    sound.add("invoices", invoice_id="I3", due_date=None)
    sound.gate(rules=rules)
    sound.con.execute("UPDATE staging.landed_invoices SET due_date = '2026-11-24' WHERE invoice_id = 'I2'")
    report = sound.gate(rules=rules, as_of=NEXT_NIGHT)
    assert {table.table: table.released for table in report.tables}["invoices"] == 1
    assert sound.rows(
        "SELECT table_name, rule_id, owner, _row_key, first_quarantined_on, released_on, outcome "
        "FROM quarantine.released"
    ) == [
        ("invoices", "invoice_due_date_missing", "Accounts Receivable", "I2", AS_OF, NEXT_NIGHT, "accepted")
    ]
    assert sound.rows("SELECT _row_key, as_of_date, first_quarantined_on FROM quarantine.invoices") == [
        ("I3", NEXT_NIGHT, AS_OF)
    ]
    # The same night again changes nothing; a row the source took back says so.
    sound.gate(rules=rules, as_of=NEXT_NIGHT)
    assert sound.rows("SELECT count(*) FROM quarantine.released") == [(1,)]
    sound.remove("invoices", "I3")
    sound.gate(rules=rules, as_of=NEXT_NIGHT)
    assert sound.rows("SELECT _row_key, outcome FROM quarantine.released ORDER BY 1") == [
        ("I2", "accepted"),
        ("I3", "no_longer_delivered"),
    ]


def test_running_an_older_night_again_leaves_what_later_nights_recorded(sound: Warehouse) -> None:
    rules = some("invoice_due_date_missing")
    sound.add("invoices", invoice_id="I2", due_date=None)
    sound.add("invoices", invoice_id="I3", due_date=None)
    sound.gate(rules=rules)
    _mend(sound, "I2")
    sound.gate(rules=rules, as_of=NEXT_NIGHT)
    released = sound.rows("SELECT * FROM quarantine.released")
    # As of the older night the row was still wrong.
    _spoil(sound, "I2")
    sound.gate(rules=rules, as_of=AS_OF)
    assert sound.rows("SELECT as_of_date, rows_failed FROM ops.dq_result ORDER BY 1") == [
        (AS_OF, 2),
        (NEXT_NIGHT, 1),
    ]
    assert sound.rows(
        "SELECT as_of_date, rows_released FROM ops.dq_table WHERE table_name = 'invoices' ORDER BY 1"
    ) == [
        (AS_OF, 0),
        (NEXT_NIGHT, 1),
    ]
    assert len(released) == 1
    assert sound.rows("SELECT * FROM quarantine.released") == released
    # What is held is the state of the night that ran last.
    assert sound.rows("SELECT _row_key, as_of_date FROM quarantine.invoices ORDER BY 1") == [
        ("I2", AS_OF),
        ("I3", AS_OF),
    ]
    # The nights go on where they were: nothing is released a second time.
    _mend(sound, "I2")
    sound.gate(rules=rules, as_of=THIRD_NIGHT)
    assert sound.rows("SELECT * FROM quarantine.released") == released
    assert sound.rows("SELECT _row_key, first_quarantined_on FROM quarantine.invoices") == [("I3", AS_OF)]


def test_rows_that_came_after_the_older_night_keep_their_first_day(sound: Warehouse) -> None:
    rules = some("invoice_due_date_missing")
    sound.gate(rules=rules)
    sound.add("invoices", invoice_id="I2", due_date=None, loaded=NEXT_NIGHT)
    sound.add("invoices", invoice_id="I3", due_date=None, loaded=NEXT_NIGHT)
    sound.gate(rules=rules, as_of=NEXT_NIGHT)
    # As of the older night the rows are not landed, which releases nothing.
    sound.remove("invoices", "I2")
    sound.remove("invoices", "I3")
    sound.gate(rules=rules, as_of=AS_OF)
    assert sound.rows("SELECT * FROM quarantine.invoices") == []
    assert sound.rows("SELECT * FROM quarantine.released") == []
    sound.add("invoices", invoice_id="I2", loaded=NEXT_NIGHT)
    sound.add("invoices", invoice_id="I3", due_date=None, loaded=NEXT_NIGHT)
    sound.gate(rules=rules, as_of=THIRD_NIGHT)
    assert sound.rows("SELECT _row_key, first_quarantined_on FROM quarantine.invoices") == [
        ("I3", NEXT_NIGHT)
    ]
    assert sound.rows(
        "SELECT _row_key, first_quarantined_on, released_on, original_values->>'due_date' "
        "FROM quarantine.released"
    ) == [("I2", NEXT_NIGHT, THIRD_NIGHT, None)]


def test_release_is_taken_back_where_the_same_night_holds_the_row_again(sound: Warehouse) -> None:
    rules = some("invoice_due_date_missing")
    sound.add("invoices", invoice_id="I2", due_date=None)
    sound.gate(rules=rules)
    _mend(sound, "I2")
    sound.gate(rules=rules, as_of=NEXT_NIGHT)
    _spoil(sound, "I2")
    sound.gate(rules=rules, as_of=NEXT_NIGHT)
    assert sound.rows("SELECT * FROM quarantine.released") == []
    assert sound.rows("SELECT _row_key, first_quarantined_on FROM quarantine.invoices") == [("I2", AS_OF)]
    _mend(sound, "I2")
    sound.gate(rules=rules, as_of=THIRD_NIGHT)
    assert sound.rows("SELECT first_quarantined_on, released_on FROM quarantine.released") == [
        (AS_OF, THIRD_NIGHT)
    ]


def test_history_is_worked_off_in_batches_and_the_burn_down_shows_it_by_owner_and_week(
    sound: Warehouse,
) -> None:
    sound.gate()
    rules = some("invoice_due_date_missing", "payment_amount_decimals")
    for number in range(2, 6):
        sound.add("invoices", invoice_id=f"I{number}", due_date=None)
    sound.add("payments", payment_id="P2", amount="1.005")
    sound.gate(rules=rules)
    first = _burn_down(sound, AS_OF)
    # Accounts Receivable mends half of its rows; a week later a new one comes.
    _mend(sound, "I2")
    _mend(sound, "I3")
    sound.add("invoices", invoice_id="I6", due_date=None, loaded=NEXT_WEEK)
    sound.gate(rules=rules, as_of=NEXT_WEEK)
    second = _burn_down(sound, NEXT_WEEK)
    monday, next_monday = date(2026, 10, 26), date(2026, 11, 2)
    assert first == [
        ("Accounts Receivable", "invoice_due_date_missing", monday, 4, 0),
        ("Treasury", "payment_amount_decimals", monday, 1, 0),
    ]
    assert second == [
        ("Accounts Receivable", "invoice_due_date_missing", monday, 2, 2),
        ("Accounts Receivable", "invoice_due_date_missing", next_monday, 1, 0),
        ("Treasury", "payment_amount_decimals", monday, 1, 0),
    ]
    assert sound.rows(
        "SELECT _row_key, owner, first_quarantined_on, released_on, outcome FROM quarantine.released ORDER BY 1"
    ) == [
        ("I2", "Accounts Receivable", AS_OF, NEXT_WEEK, "accepted"),
        ("I3", "Accounts Receivable", AS_OF, NEXT_WEEK, "accepted"),
    ]
    # The older night run again answers for its own day.
    _spoil(sound, "I2")
    _spoil(sound, "I3")
    sound.remove("invoices", "I6")
    sound.gate(rules=rules, as_of=AS_OF)
    assert _burn_down(sound, AS_OF) == first


def _mend(warehouse: Warehouse, invoice: str) -> None:
    warehouse.con.execute(
        "UPDATE staging.landed_invoices SET due_date = '2026-11-24' WHERE invoice_id = ?", [invoice]
    )


def _spoil(warehouse: Warehouse, invoice: str) -> None:
    warehouse.con.execute(
        "UPDATE staging.landed_invoices SET due_date = NULL WHERE invoice_id = ?", [invoice]
    )


def _burn_down(warehouse: Warehouse, as_of: date) -> list[tuple[object, ...]]:
    """mart.dq_burn_down as dbt builds it from what the gate left."""
    warehouse.con.close()
    try:
        run_dbt(warehouse.path, select="dq_burn_down", as_of=as_of)
    finally:
        warehouse.con = duckdb.connect(str(warehouse.path))
    return warehouse.rows(
        "SELECT owner, rule_id, first_quarantined_week, open_row_count, released_row_count "
        "FROM mart.dq_burn_down ORDER BY ALL"
    )


def test_results_keep_their_history_by_night(sound: Warehouse) -> None:
    rules = some("invoice_due_date_missing")
    for night in (AS_OF, NEXT_NIGHT, NEXT_NIGHT):
        sound.gate(rules=rules, as_of=night)
    assert sound.rows("SELECT as_of_date, rule_id, status, rows_checked FROM ops.dq_result ORDER BY 1") == [
        (AS_OF, "invoice_due_date_missing", "passed", 1),
        (NEXT_NIGHT, "invoice_due_date_missing", "passed", 1),
    ]


def test_other_tables_keep_their_state(sound: Warehouse) -> None:
    sound.add("invoices", invoice_id="I2", due_date=None)
    sound.gate("customers", "invoices", "fx_rates")
    sound.gate("customers", as_of=NEXT_NIGHT)
    assert sound.rows("SELECT _row_key FROM quarantine.invoices") == [("I2",)]
    judged_on = sound.rows("SELECT DISTINCT as_of_date FROM ops.dq_result WHERE table_name = 'invoices'")
    assert judged_on == [(AS_OF,)]


def test_source_totals_must_equal_what_landed_quarantined_rows_included(sound: Warehouse) -> None:
    sound.add("invoices", invoice_id="I2", due_date=None, amount="0.01")
    sound.con.execute(
        "INSERT INTO ops.source_total (as_of_date, source_system, table_name, source_file, currency, row_count, "
        "amount) VALUES (?, 'erp', 'invoices', 'invoices.csv', 'USD', 2, 1190.01)",
        [AS_OF],
    )
    rules = some("invoices_source_totals", "invoice_due_date_missing")
    assert sound.gate(rules=rules).blocking == ()
    sound.con.execute("UPDATE ops.source_total SET amount = 1190.02")
    report = sound.gate(rules=rules)
    assert len(report.blocking) == 1
    assert (
        "erp invoices invoices.csv USD: source 2 rows, 1,190.02; landed 2 rows, 1,190.01"
        in report.blocking[0]
    )


def test_unknown_tables_are_refused_before_anything_is_written(sound: Warehouse) -> None:
    with pytest.raises(RuleError, match="no rule is about 'bills'"):
        sound.gate("bills")
    sound.con.execute("DROP TABLE staging.landed_surveys")
    with pytest.raises(RuleError, match=r"table surveys has not landed"):
        sound.gate()
    assert sound.rows("SELECT * FROM ops.dq_result") == []


def test_nothing_is_written_when_writing_fails(sound: Warehouse) -> None:
    rules = some("invoice_due_date_missing")
    sound.gate(rules=rules)
    sound.con.execute("DROP TABLE ops.dq_result; CREATE TABLE ops.dq_result (other INTEGER)")
    sound.con.execute("UPDATE staging.landed_invoices SET due_date = NULL")
    with pytest.raises(duckdb.Error):
        sound.gate(rules=rules, as_of=NEXT_NIGHT)
    assert sound.rows("SELECT count(*) FROM quarantine.invoices") == [(0,)]
    assert sound.rows("SELECT count(*) FROM staging.accepted_invoices") == [(1,)]


def test_loading_the_gate_imports_nothing_heavy() -> None:
    code = (
        "import sys, quality.runner; quality.runner.load_rules(); "
        "heavy = ('great_expectations', 'sqlalchemy', 'pandas', 'duckdb_engine'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
