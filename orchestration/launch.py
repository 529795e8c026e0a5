"""Runs one night in this process, as a run that the web interface shows by its day and can try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.clock import company_today
from orchestration.instance import prepare_instance
from orchestration.memory import claim_home, last_run
from orchestration.night import NightOptions, check_day, stopped_text
from orchestration.policy_scales import refuse_gaps
from orchestration.sources.landing.losses import check_names
from orchestration.step_log import end_capture
from orchestration.stop import stopped_by
from orchestration.warehouse import (
    Publication,
    current_publication,
    hold_night_lock,
    release_night_lock,
)

if TYPE_CHECKING:
    from orchestration.settings import Settings


@dataclass(frozen=True)
class NightOutcome:
    """How a night ended: a publication, or the step that failed and why."""

    as_of: date
    run_id: str
    publication: Publication | None
    state: str = "published"
    failed_step: str = ""
    error: str = ""
    notices: tuple[str, ...] = ()


def run_night(settings: Settings, as_of: date, options: NightOptions) -> NightOutcome:
    """Run the nightly job for `as_of` and return how it ended.

    What can be refused without loading the graph is refused at once: raises NightInProgressError where another
    process is running a night on the same state folder, ConfigurationError where the policy has gaps or the folder is
    another company's, UnlikelyDayError where the day looks like a slip, and UnknownTableError where `options` name no
    source table.
    """
    refuse_gaps(settings.policy)
    claim_home(settings)
    hold_night_lock(settings.home)
    release_night_lock(settings.home)
    check_day(settings, as_of, today=company_today(settings), accept_day=options.accept_day)
    check_names(options.accept_drop, settings.sources)
    mended = prepare_instance(settings.dagster_dir)

    import dagster as dg

    from orchestration.definitions import build_definitions
    from orchestration.runs import create_night_run, execute_here, first_failure

    job = build_definitions(settings, through=as_of).resolve_job_def("nightly")
    with dg.DagsterInstance.get() as instance:
        run = create_night_run(
            instance, job, partition=as_of.isoformat(), run_config=_run_config(options), trigger="command"
        )
        try:
            events = execute_here(instance, job, run)
        finally:
            end_capture()
    stopped = stopped_by()
    remembered = last_run(settings.home)
    if remembered is None or remembered.run_id != run.run_id:
        # The night was never opened: its first step says why.
        if stopped is not None:
            return NightOutcome(as_of, run.run_id, None, "stopped", "", stopped_text(stopped))
        return NightOutcome(as_of, run.run_id, None, "failed", *first_failure(events))
    return NightOutcome(
        as_of,
        run.run_id,
        current_publication(settings.publication_dir) if remembered.state == "published" else None,
        remembered.state,
        remembered.failed_step,
        remembered.error,
        (*mended, *remembered.notices),
    )


def _run_config(options: NightOptions) -> Mapping[str, Any]:
    night = {
        "full_refresh": options.full_refresh,
        "accept_drop": list(options.accept_drop),
        "accept_day": options.accept_day,
    }
    return {"resources": {"night": {"config": night}}, "loggers": {"progress": {}}}
