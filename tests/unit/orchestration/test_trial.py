"""The try before the first night: rows kept, rows that would wait and why, source beside contract."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestration.cli import main
from orchestration.settings import Settings, load_settings
from orchestration.trial import try_sources

CONFIG = """
company: Example
reporting_currency: EUR
time_zone: Europe/Berlin
sources:
  erp:
    kind: files
    tables:
      customers: {files: customers.csv, delivery: snapshot}
      invoices:
        files: invoices.csv
        delivery: snapshot
        fields:
          invoice_id: doc
          document_type: {constant: invoice, because: the list holds invoices}
          customer_id: customer
          legal_entity: {constant: E1, because: one company}
          issue_date: {column: day, format: '%d.%m.%Y'}
          due_date: {column: day, format: '%d.%m.%Y'}
          currency: {constant: EUR, because: one currency}
          amount: {column: net, format: '1.234,56'}
"""
ROWS = "doc;customer;day;net\nI1;C1;01.10.2025;1.234,50\nI2;C1;02.10.2025;much\nI3;C7;03.10.2025;5,00\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "company.yml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "customers.csv").write_text("customer_id,legal_name\nC1,Alpha\n", encoding="utf-8")
    (tmp_path / "invoices.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def settings_of(folder: Path) -> Settings:
    return load_settings(folder / "company.yml", env={}, home=folder / "home")


def test_rows_are_counted_as_kept_or_waiting_with_reason_and_place(folder: Path) -> None:
    trial = try_sources(settings_of(folder), as_of=date(2025, 11, 30), with_services=False)
    customers, invoices = trial.tables
    assert (customers.rows, customers.held) == (1, 0)
    assert (invoices.rows, invoices.held) == (3, 2)
    said = "\n".join(invoices.lines())
    assert "erp.invoices: 3 rows, 1 kept, 2 would wait" in said
    assert "1 x invoice_amount_unreadable" in said
    assert "invoices.csv, row 2: amount much" in said
    assert "invoices.csv, row 3: customer_id C7" in said
    assert "source    doc I1 | customer C1 | day 01.10.2025 | net 1.234,50" in said
    assert "issue_date 2025-10-01 | due_date 2025-10-01 | currency EUR | amount 1234.50" in said
    assert not (folder / "home").exists()


def test_rules_on_other_tables_rest_where_only_the_first_rows_are_read(folder: Path) -> None:
    trial = try_sources(settings_of(folder), as_of=date(2025, 11, 30), with_services=False, most_rows=3)
    _, invoices = trial.tables
    assert [one.rule.id for one in invoices.waiting] == ["invoice_amount_unreadable"]
    assert invoices.lines()[0] == "erp.invoices: the first 3 rows, 2 kept, 1 would wait"


def test_doctor_tries_the_sources_until_a_night_is_published(folder: Path) -> None:
    (folder / "invoices.csv").write_text(ROWS + "Total rows: 3\n", encoding="utf-8")
    environment = {"TRADE_CREDIT_HOME": str(folder / "home")}
    command = ["doctor", "--config", str(folder / "company.yml")]
    tried = CliRunner(env=environment).invoke(main, command)
    assert tried.exit_code == 1
    assert "`footer: 1`" in tried.output
    (folder / "invoices.csv").write_text(ROWS, encoding="utf-8")
    tried = CliRunner(env=environment).invoke(main, command)
    assert tried.exit_code == 0
    assert "erp.invoices: 3 rows, 1 kept, 2 would wait" in tried.output
    left = CliRunner(env=environment).invoke(main, [*command, "--no-sample"])
    assert "would wait" not in left.output
