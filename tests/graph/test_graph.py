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

EXPECTED = Path(__file__).with_name("expected_graph.json")
STAGES = {"ingest", "gate", "resolve", "transform", "learn", "score", "warn", "publish"}


def _definitions(home: Path) -> dg.Definitions:
    return build_definitions(load_settings(None, env={}, home=home))


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return _definitions(tmp_path_factory.mktemp("home"))


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
    return {
        "assets": {group: sorted(keys) for group, keys in sorted(assets.items())},
        "checks": {key: sorted(names) for key, names in sorted(checks.items())},
        "job": {
            "name": job.name,
            "steps": sorted(node.name for node in job.nodes),
            "executor": job.executor_def.name,
        },
        "schedule": {
            "name": schedule.name,
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


def test_schedule_asks_for_the_day_it_falls_on_in_the_companys_time_zone(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("nightly_schedule")
    # Half past one in UTC on 1 December is still the evening of 30 November in New York.
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 12, 1, 1, 30, tzinfo=UTC))
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert requests[0].run_config["resources"]["night"]["config"]["as_of"] == "2026-11-30"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        described = _described(_definitions(Path(folder)))
    EXPECTED.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
