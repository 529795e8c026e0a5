"""What is wrong with a state folder, told without writing to it: the quick looks that status and doctor share."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from orchestration.dbt_runner import DbtError, artefact_faults
from orchestration.duckdb_file import size_problem, warehouse_remedy
from orchestration.environment import explain_environment
from orchestration.home import NewerStateError, WarehouseError, misplaced, usable_home
from orchestration.instance import instance_faults, open_history
from orchestration.masking import mask
from orchestration.memory import ownership_problem
from orchestration.process import PROCESS_TAG, is_alive
from orchestration.publication import CURRENT, whole_publications
from orchestration.settings import ConfigurationError
from orchestration.sources.errors import SourceError
from orchestration.warehouse import refuse_newer_state

if TYPE_CHECKING:
    from orchestration.settings import Settings

_MENDED = "the next night mends it"


FORESEEN = (WarehouseError, ConfigurationError, DbtError, SourceError)


def explained(error: BaseException) -> str:
    """An error for a person: its own text where that is written for one, else what is wrong with the machine."""
    if isinstance(error, FORESEEN):
        return str(error)
    told = explain_environment(error)
    if told is None:
        said = str(error).strip().splitlines()
        told = f"{type(error).__name__}: {said[0] if said else 'no text'}"
    return mask(told)


def home_faults(settings: Settings) -> list[str]:
    """A state folder that cannot be read, or that holds files where folders belong."""
    usable_home(settings.home, write=False)
    return misplaced(settings.home)


def owner_faults(settings: Settings) -> list[str]:
    """A state folder that is another company's, or nobody knows whose."""
    problem = ownership_problem(settings)
    return [] if problem is None else [str(problem)]


def pointer_faults(settings: Settings) -> list[str]:
    """Publications that are there while nothing points at one, or a folder in place of the pointer."""
    pointer = settings.publication_dir / CURRENT
    if pointer.is_dir() and not pointer.is_symlink():
        return [f"{pointer} is a folder, as a backup restored without links leaves it; {_MENDED}"]
    if os.path.lexists(pointer):
        return []
    newest = next(iter(whole_publications(settings.publication_dir)), None)
    if newest is None:
        return []
    name = os.path.basename(newest.folder)
    return [
        f"{pointer} is missing, so readers find no mart though the night of {newest.as_of} is there; show it: "
        f"ln -sfn {name} {pointer}"
    ]


def header_faults(settings: Settings) -> list[str]:
    """A warehouse whose header or size says that it is damaged."""
    path = settings.warehouse_path
    if path.is_dir() or not os.path.lexists(path):
        return []  # A folder there is told of as misplaced.
    if path.is_symlink() and not path.exists():
        return [
            f"{path} leads to {os.readlink(path)}, which is not there: mount that disk, or remove the link"
        ]
    problem = size_problem(path, remedy=warehouse_remedy(path))
    return [] if problem is None else [f"{path} {problem}. {warehouse_remedy(path)}"]


def schema_faults(settings: Settings) -> list[str]:
    """A warehouse that a newer program has written, which this one must not write to."""
    try:
        refuse_newer_state(settings.home, settings.warehouse_path)
    except NewerStateError as error:
        return [str(error)]
    return []


def run_log_faults(settings: Settings) -> list[str]:
    """Settings or databases of Dagster that the next night will write anew."""
    return [f"{fault}; {_MENDED} (`trade-credit ui` too)" for fault in instance_faults(settings.dagster_dir)]


def dead_run_faults(settings: Settings) -> list[str]:
    """Runs that Dagster counts as in progress though their process is gone; they hold back every one in the queue."""
    path = settings.dagster_dir / "history" / "runs.db"
    if not path.is_file() or run_log_faults(settings):
        return []
    query = (
        "select runs.run_id, tag.value from runs join run_tags as tag on tag.run_id = runs.run_id and tag.key = ? "
        "where runs.status in ('NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING') and not exists ("
        # A run executed again begins with the tags of the one before it (runs.dead_runs).
        "select 1 from run_tags as parent join run_tags as inherited on inherited.run_id = parent.value "
        "where parent.run_id = runs.run_id and parent.key = 'dagster/parent_run_id' and inherited.key = tag.key "
        "and inherited.value = tag.value) order by runs.id"
    )
    with closing(open_history(path)) as connection:
        left = connection.execute(query, [PROCESS_TAG]).fetchall()
    return [
        f"run {run_id[:8]} still counts as running though its process has ended; the next night or "
        "`trade-credit ui` closes it"
        for run_id, process in left
        if not is_alive(process)
    ]


def project_faults(settings: Settings) -> list[str]:
    """What dbt parsed and is not as it wrote it any more."""
    return [f"{fault}; {_MENDED} by parsing the project anew" for fault in artefact_faults(settings.home)]
