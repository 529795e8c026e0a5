"""Assembles the code location: assets by stage, one job, one schedule."""

from __future__ import annotations

import functools
import gc
import os
from datetime import date
from pathlib import Path

from orchestration import telemetry
from orchestration.masking import mask_logging

telemetry.switch_off()
mask_logging()
# A night keeps hundreds of thousands of objects (the graph, dbt's manifest) and little garbage in circles; at Python's
# own threshold it looks through all of them again and again, for a fifteenth of a small night.
gc.set_threshold(50_000, 20, 20)

import dagster as dg  # noqa: E402  (telemetry must be off before any dependency loads)

from orchestration.clock import company_today, night_due  # noqa: E402
from orchestration.defs import (  # noqa: E402
    gate,
    ingest,
    job,
    learn,
    mart_gate,
    publish,
    resolve,
    score,
    transform,
)
from orchestration.defs.steps import NIGHT, night_partitions, night_resource  # noqa: E402
from orchestration.progress import progress_logger  # noqa: E402
from orchestration.settings import Settings, load_settings  # noqa: E402


def build_definitions(settings: Settings, *, through: date | None = None) -> dg.Definitions:
    """The whole graph for one configuration; the same for production, tests and the command line.

    Nights can be run from the company's first one to `through`, by default the one that is due or today.
    """
    today = company_today(settings)
    partitions = night_partitions(settings, through or max(today, night_due(settings, today)))
    stages = transform.build_dbt_stages(settings.home)
    assets: list[dg.AssetsDefinition] = [
        ingest.land_raw,
        gate.quality_gate,
        resolve.resolve_customers,
        learn.learn_model,
        score.score_customers,
        *stages,
        publish.build_publish_asset(transform.mart_keys(stages)),
    ]
    return dg.Definitions(
        assets=[
            asset.map_asset_specs(lambda spec: spec.replace_attributes(partitions_def=partitions))
            for asset in assets
        ],
        asset_checks=[mart_gate.build_mart_gate(stages)],
        jobs=[job.build_job()],
        schedules=[
            job.build_schedule(settings.schedule, settings.time_zone, functools.partial(night_due, settings))
        ],
        sensors=[job.close_dead_runs_sensor],
        resources={NIGHT: night_resource(settings)},
        loggers={"progress": progress_logger},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's web interface and daemon load."""
    config_file = os.environ.get("TRADE_CREDIT_CONFIG", "")
    return build_definitions(load_settings(Path(config_file) if config_file else None, env=os.environ))
