"""Runs of dead processes are ended, those of living ones never; a command's run is one the interface can retry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.faults import dead_run_faults
from orchestration.instance import prepare_instance
from orchestration.process import PROCESS_TAG, is_alive, this_process
from orchestration.runs import LOCATION, close_dead_runs, create_night_run, execute_here
from orchestration.settings import load_settings


@dg.op
def nothing() -> None:
    """A step that does nothing."""


@dg.job(executor_def=dg.in_process_executor)
def idle() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare_instance(tmp_path / "dagster")
    with dg.DagsterInstance.get() as found:
        yield found


def dead_process() -> str:
    """A process that was there and is gone."""
    code = "from orchestration.process import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def run_of(instance: dg.DagsterInstance, process: str | None, status: dg.DagsterRunStatus) -> str:
    run = instance.create_run_for_job(
        idle, status=status, tags={PROCESS_TAG: process} if process is not None else {}
    )
    return run.run_id


def test_run_whose_process_is_gone_is_ended_whatever_dagster_thinks_of_it(
    instance: dg.DagsterInstance,
) -> None:
    gone = dead_process()
    dead = [
        run_of(instance, gone, status)
        for status in (
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        )
    ]
    assert sorted(close_dead_runs(instance)) == sorted(dead)
    for run_id in dead:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_finished
    assert close_dead_runs(instance) == []


def test_doctor_names_the_run_of_a_dead_process_and_no_living_one(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = load_settings(None, env={}, home=tmp_path)
    run_of(instance, this_process(), dg.DagsterRunStatus.STARTED)
    assert dead_run_faults(settings) == []
    dead = run_of(instance, dead_process(), dg.DagsterRunStatus.STARTED)
    [fault] = dead_run_faults(settings)
    assert fault.startswith(f"run {dead[:8]} still counts as running")


def test_living_waiting_and_starting_runs_are_left_alone(instance: dg.DagsterInstance) -> None:
    run_of(instance, this_process(), dg.DagsterRunStatus.STARTED)
    origin = create_night_run(
        instance, idle, partition="2026-06-30", run_config={}, trigger="command"
    ).remote_job_origin
    instance.create_run_for_job(idle, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin)
    run_of(instance, None, dg.DagsterRunStatus.STARTING)
    own = run_of(instance, dead_process(), dg.DagsterRunStatus.STARTED)
    assert close_dead_runs(instance, but=own) == []


def test_run_executed_again_is_not_taken_for_the_dead_one_whose_tags_it_begins_with(
    instance: dg.DagsterInstance,
) -> None:
    gone = dead_process()
    first = run_of(instance, gone, dg.DagsterRunStatus.FAILURE)
    again = instance.create_run_for_job(
        idle,
        status=dg.DagsterRunStatus.NOT_STARTED,
        tags={PROCESS_TAG: gone, "dagster/parent_run_id": first, "dagster/root_run_id": first},
        parent_run_id=first,
        root_run_id=first,
    )
    assert close_dead_runs(instance) == []
    # Once it has said which process it is, it counts like any other.
    instance.add_run_tags(again.run_id, {PROCESS_TAG: dead_process()})
    assert close_dead_runs(instance) == [again.run_id]


def test_process_number_given_again_is_not_the_process_that_died() -> None:
    number, _, started = this_process().partition("@")
    assert is_alive(f"{number}@{started}")
    assert not is_alive(f"{number}@{started}1")
    assert not is_alive("")
    child = os.fork()
    if child == 0:
        signal.pause()
    named = f"{child}@{this_process().partition('@')[2]}"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not is_alive(named)


def test_commands_run_belongs_to_the_code_location_of_the_interface(instance: dg.DagsterInstance) -> None:
    run = create_night_run(instance, idle, partition="2026-06-30", run_config={}, trigger="command")
    events = execute_here(instance, idle, run)
    assert dg.DagsterEventType.RUN_SUCCESS in {event.event_type for event in events}
    stored = instance.get_run_by_id(run.run_id)
    assert stored is not None
    assert stored.status == dg.DagsterRunStatus.SUCCESS
    # What the interface looks for when it executes a run again.
    assert stored.remote_job_origin is not None
    assert stored.remote_job_origin.location_name == LOCATION
    assert stored.tags["dagster/partition"] == "2026-06-30"
    assert stored.tags["trade_credit/trigger"] == "command"
