"""The company's policy: which tables there are, whose rows hold, and what is wrong with a company's own files.

The program's rows stand in `dbt_project/seeds/policy`, each table described by its `.yml` (columns, types, the key of a
row). A company's folder (`policy` in the configuration) replaces tables file by file. Of the rows of one key the
latest `valid_from` not after the night holds; one whose values are all empty ends its key.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from orchestration.config_file import Problem
from orchestration.dbt_project import PROJECT_DIR
from orchestration.sources.errors import closest

SEEDS = PROJECT_DIR / "seeds" / "policy"
# Of every table: which version of the policy a row belongs to, and from when it holds.
_DATED = ("version", "valid_from")
_NO_VALUE = (*_DATED, "description")

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class PolicyTable:
    """A table of the policy as its `.yml` describes it: columns with their SQL types, key and required columns."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    required: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that say something about the key."""
        return tuple(column for column in self.columns if column not in (*_NO_VALUE, *self.key))


@functools.cache
def policy_tables() -> dict[str, PolicyTable]:
    """Every table of the policy by name."""
    tables = {}
    for path in sorted(SEEDS.glob("*.yml")):
        for seed in yaml.safe_load(path.read_bytes())["seeds"]:
            [required] = [
                test["policy_rows"]["arguments"]["required"]
                for test in seed["data_tests"]
                if isinstance(test, dict) and "policy_rows" in test
            ]
            tables[seed["name"]] = PolicyTable(
                seed["name"],
                seed["config"]["column_types"],
                tuple(seed["config"]["meta"]["key"]),
                tuple(required),
            )
    return tables


def policy_keys() -> dict[str, tuple[str, ...]]:
    """The key columns of every table; none where one row is the whole table."""
    return {name: table.key for name, table in policy_tables().items()}


def policy_variables(folder: Path | None) -> dict[str, Any]:
    """What dbt is told of the policy: every table's columns, key and values, and the company's files."""
    return {
        "policy_tables": {
            name: {"columns": list(table.columns), "key": list(table.key), "values": list(table.values)}
            for name, table in policy_tables().items()
        },
        "policy_files": {name: str(path.resolve()) for name, path in company_files(folder).items()},
    }


def company_files(folder: Path | None) -> dict[str, Path]:
    """The files of a company's folder that replace a table, by the table's name."""
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.glob("*.csv")) if path.stem in policy_tables()}


def policy_problems(folder: Path) -> Iterator[Problem]:
    """What is wrong with a company's files one by one: names, columns, values, keys given twice."""
    if not folder.is_dir():
        yield Problem(f"policy {folder}", "no such folder", "make it, or correct `policy`")
        return
    tables = policy_tables()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".csv" and path.stem not in tables:
            nearest = closest(path.stem, tables)
            hint = f"did you mean {nearest}.csv? " if nearest else ""
            valid = f"{hint}valid: {', '.join(f'{name}.csv' for name in tables)}"
            yield Problem(f"policy {path.name}", "is no table of the policy", valid)
    for name, path in company_files(folder).items():
        yield from _file_problems(tables[name], path)


def rows_in_force(name: str, rows: Rows, as_of: date) -> Rows:
    """Of `rows` those that hold on `as_of`."""
    table = policy_tables()[name]
    latest: dict[tuple[str, ...], dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: row["valid_from"]):
        if row["valid_from"] <= as_of.isoformat():
            latest[tuple(row[column] for column in table.key)] = row
    return [row for row in latest.values() if not table.values or any(row[column] for column in table.values)]


def policy_text(folder: Path | None, as_of: date, only: str | None = None) -> str:
    """What is in force on `as_of`, table by table, each row with the version and day it holds from, and its file."""
    own = company_files(folder)
    parts = [f"Policy in force on {as_of.isoformat()}"]
    for name, table in policy_tables().items():
        if only not in (None, name):
            continue
        path = own.get(name, SEEDS / f"{name}.csv")
        rows = rows_in_force(name, _read(path), as_of)
        whose = f"the company's {path}" if name in own else "the program's own"
        parts.append(f"\n{name}: {len(rows)} rows, {whose}")
        for row in rows:
            key = " ".join(row[column] for column in table.key)
            values = ", ".join(f"{column} {row[column]}" for column in table.values if row[column])
            parts.append(f"  {key:<32} {values}  (version {row['version']}, from {row['valid_from']})")
    return "\n".join(parts)


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return [
            {name: (value or "").strip() for name, value in row.items() if name}
            for row in csv.DictReader(handle)
        ]


def _file_problems(table: PolicyTable, path: Path) -> Iterator[Problem]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            header = next(csv.reader(handle), [])
        rows = _read(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        yield Problem(f"policy {path.name}", f"cannot be read ({error})", "save it as a CSV file in UTF-8")
        return
    unknown = [name for name in header if name not in table.columns]
    missing = [name for name in table.columns if name not in header]
    if unknown or missing:
        said = [f"has unknown columns {', '.join(unknown)}"] if unknown else []
        said += [f"lacks the columns {', '.join(missing)}"] if missing else []
        yield Problem(f"policy {path.name}", " and ".join(said), f"valid: {', '.join(table.columns)}")
        return
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, start=2):
        where = f"policy {path.name}:{line}"
        ends = bool(table.values) and not any(row[column] for column in table.values)
        for column, kind in table.columns.items():
            value = row[column]
            if not value and column in (*_DATED, *table.key, *(() if ends else table.required)):
                yield Problem(f"{where} {column}", "is empty", "give a value")
            elif value and not _fits(kind, value):
                yield Problem(f"{where} {column}", f"received {value!r}", f"valid is {_in_words(kind)}")
        identity = (row["valid_from"], *(row[column] for column in table.key))
        if identity in seen:
            received = f"says {' '.join(identity[1:]) or table.name} from {identity[0]} a second time"
            yield Problem(
                where, received, f"line {seen[identity]} does already; keep one, or give it another day"
            )
        seen.setdefault(identity, line)


def _fits(kind: str, value: str) -> bool:
    try:
        if kind == "date":
            date.fromisoformat(value)
        elif kind == "integer":
            int(value)
        elif kind == "boolean":
            return value in ("true", "false")
        elif kind.startswith(("decimal", "double")):
            return Decimal(value).is_finite()
    except (ValueError, InvalidOperation):
        return False
    return True


def _in_words(kind: str) -> str:
    words = {"date": "a day written YYYY-MM-DD", "integer": "a whole number", "boolean": "true or false"}
    return words.get(kind, "a number")
