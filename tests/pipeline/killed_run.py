"""One asset of a night, in a process that kills itself at a given change of its files.

`python -m tests.pipeline.killed_run CONFIG DAY ASSET FOLDER COUNT`: at the COUNT-th rename, link, removal, new folder
or change of rights below FOLDER the process dies without any chance to clean up. Where it
lives on, it prints how many changes it came to.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.definitions import build_definitions
from orchestration.instance import prepare_instance
from orchestration.runs import create_night_run, execute_here
from orchestration.settings import load_settings

_CHANGES = {"os.rename", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}


def main(config: str, day: str, asset: str, folder: str, count: str) -> int:
    settings = load_settings(Path(config), env=os.environ)
    prepare_instance(settings.dagster_dir)
    definitions = build_definitions(settings, through=date.fromisoformat(day))
    job = definitions.resolve_job_def("nightly").get_subset(
        asset_selection={dg.AssetKey(asset.split("/"))}, asset_check_selection=set()
    )
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in _CHANGES and folder in str(arguments[0]):
            seen += 1
            if seen == int(count):
                os.kill(os.getpid(), signal.SIGKILL)

    with dg.DagsterInstance.get() as instance:
        run = create_night_run(instance, job, partition=day, run_config={}, trigger="test")
        sys.addaudithook(watch)
        events = execute_here(instance, job, run)
    print(seen)
    return 0 if any(event.event_type == dg.DagsterEventType.RUN_SUCCESS for event in events) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
