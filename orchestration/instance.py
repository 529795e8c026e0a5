"""The Dagster instance that lies in the state folder, shared by the command line and the web interface."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from orchestration import telemetry
from orchestration.environment import explain_environment
from orchestration.home import WarehouseError, remove, set_aside, write_whole

_SETTINGS = "dagster.yaml"
_BROKEN = "broken"
# Databases Dagster cannot start without; each run also has one of its own beside index.db.
_HISTORY = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_SQLITE_MAGIC = b"SQLite format 3\x00"
# Reading a whole database costs about a millisecond for each MiB.
_READ_WHOLE_UP_TO_BYTES = 256 * 1024**2
# What Dagster collects to send when it runs without our settings; it is sent by any later start that allows it.
_COLLECTED = ("logs/event.log*", ".logs_queue", ".telemetry")

# One run at a time: a second launched from the interface waits in the queue instead of failing on the lock.
# Captured output is not kept: capturing leaves processes behind when a night is killed, and what steps have to say
# stands in the run's events.
_DAGSTER_YAML = """\
# Written by trade-credit before every start; changes made here are not kept.
telemetry:
  enabled: false
nux:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  runs:
    max_concurrent_runs: 1
event_log_storage:
  module: orchestration.event_log
  class: NightEventLog
  config:
    base_dir: history/runs
"""


def prepare_instance(dagster_dir: Path) -> list[str]:
    """Make the instance's settings what this version writes, and the instance the one Dagster finds.

    A database of the run log that is damaged is moved into `broken-<n>/`, since the log is history for the web
    interface and Dagster makes it anew. Returns what was mended, a sentence each.
    Raises WarehouseError where the folder cannot be written.
    """
    telemetry.switch_off()
    try:
        dagster_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        mended = [
            *_write_settings(dagster_dir),
            *_forget_collected(dagster_dir),
            *_clear_history(dagster_dir),
        ]
    except OSError as error:
        raise WarehouseError(
            explain_environment(error) or f"The run log {dagster_dir} cannot be prepared: {error}"
        ) from error
    os.environ["DAGSTER_HOME"] = str(dagster_dir.resolve())
    _sync_less()
    return mended


def instance_faults(dagster_dir: Path) -> list[str]:
    """What the next `prepare_instance` would mend, a line each; nothing is written."""
    found = []
    settings = dagster_dir / _SETTINGS
    if os.path.lexists(settings) and not _is_ours(settings) and not _forbids_statistics(settings):
        found.append(f"{settings} is not what trade-credit writes, so Dagster's usage statistics are on")
    if any(True for pattern in _COLLECTED for _ in dagster_dir.glob(pattern)):
        found.append(f"{dagster_dir} holds usage statistics that Dagster collected to send")
    return found + [f"{path} is damaged ({why})" for path, why in _damaged_history(dagster_dir)]


def _write_settings(dagster_dir: Path) -> list[str]:
    settings = dagster_dir / _SETTINGS
    is_new = not os.path.lexists(settings)
    if not is_new and _is_ours(settings):
        return []
    if settings.is_dir():
        set_aside(settings, dagster_dir, _BROKEN)
    write_whole(settings, _DAGSTER_YAML)
    return [] if is_new else [f"{settings} was not what this version writes; it was written anew"]


def _is_ours(settings: Path) -> bool:
    try:
        return settings.read_bytes() == _DAGSTER_YAML.encode()
    except OSError:
        return False


def _forbids_statistics(settings: Path) -> bool:
    """True where the file, which may be of another version, switches statistics off; Dagster looks nowhere else."""
    try:
        facts = yaml.safe_load(settings.read_bytes())
        return facts["telemetry"]["enabled"] is False
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return False


def _forget_collected(dagster_dir: Path) -> list[str]:
    collected = [path for pattern in _COLLECTED for path in dagster_dir.glob(pattern)]
    for path in collected:
        remove(path)
    return [f"usage statistics that Dagster had collected in {dagster_dir} were removed"] if collected else []


def _clear_history(dagster_dir: Path) -> list[str]:
    damaged = list(_damaged_history(dagster_dir))
    if not damaged:
        return []
    number = 1
    while (folder := dagster_dir / f"{_BROKEN}-{number}").exists():
        number += 1
    folder.mkdir(mode=0o700)
    for path, _ in damaged:
        for part in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
            if os.path.lexists(part):
                part.rename(folder / part.name)
    return [
        f"{path} was damaged ({why}) and lies in {folder} now; Dagster begins it anew, and runs it told of are no "
        "longer shown in `trade-credit ui`"
        for path, why in damaged
    ]


def _damaged_history(dagster_dir: Path) -> Iterator[tuple[Path, str]]:
    for folder in (dagster_dir / "history", dagster_dir / "history/runs", dagster_dir / "schedules"):
        if os.path.lexists(folder) and not folder.is_dir():
            yield folder, "a file where a folder belongs"
            return
    main = [dagster_dir / name for name in _HISTORY]
    runs = (path for path in (dagster_dir / "history/runs").glob("*.db") if path not in main)
    for path in (*main, *runs):
        if os.path.lexists(path):
            why = _damage(path, whole=path in main)
            if why is not None:
                yield path, why


def _damage(path: Path, *, whole: bool) -> str | None:
    """What is wrong with an SQLite file, or None; raises OSError where it may not be read."""
    if not path.is_file():
        return "not a file"
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(len(_SQLITE_MAGIC))
    if size == 0:
        return None  # SQLite takes an empty file for a new database.
    if start != _SQLITE_MAGIC:
        return "no SQLite database"
    if not whole:
        return None
    return _unreadable(path, thorough=size <= _READ_WHOLE_UP_TO_BYTES)


def open_history(path: Path) -> sqlite3.Connection:
    """Open a database of the run log to read it; nothing is written where no run is writing."""
    # Without entries waiting in its log the file alone is the database, and reading it as such writes nothing.
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)


def _unreadable(path: Path, *, thorough: bool) -> str | None:
    try:
        with closing(open_history(path)) as connection:
            connection.execute("pragma schema_version").fetchone()
            connection.execute("select count(*) from sqlite_master").fetchone()
            verdict = connection.execute("pragma quick_check(1)").fetchone()[0] if thorough else "ok"
    except sqlite3.DatabaseError as error:
        # A log that another process holds or that may not be opened for writing tells nothing of damage.
        is_damage = error.sqlite_errorname.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        return str(error) if is_damage else None
    return None if verdict == "ok" else str(verdict).splitlines()[-1]


def _sync_less() -> None:
    """Do not wait for the disk after each entry of the run log.

    A night writes some fifteen hundred events, each a transaction on a connection of its own; waiting for the disk
    took a quarter of a small night. A killed process loses nothing by this. A power cut may spoil the log, which
    is history for the web interface and can be deleted; the warehouse and the publication are synced as always.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not event.contains(Engine, "connect", _relax):
        event.listen(Engine, "connect", _relax)


def _relax(connection: Any, _record: Any) -> None:
    if not type(connection).__module__.startswith("sqlite3"):
        return
    file = connection.execute("pragma database_list").fetchone()[2]
    if file.startswith(os.environ["DAGSTER_HOME"]):
        connection.execute("pragma synchronous = off")
