"""A small state folder with a real publication, made without running a night."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.home import remove
from orchestration.memory import LastRun, claim_home, remember
from orchestration.publication import Publication, TableText, publish_mart
from orchestration.settings import Settings, load_settings

DAY = date(2026, 6, 30)
ROOT = Path(__file__).resolve().parents[3]
NOBODY = 65534
_UNPRIVILEGED = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_INVOICE = {
    "invoice_id": "I1",
    "document_type": "invoice",
    "customer_id": "K1",
    "legal_entity": "E1",
    "issue_date": "2026-05-01",
    "due_date": "2026-06-01",
    "currency": "USD",
    "amount": "100.00",
}


def write_settings(folder: Path, **more: object) -> Settings:
    """The configuration of a company whose source lies in `folder`, with `folder`/home as its state folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "customers.csv").write_text(
        "customer_id,legal_name,country\nK1,Birch Ltd,US\n", encoding="utf-8"
    )
    (folder / "invoices.csv").write_text(
        f"{','.join(_INVOICE)}\n{','.join(_INVOICE.values())}\n", encoding="utf-8"
    )
    config = {
        "company": "Alder & Sons",
        "reporting_currency": "USD",
        "time_zone": "UTC",
        "sources": {
            "erp": {
                "kind": "files",
                "tables": {"customers": {"files": "customers.csv"}, "invoices": {"files": "invoices.csv"}},
            }
        },
        **more,
    }
    path = folder / "company.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return load_settings(path, env={}, home=folder / "home")


def write_warehouse(path: Path, rows: int = 1000) -> None:
    """A warehouse with a mart of two tables, a view over another schema among them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        for schema in ("mart", "core", "ops"):
            connection.execute(f"create schema if not exists {schema}")
        connection.execute(
            "create or replace table core.party as select range as customer_code, hash(range)::varchar as name "
            f"from range({rows})"
        )
        connection.execute("create or replace table mart.dim_customer as from core.party")
        connection.execute("create or replace view mart.dim_name as select name from core.party")


def publish(
    settings: Settings,
    *,
    run_id: str = "a" * 8,
    as_of: date = DAY,
    keep: int = 5,
    descriptions: Mapping[str, TableText] | None = None,
) -> Publication:
    """Publish the mart of the settings' warehouse."""
    return publish_mart(
        settings.warehouse_path,
        settings.publication_dir,
        as_of=as_of,
        company=settings.company,
        reporting_currency=settings.reporting_currency,
        run_id=run_id,
        keep=keep,
        descriptions=descriptions or {},
    )


def write_home(folder: Path, **more: object) -> Settings:
    """A state folder as a published night leaves it, except for what dbt and Dagster keep there."""
    settings = write_settings(folder, **more)
    claim_home(settings)
    write_warehouse(settings.warehouse_path)
    publication = publish(settings)
    remember(
        settings.home,
        LastRun(DAY.isoformat(), "published", publication.run_id, "2026-07-01T00:30:00+00:00"),
    )
    return settings


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine reaches, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="trade-credit-test-"))
    folder.chmod(0o755)
    yield folder
    remove(folder)


def skip_unless_others_can_run() -> None:
    """Skip a test that root runs as another user where that user does not reach this Python."""
    if shutil.which("setpriv") is None or not _can_run_unprivileged():
        pytest.skip("this Python cannot be run as another user than root")


@functools.cache
def _can_run_unprivileged() -> bool:
    """Whether another user reaches this Python and its packages."""
    command = [*_UNPRIVILEGED, sys.executable, "-c", "import duckdb, pydantic, yaml"]
    return subprocess.run(command, capture_output=True, cwd="/").returncode == 0


def unprivileged(program: str, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python program as the owner of `folder` without the powers of root, which no permission stops."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    if os.geteuid() == 0:
        skip_unless_others_can_run()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        command = [*_UNPRIVILEGED, *command]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
