"""Reading the configuration: defaults, variables, and every problem reported at once and without secrets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from orchestration.settings import ConfigurationError, Settings, cron_problem, load_settings
from orchestration.sources.config import DatabaseSource
from orchestration.sources.file_config import FileSource

MINIMAL = """
company: Example Ltd
reporting_currency: EUR
time_zone: Europe/Berlin
sources:
  erp:
    kind: database
    url: sqlite:///erp.db
    tables:
      customers: {from: kunden, cursor: updated_at}
"""


def load(tmp_path: Path, text: str, **env: str) -> Settings:
    path = tmp_path / "company.yml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, env=env, home=tmp_path / "home")


def problems(tmp_path: Path, text: str, **env: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, **env)
    return [str(problem) for problem in caught.value.problems]


def test_minimal_file_gets_documented_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL)
    assert settings.model.horizon_months == 12
    assert settings.model.target_days_past_due == 91
    assert settings.quality.quarantine_threshold == 0.05
    assert settings.publications.keep == 5
    assert settings.demo is None
    assert settings.warehouse_path == tmp_path / "home" / "warehouse.duckdb"


def test_database_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    source = load(tmp_path, MINIMAL).sources["erp"]
    assert isinstance(source, DatabaseSource)
    assert source.url.get_secret_value() == f"sqlite:///{tmp_path / 'erp.db'}"


def test_demo_company_needs_no_file(tmp_path: Path) -> None:
    settings = load_settings(None, env={}, home=tmp_path)
    assert settings.demo is not None
    assert settings.demo.first_as_of == date(2026, 10, 31)
    assert set(settings.sources) == {"erp", "crm", "bank", "bureau"}
    crm = settings.sources["crm"]
    assert isinstance(crm, FileSource)
    assert crm.tables["customers"].feeds[0].files == (str(tmp_path / "demo/crm/customers_*.csv"),)


def test_home_comes_from_the_environment_where_not_given(tmp_path: Path) -> None:
    settings = load_settings(None, env={"TRADE_CREDIT_HOME": str(tmp_path / "state")})
    assert settings.home == tmp_path / "state"


def test_every_problem_is_reported_with_its_line_and_what_is_valid(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
company: Example Ltd
reporting_currency: euro
time_zone: Europe/Berln
schedule: "99 2 * * *"
modell: {horizon_months: 12}
model: {horizon_months: 36}
sources:
  erp:
    kind: database
    url: erp.db
    tables:
      customers: {from: kunden, cursr: updated_at}
  bank:
    kind: file
""",
    )
    text = "\n".join(found)
    assert len(found) == 8
    assert "company.yml:3 reporting_currency: received 'euro'" in text
    assert "did you mean 'Europe/Berlin'?" in text
    assert "minute '99' is outside 0-59" in text
    assert "modell: unknown key; did you mean 'model'?" in text
    assert "company.yml:7 model.horizon_months: received 36" in text
    assert "sources.erp.url: received 'erp.db'; is not a database URL" in text
    assert "customers.cursr: unknown key; did you mean 'cursor'?" in text
    assert "sources.bank.kind: received 'file'; valid: database, files, rest" in text


def test_mapping_is_checked_against_the_contract(tmp_path: Path) -> None:
    found = "\n".join(
        problems(
            tmp_path,
            """
company: Example Ltd
reporting_currency: EUR
time_zone: Europe/Berlin
sources:
  erp:
    kind: files
    tables:
      customer: {files: a.csv}
      fx_rates:
        files: b.csv
        key_space: ebp
        fields: {rate_date: tag, curency: waehrung, rate: {column: kurs, default: 1}}
""",
        )
    )
    assert "unknown table 'customer'; did you mean 'customers'?" not in found  # its feed is wrong already
    assert "default needs `because`" in found


def test_unknown_tables_fields_and_missing_required_ones_are_named(tmp_path: Path) -> None:
    found = "\n".join(
        problems(
            tmp_path,
            """
company: Example Ltd
reporting_currency: EUR
time_zone: Europe/Berlin
sources:
  erp:
    kind: files
    tables:
      customer: {files: a.csv}
      fx_rates:
        files: b.csv
        key_space: ebp
        fields: {rate_date: {column: tag, format: "DD.MM"}, curency: waehrung, rate: kurs}
""",
        )
    )
    assert "unknown table 'customer'; did you mean 'customers'?" in found
    assert "'ebp' is no configured source; did you mean 'erp'?" in found
    assert "fields.curency: unknown field 'curency'; did you mean 'currency'?" in found
    assert "required field 'currency' is not mapped" in found
    assert "a date format such as '%d/%m/%Y'" in found


def test_cursor_must_feed_updated_at(tmp_path: Path) -> None:
    text = MINIMAL.replace(
        "cursor: updated_at}", "cursor: changed, fields: {customer_id: id, legal_name: name}}"
    )
    assert "'changed' is not the column mapped to updated_at" in problems(tmp_path, text)[0]


def test_two_sources_cannot_deliver_one_table_of_one_key_space(tmp_path: Path) -> None:
    text = (
        MINIMAL + "  bank:\n    kind: files\n    tables:\n      customers: {files: a.csv, key_space: erp}\n"
    )
    assert "customers of erp is delivered by erp already" in problems(tmp_path, text)[0]


def test_secrets_come_from_the_environment_and_stay_out_of_messages(tmp_path: Path) -> None:
    text = MINIMAL.replace("sqlite:///erp.db", "postgresql://me:${ERP_PASSWORD}@host/db")
    source = load(tmp_path, text, ERP_PASSWORD="hunter2").sources["erp"]
    assert isinstance(source, DatabaseSource)
    assert source.url.get_secret_value() == "postgresql://me:hunter2@host/db"
    assert "hunter2" not in repr(source)

    found = problems(tmp_path, text.replace("postgresql:", "postgresq:"), ERP_PASSWORD="hunter2")
    assert "hunter2" not in "".join(found)
    literal = text.replace("postgresql:", "postgresq:").replace("${ERP_PASSWORD}", "hunter2")
    assert "hunter2" not in "".join(problems(tmp_path, literal))


def test_unset_variable_is_named(tmp_path: Path) -> None:
    found = problems(tmp_path, MINIMAL.replace("erp.db", "${ERP_FILE}"), ERP_FILES="x")
    assert found == [
        "company.yml:8 sources.erp.url: environment variable ERP_FILE is not set; "
        "set it before running (did you mean 'ERP_FILES'?)"
    ]


def test_key_given_twice_is_an_error(tmp_path: Path) -> None:
    assert (
        "company: key is given twice; first given on line 2"
        in problems(tmp_path, MINIMAL.rstrip() + "\ncompany: Other\n")[0]
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"company: [unclosed", "is not YAML"),
        (b"company: caf\xe9", "not UTF-8 at byte 12"),
        (b"", "the file is empty"),
        (b"- a\n", "the file is a list"),
    ],
)
def test_unusable_files_are_explained(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "company.yml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=expected):
        load_settings(path, env={}, home=tmp_path)


def test_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        load_settings(tmp_path / "nothing.yml", env={}, home=tmp_path)


@pytest.mark.parametrize("text", ["30 2 * * *", "*/15 0-6 1,15 * 1-5", "0 0 1 1 7"])
def test_cron_accepts(text: str) -> None:
    assert cron_problem(text) is None


@pytest.mark.parametrize(
    "text", ["30 2 * *", "60 2 * * *", "0 24 * * *", "0 0 0 * *", "a * * * *", "*/0 * * * *", "5-1 * * * *"]
)
def test_cron_refuses(text: str) -> None:
    assert cron_problem(text) is not None
