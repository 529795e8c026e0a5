"""The Dagster instance that lies in the state folder, shared by the command line and the web interface."""

from __future__ import annotations

import os
from pathlib import Path

# One run at a time: a second launched from the interface waits in the queue instead of failing on the lock.
_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
"""


def prepare_instance(dagster_dir: Path) -> None:
    """Write the instance's settings where they are missing and make it the one Dagster finds."""
    dagster_dir.mkdir(parents=True, exist_ok=True)
    settings = dagster_dir / "dagster.yaml"
    if not settings.is_file():
        settings.write_text(_DAGSTER_YAML, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(dagster_dir.resolve())
