"""Reads the steward's decision file: which records are the same customer and which are not."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from orchestration.sources.errors import SourceError

COLUMNS = (
    "source_system_l",
    "customer_id_l",
    "source_system_r",
    "customer_id_r",
    "decision",
    "decided_by",
    "decided_on",
    "reason",
)
DECISIONS = ("same", "different")


def read_decisions(path: Path | None) -> list[dict[str, str]]:
    """The decisions in file order; an empty list where no file is configured.

    Raises SourceError that lists every bad line at once.
    """
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise SourceError(
                    str(path), f"lacks the column(s) {', '.join(missing)}", valid=", ".join(COLUMNS)
                )
            rows = list(reader)
    except OSError as error:
        raise SourceError(
            str(path),
            f"cannot be read ({error.strerror})",
            remedy="name the file under stewardship.decisions",
        ) from error
    problems = [
        f"line {number}: {text}" for number, row in enumerate(rows, start=2) for text in _problems_of(row)
    ]
    if problems:
        raise SourceError(
            str(path),
            "; ".join(problems),
            valid="decision same or different, decided_on YYYY-MM-DD, all other columns filled",
        )
    return rows


def _problems_of(row: dict[str, str]) -> list[str]:
    problems = [f"{column} is empty" for column in COLUMNS if not (row.get(column) or "").strip()]
    if row.get("decision") and row["decision"] not in DECISIONS:
        problems.append(f"decision is {row['decision']!r}")
    if row.get("decided_on"):
        try:
            date.fromisoformat(row["decided_on"])
        except ValueError:
            problems.append(f"decided_on is {row['decided_on']!r}")
    return problems
