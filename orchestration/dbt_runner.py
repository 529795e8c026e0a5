"""dbt in this process: one parse a project version, then stages of the night as plain outcomes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
_PARSED_FOLDERS = ("models", "macros", "seeds", "tests", "snapshots")
_STAMP = "project.sha256"


class DbtError(Exception):
    """dbt could not parse or build; the text names the nodes and what dbt said of each."""


@dataclass(frozen=True)
class NodeOutcome:
    """How one model, seed or test ended; a test's `compiled_sql` selects the rows it failed on."""

    unique_id: str
    name: str
    resource_type: str
    status: str
    seconds: float
    failures: int
    message: str
    compiled_sql: str = ""

    @property
    def ok(self) -> bool:
        return self.status in {"success", "pass", "warn", "no-op"}


def dbt_target_dir(home: Path) -> Path:
    """Where dbt keeps manifest, compiled SQL and logs of this home."""
    return home / "dbt"


def prepared_manifest(home: Path) -> Path:
    """Path of a manifest.json that matches the project's files; parses only where a file has changed.

    Raises DbtError where the project does not parse.
    """
    target = dbt_target_dir(home)
    stamp = _project_stamp()
    stamp_file = target / _STAMP
    manifest = target / "manifest.json"
    if not (manifest.is_file() and stamp_file.is_file() and stamp_file.read_text() == stamp):
        _invoke(home, ["parse"])
        stamp_file.write_text(stamp)
    return manifest


def build(
    home: Path,
    warehouse: Path,
    *,
    select: str,
    variables: Mapping[str, Any],
) -> list[NodeOutcome]:
    """Run `dbt build` for one stage and return how each node ended, tests included.

    Failing nodes are returned, not raised, so that the caller can report each; raises DbtError where dbt could
    not run at all.
    """
    prepared_manifest(home)
    arguments = [
        "build",
        "--select",
        select,
        # Unit tests prove the SQL on made-up rows; the test run does that, no night has to.
        "--exclude-resource-type",
        "unit_test",
        # The manifest is there already and the outcomes are returned: writing both again costs a second a stage.
        "--no-write-json",
        "--vars",
        json.dumps(dict(variables), sort_keys=True),
    ]
    result = _invoke(home, arguments, warehouse=warehouse, manifest=_load_manifest(home))
    return [
        NodeOutcome(
            unique_id=outcome.node.unique_id,
            name=outcome.node.name,
            resource_type=str(outcome.node.resource_type),
            status=str(outcome.status),
            seconds=round(outcome.execution_time, 3),
            failures=outcome.failures or 0,
            message=outcome.message or "",
            compiled_sql=getattr(outcome.node, "compiled_code", None) or "",
        )
        for outcome in result.results
    ]


def generate_docs(home: Path, warehouse: Path, *, variables: Mapping[str, Any]) -> Path:
    """Write dbt's documentation with the columns as they stand in the warehouse; returns the one page it lies in.

    Raises DbtError where dbt cannot run.
    """
    prepared_manifest(home)
    _invoke(
        home,
        ["docs", "generate", "--static", "--vars", json.dumps(dict(variables), sort_keys=True)],
        warehouse=warehouse,
        manifest=_load_manifest(home),
    )
    return dbt_target_dir(home) / "static_index.html"


def _invoke(
    home: Path,
    arguments: list[str],
    *,
    warehouse: Path | None = None,
    manifest: Manifest | None = None,
) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    target = dbt_target_dir(home)
    target.mkdir(parents=True, exist_ok=True)
    os.environ["TRADE_CREDIT_WAREHOUSE"] = str(warehouse or home / "warehouse.duckdb")
    outcome = dbtRunner(manifest=manifest).invoke(
        [
            *arguments,
            "--project-dir",
            str(PROJECT_DIR),
            "--profiles-dir",
            str(PROJECT_DIR),
            "--target-path",
            str(target),
            "--log-path",
            str(target / "logs"),
            "--log-level",
            "none",
            "--log-level-file",
            "info",
            "--no-send-anonymous-usage-stats",
            "--no-version-check",
        ]
    )
    # dbt keeps the warehouse open after a run; the next step opens it with settings of its own.
    DuckDBConnectionManager.close_all_connections()
    if outcome.exception is not None:
        raise DbtError(f"dbt {arguments[0]} could not run: {outcome.exception}") from outcome.exception
    if outcome.result is None:
        raise DbtError(f"dbt {arguments[0]} gave no result; see {target / 'logs' / 'dbt.log'}")
    return outcome.result


def _load_manifest(home: Path) -> Manifest:
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack((dbt_target_dir(home) / "partial_parse.msgpack").read_bytes())


def _project_stamp() -> str:
    digest = hashlib.sha256()
    files = [PROJECT_DIR / "dbt_project.yml", PROJECT_DIR / "profiles.yml"]
    for folder in _PARSED_FOLDERS:
        files += (path for path in (PROJECT_DIR / folder).rglob("*") if path.is_file())
    for path in sorted(files):
        digest.update(str(path.relative_to(PROJECT_DIR)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
