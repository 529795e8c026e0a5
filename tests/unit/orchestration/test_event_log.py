"""Dagster's run log: errors that quote a secret are kept without it, and everything else is kept as it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    Failure,
    job,
    op,
)
from dagster._core.events import StepMaterializationData  # noqa: TID251
from dagster._utils.error import serializable_error_info_from_exc_info

from orchestration.event_log import NightEventLog, without_secrets
from orchestration.masking import register_secrets

RUN = "5d2f6c1e-0000-4000-8000-000000000001"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NightEventLog]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    made = NightEventLog(base_dir="runs")
    yield made
    made.dispose()


def entry(
    message: str, error: BaseException | None = None, event: DagsterEvent | None = None
) -> EventLogEntry:
    found = (
        serializable_error_info_from_exc_info((type(error), error, error.__traceback__)) if error else None
    )
    return EventLogEntry(found, "ERROR", message, RUN, 1.0, "land_raw", "nightly", event)


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_error_is_kept_without_the_secret_it_quotes(log: NightEventLog, tmp_path: Path) -> None:
    register_secrets(['hush8812\n"x\n'])
    try:
        try:
            raise ValueError("Invalid header value b'Bearer hush8812\\n\"x\\n'")
        except ValueError as cause:
            raise RuntimeError('hush8812\n"x') from cause
    except RuntimeError as error:
        log.store_event(entry('said hush8812\\n\\"x today', error))
    log.store_event_batch([entry("password='a b' and more"), entry("nothing to hide")])
    kept = [record.event_log_entry for record in log.get_records_for_run(RUN).records]
    assert [event.user_message for event in kept] == [
        "said *** today",
        "password='***' and more",
        "nothing to hide",
    ]
    assert kept[0].error_info is not None
    assert kept[0].error_info.message == "RuntimeError: ***\n"
    log.dispose()
    assert b"nothing to hide" in files(tmp_path)
    assert b"hush8812" not in files(tmp_path)


def test_password_that_is_the_name_of_a_step_and_a_table_leaves_both_their_names(
    log: NightEventLog, tmp_path: Path
) -> None:
    register_secrets(["land_raw", "nightly", "customers"])
    made = StepMaterializationData(
        AssetMaterialization(
            AssetKey(["raw", "customers"]), description="rows of customers", metadata={"n": "nightly"}
        )
    )
    event = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value,
        "nightly",
        step_key="land_raw",
        event_specific_data=made,
        message="customers landed",
    )
    log.store_event(entry("customers landed", event=event))
    (kept,) = [record.event_log_entry for record in log.get_records_for_run(RUN).records]
    assert (kept.run_id, kept.step_key, kept.job_name) == (RUN, "land_raw", "nightly")
    assert kept.asset_materialization is not None
    assert kept.asset_materialization.asset_key == AssetKey(["raw", "customers"])
    assert kept.asset_materialization.description == "rows of ***"
    assert kept.message == "*** landed"
    assert log.all_asset_keys() == [AssetKey(["raw", "customers"])]


def test_event_without_a_secret_is_kept_untouched(log: NightEventLog) -> None:
    register_secrets(["hush8812"])
    event = entry("1,000 rows read\x1b[0m")
    assert without_secrets(event) is event


def test_steps_after_a_failed_one_are_one_short_note_each(log: NightEventLog) -> None:
    log.store_event(
        entry(f"Dependencies for step dbt_staging failed: {['quality_gate'] * 60}. Not executing.")
    )
    (kept,) = [record.event_log_entry for record in log.get_records_for_run(RUN).records]
    assert kept.user_message == "dbt_staging was not run: a step before it failed."
    assert kept.level == logging.INFO


@op
def fails() -> None:
    raise Failure("No file payments.csv in the folder.")


@job
def night() -> None:
    fails()


def test_failure_in_words_comes_without_lines_of_code(log: NightEventLog) -> None:
    with DagsterInstance.ephemeral() as instance:
        result = night.execute_in_process(instance=instance, raise_on_error=False)
        for event in instance.all_logs(result.run_id):
            log.store_event(event)
    kept = [record.event_log_entry.dagster_event for record in log.get_records_for_run(result.run_id).records]
    of_step = [event.step_failure_data.error for event in kept if event and event.is_step_failure]
    of_run = [event.job_failure_data.error for event in kept if event and event.is_job_failure]
    for error in (*of_step, *of_run):
        assert error is not None
        assert (error.message, error.stack) == ("No file payments.csv in the folder.", [])
    assert (len(of_step), len(of_run)) == (1, 1)
