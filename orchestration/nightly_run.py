"""Runs the nightly job in this process and says how it ended."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.instance import prepare_instance
from orchestration.memory import claim_home, remember_start
from orchestration.warehouse import (
    Publication,
    current_publication,
    hold_night_lock,
    release_night_lock,
)

if TYPE_CHECKING:
    from orchestration.settings import Settings

LAST_TRACE = "last_error.txt"


@dataclass(frozen=True)
class NightOutcome:
    """How a night ended: a publication, or the step that failed and why."""

    as_of: date
    run_id: str
    publication: Publication | None
    failed_step: str = ""
    error: str = ""


def next_demo_day(settings: Settings) -> date:
    """The demo company's next night: its first day, or the day after the one last published."""
    publication = current_publication(settings.publication_dir)
    if publication is None:
        assert settings.demo is not None
        return settings.demo.first_as_of
    return date.fromisoformat(publication.as_of) + timedelta(days=1)


def run_night(settings: Settings, *, config: Path | None, as_of: date, full_refresh: bool) -> NightOutcome:
    """Run the nightly job for `as_of` and return how it ended.

    Raises NightInProgressError where another process is running a night on the same state folder, and
    ConfigurationError where the folder is another company's.
    """
    claim_home(settings)
    hold_night_lock(settings.home)
    remember_start(settings.home, as_of.isoformat(), run_id="")
    try:
        return _execute(settings, config, as_of, full_refresh)
    finally:
        release_night_lock(settings.home)


def _execute(settings: Settings, config: Path | None, as_of: date, full_refresh: bool) -> NightOutcome:
    prepare_instance(settings.dagster_dir)
    os.environ["TRADE_CREDIT_HOME"] = str(settings.home.resolve())

    import dagster as dg

    from orchestration.definitions import build_definitions

    definitions = build_definitions(settings)
    instance = dg.DagsterInstance.get()
    try:
        result = definitions.resolve_job_def("nightly").execute_in_process(
            instance=instance,
            run_config=night_run_config(as_of, config, full_refresh=full_refresh, progress=True),
            raise_on_error=False,
        )
    finally:
        instance.dispose()
    if result.success:
        return NightOutcome(as_of, result.run_id, current_publication(settings.publication_dir))
    step, error = _first_failure(result, settings.home)
    return NightOutcome(as_of, result.run_id, None, step, error)


def night_run_config(
    as_of: date, config: Path | None, *, full_refresh: bool = False, progress: bool = False
) -> dict[str, Any]:
    """Dagster run configuration of one night."""
    resources = {
        "night": {
            "config": {
                "as_of": as_of.isoformat(),
                "config_file": str(config.resolve()) if config else "",
                "full_refresh": full_refresh,
            }
        }
    }
    return {"resources": resources, **({"loggers": {"progress": {}}} if progress else {})}


def _first_failure(result: Any, home: Path) -> tuple[str, str]:
    """The step that failed and what to tell about it; what nobody foresaw goes to a file in full."""
    for event in result.all_events:
        if event.event_type_value != "STEP_FAILURE":
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return event.step_key, data.user_failure_data.description
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        trace = home / LAST_TRACE
        trace.write_text(event.step_failure_data.error.to_string(), encoding="utf-8")
        message = error.message.strip() if error is not None else "no error was recorded"
        return event.step_key, f"{message}\nThis error was not foreseen; its trace is in {trace}"
    return "unknown", "the run failed outside a step; see the run in `trade-credit ui`"
