"""The steward's decisions: read, checked against one another, and put where the matching reads them."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models_ml.entities.settings import DecisionError
from models_ml.entities.tables import scalar

if TYPE_CHECKING:
    import duckdb


Key = tuple[str, str]


def checked_decisions(rows: Sequence[dict[str, Any]], as_of: datetime.date) -> dict[tuple[Key, Key], str]:
    """The decisions in force on `as_of`, by pair of (source_system, customer_id); raises DecisionError."""
    problems: list[str] = []
    latest: dict[tuple[Key, Key], tuple[datetime.date, str]] = {}
    for number, row in enumerate(rows, start=1):
        left = (str(row.get("source_system_l") or ""), str(row.get("customer_id_l") or ""))
        right = (str(row.get("source_system_r") or ""), str(row.get("customer_id_r") or ""))
        decision, decided = row.get("decision"), row.get("decided_on")
        if not all(left + right):
            problems.append(f"row {number}: source_system and customer_id must be given on both sides")
            continue
        if left == right:
            problems.append(f"row {number}: {left[0]} {left[1]} stands on both sides")
            continue
        if decision not in ("same", "different"):
            problems.append(f"row {number}: decision is {decision!r}; same or different is valid")
            continue
        try:
            day = decided if isinstance(decided, datetime.date) else datetime.date.fromisoformat(str(decided))
        except ValueError:
            problems.append(f"row {number}: decided_on is {decided!r}; a date YYYY-MM-DD is valid")
            continue
        if day > as_of:
            continue
        pair = (left, right) if left < right else (right, left)
        known = latest.get(pair)
        if known is not None and known[0] == day and known[1] != decision:
            problems.append(
                f"row {number}: {_spelt(pair)} is decided same and different on {day}; keep one row"
            )
            continue
        if known is None or known[0] <= day:
            latest[pair] = (day, decision)
    decided_pairs = {pair: decision for pair, (_, decision) in sorted(latest.items())}
    problems += _contradictions(decided_pairs)
    if problems:
        raise DecisionError("steward decisions: " + "; ".join(problems))
    return decided_pairs


def _contradictions(decisions: dict[tuple[Key, Key], str]) -> list[str]:
    """Pairs decided different whose two records are joined by other decisions of "same"."""
    neighbours: dict[Key, set[Key]] = defaultdict(set)
    for (left, right), decision in decisions.items():
        if decision == "same":
            neighbours[left].add(right)
            neighbours[right].add(left)
    found = []
    for pair, decision in decisions.items():
        if decision != "different":
            continue
        reached, frontier = {pair[0]}, [pair[0]]
        while frontier:
            fresh = neighbours.get(frontier.pop(), set()) - reached
            reached |= fresh
            frontier += fresh
        if pair[1] in reached:
            found.append(
                f"{_spelt(pair)} is decided different, yet other rows call them the same as "
                f"{', '.join(' '.join(key) for key in sorted(reached - set(pair)))}; withdraw one row"
            )
    return found


def _spelt(pair: tuple[Key, Key]) -> str:
    return f"{' '.join(pair[0])} / {' '.join(pair[1])}"


def load_decisions(work: duckdb.DuckDBPyConnection, decisions: dict[tuple[Key, Key], str]) -> int:
    """Create `steward` (record_no_l < record_no_r, decision); returns how many have both records."""
    work.execute("CREATE TABLE stated (sl VARCHAR, cl VARCHAR, sr VARCHAR, cr VARCHAR, decision VARCHAR)")
    if decisions:
        work.executemany(
            "INSERT INTO stated (sl, cl, sr, cr, decision) VALUES (?, ?, ?, ?, ?)",
            [(*left, *right, decision) for (left, right), decision in decisions.items()],
        )
    work.execute("""
        CREATE TABLE steward AS
        SELECT least(l.record_no, r.record_no) AS record_no_l,
            greatest(l.record_no, r.record_no) AS record_no_r, decision
        FROM stated JOIN record l ON l.source_system = sl AND l.customer_id = cl
        JOIN record r ON r.source_system = sr AND r.customer_id = cr ORDER BY 1, 2
    """)
    return scalar(work, "SELECT count(*) FROM steward")
