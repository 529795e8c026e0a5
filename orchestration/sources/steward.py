"""Reads the files in which people decide: which records are the same customer, and which documents are owed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources.errors import SourceError

if TYPE_CHECKING:
    import duckdb

_DECISION_COLUMNS = (
    "source_system_l",
    "customer_id_l",
    "source_system_r",
    "customer_id_r",
    "decision",
    "decided_by",
    "decided_on",
    "reason",
)
_ANSWER_COLUMNS = (
    "source_system",
    "document_no",
    "from_document_no",
    "answer",
    "decided_by",
    "decided_on",
    "reason",
)
# About a document alone; about a receipt or credit memo that may pay it.
_DOCUMENT_ANSWERS, _MATCH_ANSWERS = ("owed", "stray"), ("not_paid_by",)


def read_decisions(path: Path | None) -> list[dict[str, str]]:
    """Which records are the same customer, in file order; an empty list where no file is configured.

    Raises SourceError that lists every bad line at once.
    """

    def wrong(row: dict[str, str]) -> list[str]:
        known = row.get("decision") in ("same", "different", "", None)
        return [] if known else [f"decision is {row['decision']!r}"]

    return _read(path, "stewardship.decisions", _DECISION_COLUMNS, (), "decision same or different", wrong)


def read_answers(path: Path | None) -> list[dict[str, str]]:
    """What people answered about documents, in file order; an empty list where no file is configured.

    `owed`: a document that newer ones overtook is owed all the same; `stray`: it is not. `not_paid_by`: the receipt or
    credit memo `from_document_no` does not pay it. Raises SourceError that lists every bad line at once.
    """

    def wrong(row: dict[str, str]) -> list[str]:
        valid = _MATCH_ANSWERS if (row.get("from_document_no") or "").strip() else _DOCUMENT_ANSWERS
        answer = row.get("answer") or ""
        return [] if answer in (*valid, "") else [f"answer is {answer!r}; here {' or '.join(valid)}"]

    valid = "answer owed or stray, and not_paid_by beside a from_document_no"
    return _read(path, "stewardship.documents", _ANSWER_COLUMNS, ("from_document_no",), valid, wrong)


def record_answers(connection: duckdb.DuckDBPyConnection, answers: Sequence[dict[str, str]]) -> None:
    """Replace ops.document_answer by `answers`."""
    connection.begin()
    connection.execute("delete from ops.document_answer")
    for row in answers:
        connection.execute(
            f"insert into ops.document_answer ({', '.join(_ANSWER_COLUMNS)}) values (?, ?, nullif(?, ''), ?, ?, ?, ?)",
            [row[column].strip() for column in _ANSWER_COLUMNS],
        )
    connection.commit()


def _read(
    path: Path | None,
    option: str,
    columns: Sequence[str],
    may_be_empty: Sequence[str],
    valid: str,
    wrong: Callable[[dict[str, str]], list[str]],
) -> list[dict[str, str]]:
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise SourceError(
                    str(path), f"lacks the column(s) {', '.join(missing)}", valid=", ".join(columns)
                )
            rows = list(reader)
    except OSError as error:
        raise SourceError(
            str(path), f"cannot be read ({error.strerror})", remedy=f"name the file under {option}"
        ) from error
    filled = [column for column in columns if column not in may_be_empty]
    problems = [
        f"line {number}: {text}"
        for number, row in enumerate(rows, start=2)
        for text in [
            *(f"{column} is empty" for column in filled if not (row.get(column) or "").strip()),
            *wrong(row),
            *_date_problem(row),
        ]
    ]
    if problems:
        raise SourceError(
            str(path),
            "; ".join(problems),
            valid=f"{valid}, decided_on YYYY-MM-DD, all other columns filled",
        )
    return rows


def _date_problem(row: dict[str, str]) -> list[str]:
    if not row.get("decided_on"):
        return []
    try:
        date.fromisoformat(row["decided_on"])
    except ValueError:
        return [f"decided_on is {row['decided_on']!r}"]
    return []
