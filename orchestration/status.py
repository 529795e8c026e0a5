"""Where things stand: what is published, how the last run ended, and whose quarantined rows wait."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestration.memory import last_run
from orchestration.warehouse import current_publication, is_night_running, open_warehouse

if TYPE_CHECKING:
    from orchestration.settings import Settings


def current_status(settings: Settings) -> dict[str, Any]:
    """Facts for a person or a program; reads only the publication, never the warehouse of a running night."""
    publication = current_publication(settings.publication_dir)
    run = last_run(settings.home)
    running = is_night_running(settings.home)
    facts: dict[str, Any] = {
        "home": str(settings.home),
        "company": settings.company,
        "is_running": running,
        "last_run": asdict(run) if run else None,
        "publication": None,
        "quarantined_rows_by_owner": {},
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
        with open_warehouse(publication.mart_path, read_only=True) as connection:
            facts["quarantined_rows_by_owner"] = dict(
                connection.execute(
                    "select owner, sum(open_row_count)::bigint from mart.dq_burn_down group by owner order by owner"
                ).fetchall()
            )
    return facts


def status_text(facts: dict[str, Any]) -> str:
    """The same facts for a person."""
    lines = [f"{facts['company']}  ({facts['home']})"]
    publication = facts["publication"]
    if publication is None:
        lines.append("Published:  nothing yet; `trade-credit run` makes the first night")
    else:
        lines.append(f"Published:  night of {publication['as_of']}, {len(publication['rows'])} tables")
        lines.append(f"            {publication['mart']}")
    run = facts["last_run"]
    if run is None:
        lines.append("Last run:   none")
    else:
        lines.append(
            f"Last run:   night of {run['as_of']} {run['state']} (started {run['started_at'] or 'unknown'})"
        )
        if run["failed_step"]:
            lines.append(f"            failed step {run['failed_step']}: {run['error']}")
    lines.append(f"Now:        {'a night is running' if facts['is_running'] else 'idle'}")
    waiting = facts["quarantined_rows_by_owner"]
    if waiting:
        lines.append("Quarantine: " + ", ".join(f"{owner} {count:,}" for owner, count in waiting.items()))
    return "\n".join(lines)
