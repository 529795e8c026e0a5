"""The life cycle of a night: which days it takes, what a step may build on, and what is remembered of its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path

import pytest

from orchestration.clock import night_due
from orchestration.memory import last_run
from orchestration.night import (
    Night,
    NightError,
    NightOptions,
    NightStoppedError,
    UnlikelyDayError,
    check_day,
    dbt_variables,
)
from orchestration.night_book import PUBLISHING, STEPS, published_nights
from orchestration.settings import ConfigurationError, Settings, load_settings
from orchestration.stop import watching
from orchestration.warehouse import (
    NightInProgressError,
    is_night_running,
    open_warehouse,
    publish_mart,
)

DAY = date(2026, 6, 30)
TODAY = date(2026, 7, 3)


def settings_of(folder: Path, more: str = "", *, company: str = "Test", home: str = "home") -> Settings:
    path = folder / f"{company}.yml"
    path.write_text(
        f"company: {company}\nreporting_currency: USD\ntime_zone: Europe/Berlin\n{more}\n"
        "sources: {erp: {kind: files, tables: {customers: {files: c.csv}, invoices: {files: i.csv}}}}\n",
        encoding="utf-8",
    )
    return load_settings(path, env={}, home=folder / home)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@contextmanager
def night(settings: Settings, as_of: date = DAY, run_id: str = "run-1", **options: bool) -> Iterator[Night]:
    opened = Night(settings, as_of, run_id, options=NightOptions(**options), today=TODAY)  # type: ignore[arg-type]
    with opened.watching():
        yield opened


def run_steps(night: Night, first: str = "land_raw", last: str = PUBLISHING) -> None:
    names = list(STEPS)
    for name in names[names.index(first) : names.index(last) + 1]:
        with night.step(name):
            if name == PUBLISHING:
                night.note_publication()


def refused(night: Night, step: str, error: type[Exception] = NightError) -> str:
    """What `night` says when it is asked for a step that it must not do."""
    with pytest.raises(error) as caught:
        run_steps(night, step, step)
    return str(caught.value)


# ---------------------------------------------------------------- what a step may build on


def test_whole_night_is_remembered_as_published(settings: Settings) -> None:
    with night(settings) as tonight:
        run_steps(tonight)
    run = last_run(settings.home)
    assert run is not None
    assert (run.as_of, run.state, run.run_id, bool(run.ended_at)) == (
        "2026-06-30",
        "published",
        "run-1",
        True,
    )
    with open_warehouse(settings.warehouse_path) as connection:
        assert published_nights(connection) == {DAY}


@pytest.mark.parametrize("step", list(STEPS)[1:])
def test_no_step_builds_on_another_night(settings: Settings, step: str) -> None:
    with night(settings) as tonight:
        run_steps(tonight)
    with night(settings, DAY + timedelta(days=1), "run-2") as other:
        said = refused(other, step)
    assert "land_raw stands for the night of 2026-06-30" in said
    assert "trade-credit run --as-of 2026-07-01" in said
    # Refused before anything was changed: the night that stands can still be taken up.
    with night(settings, run_id="run-3") as again:
        run_steps(again, first=step)


def test_nothing_is_published_without_the_gates_of_this_landing(settings: Settings) -> None:
    with night(settings) as tonight:
        run_steps(tonight)
    for redone, missing in (
        ("land_raw", "quality_gate"),
        ("quality_gate", "dbt_staging"),
        ("dbt_serve", "mart_gate"),
    ):
        with night(settings, run_id="run-2") as again:
            run_steps(again, redone, redone)
            with (
                pytest.raises(NightError, match=f"{missing} has not been run on what stands now"),
                again.step(PUBLISHING),
            ):
                pytest.fail("published")
        with night(settings, run_id="run-3") as again:
            run_steps(again, missing)


def test_failed_gate_is_not_gone_round(settings: Settings) -> None:
    with night(settings) as tonight:
        run_steps(tonight, last="dbt_serve")
        with pytest.raises(ZeroDivisionError), tonight.step("mart_gate"):
            raise ZeroDivisionError
    run = last_run(settings.home)
    assert run is not None
    assert (run.state, run.failed_step) == ("failed", "mart_gate")
    with night(settings, run_id="run-2") as again:
        assert "mart_gate has not ended well" in refused(again, PUBLISHING)


def test_killed_step_counts_as_not_ended(settings: Settings) -> None:
    with night(settings) as tonight:
        run_steps(tonight, last="dbt_transform")
        killed = tonight.step("learn_model")
        killed.__enter__()  # and never left
    with night(settings, run_id="run-2") as again:
        assert "learn_model has not ended well" in refused(again, "score_customers")
        run_steps(again, first="learn_model")


def test_step_tried_again_ends_well(settings: Settings) -> None:
    with night(settings) as tonight:
        with suppress(OSError), tonight.step("land_raw"):
            raise OSError("down for a moment")
        run_steps(tonight)
    run = last_run(settings.home)
    assert run is not None
    assert (run.state, run.error) == ("published", "")


def test_run_of_some_steps_is_remembered_as_partial(settings: Settings) -> None:
    with night(settings) as tonight:
        run_steps(tonight, last="quality_gate")
        tonight.tell("a column is new")
    run = last_run(settings.home)
    assert run is not None
    assert (run.state, tuple(run.notices)) == ("partial", ("a column is new",))


# ---------------------------------------------------------------- one writer, one company


def test_lock_is_held_from_the_first_step_to_the_end_of_the_run(settings: Settings) -> None:
    with night(settings) as tonight:
        assert not is_night_running(settings.home)
        run_steps(tonight, last="land_raw")
        assert is_night_running(settings.home)
    assert not is_night_running(settings.home)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_refused_while_another_process_writes(settings: Settings, step: str) -> None:
    with night(settings) as tonight:
        run_steps(tonight)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        from orchestration.warehouse import hold_night_lock

        hold_night_lock(settings.home)
        os.write(writer, b".")
        signal.pause()
        os._exit(0)
    try:
        os.read(reader, 1)
        with night(settings, run_id="run-2") as other:
            refused(other, step, NightInProgressError)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    run = last_run(settings.home)
    assert run is not None
    assert run.run_id == "run-1"


def test_no_step_writes_into_another_companys_folder(settings: Settings, tmp_path: Path) -> None:
    with night(settings) as tonight:
        run_steps(tonight)
    other = settings_of(tmp_path, company="Other")
    with night(other, run_id="run-2") as strange:
        refused(strange, PUBLISHING, ConfigurationError)


# ---------------------------------------------------------------- the day


def published(settings: Settings, as_of: date) -> None:
    with open_warehouse(settings.home / "small.duckdb") as connection:
        connection.execute(
            "create schema if not exists mart; create or replace table mart.t as select 1 as a"
        )
    publish_mart(
        settings.home / "small.duckdb",
        settings.publication_dir,
        as_of=as_of,
        company="Test",
        reporting_currency="USD",
        run_id="x" * 8,
        keep=3,
    )


@pytest.mark.parametrize(
    ("as_of", "says"),
    [
        (date(2026, 7, 4), "lies in the future"),
        (date(2062, 6, 30), "lies in the future"),
        (date(9999, 12, 31), "lies in the future"),
        (date(2025, 6, 30), "365 days before"),
        (date(2006, 6, 30), "7,305 days before"),
        (date(1, 1, 1), "before 2000-01-01"),
        (date(1999, 12, 31), "before 2000-01-01"),
    ],
)
def test_unlikely_day_is_refused_and_says_what_to_type(settings: Settings, as_of: date, says: str) -> None:
    settings.home.mkdir()
    published(settings, DAY)
    with pytest.raises(UnlikelyDayError, match=says):
        check_day(settings, as_of, today=TODAY, accept_day=False)
    with night(settings, as_of) as tonight:
        refused(tonight, "land_raw", UnlikelyDayError)
    assert not settings.warehouse_path.exists()


@pytest.mark.parametrize("apart", [-92, -7, -1, 0, 1, 3])
def test_day_near_the_last_night_is_taken(settings: Settings, apart: int) -> None:
    settings.home.mkdir()
    published(settings, DAY)
    check_day(settings, DAY + timedelta(days=apart), today=TODAY, accept_day=False)


def test_missed_weeks_are_taken_up_and_a_missed_half_year_only_when_meant(settings: Settings) -> None:
    settings.home.mkdir()
    published(settings, date(2025, 12, 31))
    check_day(settings, date(2026, 1, 21), today=TODAY, accept_day=False)
    with pytest.raises(UnlikelyDayError, match="--accept-day"):
        check_day(settings, DAY, today=TODAY, accept_day=False)
    check_day(settings, DAY, today=TODAY, accept_day=True)


def test_night_due_is_the_day_that_has_closed(settings: Settings) -> None:
    assert night_due(settings, date(2026, 3, 1)) == date(2026, 2, 28)
    assert night_due(settings, date(2024, 3, 1)) == date(2024, 2, 29)
    assert night_due(settings, date(2027, 1, 1)) == date(2026, 12, 31)


# ---------------------------------------------------------------- stopping


def swallowed(number: signal.Signals) -> None:
    """A stop signal that arrives in a library which catches everything."""
    with suppress(BaseException):
        os.kill(os.getpid(), number)
        signal.sigtimedwait([], 0.1)


def step_that_swallows(
    night: Night, step: str, number: signal.Signals, error: Exception | None = None
) -> None:
    with night.step(step):
        swallowed(number)
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
def test_stop_that_a_library_swallows_still_stops_the_night(
    settings: Settings, number: signal.Signals, name: str
) -> None:
    with night(settings) as tonight:
        run_steps(tonight, last="land_raw")
        with pytest.raises(NightStoppedError):
            step_that_swallows(tonight, "quality_gate", number)
        refused(tonight, "dbt_staging", NightStoppedError)
    run = last_run(settings.home)
    assert run is not None
    assert (run.state, run.failed_step) == ("stopped", "quality_gate")
    assert run.error.startswith(f"Stopped by you ({name})")


def test_error_that_a_stop_leaves_behind_is_not_blamed_on_a_rule(settings: Settings) -> None:
    blamed = RuntimeError("rule invoice_key_missing could not run")
    with night(settings) as tonight, pytest.raises(RuntimeError):
        step_that_swallows(tonight, "land_raw", signal.SIGINT, blamed)
    run = last_run(settings.home)
    assert run is not None
    assert run.state == "stopped"
    assert "rule" not in run.error


def test_signal_handlers_are_as_before_once_the_night_is_over(settings: Settings) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with watching(), night(settings):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize(("currency", "decimals"), [("USD", 2), ("JPY", 0), ("KWD", 3)])
def test_amounts_are_rounded_as_the_reporting_currency_is(
    settings: Settings, currency: str, decimals: int
) -> None:
    chosen = settings.model_copy(update={"reporting_currency": currency})
    assert dbt_variables(chosen, date(2026, 6, 30))["reporting_decimals"] == decimals


def test_reporting_currency_that_is_none_is_refused(settings: Settings) -> None:
    with pytest.raises(NightError, match="'XYZ' is no currency of ISO 4217; valid is for example USD"):
        dbt_variables(settings.model_copy(update={"reporting_currency": "XYZ"}), date(2026, 6, 30))
