"""A company's own policy: what replaces what, from when, and what is wrong with a folder."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from models_ml.policy import active_rows
from orchestration.cli import main
from orchestration.night import dbt_variables
from orchestration.policy import SEEDS, policy_tables, policy_text, rows_in_force
from orchestration.policy_scales import scale_problems
from orchestration.settings import ConfigurationError, Settings, load_settings
from tests.factories import fetch, make_warehouse, run_dbt

COMPANY = """\
company: Example Ltd
reporting_currency: EUR
time_zone: UTC
policy: policy
sources: {erp: {kind: files, tables: {customers: {files: a.csv}, invoices: {files: b.csv}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "company.yml").write_text(COMPANY, encoding="utf-8")
    (tmp_path / "policy").mkdir()
    return tmp_path / "policy"


def settings(folder: Path) -> Settings:
    return load_settings(folder.parent / "company.yml", env={}, home=folder.parent / "home")


def problems(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(folder)
    return str(caught.value)


def with_row(folder: Path, table: str, *lines: str) -> Path:
    """The program's table in the company's folder, and `lines` below it."""
    path = folder / f"{table}.csv"
    path.write_text(
        (SEEDS / f"{table}.csv").read_text(encoding="utf-8").rstrip("\n") + "\n", encoding="utf-8"
    )
    with path.open("a", encoding="utf-8") as handle:
        handle.writelines(f"{line}\n" for line in lines)
    return path


def test_one_dated_row_changes_its_key_from_its_day_and_nothing_else(folder: Path) -> None:
    with_row(folder, "score_rule", "2,2026-02-01,pd_floor,0.001,fraction,Stricter floor")
    given = settings(folder).policy
    before, after = (policy_text(given, date(2026, month, 1), "score_rule") for month in (1, 2))
    assert "value 0.0005, unit fraction  (version 1, from 2000-01-01)" in before
    assert "value 0.001, unit fraction  (version 2, from 2026-02-01)" in after
    changed = set(after.splitlines()) - set(before.splitlines())
    assert len([line for line in changed if line.startswith("  ")]) == 1
    assert f"the company's {folder / 'score_rule.csv'}" in after


def test_a_row_without_values_ends_its_key(folder: Path) -> None:
    path = with_row(folder, "warning_rule", "2,2026-02-01,order_surge" + "," * 10)
    assert settings(folder).policy == folder
    rows = pd.read_csv(path)
    for day, is_there in ((date(2026, 1, 31), True), (date(2026, 2, 1), False)):
        active = active_rows(rows, key=["rule_id"], as_of=day)
        assert ("order_surge" in set(active["rule_id"])) is is_there
        assert ("order_surge" in policy_text(folder, day, "warning_rule")) is is_there


def test_dbt_and_python_hold_the_same_rows_in_force(folder: Path, tmp_path: Path) -> None:
    with_row(
        folder,
        "kpi_goal",
        "2,2026-02-01,dso_days,days,at_most,40,2027-12-31,,,credit management,Sooner",
        "2,2026-02-01,average_days_delinquent" + "," * 8,
    )
    warehouse = make_warehouse(tmp_path / "warehouse.duckdb", {}, as_of="2026-02-01")
    given = settings(folder)
    variables = {
        key: value for key, value in dbt_variables(given, date(2026, 2, 1)).items() if "policy" in key
    }
    run_dbt(warehouse, select=["kpi_goal"], as_of="2026-02-01", command="build", vars=variables)
    loaded = fetch(warehouse, "from policy.kpi_goal")
    assert max(row["version"] for row in loaded) == 2
    rows = [{k: "" if v is None else str(v) for k, v in row.items()} for row in loaded]
    held = {row["kpi"]: row["target_value"] for row in rows_in_force("kpi_goal", rows, date(2026, 2, 1))}
    assert held["dso_days"] == "40.0000"
    assert "average_days_delinquent" not in held


def test_every_problem_of_the_folder_is_told_at_once(folder: Path) -> None:
    (folder / "warning_rules.csv").write_text("a\n", encoding="utf-8")
    (folder / "kpi_goal.csv").write_text("version,valid_from,kpi\n", encoding="utf-8")
    with_row(
        folder,
        "score_rule",
        "2,1 February,pd_floor,0.001,fraction,x",
        "2,2026-02-01,pd_cap,high,fraction,x",
        "2,2026-02-01,,0.9,fraction,x",
        "2,2026-02-01,pd_cap,0.9,fraction,x",
    )
    said = problems(folder)
    for part in (
        "policy warning_rules.csv: is no table of the policy; did you mean warning_rule.csv?",
        "policy kpi_goal.csv: lacks the columns unit, direction",
        "valid_from: received '1 February'; valid is a day written YYYY-MM-DD",
        "value: received 'high'; valid is a number",
        "rule: is empty",
        "says pd_cap from 2026-02-01 a second time; line ",
    ):
        assert part in said, said


def test_gaps_that_a_change_leaves_are_told_before_any_night(folder: Path) -> None:
    rows = (SEEDS / "expert_pd.csv").read_text(encoding="utf-8").splitlines()
    [band] = [row for row in rows if ",oldest_days_past_due,3," in row]
    with_row(folder, "expert_pd", "2,2026-02-01,oldest_days_past_due,3" + "," * 4)
    assert band
    [problem] = scale_problems(settings(folder).policy)
    told = "policy in force from 2026-02-01: expert_pd: the bands of oldest_days_past_due must lie end to end"
    assert str(problem).startswith(told)
    run = CliRunner().invoke(
        main, ["run", "--config", str(folder.parent / "company.yml"), "--as-of", "2026-02-01"]
    )
    assert (run.exit_code, told in run.output) == (2, True)


def test_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    shutil.rmtree(folder)
    assert "no such folder; make it, or correct `policy`" in problems(folder)


def test_the_command_shows_a_table_and_knows_which_there_are(folder: Path) -> None:
    arguments = ["policy", "--config", str(folder.parent / "company.yml"), "--as-of", "2026-02-01"]
    shown = CliRunner().invoke(main, [*arguments, "rating_scale"])
    assert shown.exit_code == 0
    assert "rating_scale: 12 rows, the program's own" in shown.output
    wrong = CliRunner().invoke(main, [*arguments, "ratings"])
    assert wrong.exit_code == 2
    assert all(name in wrong.output for name in policy_tables())
