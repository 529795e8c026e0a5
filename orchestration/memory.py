"""What a state folder remembers outside the warehouse: whose it is, and how its last run ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.settings import HOME_VARIABLE, ConfigurationError, Problem

if TYPE_CHECKING:
    from orchestration.settings import Settings

OWNER = "company.txt"
LAST_RUN = "last_run.json"


@dataclass(frozen=True)
class LastRun:
    """The last run's fate as the state folder remembers it; times are wall clock, UTC."""

    as_of: str
    state: str
    run_id: str
    started_at: str
    ended_at: str = ""
    failed_step: str = ""
    error: str = ""
    notices: tuple[str, ...] = ()


def claim_home(settings: Settings) -> None:
    """Mark the state folder as this company's; two companies in one warehouse would be added up.

    Raises ConfigurationError where the folder holds another company.
    """
    path = settings.home / OWNER
    settings.home.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        path.write_text(settings.company + "\n", encoding="utf-8")
        return
    owner = path.read_text(encoding="utf-8").strip()
    if owner != settings.company:
        raise ConfigurationError(
            (
                Problem(
                    str(settings.home),
                    f"this state folder holds {owner!r}, the configuration is of {settings.company!r}",
                    f"give each company a folder of its own, for example {HOME_VARIABLE}="
                    f"{settings.home.name}-{settings.config_path.stem} (if the company only has a new name, "
                    f"write it into {path.name})",
                ),
            )
        )


def remember(home: Path, run: LastRun) -> None:
    """Write down how the last run stands; a reader sees the note before or this one, never half of it."""
    path = home / LAST_RUN
    aside = path.with_suffix(".next")
    aside.write_text(json.dumps(asdict(run), indent=2) + "\n", encoding="utf-8")
    aside.replace(path)


def last_run(home: Path) -> LastRun | None:
    """The last run's fate, or None before the first."""
    path = home / LAST_RUN
    if not path.is_file():
        return None
    return LastRun(**json.loads(path.read_text(encoding="utf-8")))
