"""The rule catalogue: what ships is complete, and every mistake in a rules file is reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.sources.contract import CONTRACT
from quality.catalog import RuleError, load_rules
from quality.evaluation import judging_order
from quality.predicates import CAST_KINDS

COLUMNS = {table.name: table.field_names for table in CONTRACT.values()}
RULES = load_rules(contract=COLUMNS)
KIND_OF_TYPE = {
    "date": "is_date",
    "timestamp": "is_timestamp",
    "decimal": "is_decimal",
    "integer": "is_integer",
    "boolean": "is_boolean",
}


def test_every_table_and_all_six_dimensions_have_rules() -> None:
    assert {rule.table for rule in RULES} == set(CONTRACT)
    assert {rule.dimension for rule in RULES} == {
        "completeness",
        "uniqueness",
        "validity",
        "consistency",
        "timeliness",
        "accuracy",
    }
    assert len(RULES) >= 40


@pytest.mark.parametrize("table", CONTRACT)
def test_no_value_the_models_cast_passes_the_gate_unchecked(table: str) -> None:
    checked = {
        (rule.kind, column): rule
        for rule in RULES
        if rule.table == table and rule.kind in CAST_KINDS
        for column in rule.columns
    }
    for field in CONTRACT[table].fields:
        if field.type == "text":
            continue
        rule = checked.pop((KIND_OF_TYPE[field.type], field.name))
        # A required value goes with its row; an optional one may be withheld, but never reach a cast.
        assert rule.severity == "quarantine" or (rule.withhold and not field.required), field.name
    assert checked == {}


@pytest.mark.parametrize("table", CONTRACT)
def test_required_columns_and_the_key_are_never_accepted_blank(table: str) -> None:
    guarded = {
        column
        for rule in RULES
        if rule.table == table and rule.kind == "not_blank" and rule.severity == "quarantine"
        for column in rule.columns
    }
    assert set(CONTRACT[table].required_fields) <= guarded


@pytest.mark.parametrize("table", CONTRACT)
def test_a_key_delivered_twice_is_accepted_once(table: str) -> None:
    kinds = {rule.kind for rule in RULES if rule.table == table and rule.severity == "quarantine"}
    assert "delivered_once" in kinds


def test_tables_are_judged_after_those_they_refer_to() -> None:
    order = judging_order(RULES)
    assert order.index("customers") < order.index("invoices") < order.index("payment_applications")
    assert order.index("fx_rates") < order.index("invoices")
    assert order.index("payments") < order.index("payment_applications")


def test_every_mistake_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        """
table: invoices
colour: blue
rules:
  - {id: twice, dimension: validity, severity: warn, owner: Treasury, reason: r, remedy: m,
     expect: {kind: not_blank, columns: [amount]}}
  - {id: no_owner, dimension: validity, severity: warn, reason: r, remedy: m,
     expect: {kind: not_blank, columns: [amount]}}
  - {id: wrong, dimension: beauty, severity: fatal, owner: Nobody, reason: r, remedy: m, hue: red,
     expect: {kind: not_blank, columns: [sum], length: 3}}
  - {id: no_kind, dimension: validity, severity: warn, owner: Treasury, reason: r, remedy: m,
     expect: {kind: is_nice}}
  - {id: share, dimension: validity, severity: quarantine, owner: Treasury, reason: r, remedy: m,
     max_failed_share: 0.1, severity_old: warn, expect: {kind: in_set, columns: [currency]}}
  - {id: whole, dimension: timeliness, severity: quarantine, owner: Treasury, reason: r, remedy: m,
     withhold: true, expect: {kind: fresh, column: issue_date, max_age_days: 3}}
""",
        encoding="utf-8",
    )
    (tmp_path / "b.yml").write_text(
        """
table: bills
rules:
  - {id: twice, dimension: validity, severity: warn, owner: Treasury, reason: r, remedy: m,
     expect: {kind: refers_to, column: x, table: nowhere, key: y, among: all}}
""",
        encoding="utf-8",
    )
    (tmp_path / "c.yml").write_text("table: [", encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rules(tmp_path, contract=COLUMNS)
    text = "\n".join(caught.value.problems)
    for expected in (
        "a.yml: unknown key 'colour'",
        "a.yml: rule no_owner: 'owner' is missing",
        "dimension 'beauty' is not known",
        "severity 'fatal' is not known",
        "owner 'Nobody' is not known",
        "rule wrong: unknown key 'hue'",
        "rule wrong: the table has no column 'sum'",
        "not_blank takes no 'length'",
        "unknown expectation kind 'is_nice'",
        "max_failed_share is for warn and block",
        "need the file's 'event_date'",
        "in_set needs either 'values' or 'list'",
        "fresh judges the table as a whole",
        "withhold is for rules of severity warn",
        "b.yml: unknown table 'bills'",
        "unknown table 'nowhere'",
        "among must be",
        "c.yml: not readable as YAML",
    ):
        assert expected in text, expected


def test_an_id_used_in_two_files_is_a_mistake(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text(
            "table: invoices\nrules:\n  - {id: twice, dimension: validity, severity: warn, owner: Treasury, "
            "reason: r, remedy: m, expect: {kind: not_blank, columns: [amount]}}\n",
            encoding="utf-8",
        )
    with pytest.raises(RuleError, match=r"b\.yml: rule twice: this id is already used in a\.yml"):
        load_rules(tmp_path)


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"no \*\.yml file"):
        load_rules(tmp_path)
