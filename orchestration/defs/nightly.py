"""Nightly: the one job over the whole graph, its schedule, and what is remembered of how it ended."""

from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.memory import remember_failure
from orchestration.night import Night
from orchestration.nightly_run import night_run_config

JOB_NAME = "nightly"


@dg.failure_hook(required_resource_keys={"night"})
def note_failure(context: dg.HookContext) -> None:
    """Keep the failed step where `trade-credit status` finds it."""
    night: Night = context.resources.night
    error = context.op_exception
    reason = error.description if isinstance(error, dg.Failure) and error.description else str(error)
    remember_failure(night.settings().home, night.as_of, context.run_id, context.op.name, reason)


def build_job() -> UnresolvedAssetJobDefinition:
    """One job, all assets, one process: starting a process for each step would cost more than the step."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=dg.in_process_executor,
        hooks={note_failure},
        description="One night: land, check, resolve, build, learn, score, warn, check again, publish.",
    )


def build_schedule(cron: str, time_zone: str, config_file: str) -> dg.ScheduleDefinition:
    """The nightly schedule: each tick answers for the day it falls on in the company's time zone."""

    @dg.schedule(
        name="nightly_schedule",
        job_name=JOB_NAME,
        cron_schedule=cron,
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.astimezone(ZoneInfo(time_zone)).date()
        return dg.RunRequest(
            run_key=day.isoformat(),
            run_config=night_run_config(day, Path(config_file) if config_file else None),
        )

    return nightly_schedule
