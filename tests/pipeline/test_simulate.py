"""Another policy is tried on a copy of what the night left: its warnings over the past, its limits today."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestration.dbt_project import PROJECT_DIR
from tests.pipeline.conftest import Company, command

RULES = (PROJECT_DIR / "seeds/policy/warning_rule.csv").read_text(encoding="utf-8")


def _policy(folder: Path, old: str, new: str) -> Path:
    assert old in RULES
    folder.mkdir()
    (folder / "warning_rule.csv").write_text(RULES.replace(old, new), encoding="utf-8")
    return folder


def test_a_laxer_policy_warns_more_and_nothing_of_the_night_changes(
    published_company: Company, tmp_path: Path
) -> None:
    warehouse = published_company.home / "warehouse.duckdb"
    before = hashlib.sha256(warehouse.read_bytes()).hexdigest()
    any_arrears = _policy(tmp_path / "policy", "material_days_past_due,31,61", "material_days_past_due,1,31")
    done = command(
        published_company.home,
        *["simulate", "--config", str(published_company.config_path), "--policy", str(any_arrears)],
    )
    assert done.returncode == 0, done.stderr
    [warnings] = [line.split() for line in done.stdout.splitlines() if "matured warnings" in line]
    today, other = (int(count.replace(",", "")) for count in warnings[-2:])
    assert other > today
    assert hashlib.sha256(warehouse.read_bytes()).hexdigest() == before
    assert not list(published_company.home.glob("simulation_*"))


def test_a_policy_that_is_none_is_refused_with_the_line_to_mend(
    published_company: Company, tmp_path: Path
) -> None:
    wrong = _policy(tmp_path / "policy", ",pd,0.15,0.3,", ",pd,high,0.3,")
    done = command(
        published_company.home,
        *["simulate", "--config", str(published_company.config_path), "--policy", str(wrong)],
    )
    assert done.returncode == 1
    assert "policy warning_rule.csv:2 amber: received 'high'; valid is a number" in done.stderr
    assert "Traceback" not in done.stderr
