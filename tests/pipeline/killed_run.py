"""One asset of a night, again and again, in processes that kill themselves at a given change of their files.

`python -m tests.pipeline.killed_run CONFIG DAY ASSET FOLDER`: for each number N read from the standard input a process
of its own runs the asset and dies, without any chance to clean up, at the N-th rename, link, removal, new folder or
change of rights below FOLDER; answered is one line, `<exit status> <changes>`. With 0 it lives on and tells how many
changes it came to.
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


def main(config: str, day: str, asset: str, folder: str) -> None:
    settings = load_settings(Path(config), env=os.environ)
    prepare_instance(settings.dagster_dir)
    definitions = build_definitions(settings, through=date.fromisoformat(day))
    job = definitions.resolve_job_def("nightly").get_subset(
        asset_selection={dg.AssetKey(asset.split("/"))}, asset_check_selection=set()
    )
    for line in sys.stdin:
        told, tell = os.pipe()
        if not (process := os.fork()):
            os.write(tell, str(run(job, day, folder, int(line))).encode())
            os._exit(0)
        os.close(tell)
        _, status = os.waitpid(process, 0)
        changes = os.read(told, 100).decode()
        os.close(told)
        print(os.waitstatus_to_exitcode(status), changes or "-", flush=True)


def run(job: dg.JobDefinition, day: str, folder: str, count: int) -> int:
    """Run the asset and die at the `count`-th change; returns the number of changes where it lives on."""
    prepare_instance(Path(os.environ["DAGSTER_HOME"]))
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in _CHANGES and folder in str(arguments[0]):
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    with dg.DagsterInstance.get() as instance:
        night = create_night_run(instance, job, partition=day, run_config={}, trigger="test")
        sys.addaudithook(watch)
        events = execute_here(instance, job, night)
    assert any(event.event_type == dg.DagsterEventType.RUN_SUCCESS for event in events)
    return seen


if __name__ == "__main__":
    main(*sys.argv[1:])
