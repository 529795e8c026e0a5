"""Dagster's runs as this project makes and ends them: one the web interface can retry, none left by a dead process.

Pinned to Dagster's internals where it has no public way: a run that the interface may execute again must say which
code location it belongs to (tests/graph/test_runs.py holds both sides against each other).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.process import PROCESS_TAG, is_alive, this_process

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCATION = "orchestration.definitions"
TRIGGER_TAG = "trade_credit/trigger"
_REPOSITORY = "__repository__"
# A run's process needs this long at most from being launched to saying who it is.
_STARTING = timedelta(minutes=10)


def tag_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Write down which process works on the run, so that a later one can tell whether it died."""
    if run.tags.get(PROCESS_TAG) != this_process():
        instance.add_run_tags(run.run_id, {PROCESS_TAG: this_process()})


def dead_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that Dagster counts as in progress though their process is gone.

    A run that has not said which process it is counts as dead once it should long have started.
    """
    in_progress = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    oldest = datetime.now(UTC) - _STARTING
    return [
        record.dagster_run
        for record in instance.get_run_records(dg.RunsFilter(statuses=in_progress))
        for process in [_process_of(instance, record.dagster_run)]
        if (not is_alive(process) if process else record.create_timestamp.astimezone(UTC) < oldest)
    ]


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Which process the run says works on it; None until it has said so itself.

    A run that is executed again begins with the tags of the one before it, whose process has ended.
    """
    process = run.tags.get(PROCESS_TAG)
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return None if parent is not None and parent.tags.get(PROCESS_TAG) == process else process


def close_dead_runs(instance: dg.DagsterInstance, *, but: str = "") -> list[str]:
    """Mark the runs of dead processes as failed, so that they hold back no other; returns their ids."""
    closed = [run for run in dead_runs(instance) if run.run_id != but]
    for run in closed:
        instance.report_run_failed(
            run,
            "The process that worked on this run has ended without a word (killed, or the machine went down).",
        )
    return [run.run_id for run in closed]


def create_night_run(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    *,
    partition: str,
    run_config: Mapping[str, Any],
    trigger: str,
) -> dg.DagsterRun:
    """A run of `job` for one night, entered so that the web interface shows its day and can execute it again."""
    from dagster._core.remote_origin import (  # noqa: TID251
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin  # noqa: TID251

    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, module_name=LOCATION), LOCATION
    )
    return instance.create_run_for_job(
        job_def=job,
        run_config=run_config,
        tags={
            "dagster/partition": partition,
            TRIGGER_TAG: trigger,
            PROCESS_TAG: this_process(),
        },
        remote_job_origin=RemoteRepositoryOrigin(location, _REPOSITORY).get_job_origin(job.name),
    )


def execute_here(
    instance: dg.DagsterInstance, job: dg.JobDefinition, run: dg.DagsterRun
) -> list[dg.DagsterEvent]:
    """Execute a run in this process; returns its events."""
    from dagster._core.definitions.job_base import InMemoryJob  # noqa: TID251
    from dagster._core.execution.api import execute_run_iterator  # noqa: TID251

    return list(execute_run_iterator(InMemoryJob(job), run, instance))


def first_failure(events: list[dg.DagsterEvent]) -> tuple[str, str]:
    """The step that failed and what it told; where none did, what the run as a whole says of its end."""
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            told = event.step_failure_data.user_failure_data
            if told is not None and told.description:
                return str(event.step_key), told.description
        if event.event_type == dg.DagsterEventType.RUN_FAILURE and event.job_failure_data.error is not None:
            error = event.job_failure_data.error
            while error.cause is not None:
                error = error.cause
            return "opening the night", error.message.strip()
    return "unknown", "the run failed outside a step; see the run in `trade-credit ui`"
