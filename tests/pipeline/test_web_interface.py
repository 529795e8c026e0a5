"""The web interface on a real instance: whatever is started there or in a terminal, nights stay whole and in order.

One interface serves the tests of this file in turn, each on what the one before left.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.memory import last_run
from orchestration.warehouse import current_publication
from tests.pipeline.conftest import AS_OF, Company, write_company

DAYS = [AS_OF + timedelta(days=ahead) for ahead in range(1, 6)]
_LOCATION = {"repositoryLocationName": "orchestration.definitions", "repositoryName": "__repository__"}
_SCHEDULE = {**_LOCATION, "scheduleName": "nightly_schedule"}
_FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
# A loaded machine takes minutes for a night; one that stands still writes neither an event nor a line of a log.
_WITHOUT_PROGRESS_SECONDS = 600


class Interface:
    """What a person can do in the interface, by the requests that its pages send."""

    def __init__(self, port: int, home: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"
        self.home = home

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Every run, newest first, each with the day it answers for."""
        found = self.ask("{runsOrError{... on Runs{results{runId status tags{key value}}}}}")["runsOrError"][
            "results"
        ]
        for run in found:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
            run["day"] = run["tags"].get("dagster/partition", "")
        return list(found)

    def run_of(self, day: date) -> dict[str, Any]:
        """The newest run that answers for a day."""
        return next(run for run in self.runs() if run["day"] == day.isoformat())

    def materialize(self, asset: str, day: date) -> str:
        launched = self.ask(
            "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename "
            "... on LaunchRunSuccess {run {runId}} ... on PythonError {message} ... on InvalidSubsetError {message}}}",
            p={
                "selector": {
                    **_LOCATION,
                    "pipelineName": "__ASSET_JOB",
                    "assetSelection": [{"path": asset.split("/")}],
                },
                "mode": "default",
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day.isoformat()}]},
            },
        )["launchRun"]
        return str(launched["run"]["runId"])

    def backfill(self, days: list[date]) -> None:
        launched = self.ask(
            "mutation($b: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $b) {__typename}}",
            b={
                "selector": {"repositorySelector": _LOCATION, "partitionSetName": "nightly_partition_set"},
                "partitionNames": [day.isoformat() for day in days],
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess"

    def execute_again_from_failure(self, run_id: str) -> str:
        launched = self.ask(
            "mutation($p: ReexecutionParams!) {launchRunReexecution(reexecutionParams: $p) {__typename "
            "... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}",
            p={"parentRunId": run_id, "strategy": "FROM_FAILURE"},
        )["launchRunReexecution"]
        return str(launched["run"]["runId"])

    def start_schedule(self) -> None:
        self.ask(
            "mutation($s: ScheduleSelector!) {startSchedule(scheduleSelector: $s) {__typename}}", s=_SCHEDULE
        )

    def stop_schedule(self) -> None:
        self.ask(
            "mutation($i: String!) {stopRunningSchedule(id: $i) {__typename}}", i=self.schedule_state()["id"]
        )

    def schedule_state(self) -> Any:
        return self.ask(
            "query($s: ScheduleSelector!) {scheduleOrError(scheduleSelector: $s) "
            "{... on Schedule {scheduleState {id status}}}}",
            s=_SCHEDULE,
        )["scheduleOrError"]["scheduleState"]

    def cancel(self, run_id: str) -> None:
        self.ask(
            "mutation($r: String!) {terminateRun(runId: $r, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) "
            "{__typename}}",
            r=run_id,
        )

    def finished(self, run_id: str) -> str:
        """The status a run ends with."""

        def ended() -> str:
            [status] = [run["status"] for run in self.runs() if run["runId"] == run_id]
            return str(status) if status in _FINISHED else ""

        return str(self.waited_for(ended))

    def waited_for(self, found: Callable[[], Any]) -> Any:
        """The first answer of `found` that is true, however long the runs take, while one of them writes something."""
        return waited_for(found, _WITHOUT_PROGRESS_SECONDS, moving=self._written)

    def _written(self) -> list[tuple[str, int]]:
        """What runs have written of themselves so far: their events and the logs of their steps."""
        folders = (self.home / "dagster" / "history" / "runs", self.home / "logs")
        found = []
        for path in (path for folder in folders for path in folder.rglob("*")):
            with suppress(FileNotFoundError):  # SQLite removes a file of its log when it is done with it.
                found.append((str(path), path.stat().st_size))
        return sorted(found)

    def told(self, run_id: str) -> list[str]:
        """What the run's page shows as errors, in its order."""
        events = self.ask(
            "query($r: ID!) {logsForRun(runId: $r) {... on EventConnection {events {"
            "... on MessageEvent {message level} ... on ExecutionStepFailureEvent {failureMetadata {description}}}}}}",
            r=run_id,
        )["logsForRun"]["events"]
        return [
            (event.get("failureMetadata") or {}).get("description") or event["message"]
            for event in events
            if event["level"] == "ERROR"
        ]


def waited_for(found: Callable[[], Any], seconds: float, moving: Callable[[], Any] = lambda: None) -> Any:
    """The first answer of `found` that is true; looks every half second, until `moving` stays the same too long."""
    until, last = time.monotonic() + seconds, moving()
    while time.monotonic() < until:
        answer = found()
        if answer:
            return answer
        time.sleep(0.5)
        if (now := moving()) != last:
            until, last = time.monotonic() + seconds, now
    pytest.fail(f"nothing came and nothing moved for {seconds} s")


@pytest.fixture(scope="module")
def company(published_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A company with one published night, whose schedule ticks every minute once it is turned on."""
    folder = tmp_path_factory.mktemp("web") / "company"
    shutil.copytree(published_template, folder, symlinks=True)
    company = write_company(folder)
    company.config["schedule"] = "* * * * *"
    company.write_config()
    return company


@pytest.fixture(scope="module")
def interface(company: Company) -> Iterator[Interface]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*_command("ui", company), "--port", str(port)],
        env={**os.environ, "TRADE_CREDIT_HOME": str(company.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    interface = Interface(port, company.home)

    def answers() -> bool:
        try:
            return bool(interface.schedule_state())
        except (OSError, AssertionError, KeyError):
            return False

    try:
        waited_for(answers, 300)
        yield interface
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _command(name: str, company: Company, *more: str) -> list[str]:
    command = str(Path(sys.executable).with_name("trade-credit"))
    return [command, name, "--config", str(company.config_path), *more]


def _started(company: Company, day: date, until: str) -> subprocess.Popen[str]:
    """A night in a terminal, in a process group of its own, that has just announced a step."""
    process = subprocess.Popen(
        _command("run", company, "--as-of", day.isoformat()),
        env={**os.environ, "TRADE_CREDIT_HOME": str(company.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(until):
            return process
    pytest.fail(f"the night ended before {until}")


def _published(company: Company) -> str:
    publication = current_publication(company.home / "publication")
    assert publication is not None
    return publication.as_of


def test_opening_the_interface_starts_no_night(interface: Interface) -> None:
    assert interface.schedule_state()["status"] == "STOPPED"
    assert {run["day"] for run in interface.runs()} == {AS_OF.isoformat()}


def test_tick_waits_for_the_night_of_a_terminal(interface: Interface, company: Company) -> None:
    night = _started(company, DAYS[0], "[3/")
    os.killpg(night.pid, signal.SIGSTOP)
    try:
        interface.start_schedule()
        asked = waited_for(lambda: _of_schedule(interface), 300)
        interface.stop_schedule()
        waited_for(lambda: {run["status"] for run in _of_schedule(interface)} == {"QUEUED"}, 300)
        time.sleep(3)
        assert {run["status"] for run in _of_schedule(interface)} == {"QUEUED"}
        assert interface.run_of(DAYS[0])["status"] == "STARTED"
    finally:
        os.killpg(night.pid, signal.SIGKILL)
        night.wait()
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert {run["day"] for run in asked} == {yesterday.isoformat()}
    for run in _of_schedule(interface):
        interface.cancel(run["runId"])


def _of_schedule(interface: Interface) -> list[dict[str, Any]]:
    return [run for run in interface.runs() if run["tags"].get("trade_credit/trigger") == "schedule"]


def test_killed_night_does_not_hold_up_a_backfill_which_runs_day_by_day(
    interface: Interface, company: Company
) -> None:
    assert interface.run_of(DAYS[0])["status"] == "STARTED", "the killed night still counts as running"
    interface.backfill(DAYS[:2])

    def all_ended() -> list[dict[str, Any]]:
        nights = [run for run in interface.runs() if "dagster/backfill" in run["tags"]]
        return nights if [run for run in nights if run["status"] in _FINISHED][1:] else []

    assert [(run["day"], run["status"]) for run in reversed(interface.waited_for(all_ended))] == [
        (day.isoformat(), "SUCCESS") for day in DAYS[:2]
    ]
    assert _published(company) == DAYS[1].isoformat()
    assert "STARTED" not in {run["status"] for run in interface.runs()}


def test_publication_of_a_night_that_was_not_landed_is_refused_with_what_to_run(
    interface: Interface, company: Company
) -> None:
    run_id = interface.materialize("publication/current", DAYS[4])
    assert interface.finished(run_id) == "FAILURE"
    first, *_ = interface.told(run_id)
    assert first.startswith("publication__current of the night of")
    assert f"trade-credit run --as-of {DAYS[4]}" in first
    assert _published(company) == DAYS[1].isoformat()


def test_single_asset_of_the_night_that_stands_is_made_and_its_publication_must_be_gated_again(
    interface: Interface, company: Company
) -> None:
    before = company.snapshot()
    assert interface.finished(interface.materialize("ml/model_run", DAYS[1])) == "SUCCESS"
    run_id = interface.materialize("publication/current", DAYS[1])
    assert interface.finished(run_id) == "FAILURE"
    assert "score_customers has not been run on what stands now" in interface.told(run_id)[0]
    assert company.snapshot() == before


def test_night_that_failed_in_a_terminal_goes_on_from_failure(interface: Interface, company: Company) -> None:
    payments = company.folder / "payments.csv"
    away = payments.rename(payments.with_suffix(".away"))
    failed = subprocess.run(
        _command("run", company, "--as-of", DAYS[3].isoformat()),
        env={**os.environ, "TRADE_CREDIT_HOME": str(company.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1, failed.stderr
    run = interface.run_of(DAYS[3])
    told = interface.told(run["runId"])
    assert told[0].startswith("source erp, payments: no file payments.csv")
    assert not [line for line in told if "Dependencies for step" in line], "the cause is said once"
    away.rename(payments)
    assert interface.finished(interface.execute_again_from_failure(run["runId"])) == "SUCCESS"
    assert _published(company) == DAYS[3].isoformat()
    remembered = last_run(company.home)
    assert remembered is not None
    assert (remembered.state, remembered.as_of) == ("published", DAYS[3].isoformat())
