"""The dbt documentation leaves nobody guessing: what every table and column is, and who owns it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.dbt_runner import dbt_target_dir
from tests.shared import parsed_project


@pytest.fixture(scope="module")
def nodes() -> list[dict[str, Any]]:
    manifest = json.loads((dbt_target_dir(parsed_project()) / "manifest.json").read_text(encoding="utf-8"))
    kept = [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")]
    return [*kept, *manifest["sources"].values()]


def _models(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    models = [node for node in nodes if node["resource_type"] == "model"]
    assert len(models) > 50
    return iter(models)


def test_every_model_source_and_seed_is_described(nodes: list[dict[str, Any]]) -> None:
    assert {node["resource_type"] for node in nodes} == {"model", "seed", "source"}
    assert [node["unique_id"] for node in nodes if not node["description"].strip()] == []


def test_every_model_names_its_owner(nodes: list[dict[str, Any]]) -> None:
    assert [node["name"] for node in _models(nodes) if not node["config"]["meta"].get("owner")] == []


def test_every_column_of_models_is_described(nodes: list[dict[str, Any]]) -> None:
    nameless = [node["name"] for node in _models(nodes) if not node["columns"]]
    assert nameless == []
    undescribed = [
        f"{node['name']}.{column['name']}"
        for node in nodes
        for column in node["columns"].values()
        if not column["description"].strip()
    ]
    assert undescribed == []
