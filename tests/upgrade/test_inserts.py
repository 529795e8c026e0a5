"""Rows are written by the names of their columns: a column added or moved must not put a value in its neighbour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestration.migrations import MIGRATIONS

ROOT = Path(__file__).resolve().parents[2]
_INSERT = re.compile(
    r"\binsert\s+(?:or\s+\w+\s+)?into\s+(?P<table>[\w.{}\[\]\"']+)(?P<next>.{0,40})", re.I | re.S
)
_NAMED = re.compile(r"[\s\"f]*(\(|by\s+name\b)", re.I)


def positional(text: str) -> list[str]:
    """The tables that `text` writes to without naming columns."""
    return [found["table"] for found in _INSERT.finditer(text) if not _NAMED.match(found["next"])]


@pytest.mark.parametrize("package", ["orchestration", "quality", "models_ml"])
def test_every_insert_names_its_columns(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {table}"
        for path in (ROOT / package).rglob("*.py")
        for table in positional(path.read_text(encoding="utf-8"))
    }
    assert found == set(), "write `insert into t (a, b) …` or `insert into t by name …`"


def test_positional_inserts_are_seen() -> None:
    assert positional('"insert into ops.landing values (?, ?)"') == ["ops.landing"]
    assert positional("INSERT INTO quarantine.{table}\n        SELECT 1") == ["quarantine.{table}"]
    assert positional('f"insert into ops.repair ({names}) "\n "select 1"') == []
    assert positional('"insert into held by name from rows"') == []


def test_migrations_are_numbered_by_their_place_and_say_what_they_do() -> None:
    for number, migration in enumerate(MIGRATIONS, start=1):
        assert migration.__name__.rpartition(".")[2].startswith(f"m{number:04d}_")
        assert (migration.__doc__ or "").strip()
