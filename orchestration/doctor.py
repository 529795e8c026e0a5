"""Looks for what would make the next night fail: machine, state folder, sources, publication, telemetry."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.dbt_runner import DbtError, prepared_manifest
from orchestration.warehouse import (
    WarehouseError,
    current_publication,
    is_night_running,
    open_warehouse,
)

if TYPE_CHECKING:
    from orchestration.settings import Settings

_MINIMUM_FREE_BYTES = 2 * 1024**3
_PINNED = (
    "dagster",
    "dagster-dbt",
    "dbt-core",
    "dbt-duckdb",
    "duckdb",
    "great-expectations",
    "xgboost-cpu",
    "splink",
    "dlt",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is well, and what was found or how to mend it."""

    subject: str
    ok: bool
    text: str


def examine(settings: Settings) -> list[Finding]:
    """Every finding, well or not, in the order a night would meet them."""
    return [
        _python(),
        _packages(),
        _state_folder(settings),
        _disk(settings),
        *_sources(settings),
        _dbt_project(settings),
        _warehouse(settings),
        _publication(settings),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _packages() -> Finding:
    missing = []
    found = []
    for name in _PINNED:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("Packages", False, f"missing {', '.join(missing)}: run `make setup`")
    return Finding("Packages", True, ", ".join(found))


def _state_folder(settings: Settings) -> Finding:
    settings.home.mkdir(parents=True, exist_ok=True)
    writable = os.access(settings.home, os.W_OK)
    advice = "" if writable else ": not writable, set TRADE_CREDIT_HOME to a folder that is"
    return Finding("State folder", writable, f"{settings.home}{advice}")


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.home).free
    return Finding("Disk", free >= _MINIMUM_FREE_BYTES, f"{free / 1024**3:.1f} GiB free (2 GiB are needed)")


def _sources(settings: Settings) -> Iterator[Finding]:
    from orchestration.sources.landing import probe

    if settings.demo is not None and not settings.demo_dir.exists():
        yield Finding("Sources", True, "the demo company is made by the first night")
        return
    for name, problem in probe(settings):
        yield Finding(f"Source {name}", problem is None, problem or "can be read")


def _dbt_project(settings: Settings) -> Finding:
    try:
        return Finding("dbt project", True, f"parsed, {prepared_manifest(settings.home)}")
    except DbtError as error:
        return Finding("dbt project", False, str(error))


def _warehouse(settings: Settings) -> Finding:
    if is_night_running(settings.home):
        return Finding("Warehouse", True, "a night is running on it")
    if not settings.warehouse_path.exists():
        return Finding("Warehouse", True, "not there yet; the first night makes it")
    try:
        with open_warehouse(settings.warehouse_path) as connection:
            row = connection.execute("select count(*) from information_schema.tables").fetchone()
        return Finding(
            "Warehouse", True, f"{settings.warehouse_path}, {row[0] if row else 0} tables and views"
        )
    except WarehouseError as error:
        return Finding("Warehouse", False, str(error))


def _publication(settings: Settings) -> Finding:
    try:
        publication = current_publication(settings.publication_dir)
        if publication is None:
            return Finding("Publication", True, "none yet; the first night makes it")
        with open_warehouse(publication.mart_path, read_only=True) as connection:
            for table, rows in publication.tables.items():
                count = connection.execute(f"select count(*) from mart.{table}").fetchone()
                if count is None or count[0] != rows:
                    return Finding(
                        "Publication", False, f"{table} holds {count} rows, its manifest says {rows}"
                    )
        return Finding("Publication", True, f"night of {publication.as_of}, {len(publication.tables)} tables")
    except WarehouseError as error:
        return Finding("Publication", False, str(error))
