"""Transform: the three dbt stages of the night, each one invocation over the nodes with its tag."""

from pathlib import Path

import dagster as dg

from orchestration.dbt_runner import prepared_manifest
from orchestration.defs.dbt_stage import dbt_stage

STAGES = {"dbt_staging": "tag:staging", "dbt_transform": "tag:transform", "dbt_serve": "tag:serve"}


def build_dbt_stages(home: Path) -> list[dg.AssetsDefinition]:
    """Typed staging, then ledger, marts and features, then what needs tonight's scores."""
    manifest = prepared_manifest(home)
    return [dbt_stage(name, select=select, manifest=manifest) for name, select in STAGES.items()]


def mart_keys(stages: list[dg.AssetsDefinition]) -> list[dg.AssetKey]:
    """The keys of every mart table, which is what a publication holds."""
    return sorted(key for stage in stages for key in stage.keys if key.path[0] == "mart")
