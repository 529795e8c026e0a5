"""The mapping guide names every key a configuration file may have, and its mapping is a valid one."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from orchestration.settings import Settings, load_settings

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "mapping_guide.md"
# Set by the command, not written in the file; a source's name is its key.
NOT_WRITTEN = {"home", "config_path"}


def _models(kind: Any, found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """Every configuration section reachable from `kind`, through lists, tables and alternatives."""
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
        found.add(kind)
        for field in kind.model_fields.values():
            _models(field.annotation, found)
    for part in get_args(kind):
        _models(part, found)
    return found


def test_every_configuration_key_is_in_the_guide() -> None:
    documented = {
        word
        for code in re.findall(r"`([^`\n]+)`", GUIDE.read_text(encoding="utf-8"))
        for word in re.findall(r"\w+", code)
    }
    models = _models(Settings, set())
    assert {"Settings", "DatabaseTable", "FileFeed", "RestTable", "FieldMapping", "Repair", "Lookup"} <= {
        model.__name__ for model in models
    }
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert keys - NOT_WRITTEN - documented == set()


def test_minimal_mapping_of_the_guide_is_accepted(tmp_path: Path) -> None:
    (mapping,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    config = tmp_path / "company.yml"
    config.write_text(mapping, encoding="utf-8")
    settings = load_settings(config, env={"ERP_PASSWORD": "x"}, home=tmp_path)
    assert set(settings.sources["erp"].tables) == {"customers", "invoices"}


@pytest.mark.parametrize("example", ["b2b_invoices.yml", "classicmodels_erp.yml"])
def test_examples_are_accepted(example: str, tmp_path: Path) -> None:
    load_settings(GUIDE.parents[1] / "examples" / example, env={}, home=tmp_path)
