"""The graph a data engineer watches: its assets, checks, job and schedule, held against a written list.

After a wanted change: `python -m tests.graph.test_graph` writes the list anew; the difference is reviewed like code.
"""

import json
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.definitions import build_definitions
from orchestration.settings import load_settings
from tests.shared import spare_parsing

EXPECTED = Path(__file__).with_name("expected_graph.json")
STAGES = {"ingest", "gate", "resolve", "transform", "learn", "score", "warn", "publish"}


def _definitions(home: Path) -> dg.Definitions:
    return build_definitions(load_settings(None, env={}, home=home))


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    spare_parsing(home)
    return _definitions(home)


def _described(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    assets: dict[str, list[str]] = defaultdict(list)
    for key in graph.materializable_asset_keys:
        assets[str(graph.get(key).group_name)].append(key.to_user_string())
    checks: dict[str, list[str]] = defaultdict(list)
    for check in graph.asset_check_keys:
        checks[check.asset_key.to_user_string()].append(check.name)
    job = definitions.resolve_job_def("nightly")
    schedule = definitions.resolve_schedule_def("nightly_schedule")
    partitions = job.partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    return {
        "assets": {group: sorted(keys) for group, keys in sorted(assets.items())},
        "checks": {key: sorted(names) for key, names in sorted(checks.items())},
        "job": {
            "name": job.name,
            "steps": sorted(node.name for node in job.nodes),
            "executor": job.executor_def.name,
            "partitions": f"daily, {partitions.timezone}, from {partitions.start:%Y-%m-%d}",
        },
        "sensors": {
            sensor.name: sensor.default_status.value
            for sensor in [definitions.resolve_sensor_def("close_dead_runs")]
        },
        "schedule": {
            "name": schedule.name,
            "by_itself": schedule.default_status.value,
            "cron": schedule.cron_schedule,
            "time_zone": schedule.execution_timezone,
            "job": schedule.job_name,
        },
    }


def test_graph_is_as_written(definitions: dg.Definitions) -> None:
    assert _described(definitions) == json.loads(EXPECTED.read_text(encoding="utf-8"))


def test_every_asset_has_stage_owner_description_and_kind(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.materializable_asset_keys]
    assert {node.group_name for node in nodes} == STAGES
    assert not [node.key for node in nodes if not node.owners], "assets without owner"
    assert not [node.key for node in nodes if not node.description], "assets without description"
    assert not [node.key for node in nodes if not node.kinds], "assets without kind"


def test_blocking_rules_are_blocking_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    assert {"invoices_delivered", "customers_delivered", "invoices_source_totals"} <= blocking


def test_publication_waits_for_the_rules_over_the_marts(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("nightly")
    needed = job.graph.dependencies
    waits_for = {
        upstream.node
        for node, inputs in needed.items()
        if (node.alias or node.name) == "publication__current"
        for dependency in inputs.values()
        for upstream in dependency.get_node_dependencies()
    }
    assert "mart_gate" in waits_for


def test_rules_over_marts_are_checks_of_their_mart_with_an_owner(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys if key.name.startswith("mart_")]
    assert len(specs) >= 25
    assert {spec.asset_key.path[0] for spec in specs} == {"mart"}
    assert not [spec.name for spec in specs if not spec.metadata["owner"]]
    assert [spec.asset_key.path for spec in specs if spec.name == "mart_gl_unexplained"] == [
        ["mart", "reconciliation"]
    ]


def test_a_publication_that_grows_old_is_told(definitions: dg.Definitions) -> None:
    policy = definitions.resolve_asset_graph().get(dg.AssetKey(["publication", "current"])).freshness_policy
    assert policy is not None


def _asked_for(definitions: dg.Definitions, at: datetime) -> str | None:
    """The night that the schedule's tick at a moment asks for."""
    schedule = definitions.resolve_schedule_def("nightly_schedule")
    context = dg.build_schedule_context(
        scheduled_execution_time=at, repository_def=definitions.get_repository_def()
    )
    [request] = schedule.evaluate_tick(context).run_requests or []
    return request.partition_key


def test_every_night_is_a_partition_of_every_asset(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    kinds = {graph.get(key).partitions_def for key in graph.materializable_asset_keys}
    assert len(kinds) == 1
    assert isinstance(kinds.pop(), dg.DailyPartitionsDefinition)


def test_schedule_asks_for_the_day_that_has_closed_in_the_companys_time_zone(tmp_path: Path) -> None:
    spare_parsing(tmp_path / "home")
    definitions = build_definitions(load_settings(_company(tmp_path), env={}, home=tmp_path / "home"))
    # Half past one in UTC on 1 December is still the evening of 30 November in New York.
    assert _asked_for(definitions, datetime(2026, 12, 1, 1, 30, tzinfo=UTC)) == "2026-11-29"
    assert _asked_for(definitions, datetime(2026, 12, 1, 7, 30, tzinfo=UTC)) == "2026-11-30"
    # The nights of the two changes of the clock, and the day after a leap day.
    assert _asked_for(definitions, datetime(2026, 3, 9, 6, 30, tzinfo=UTC)) == "2026-03-08"
    assert _asked_for(definitions, datetime(2026, 11, 2, 7, 30, tzinfo=UTC)) == "2026-11-01"
    assert _asked_for(definitions, datetime(2024, 3, 1, 7, 30, tzinfo=UTC)) == "2024-02-29"


def test_demo_schedule_asks_for_the_demos_next_night_as_the_command_does(definitions: dg.Definitions) -> None:
    assert _asked_for(definitions, datetime(2026, 12, 1, 7, 30, tzinfo=UTC)) == "2026-10-31"


def _company(folder: Path) -> Path:
    path = folder / "company.yml"
    path.write_text(
        "company: Test\nreporting_currency: USD\ntime_zone: America/New_York\n"
        "sources: {erp: {kind: files, tables: {customers: {files: c.csv}, invoices: {files: i.csv}}}}\n",
        encoding="utf-8",
    )
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        described = _described(_definitions(Path(folder)))
    EXPECTED.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
