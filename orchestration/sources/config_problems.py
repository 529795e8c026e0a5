"""What is wrong with configured sources that no section alone can show: fields, lookups, tables claimed twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestration.sources.amounts import amount_format
from orchestration.sources.config import DatabaseTable, SourceTable, mapped_parts
from orchestration.sources.contract import CONTRACT, Table
from orchestration.sources.contract import Field as ContractField
from orchestration.sources.errors import closest
from orchestration.sources.field_mapping import FieldMapping, Lookup
from orchestration.sources.file_config import FileFeed
from orchestration.sources.value_forms import EXCEL_DAYS

FilePath = tuple[str | int, ...]


# A place in the file, what was received there, and what is valid.
Finding = tuple[FilePath, str, str]


def source_problems(sources: dict[str, Any]) -> list[Finding]:
    """What the sources say about the contract that one section alone cannot show.

    Returns (path in the file, received, what is valid) for: unknown contract tables and fields, required
    fields nobody maps, lookups into nowhere, key spaces and tables claimed twice, open items paid twice.
    """
    findings: list[Finding] = []
    owners: dict[tuple[str, str], str] = {}
    open_items: dict[str, FilePath] = {}
    for source_name, source in sources.items():
        for table_name, table in source.tables.items():
            path: FilePath = ("sources", source_name, "tables", table_name)
            if table_name not in CONTRACT:
                findings.append((path, f"unknown table {table_name!r}", _one_of(table_name, CONTRACT)))
                continue
            if table.key_space is not None and table.key_space not in sources:
                valid = _one_of(table.key_space, sources)
                findings.append(((*path, "key_space"), f"{table.key_space!r} is no configured source", valid))
            claim = (table.key_space or source_name, table_name)
            if claim in owners:
                received = f"{table_name} of {claim[0]} is delivered by {owners[claim]} already"
                valid = "one source per table and key space; use several feeds, or another key_space"
                findings.append((path, received, valid))
            owners[claim] = source_name
            findings.extend(_table_findings(path, table_name, table))
            if table.delivery == "open_items":
                open_items[claim[0]] = path
                if table_name != "invoices":
                    valid = "for invoices alone; here changes, snapshot or latest_snapshot"
                    findings.append(((*path, "delivery"), "open_items", valid))
    for space, path in open_items.items():
        # Documents would be cleared twice: by leaving the list, and by the money.
        for table_name in ("payments", "payment_applications"):
            if (space, table_name) in owners:
                valid = f"what leaves the list is cleared by that; leave {table_name} of {space} out"
                findings.append(
                    ((*path, "delivery"), f"open_items, and {table_name} are delivered too", valid)
                )
    return findings


def _table_findings(path: FilePath, table_name: str, table: SourceTable) -> list[Finding]:
    contract = CONTRACT[table_name]
    parts = mapped_parts(table)
    feed_names = {part.name for part in parts if isinstance(part, FileFeed) and part.name}
    picks = any(mapping.pick for part in parts for mapping in (part.fields or {}).values())
    findings: list[Finding] = []
    for position, part in enumerate(parts):
        if part.fields is None:
            continue
        at: FilePath = (*path, "feeds", position, "fields") if len(parts) > 1 else (*path, "fields")
        for name, mapping in part.fields.items():
            if name not in contract.field_names:
                valid = _one_of(name, contract.field_names)
                findings.append(((*at, name), f"unknown field {name!r}", valid))
                continue
            findings.extend(_field_findings((*at, name), contract.field(name), mapping))
            if mapping.lookup is not None:
                findings.extend(_lookup_findings((*at, name, "lookup"), contract, mapping.lookup, feed_names))
            if picks and name not in contract.key and mapping.pick is None and mapping.constant is None:
                received = "says not which of several values a key keeps"
                valid = "pick: most_frequent, as another field of this table does"
                findings.append(((*at, name), received, valid))
        for name in contract.required_fields:
            if name not in part.fields:
                valid = f"map {name} to a column, or give default and because"
                findings.append((at, f"required field {name!r} is not mapped", valid))
    if isinstance(table, DatabaseTable) and table.cursor is not None and table.fields is not None:
        mapped = table.fields.get("updated_at")
        if mapped is None or mapped.column != table.cursor:
            received = f"{table.cursor!r} is not the column mapped to updated_at"
            valid = f"fields: {{updated_at: {table.cursor}}}: the next load starts from the newest landed one"
            findings.append(((*path, "cursor"), received, valid))
    return findings


def _lookup_findings(path: FilePath, contract: Table, lookup: Lookup, feeds: set[str]) -> list[Finding]:
    findings: list[Finding] = []
    if lookup.feed not in feeds:
        valid = _one_of(lookup.feed, feeds)
        findings.append(((*path, "feed"), f"no feed is called {lookup.feed!r}", valid))
    for key, value in (("by", lookup.by), ("field", lookup.field)):
        if value not in contract.field_names:
            findings.append(((*path, key), f"unknown field {value!r}", _one_of(value, contract.field_names)))
    return findings


def _field_findings(path: FilePath, field: ContractField, mapping: FieldMapping) -> list[Finding]:
    findings: list[Finding] = []
    for sample in mapping.format:
        if field.type == "decimal":
            if amount_format(sample) is None:
                valid = "an amount as the source writes it, such as '1.234,56', '1 234,56' or '1,234.56 Dr'"
                findings.append(((*path, "format"), repr(sample), valid))
        elif field.type not in ("date", "timestamp"):
            valid = f"no format: {field.name} is of type {field.type}"
            findings.append(((*path, "format"), repr(sample), valid))
        elif "%" not in sample and sample != EXCEL_DAYS:
            valid = (
                f"a date format such as '%d/%m/%Y', or '{EXCEL_DAYS}' for the day numbers of a spreadsheet"
            )
            findings.append(((*path, "format"), repr(sample), valid))
    for repair in mapping.repair:
        if repair.kind == "swap_day_month" and field.type != "date":
            valid = f"no date repair: {field.name} is of type {field.type}"
            findings.append(((*path, "repair"), "swap_day_month", valid))
    return findings


def _one_of(received: str, valid: Iterable[str]) -> str:
    names = sorted(valid)
    nearest = closest(received, names)
    hint = f"did you mean {nearest!r}? " if nearest else ""
    return f"{hint}valid: {', '.join(names) or 'none'}"
