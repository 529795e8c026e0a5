"""Every key a configuration file may have is documented, and what the mapping guide shows lands as it says."""

import re
import textwrap
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
from pydantic import BaseModel

from orchestration.settings import Settings, load_settings
from orchestration.sources.landing import land
from orchestration.warehouse import prepare_warehouse

DOCS = Path(__file__).resolve().parents[3] / "docs"
GUIDE = DOCS / "mapping_guide.md"
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


def test_every_configuration_key_is_documented() -> None:
    documented = {
        word
        for code in re.findall(r"`([^`\n]+)`", (DOCS / "configuration.md").read_text(encoding="utf-8"))
        for word in re.findall(r"\w+", code)
    }
    models = _models(Settings, set())
    assert {"Settings", "DatabaseTable", "FileFeed", "RestTable", "FieldMapping", "Repair", "Lookup"} <= {
        model.__name__ for model in models
    }
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert keys - NOT_WRITTEN - documented == set()


def test_minimal_mapping_of_the_guide_is_accepted(tmp_path: Path) -> None:
    mapping = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[0]
    config = tmp_path / "company.yml"
    config.write_text(mapping, encoding="utf-8")
    settings = load_settings(config, env={"ERP_PASSWORD": "x"}, home=tmp_path)
    assert set(settings.sources["erp"].tables) == {"customers", "invoices"}


def _tasks() -> dict[str, str]:
    """The sections of the guide that show an export, by their titles."""
    sections = re.split(r"^## ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        title: body
        for section in sections
        for title, _, body in [section.partition("\n")]
        if "```text" in body
    }


@pytest.mark.parametrize("title", _tasks())
def test_export_of_the_guide_lands_as_the_guide_says(title: str, tmp_path: Path) -> None:
    body = _tasks()[title]
    for name, content in re.findall(r"```text (\S+)\n(.*?)```", body, re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")
    (sources,) = re.findall(r"```yaml\n(.*?)```", body, re.DOTALL)
    config = tmp_path / "company.yml"
    head = "company: Example\nreporting_currency: EUR\ntime_zone: Europe/Berlin\nsources:\n"
    config.write_text(head + textwrap.indent(sources, "  "), encoding="utf-8")
    settings = load_settings(config, env={}, home=tmp_path / "home")
    prepare_warehouse(settings.warehouse_path)
    land(settings.warehouse_path, settings, as_of=date(2025, 11, 30))
    (table, shown) = re.findall(r"Lands as `(\w+)`:\n\n(.*?)(?:\n\n|$)", body, re.DOTALL)[0]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines())
    with closing(duckdb.connect(str(settings.warehouse_path))) as connection:
        landed = connection.execute(f"select {', '.join(header)} from raw.{table} order by all").fetchall()
    assert [_plain(header, row) for row in landed] == [_plain(header, row) for row in rows]


def _plain(header: Sequence[str], row: Sequence[Any]) -> list[Any]:
    """A row with its amount as a number, None where it has none."""
    return [
        (Decimal(value) if value else None) if name == "amount" else str(value)
        for name, value in zip(header, row, strict=True)
    ]


@pytest.mark.parametrize("example", sorted(path.name for path in (DOCS.parent / "examples").glob("*.yml")))
def test_examples_are_accepted(example: str, tmp_path: Path) -> None:
    env = {"ODOO_URL": "postgresql://reader@localhost/odoo"}
    load_settings(DOCS.parent / "examples" / example, env=env, home=tmp_path)
