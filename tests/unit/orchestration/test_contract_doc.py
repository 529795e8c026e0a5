"""What is made from the contract says what the contract says, and nothing else in dbt keeps a list of its tables."""

import difflib
from pathlib import Path

import pytest

from orchestration.dbt_project import PROJECT_DIR
from orchestration.sources.contract import TABLES
from orchestration.sources.contract_doc import MADE
from quality.catalog import load_rules


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_what_is_made_from_the_contract_is_up_to_date(path: Path) -> None:
    found, expected = path.read_text(encoding="utf-8").splitlines(), MADE[path]().splitlines()
    assert found == expected, (
        f"{path} is not what the contract says; run python -m orchestration.sources.contract_doc and commit it:\n"
        + "\n".join(difflib.unified_diff(found, expected, "found", "by the contract", lineterm="", n=0))
    )


def test_every_contract_table_is_staged_and_has_rules() -> None:
    names = {table.name for table in TABLES}
    lacking = {
        **{
            f"dbt_project/models/staging/stg_{name}{suffix}": name
            for name in names
            for suffix in (".sql", ".yml")
            if not (PROJECT_DIR / "models" / "staging" / f"stg_{name}{suffix}").is_file()
        },
        **{f"quality/rules/{name}.yml": name for name in names - {rule.table for rule in load_rules()}},
    }
    assert lacking == {}, "files a contract table needs and does not have, with their table"
    folder = PROJECT_DIR / "models" / "staging"
    staged = {path.stem.removeprefix("stg_") for path in folder.glob("stg_*")}
    assert staged - names == set(), "staging models of tables the contract does not know"
