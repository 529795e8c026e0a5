"""A small company in CSV files, and the real command run on it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml
from click.testing import CliRunner, Result

from orchestration.cli import main
from tests.shared import made_once, spare_parsing

AS_OF = date(2026, 6, 30)
NEXT = AS_OF + timedelta(days=1)


@dataclass
class Company:
    """Files and configuration of one company, and its own state folder."""

    folder: Path
    config: dict[str, object] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def config_path(self) -> Path:
        return self.folder / "company.yml"

    @property
    def current(self) -> Path:
        return self.home / "publication" / "current"

    def write_config(self) -> None:
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")

    def run(self, *arguments: str, as_of: date = AS_OF) -> subprocess.CompletedProcess[str]:
        """`trade-credit run` in a process of its own, as a user would start it."""
        return command(
            self.home, "run", "--config", str(self.config_path), "--as-of", as_of.isoformat(), *arguments
        )

    def run_here(self, *arguments: str, as_of: date = AS_OF) -> Result:
        """The same command in this process, which spares each test the imports."""
        return invoke(
            self.home, "run", "--config", str(self.config_path), "--as-of", as_of.isoformat(), *arguments
        )

    def rewrite(self, table: str, change: Callable[[str], str]) -> None:
        """Change the text of one table's file."""
        path = self.folder / f"{table}.csv"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def published(self, query: str) -> list[tuple[object, ...]]:
        """The answer of the published mart, opened read-only as BI tools do."""
        with duckdb.connect(str(self.current / "mart.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def snapshot(self) -> dict[str, bytes]:
        """Every published Parquet file, byte for byte."""
        return {path.name: path.read_bytes() for path in sorted((self.current / "parquet").glob("*.parquet"))}


def command(home: Path, *arguments: str, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    """Run the installed command with its state under `home`."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("trade-credit")), *arguments],
        env={**os.environ, "TRADE_CREDIT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def invoke(home: Path, *arguments: str) -> Result:
    """Run the command in this process with its state under `home`."""
    if arguments[0] == "run":
        spare_parsing(home)
    return CliRunner(env={"TRADE_CREDIT_HOME": str(home)}).invoke(main, list(arguments))


def write_company(folder: Path, *, customers: int = 40, months: int = 10) -> Company:
    """A company whose every third customer pays late, in four CSV files with the contract's own columns."""
    folder.mkdir(parents=True, exist_ok=True)
    people, documents, receipts, applications = [], [], [], []
    first = date(AS_OF.year, AS_OF.month, 1) - timedelta(days=30 * (months - 1))
    for number in range(1, customers + 1):
        customer = f"K{number:04d}"
        people.append(
            {
                "customer_id": customer,
                "legal_name": f"{_NAMES[number % len(_NAMES)]} {number} Ltd",
                "country": "US",
                "city": f"Town {number}",
                "segment": "standard",
                "industry_code": f"{10 + number % 4}",
                "payment_terms": "NET30",
            }
        )
        for month in range(months):
            issued = first + timedelta(days=30 * month + number % 7)
            due = issued + timedelta(days=30)
            amount = Decimal(1000 + 10 * number + month) + Decimal("0.25")
            invoice = f"I{number:04d}-{month:02d}"
            documents.append(
                {
                    "invoice_id": invoice,
                    "document_type": "invoice",
                    "customer_id": customer,
                    "legal_entity": "E1",
                    "issue_date": issued.isoformat(),
                    "due_date": due.isoformat(),
                    "currency": "USD",
                    "amount": str(amount),
                }
            )
            paid = due + timedelta(days=25 if number % 3 == 0 else 2)
            if paid <= AS_OF:
                receipts.append(
                    {
                        "payment_id": f"P{invoice[1:]}",
                        "customer_id": customer,
                        "legal_entity": "E1",
                        "received_date": paid.isoformat(),
                        "currency": "USD",
                        "amount": str(amount),
                    }
                )
                applications.append(
                    {
                        "application_id": f"A{invoice[1:]}",
                        "kind": "cash",
                        "from_document_id": f"P{invoice[1:]}",
                        "invoice_id": invoice,
                        "applied_date": paid.isoformat(),
                        "currency": "USD",
                        "amount": str(amount),
                    }
                )
    tables = {
        "customers": people,
        "invoices": documents,
        "payments": receipts,
        "payment_applications": applications,
    }
    for table, rows in tables.items():
        with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    company = Company(
        folder,
        {
            "company": "Small Company",
            "reporting_currency": "USD",
            "time_zone": "UTC",
            "model": {"horizon_months": 3, "target_days_past_due": 30},
            "sources": {
                "erp": {"kind": "files", "tables": {table: {"files": f"{table}.csv"} for table in tables}}
            },
        },
    )
    company.write_config()
    return company


_NAMES = ("Alder", "Birch", "Cedar", "Damson", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Larch")


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """A small company that has not been run yet."""
    return write_company(tmp_path / "company")


@pytest.fixture
def published_company(tmp_path: Path, published_template: Path) -> Company:
    """A small company with one published night; a copy, so that a test may spoil it."""
    shutil.copytree(published_template, tmp_path / "company", symlinks=True)
    return write_company(tmp_path / "company")


@pytest.fixture(scope="session")
def published_template() -> Path:
    """The folder of a company with one published night, made once for every test that starts from it."""

    def publish(folder: Path) -> None:
        outcome = write_company(folder / "company").run_here()
        assert outcome.exit_code == 0, outcome.output

    return made_once("published", publish) / "company"


@pytest.fixture(scope="session")
def two_nights(published_template: Path) -> Company:
    """A company with two published nights that nothing disturbed; its files are compared with, never changed."""

    def publish_next(folder: Path) -> None:
        shutil.copytree(published_template, folder / "company", symlinks=True)
        outcome = write_company(folder / "company").run_here(as_of=NEXT)
        assert outcome.exit_code == 0, outcome.output

    company = Company(made_once("two-nights", publish_next) / "company")
    company.config = yaml.safe_load(company.config_path.read_text(encoding="utf-8"))
    return company
