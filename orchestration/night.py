"""The life cycle of a night: one place opens it, checks what each step builds on, and closes it however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from orchestration.engine import allow_engine
from orchestration.memory import LastRun, claim_home, remember
from orchestration.night_book import (
    LANDING,
    PUBLISHING,
    STEPS,
    StepRecord,
    begin_step,
    finish_step,
    note_publication,
    step_records,
)
from orchestration.policy import policy_variables
from orchestration.policy_scales import refuse_gaps
from orchestration.step_log import captured, retire_old_logs, step_log_folder
from orchestration.stop import stopped_by, watching
from orchestration.warehouse import (
    check_warehouse,
    current_publication,
    hold_night_lock,
    open_warehouse,
    prepare_warehouse,
    release_night_lock,
)
from quality.currencies import minor_units

if TYPE_CHECKING:
    from models_ml.train import LearnSettings
    from orchestration.settings import Settings


class NightError(Exception):
    """The night cannot go on for a reason the reader can act on; nothing has been published."""


class UnlikelyDayError(NightError):
    """The day asked for is so far off that it looks like a slip; a flag says that it is meant."""


class NightStoppedError(NightError):
    """A person asked the night to stop."""


@dataclass(frozen=True)
class NightOptions:
    """What a person may decide for one night, off by default.

    `accept_drop` names the source tables (`erp.invoices`) that may have lost most of their rows tonight.
    """

    full_refresh: bool = False
    accept_drop: tuple[str, ...] = ()
    accept_day: bool = False


def check_day(settings: Settings, as_of: date, *, today: date, accept_day: bool) -> None:
    """Refuse a day that is in the future or far from the night last published, unless it is meant.

    The demo company lives in a time of its own, so its days are only held against each other.
    Raises UnlikelyDayError with what to type instead.
    """
    if as_of < settings.nights.first:
        raise UnlikelyDayError(
            f"The night of {as_of} lies before {settings.nights.first}, the first night there can be: "
            "correct --as-of, or set `nights.first` in the configuration."
        )
    if accept_day:
        return
    meant = (
        "If the day is meant, run again with --accept-day (in the web interface: "
        "`resources: {night: {config: {accept_day: true}}}`)."
    )
    if settings.demo is None and as_of > today:
        raise UnlikelyDayError(
            f"The night of {as_of} lies in the future: today is {today} ({settings.time_zone}). A night stamps what "
            f"it lands with its day, so later true nights would find nothing to read. Correct --as-of. {meant}"
        )
    last = current_publication(settings.publication_dir)
    if last is None:
        return
    apart = (as_of - date.fromisoformat(last.as_of)).days
    if abs(apart) > settings.nights.furthest_days:
        side = "after" if apart > 0 else "before"
        raise UnlikelyDayError(
            f"The night of {as_of} lies {abs(apart):,} days {side} the one last published ({last.as_of}); up to "
            f"{settings.nights.furthest_days} are taken as meant (`nights.furthest_days`). Correct --as-of. {meant}"
        )


class Night:
    """One night in one run: opened by the first step that needs it, closed when the run ends.

    Parameters
    ----------
    settings
        Read once, before the night began; every step sees the same.
    as_of
        The day the night answers for; everything later is unknown to it.
    run_id
        The run that does the work.
    today
        The company's calendar day now, against which `as_of` is judged.
    when_open
        Called once the writer's lock is held, for example to close runs that died.
    """

    def __init__(
        self,
        settings: Settings,
        as_of: date,
        run_id: str,
        *,
        options: NightOptions,
        today: date,
        when_open: Callable[[], object] = lambda: None,
    ) -> None:
        self.settings = settings
        self.as_of = as_of
        self.run_id = run_id
        self.options = options
        self.today = today
        self._when_open = when_open
        self._held = ExitStack()
        self._is_open = False
        self._writers: dict[str, Future[object]] = {}
        self._memory = LastRun(as_of.isoformat(), "running", run_id, started_at=_now())

    # ------------------------------------------------------------ opening and closing

    def open(self) -> None:
        """Claim the state folder, take the writer's lock, judge the day, bring the warehouse up to date.

        Does nothing where the night is open already. Raises ConfigurationError (a policy with gaps, the folder of
        another company), NightInProgressError, UnlikelyDayError, WarehouseError.
        """
        if self._is_open:
            return
        settings = self.settings
        refuse_gaps(settings.policy)
        reporting_decimals(settings)
        allow_engine(settings.engine.options())
        claim_home(settings)
        hold_night_lock(settings.home)
        self._held.callback(release_night_lock, settings.home)
        try:
            check_day(settings, self.as_of, today=self.today, accept_day=self.options.accept_day)
        except NightError:
            self._held.close()
            raise
        # From here on the run is this folder's last one, and how it ends is remembered.
        self._is_open = True
        remember(settings.home, self._memory)
        self._when_open()
        retire_old_logs(settings.home)
        check_warehouse(settings.warehouse_path)
        prepare_warehouse(settings.warehouse_path)

    @contextmanager
    def watching(self) -> Iterator[Night]:
        """The night for the length of a run: stop signals are noted, and at the end it is closed."""
        with watching():
            try:
                yield self
            finally:
                self.close()

    def close(self) -> None:
        """Remember how the night ended and give the lock back; does nothing where it was never opened."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self.wait_for_writers()
            if self._memory.state == "running":
                stopped = stopped_by()
                if stopped is None:
                    self._memory = replace(self._memory, state="partial")
                else:
                    self._memory = replace(self._memory, state="stopped", error=stopped_text(stopped))
            self._memory = replace(self._memory, ended_at=_now())
            remember(self.settings.home, self._memory)
        finally:
            self._held.close()

    # ------------------------------------------------------------ steps

    @contextmanager
    def step(self, name: str) -> Iterator[Path]:
        """One step of the night: opens the night, checks what the step builds on, and notes how it ended.

        Yields the path of the step's log. Raises NightError where an earlier step has not been made for this
        night, before anything is changed, and NightStoppedError where a stop was asked for.
        """
        if self._memory.failed_step == name:  # tried again
            self._memory = replace(self._memory, state="running", failed_step="", error="")
        try:
            self.open()
            self.raise_if_stopped()
            self._begin(name)
        except Exception as error:
            self.failed(name, str(error))
            raise
        try:
            with captured(self.log_folder, name) as log:
                yield log
            if name != PUBLISHING:  # once readers are switched, the night has happened
                self.raise_if_stopped()
            with open_warehouse(self.settings.warehouse_path) as connection:
                finish_step(connection, name)
        except BaseException as error:
            self.failed(name, str(error))
            raise
        if name == PUBLISHING:
            self._memory = replace(self._memory, state="published")

    def _begin(self, name: str) -> None:
        with open_warehouse(self.settings.warehouse_path) as connection:
            records = step_records(connection)
            self._check_what_it_builds_on(name, records)
            begin_step(connection, name, self.as_of, load_id=self.load_id(records, name), run_id=self.run_id)

    def load_id(self, records: dict[str, StepRecord], name: str) -> str:
        """The landing that step `name` works on: its own for the landing itself, else the one landed last."""
        return self.run_id if name == LANDING else records[LANDING].load_id

    def _check_what_it_builds_on(self, name: str, records: dict[str, StepRecord]) -> None:
        landed = records.get(LANDING)
        for earlier in STEPS:
            if earlier == name:
                return
            found = records.get(earlier)
            if found is None or landed is None:
                what = (
                    f"{earlier} has not been run on what stands now"
                    if landed
                    else "nothing has been landed yet"
                )
            elif found.as_of != self.as_of:
                what = f"{earlier} stands for the night of {found.as_of}"
            elif found.load_id != landed.load_id:
                what = f"{earlier} was made from an earlier landing"
            elif not found.is_done:
                what = f"{earlier} has not ended well"
            else:
                continue
            raise NightError(
                f"{name} of the night of {self.as_of} cannot be made: {what}. Nothing was changed. "
                f"Run the steps before it for the same night first: the whole night with `trade-credit run --as-of "
                f"{self.as_of}`, or in the web interface the job `nightly` for the partition {self.as_of}; a night "
                "that failed half-way goes on with Re-execute, From failure."
            )

    def note_publication(self) -> None:
        """Enter the night among those that reached readers; called right before they are switched."""
        with open_warehouse(self.settings.warehouse_path) as connection:
            landed = step_records(connection)[LANDING]
            note_publication(connection, self.as_of, load_id=landed.load_id, run_id=self.run_id)

    def raise_if_stopped(self) -> None:
        """Raise NightStoppedError where a person has asked for it, even if a library swallowed the signal."""
        stopped = stopped_by()
        if stopped is not None:
            raise NightStoppedError(stopped_text(stopped))

    @property
    def is_stopped(self) -> bool:
        """True once a person has asked the night to stop."""
        return stopped_by() is not None

    @property
    def told(self) -> str:
        """What is remembered of how the night ended; empty while it goes well."""
        return self._memory.error

    def failed(self, step: str, error: str) -> None:
        """Note at which step the night ended, and why; the first one counts."""
        if self._memory.state != "running":
            return
        stopped = stopped_by()
        state = "failed" if stopped is None else "stopped"
        error = error if stopped is None else stopped_text(stopped)
        self._memory = replace(self._memory, state=state, failed_step=step, error=error)

    def explain(self, error: str) -> None:
        """Put words a person can act on in the place of what an unforeseen error said."""
        if self._memory.state == "failed":
            self._memory = replace(self._memory, error=error)

    def tell(self, notice: str) -> None:
        """Keep a notice for `status` and the summary: something the night went on with, that a person should see."""
        if notice not in self._memory.notices:
            self._memory = replace(self._memory, notices=(*self._memory.notices, notice))

    # ------------------------------------------------------------ what no step waits for

    def write_meanwhile(self, what: str, write: Callable[[], object]) -> None:
        """Write `what` for people beside the steps that follow; the night waits for it before it closes.

        Where it cannot be written the night goes on, and says so.
        """
        future: Future[object] = Future()
        self._writers[what] = future

        def attempt() -> None:
            try:
                future.set_result(write())
            except Exception as error:
                future.set_exception(error)

        Thread(target=attempt, name=what, daemon=True).start()

    def wait_for_writers(self) -> None:
        """Wait until everything begun by write_meanwhile is written, and tell what could not be."""
        while self._writers:
            what, future = self._writers.popitem()
            error = future.exception()
            if error is not None:
                self.tell(f"{what} could not be written: {error}")

    # ------------------------------------------------------------ what steps need

    @property
    def log_folder(self) -> Path:
        """Where the logs of this run's steps lie."""
        return step_log_folder(self.settings.home, self.as_of.isoformat(), self.run_id)

    def dbt_variables(self) -> dict[str, Any]:
        """The variables every dbt stage of this night is run with."""
        return dbt_variables(self.settings, self.as_of)

    def learn_settings(self) -> LearnSettings:
        """What the customer model of this configuration predicts."""
        from models_ml.train import LearnSettings

        return LearnSettings(
            horizon_months=self.settings.model.horizon_months,
            target_days_past_due=self.settings.model.target_days_past_due,
            default_amount=self.settings.model.default_amount,
            default_share=self.settings.model.default_share,
            probation_months=self.settings.model.probation_months,
        )


