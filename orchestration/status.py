"""Where things stand: what is published, how the last run ended, what is wrong, and whose quarantined rows wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration import faults
from orchestration.lock import is_night_running
from orchestration.memory import UNKNOWN, last_run
from orchestration.publication import (
    Publication,
    current_publication,
    damage,
    damage_remedy,
    open_publication,
)

if TYPE_CHECKING:
    from orchestration.settings import Settings

Value = TypeVar("Value")
Default = TypeVar("Default")


def current_status(settings: Settings) -> dict[str, Any]:
    """Facts for a person or a program, with every fault in `problems`; nothing is written.

    Reads the publication and small files: of the warehouse, which may belong to a running night, no more than the
    header and the version of its tables, and only while none runs. `trade-credit doctor` looks deeper.
    """
    problems: list[str] = []

    def told(part: Callable[[], Value], otherwise: Default) -> Value | Default:
        """What a part of the state says; where it cannot be read that is a problem to show, not an end."""
        try:
            return part()
        except Exception as error:
            problem = _one_line(faults.explained(error))
            if problem not in problems:
                problems.append(problem)
            return otherwise

    running = told(lambda: is_night_running(settings.home), False)
    run = told(lambda: last_run(settings.home), None)
    publication = told(lambda: current_publication(settings.publication_dir), None)
    facts: dict[str, Any] = {
        "home": str(settings.home),
        "company": settings.company,
        "is_running": running,
        "last_run": asdict(run) if run else None,
        "publication": None,
        "quarantined_rows_by_owner": {},
        "problems": problems,
    }
    if run is not None and run.state == "running" and not running:
        facts["last_run"]["state"] = "interrupted"
    if publication is not None:
        facts["publication"] = {
            "as_of": publication.as_of,
            "publication_id": publication.publication_id,
            "mart": str(publication.mart_path),
            "rows": publication.tables,
        }
        facts["quarantined_rows_by_owner"] = told(partial(_waiting, publication, problems), {})
    looks: list[Callable[[Settings], list[str]]]
    looks = [faults.home_faults, faults.owner_faults, faults.pointer_faults, faults.run_log_faults]
    # A running night writes these.
    looks += [] if running else [faults.header_faults, faults.schema_faults, faults.project_faults]
    for look in looks:
        problems += map(_one_line, told(partial(look, settings), []))
    return facts


def status_text(facts: dict[str, Any]) -> str:
    """The same facts for a person."""
    lines = [f"{facts['company']}  ({facts['home']})"]
    publication = facts["publication"]
    problems = facts["problems"]
    if publication is not None:
        lines.append(f"Published:  night of {publication['as_of']}, {len(publication['rows'])} tables")
        lines.append(f"            {publication['mart']}")
    elif problems:
        lines.append("Published:  nothing that can be read; see the problems below")
    else:
        lines.append("Published:  nothing yet; `trade-credit run` makes the first night")
    lines += _about_last_run(facts["last_run"])
    lines.append(f"Now:        {'a night is running' if facts['is_running'] else 'idle'}")
    waiting = facts["quarantined_rows_by_owner"]
    if waiting:
        lines.append("Quarantine: " + ", ".join(f"{owner} {count:,}" for owner, count in waiting.items()))
    lines += [f"Problem:    {problem}" for problem in problems]
    return "\n".join(lines)


def _about_last_run(run: dict[str, Any] | None) -> list[str]:
    if run is None:
        return ["Last run:   none"]
    if run["state"] == UNKNOWN:
        return [f"Last run:   unknown: {run['error']}"]
    lines = [f"Last run:   night of {run['as_of']} {run['state']} (started {run['started_at'] or 'unknown'})"]
    if run["failed_step"]:
        lines.append(f"            failed step {run['failed_step']}: {run['error']}")
    elif run["error"]:
        lines.append(f"            {run['error']}")
    return lines + [f"            notice: {notice}" for notice in run["notices"]]


def _waiting(publication: Publication, problems: list[str]) -> dict[str, int]:
    """Rows in quarantine by owner; none where the publication is damaged, which is told."""
    damaged = damage(publication, thorough=False)
    if damaged:
        problems.append(_one_line(f"publication: {'; '.join(damaged)}. {damage_remedy(publication)}"))
        return {}
    if "dq_burn_down" not in publication.tables:
        return {}
    with open_publication(publication) as connection:
        return dict(
            connection.execute(
                "select owner, sum(open_row_count)::bigint from mart.dq_burn_down group by owner order by owner"
            ).fetchall()
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
