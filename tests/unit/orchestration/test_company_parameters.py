"""What a company may set about how it counts: one default each, and each reaches dbt."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from orchestration.dbt_project import PROJECT_DIR
from orchestration.night import dbt_variables
from orchestration.policy import policy_tables
from orchestration.settings import ConfigurationError, Settings, load_settings

MINIMAL = """
company: Example Ltd
reporting_currency: PLN
time_zone: Europe/Warsaw
sources: {erp: {kind: files, tables: {customers: {files: c.csv}, invoices: {files: i.csv}}}}
"""


def load(folder: Path, text: str) -> Settings:
    path = folder / "company.yml"
    path.write_text(MINIMAL + text, encoding="utf-8")
    return load_settings(path, env={}, home=folder / "home")


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    (found,) = caught.value.problems
    return str(found)


def test_what_is_set_reaches_dbt(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "parameters: {exposure_horizon_days: 60, daily_aging_days: 30, business_hours_from: 8, business_hours_to: 16,"
        " business_calendar: none}",
    )
    variables = dbt_variables(settings, date(2026, 10, 31))
    # The tables are what tests/unit/orchestration/test_policy_folder.py is about.
    assert variables.pop("policy_tables").keys() == policy_tables().keys()
    assert variables == {
        "policy_files": {},
        "as_of_date": "2026-10-31",
        "reporting_currency": "PLN",
        "reporting_decimals": 2,
        "horizon_months": 12,
        "target_days_past_due": 91,
        "default_amount": 500,
        "default_share": 0.01,
        "probation_months": 3,
        "stray_days_past_due": 30,
        "stray_newer_documents": 3,
        "exposure_horizon_days": 60,
        "daily_aging_days": 30,
        "business_hours_from": 8,
        "business_hours_to": 16,
        "business_calendar": "none",
        "business_holidays": [],
    }


def test_every_variable_dbt_asks_for_is_passed_and_has_no_second_default(tmp_path: Path) -> None:
    asked = {
        name
        for path in [*PROJECT_DIR.rglob("*.sql"), *PROJECT_DIR.rglob("*.yml")]
        for name in re.findall(r"""parameter\(['"](\w+)['"]\)""", path.read_text(encoding="utf-8"))
    }
    assert asked | {"as_of_date"} == set(dbt_variables(load(tmp_path, ""), date(2026, 10, 31)))
    project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))
    assert "vars" not in project


def test_a_company_brings_its_own_holidays_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text(
        "holiday_date,description\n2026-11-11,Independence Day\n2026-05-03,Constitution Day\n",
        encoding="utf-8",
    )
    variables = dbt_variables(load(tmp_path, "parameters: {business_calendar: days.csv}"), date(2026, 10, 31))
    assert variables["business_holidays"] == ["2026-05-03", "2026-11-11"]
    assert variables["business_calendar"] == "days.csv"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("us_federl", "did you mean 'us_federal'?"),
        ("missing.csv", "cannot be read as a CSV file of holidays"),
        ("[2026-01-01]", "is no calendar"),
    ],
)
def test_a_calendar_that_is_none_is_refused_with_what_is_valid(tmp_path: Path, text: str, said: str) -> None:
    assert said in problem(tmp_path, f"parameters: {{business_calendar: {text}}}")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("day\n2026-01-01\n", "has no column holiday_date; it has: day"),
        ("holiday_date\n2026-01-01\n1.5.2026\n", "line 3: '1.5.2026' is no day written YYYY-MM-DD"),
        ("holiday_date\n", "holds no day"),
    ],
)
def test_a_file_of_holidays_that_cannot_be_meant_is_refused(tmp_path: Path, rows: str, said: str) -> None:
    (tmp_path / "days.csv").write_text(rows, encoding="utf-8")
    assert said in problem(tmp_path, "parameters: {business_calendar: days.csv}")


def test_hours_that_run_backwards_are_refused(tmp_path: Path) -> None:
    assert "business hours from 17 to 9 are none" in problem(
        tmp_path, "parameters: {business_hours_from: 17, business_hours_to: 9}"
    )