def dbt_variables(settings: Settings, as_of: date) -> dict[str, Any]:
    """The variables a dbt invocation for `as_of` is run with."""
    return {
        "as_of_date": as_of.isoformat(),
        "reporting_currency": settings.reporting_currency,
        "reporting_decimals": reporting_decimals(settings),
        "horizon_months": settings.model.horizon_months,
        "target_days_past_due": settings.model.target_days_past_due,
        "default_amount": settings.model.default_amount,
        "default_share": settings.model.default_share,
        "probation_months": settings.model.probation_months,
        "stray_days_past_due": settings.model.stray_days_past_due,
        "stray_newer_documents": settings.model.stray_newer_documents,
        **settings.parameters.dbt_variables(),
        **policy_variables(settings.policy),
    }


def reporting_decimals(settings: Settings) -> int:
    """How many decimals amounts in reporting currency have; NightError where it is no currency of ISO 4217."""
    decimals = minor_units(settings.reporting_currency)
    if decimals is None:
        raise NightError(
            f"reporting_currency: {settings.reporting_currency!r} is no currency of ISO 4217; valid is for example USD."
        )
    return decimals


def stopped_text(signal_name: str) -> str:
    """What a person reads of a night that was asked to stop."""
    return (
        f"Stopped by you ({signal_name}). Run the same day again: what was done is done again, nothing twice."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
