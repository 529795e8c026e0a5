"""How a dbt stage becomes assets and checks: keys, groups, owners, and the results of one invocation."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.dbt_runner import NodeOutcome, build
from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.night import NightError
from orchestration.owners import owner_team
from orchestration.warehouse import open_warehouse


class StageTranslator(DagsterDbtTranslator):
    """Answers Dagster's questions about a dbt node; keys equal table addresses."""

    def __init__(self) -> None:
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_source_metadata=False))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        if dbt_resource_props["resource_type"] == "source":  # made by other steps, which say where
            return None
        return str(_meta(dbt_resource_props, "dagster.group", "a stage of the night, for example transform"))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        if dbt_resource_props["resource_type"] == "source":
            return []
        return [owner_team(str(_meta(dbt_resource_props, "owner", "a department, for example finance")))]


def _meta(node: Mapping[str, Any], name: str, valid: str) -> Any:
    """What a dbt node says of itself in `config.meta`; raises NightError where it does not."""
    found: Any = node.get("config", {}).get("meta", {})
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not found:
        file = Path("dbt_project", str(node["original_file_path"])).with_suffix(".yml")
        raise NightError(f"{node['name']} has no `meta: {name}`: name {valid}, in {file}.")
    return found


def dbt_stage(name: str, *, select: str, manifest: Path) -> dg.AssetsDefinition:
    """The assets of every dbt node that `select` names, built by one invocation in this process.

    The stage is built whole whatever part of it a run asks for: half a stage would be of two nights.
    """

    @dbt_assets(manifest=manifest, select=select, name=name, dagster_dbt_translator=StageTranslator())
    def stage(context: dg.AssetExecutionContext, night: OpenNight) -> Iterator[Any]:
        with night_step(context, night, name):
            settings = night.settings
            outcomes = build(
                settings.home, settings.warehouse_path, select=select, variables=night.dbt_variables()
            )
            yield from asked_for(context, _results(context, outcomes, settings.warehouse_path))
            failed = [outcome for outcome in outcomes if not outcome.ok and outcome.status != "skipped"]
            if failed:
                raise NightError(_failure_text(name, failed, settings.warehouse_path))

    return stage


def _results(
    context: dg.AssetExecutionContext, outcomes: list[NodeOutcome], warehouse: Path
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    keys = {str(spec.metadata.get("dagster_dbt/unique_id")): spec.key for spec in context.assets_def.specs}
    checks = {
        str(spec.metadata.get("dagster_dbt/unique_id")): spec for spec in context.assets_def.check_specs
    }
    with open_warehouse(warehouse) as connection:
        for outcome in outcomes:
            if outcome.ok and outcome.unique_id in keys:
                key = keys[outcome.unique_id]
                schema, table = key.path[-2:]
                row = connection.execute(f"select count(*) from {schema}.{table}").fetchone()
                yield dg.MaterializeResult(
                    asset_key=key,
                    metadata={
                        "dagster/row_count": int(row[0]) if row else 0,
                        "seconds": outcome.seconds,
                    },
                )
    for outcome in outcomes:
        spec = checks.get(outcome.unique_id)
        if spec is not None and outcome.status != "skipped":
            yield dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=outcome.status == "pass",
                severity=dg.AssetCheckSeverity.WARN
                if outcome.status == "warn"
                else dg.AssetCheckSeverity.ERROR,
                metadata={"failing_rows": outcome.failures, "message": outcome.message or "as expected"},
            )


def _failure_text(stage: str, failed: list[NodeOutcome], warehouse: Path) -> str:
    lines = []
    for outcome in failed:
        lines.append(f"  {outcome.resource_type} {outcome.name}: {outcome.message.strip() or outcome.status}")
        if outcome.status == "fail":
            lines += [f"    {row}" for row in _first_failing_rows(outcome.compiled_sql, warehouse)]
    return (
        f"{len(failed)} node(s) of the dbt stage {stage} failed, so nothing after it was built:\n"
        + "\n".join(lines)
        + "\nThe compiled SQL of each lies under dbt/compiled in the state folder."
    )


def _first_failing_rows(query: str, warehouse: Path) -> list[str]:
    """The first rows a failed test selects, each as `column value` pairs."""
    with open_warehouse(warehouse, read_only=True) as connection:
        found = connection.execute(f"select * from ({query}) limit 3")
        names = [column[0] for column in found.description]
        return [
            ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True))
            for row in found.fetchall()
        ]
