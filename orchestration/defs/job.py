"""The job `nightly` over the whole graph, its schedule, and what frees the queue from runs that died."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from orchestration.runs import TRIGGER_TAG, close_dead_runs

JOB_NAME = "nightly"


def build_job() -> Any:
    """One job, all assets, one process: starting a process for each step would cost more than the step."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=dg.in_process_executor,
        description="One night: land, check, resolve, build, learn, score, warn, check again, publish.",
    )


def build_schedule(cron: str, time_zone: str, due: Callable[[date], date]) -> dg.ScheduleDefinition:
    """The nightly schedule: each tick asks for the night that is `due` on the company's day it falls on.

    It is off until somebody turns it on: opening the interface to look must not start nights.
    """

    @dg.schedule(
        name="nightly_schedule",
        job_name=JOB_NAME,
        cron_schedule=cron,
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        fell_on: datetime = context.scheduled_execution_time.astimezone(ZoneInfo(time_zone))
        return dg.RunRequest(partition_key=due(fell_on.date()).isoformat(), tags={TRIGGER_TAG: "schedule"})

    return nightly_schedule


@dg.sensor(
    name="close_dead_runs",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, so that the queue goes on after a night was killed. Starts nothing.",
)
def close_dead_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Look every half minute; the instance runs one night at a time and would count a dead one for ever."""
    closed = close_dead_runs(context.instance)
    return dg.SkipReason(f"closed {', '.join(closed)}" if closed else "no run of a dead process")
