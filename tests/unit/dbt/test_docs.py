"""The dbt documentation leaves nobody guessing: what every table and column is, and who owns it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.dbt_runner import dbt_target_dir
from tests.shared import parsed_project


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    path = dbt_target_dir(parsed_project()) / "manifest.json"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def nodes(manifest: dict[str, Any]) -> list[dict[str, Any]]:
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


def test_marts_are_public_and_all_else_is_private(nodes: list[dict[str, Any]]) -> None:
    access = {node["name"]: node["access"] for node in _models(nodes)}
    marts = {node["name"] for node in _models(nodes) if node["schema"] == "mart"}
    assert access == {name: "public" if name in marts else "private" for name in access}


def test_every_mart_is_known_to_be_read_outside(
    nodes: list[dict[str, Any]], manifest: dict[str, Any]
) -> None:
    exposures = {node["name"]: set(node["depends_on"]["nodes"]) for node in manifest["exposures"].values()}
    marts = {node["unique_id"] for node in _models(nodes) if node["schema"] == "mart"}
    assert exposures["published_mart"] == marts
    assert "model.trade_credit.worklist" in exposures["daily_worklist"] <= marts


def test_amounts_are_of_the_one_type_of_money(manifest: dict[str, Any], nodes: list[dict[str, Any]]) -> None:
    money = manifest["macros"]["macro.trade_credit.money"]["macro_sql"].split("%}")[1].split("{%")[0]
    amounts = {
        f"{node['name']}.{column['name']}": column["data_type"].replace(" ", "")
        for node in _models(nodes)
        for column in node["columns"].values()
        if column["name"].endswith(("amount", "_reporting")) and "decimal" in (column["data_type"] or "")
    }
    assert len(amounts) > 150
    assert {name: kind for name, kind in amounts.items() if kind != "".join(money.split())} == {}
