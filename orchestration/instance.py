"""The Dagster instance that lies in the state folder, shared by the command line and the web interface."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# One run at a time: a second launched from the interface waits in the queue instead of failing on the lock.
# Captured output is not kept: capturing leaves processes behind when a night is killed, and what steps have to say
# stands in the run's events.
_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  runs:
    max_concurrent_runs: 1
event_log_storage:
  module: orchestration.event_log
  class: NightEventLog
  config:
    base_dir: history/runs
"""


def prepare_instance(dagster_dir: Path) -> None:
    """Write the instance's settings where they are missing and make it the one Dagster finds."""
    dagster_dir.mkdir(parents=True, exist_ok=True)
    settings = dagster_dir / "dagster.yaml"
    if not settings.is_file():
        settings.write_text(_DAGSTER_YAML, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(dagster_dir.resolve())
    _sync_less()


def _sync_less() -> None:
    """Do not wait for the disk after each entry of the run log.

    A night writes some fifteen hundred events, each a transaction on a connection of its own; waiting for the disk
    took a quarter of a small night. A killed process loses nothing by this. A power cut may spoil the log, which
    is history for the web interface and can be deleted; the warehouse and the publication are synced as always.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not event.contains(Engine, "connect", _relax):
        event.listen(Engine, "connect", _relax)


def _relax(connection: Any, _record: Any) -> None:
    if not type(connection).__module__.startswith("sqlite3"):
        return
    file = connection.execute("pragma database_list").fetchone()[2]
    if file.startswith(os.environ["DAGSTER_HOME"]):
        connection.execute("pragma synchronous = off")
