"""What a state folder remembers outside the warehouse: whose it is, and how its last run ended."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.home import OWNER, keep_private, usable_home, write_whole
from orchestration.masking import mask, masked_trace
from orchestration.publication import whole_publications
from orchestration.settings import HOME_VARIABLE, ConfigurationError, Problem
from orchestration.warehouse import refuse_newer_state

if TYPE_CHECKING:
    from orchestration.settings import Settings

LAST_RUN = "last_run.json"
LAST_ERROR = "last_error.txt"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class LastRun:
    """The last run's fate as the state folder remembers it; times are wall clock, UTC.

    `state` is running, published, partial (steps ran without publishing), failed, stopped (by a person or the
    machine), or unknown where what was remembered cannot be read; `error` then says why. `notices` are what the
    run had to tell though it went on.
    """

    as_of: str
    state: str
    run_id: str
    started_at: str
    ended_at: str = ""
    failed_step: str = ""
    error: str = ""
    notices: tuple[str, ...] = ()


def claim_home(settings: Settings) -> None:
    """Mark the state folder as this company's and close it to others; two companies in one would be added up.

    A mark that was lost (an empty or unreadable file) is written anew where the folder holds no night yet or
    publications of this company. Raises ConfigurationError where the folder holds another company, nobody can
    tell whose it is, or publications are to be read by an unknown group, and WarehouseError where the folder cannot
    be used or a newer program has written it.
    """
    usable_home(settings.home, write=True)
    refuse_newer_state(settings.home, settings.warehouse_path)
    problem = ownership_problem(settings)
    if problem is not None:
        raise ConfigurationError((problem,))
    keep_private(settings.home, group=settings.publications.group)
    if _owner(settings.home) is None:
        write_whole(settings.home / OWNER, settings.company + "\n")


def ownership_problem(settings: Settings) -> Problem | None:
    """Why this company may not use the state folder, or None; nothing is written.

    Raises OSError where the mark is there and may not be read.
    """
    owner = _owner(settings.home)
    if owner is None:
        return _problem_of_lost_mark(settings)
    if owner == settings.company.strip():
        return None
    return _other_company(settings, owner)


def remember(home: Path, run: LastRun) -> None:
    """Keep how a run stands, without secrets, on disk when this returns; a kill leaves what was remembered before.

    Raises OSError where the disk does not take it, and WarehouseError where a folder lies in the file's place.
    """
    told = replace(run, error=mask(run.error), notices=tuple(mask(notice) for notice in run.notices))
    write_whole(home / LAST_RUN, json.dumps(asdict(told), indent=2) + "\n")


def write_trace(home: Path, error: BaseException) -> Path:
    """Keep the trace of an error nobody foresaw, without secrets, where a developer finds it; returns the file.

    Raises OSError where it cannot be written.
    """
    path = home / LAST_ERROR
    path.write_text(masked_trace(error), encoding="utf-8")
    return path


def last_run(home: Path) -> LastRun | None:
    """The last run's fate, or None before the first; of state "unknown" where it cannot be read.

    Keys of a newer version are passed over: it is memory, and the next night writes it anew.
    """
    path = home / LAST_RUN
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return _parsed(facts)
    except FileNotFoundError:
        if path.is_symlink():
            return _unknown(f"{path} leads nowhere")
        return None
    except OSError as error:
        return _unknown(f"{path} cannot be read ({error.strerror})")
    except (ValueError, RecursionError) as error:
        return _unknown(f"{path} cannot be understood ({str(error).splitlines()[0]})")


def _unknown(why: str) -> LastRun:
    return LastRun("", UNKNOWN, "", "", error=f"{why}; the next night writes it anew")


def _parsed(facts: Any) -> LastRun:
    """Remembered facts as a run; raises ValueError for anything else than what was written there."""
    if not isinstance(facts, dict):
        raise ValueError(f"it holds a {type(facts).__name__}")
    known = {}
    for key in fields(LastRun):
        if key.name not in facts:
            if key.default is MISSING:
                raise ValueError(f"{key.name} is missing")
            continue
        value = facts[key.name]
        if key.name == "notices":
            if not isinstance(value, list) or not all(isinstance(notice, str) for notice in value):
                raise ValueError("notices is no list of texts")
            value = tuple(value)
        elif not isinstance(value, str):
            raise ValueError(f"{key.name} is no text")
        known[key.name] = value
    return LastRun(**known)


def _owner(home: Path) -> str | None:
    """The company a state folder is marked as, or None where it bears no mark that can be read."""
    try:
        text = (home / OWNER).read_bytes().decode("utf-8-sig").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return None
    return text if text and "\0" not in text else None


def _problem_of_lost_mark(settings: Settings) -> Problem | None:
    """A mark that cannot be read is rebuilt from what was published; None where that is this company's or nothing."""
    path = settings.home / OWNER
    published = next(iter(whole_publications(settings.publication_dir)), None)
    if published is not None:
        is_ours = published.company == settings.company
        return None if is_ours else _other_company(settings, published.company)
    # Before the first night, and in a folder of a version that set no mark, there is none to lose.
    if not os.path.lexists(path) or not settings.warehouse_path.exists():
        return None
    return Problem(
        str(path),
        "is empty or no text, and nothing published says whose state folder this is",
        f"if it is of {settings.company!r}, type: echo {shlex.quote(settings.company)} > {shlex.quote(str(path))}",
    )


def _other_company(settings: Settings, owner: str) -> Problem:
    return Problem(
        str(settings.home),
        f"this state folder holds {owner!r}, the configuration is of {settings.company!r}",
        f"give each company a folder of its own, for example {HOME_VARIABLE}="
        f"{settings.home.name}-{settings.config_path.stem} (if the company only has a new name, "
        f"write it into {OWNER})",
    )
