"""dbt in this process: one parse a project version, then stages of the night as plain outcomes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.dbt_project import PROJECT_DIR
from orchestration.engine import connect
from orchestration.home import remove, write_whole
from orchestration.publication import TableText

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_PARSED_FOLDERS = ("models", "macros", "seeds", "tests", "snapshots")
_STAMP = "parsed.json"
_MANIFEST = "manifest.json"
_PARTIAL_PARSE = "partial_parse.msgpack"
_ARTEFACTS = (_MANIFEST, _PARTIAL_PARSE)
_TOLD_LEVELS = ("info", "warn", "error")
# What a model says of its metrics as a whole; each column says the rest.
_METRIC_META = ("metric_grain", "metrics")


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

    What dbt wrote is believed only as far as its checksums say that it is what dbt wrote: a cut manifest or
    partial parse is removed and the project parsed anew. Raises DbtError where the project does not parse.
    """
    target = dbt_target_dir(home)
    if not is_parsed(home):
        for name in (_STAMP, *_ARTEFACTS):
            remove(target / name)
        _invoke(home, ["parse"])
        _write_stamp(target, _project_stamp())
    return target / _MANIFEST


def artefact_faults(home: Path) -> list[str]:
    """What dbt wrote for this version of the project and is not as it wrote it any more; nothing is written."""
    target = dbt_target_dir(home)
    stamped = _read_stamp(target)
    found = _stamp_of(target, _project_stamp())
    if stamped.get("project") != found["project"]:
        return []  # Of another version of the project: parsed anew without being looked at.
    return [
        f"{target / name} is {'missing' if not found[name] else 'not what dbt wrote'}"
        for name in _ARTEFACTS
        if stamped.get(name) != found[name]
    ]


def is_parsed(home: Path) -> bool:
    """True where what dbt wrote in this home is whole and of this version of the project."""
    target = dbt_target_dir(home)
    found = _stamp_of(target, _project_stamp())
    return all(found.values()) and _read_stamp(target) == found


def _read_stamp(target: Path) -> dict[str, str]:
    """The checksums noted after the last parse; none where they make no sense. Raises PermissionError."""
    try:
        stamp = json.loads((target / _STAMP).read_text(encoding="utf-8"))
    except PermissionError:
        raise
    except (OSError, ValueError, RecursionError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _stamp_of(target: Path, project: str) -> dict[str, str]:
    return {"project": project, **{name: _digest(target / name) for name in _ARTEFACTS}}


def _write_stamp(target: Path, project: str) -> None:
    write_whole(target / _STAMP, json.dumps(_stamp_of(target, project), indent=2) + "\n")


def _digest(path: Path) -> str:
    """SHA-256 of a file, empty where there is none to read. Raises PermissionError."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except PermissionError:
        raise
    except OSError:
        return ""


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
    manifest = _load_manifest(home)
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
        json.dumps({**variables, "metric_tables": metric_tables(manifest)}, sort_keys=True),
    ]
    result = _invoke(home, arguments, warehouse=warehouse, manifest=manifest)
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
    manifest = _load_manifest(home)
    told = json.dumps({**variables, "metric_tables": metric_tables(manifest)}, sort_keys=True)
    _invoke(home, ["docs", "generate", "--static", "--vars", told], warehouse=warehouse, manifest=manifest)
    # It writes the manifest again, with the columns it found.
    _write_stamp(dbt_target_dir(home), _project_stamp())
    return dbt_target_dir(home) / "static_index.html"


def mart_texts(home: Path) -> dict[str, TableText]:
    """What dbt says of every table and column of the mart. Raises DbtError where the project does not parse."""
    prepared_manifest(home)
    return {
        node.name: TableText(
            " ".join(node.description.split()),
            {name: " ".join(column.description.split()) for name, column in node.columns.items()},
        )
        for node in _load_manifest(home).nodes.values()
        if node.resource_type == "model" and node.schema == "mart"
    }


def metric_tables(manifest: Manifest) -> dict[str, Any]:
    """The models that hold metrics, in the shape of dbt's `graph.nodes`, for variable `metric_tables`.

    dbt leaves `graph` empty for a manifest it is given and in unit tests; macros/metrics.sql reads this instead.
    """
    return {
        node.unique_id: {
            "name": node.name,
            "schema": node.schema,
            "config": {
                "meta": {name: node.config.meta[name] for name in _METRIC_META if name in node.config.meta}
            },
            "columns": {
                name: {
                    "description": column.description,
                    "config": {"meta": {"metric": column.config.meta["metric"]}},
                }
                for name, column in node.columns.items()
                if "metric" in column.config.meta
            },
        }
        for node in manifest.nodes.values()
        if node.resource_type == "model" and "metric_grain" in node.config.meta
    }


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
    said: list[str] = []

    def listen(message: Any) -> None:
        if message.info.level in _TOLD_LEVELS and message.info.msg:
            said.append(f"{message.info.ts.ToDatetime():%H:%M:%S.%f} {message.info.msg}")

    # A connection of ours, open beside dbt's own, holds the engine to what the company allows it.
    with closing(connect(warehouse)) if warehouse else nullcontext():
        outcome = dbtRunner(manifest=manifest, callbacks=[listen]).invoke(
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
                # dbt's file log words every statement of the engine before it leaves most of them out; what it says of
                # the nodes goes to the log of the step instead.
                "--log-level-file",
                "none",
                "--no-send-anonymous-usage-stats",
                "--no-version-check",
            ]
        )
        # dbt keeps the warehouse open after a run; the next step opens it for itself.
        DuckDBConnectionManager.close_all_connections()
    if said:
        logging.getLogger(__name__).info("dbt said\n%s", "\n".join(said))
    if outcome.exception is not None:
        raise DbtError(f"dbt {arguments[0]} could not run: {outcome.exception}") from outcome.exception
    if outcome.result is None:
        last = said[-1] if said else "nothing"
        raise DbtError(f"dbt {arguments[0]} gave no result; the last it said was: {last}")
    return outcome.result


def _load_manifest(home: Path) -> Manifest:
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack((dbt_target_dir(home) / _PARTIAL_PARSE).read_bytes())


def _project_stamp() -> str:
    digest = hashlib.sha256()
    files = [PROJECT_DIR / "dbt_project.yml", PROJECT_DIR / "profiles.yml"]
    for folder in _PARSED_FOLDERS:
        files += (path for path in (PROJECT_DIR / folder).rglob("*") if path.is_file())
    for path in sorted(files):
        digest.update(str(path.relative_to(PROJECT_DIR)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
