"""Looks for what would make the next night fail or readers read wrong: machine, state folder, sources, publication."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import faults
from orchestration.dbt_runner import is_parsed, prepared_manifest
from orchestration.duckdb_file import read_everything, warehouse_remedy
from orchestration.home import (
    WarehouseError,
    owner_name,
    reading_group,
    too_wide,
    user_name,
)
from orchestration.lock import lock_holder
from orchestration.memory import UNKNOWN, last_run
from orchestration.policy_scales import scale_problems
from orchestration.publication import current_publication, damage, damage_remedy, whole_publications
from orchestration.telemetry import left_on
from orchestration.warehouse import check_warehouse, open_warehouse

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import Settings

_MINIMUM_FREE_BYTES = 2 * 1024**3
_GIB = 1024**3
_PINNED = (
    "dagster",
    "dagster-dbt",
    "dbt-core",
    "dbt-duckdb",
    "duckdb",
    "great-expectations",
    "xgboost-cpu",
    "splink",
    "dlt",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is well, and what was found or how to mend it."""

    subject: str
    ok: bool
    text: str


def examine(settings: Settings, *, today: date) -> list[Finding]:
    """Every finding, well or not, in the order a night would meet them.

    `today` is the day by the clock, in the company's time zone. Nothing is written to the state folder. A look
    that fails is a finding too, so one fault never hides another.
    """
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("Python", _python),
        ("Packages", _packages),
        ("Usage statistics", _telemetry),
        ("State folder", lambda: _state_folder(settings)),
        ("Permissions", lambda: _permissions(settings)),
        ("Company", lambda: _named("Company", faults.owner_faults(settings), settings.company)),
        (
            "Policy",
            lambda: _named("Policy", [str(problem) for problem in scale_problems(settings.policy)], "whole"),
        ),
        ("Disk", lambda: _disk(settings)),
        ("Running night", lambda: _lock(settings)),
        ("Last run", lambda: _last_run(settings)),
        ("Run log", lambda: _named("Run log", faults.run_log_faults(settings), "whole")),
        ("Runs", lambda: _named("Runs", faults.dead_run_faults(settings), "none left by a dead process")),
        *(
            (f"Source {name}" if name else "Sources", partial(_source, settings, name))
            for name in _sources(settings)
        ),
        ("dbt project", lambda: _dbt_project(settings)),
        ("Warehouse", lambda: _warehouse(settings)),
        ("Tables", lambda: _tables(settings)),
        ("Landed days", lambda: _landed_days(settings, today)),
        ("Models", lambda: _models(settings)),
        ("Publication", lambda: _publication(settings)),
        ("Published day", lambda: _published_day(settings, today)),
    ]
    return [finding for subject, look in looks for finding in _looked_at(subject, look)]


def _looked_at(subject: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except Exception as error:
        return [Finding(subject, False, faults.explained(error))]


def _named(subject: str, found: list[str], well: str) -> list[Finding]:
    """A finding for each fault, or one that all is well."""
    return [Finding(subject, False, fault) for fault in found] or [Finding(subject, True, well)]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _packages() -> Iterator[Finding]:
    missing = []
    found = []
    for name in _PINNED:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("Packages", False, f"missing {', '.join(missing)}: run `make setup`")
    else:
        yield Finding("Packages", True, ", ".join(found))


def _telemetry() -> list[Finding]:
    wrong = [
        f"{name} leaves the usage statistics of a dependency on; type: unset {name}" for name in left_on()
    ]
    return _named("Usage statistics", wrong, "off")


def _state_folder(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    wrong = faults.home_faults(settings)
    if not home.exists():
        above = _nearest(home)
        # A file system without room, like /proc, is writable to root by its permissions alone.
        is_storage = shutil.disk_usage(above).total > 0
        if not (is_storage and above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
            wrong.append(
                f"{home} cannot be made: {above} belongs to {owner_name(above)} and is not writable; set "
                "TRADE_CREDIT_HOME to a folder that is"
            )
    else:
        if not os.access(home, os.W_OK):
            wrong.append(f"{home} is not writable, set TRADE_CREDIT_HOME to a folder that is")
        me = os.geteuid()
        strangers = [path for path in (home, *home.iterdir()) if me not in (0, path.lstat().st_uid)]
        if strangers:
            wrong.append(
                f"{strangers[0]} belongs to {owner_name(strangers[0])}; type: sudo chown -R {user_name(me)} {home}"
            )
    yield from _named(
        "State folder", wrong, str(home) if home.exists() else f"{home}, made by the first night"
    )


def _permissions(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    wrong = []
    group = settings.publications.group
    wide = too_wide(home)
    if wide:
        names = ", ".join(str(path) for path in wide[:3]) + (
            f" and {len(wide) - 3} more" if len(wide) > 3 else ""
        )
        # A closed state folder closes what is in it.
        close = f"chmod {'700' if group is None else '710'} {home}"
        if home not in wide:
            close = f"chmod -R go= {' '.join(str(path) for path in wide)}"
        wrong.append(f"others than its owner can reach {names}; the next night closes it, or type: {close}")
    if group is not None:
        gid = reading_group(group)
        wrong += [
            f"group {group} cannot pass {above} on its way to the publications; type: chmod o+x {above}, or set "
            "TRADE_CREDIT_HOME to a folder elsewhere"
            for above in _closed_to(gid, home)
        ]
    well = "the owner alone" + (f", publications also group {group}" if group else "")
    yield from _named("Permissions", wrong, well)


def _closed_to(gid: int, home: Path) -> Iterator[Path]:
    """Folders above the state folder that a member of a group may not pass."""
    for above in home.resolve().parents:
        if above.is_dir():
            state = above.stat()
            if not state.st_mode & (0o010 if state.st_gid == gid else 0o001):
                yield above


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(_nearest(settings.home)).free
    warehouse = settings.warehouse_path
    size = warehouse.stat().st_size if warehouse.is_file() else 0
    needed = max(_MINIMUM_FREE_BYTES, size)
    text = f"{free / _GIB:.1f} GiB free ({needed / _GIB:.1f} GiB are needed: a night writes about the warehouse anew)"
    advice = (
        "" if free >= needed else f"; free some (du -sh {settings.home}/* shows what is large), or move it"
    )
    yield Finding("Disk", free >= needed, text + advice)


def _lock(settings: Settings) -> Iterator[Finding]:
    holder = lock_holder(settings.home)
    yield Finding("Running night", True, "none" if holder is None else f"process {holder} is writing")


def _last_run(settings: Settings) -> Iterator[Finding]:
    run = last_run(settings.home)
    if run is None:
        yield Finding("Last run", True, "none yet")
    elif run.state == UNKNOWN:
        yield Finding("Last run", False, run.error)
    elif run.state == "running" and lock_holder(settings.home) is None:
        yield Finding(
            "Last run",
            False,
            f"the night of {run.as_of} was interrupted; run it again: trade-credit run --as-of {run.as_of}",
        )
    else:
        failed = f" at {run.failed_step}: see `trade-credit status`" if run.failed_step else ""
        yield Finding("Last run", not failed, f"night of {run.as_of} {run.state}{failed}")


def _sources(settings: Settings) -> list[str]:
    """The sources to look at; the demo company's are made by the first night."""
    if settings.demo is not None and not settings.demo_dir.exists():
        return [""]
    return list(settings.sources)


def _source(settings: Settings, name: str) -> Iterator[Finding]:
    if not name:
        yield Finding("Sources", True, "the demo company is made by the first night")
        return
    from orchestration.sources.connectors.kinds import probe

    problem = probe(settings.sources[name])
    yield Finding(f"Source {name}", problem is None, problem or "can be read")


def _dbt_project(settings: Settings) -> list[Finding]:
    broken = faults.project_faults(settings)
    if not is_parsed(settings.home):
        # Parsed elsewhere: a running night reads what lies in the state folder.
        with tempfile.TemporaryDirectory(prefix="trade-credit-doctor-") as folder:
            prepared_manifest(Path(folder))
    return _named("dbt project", broken, "can be parsed")


def _warehouse(settings: Settings) -> Iterator[Finding]:
    path = settings.warehouse_path
    holder = lock_holder(settings.home)
    if holder is not None:
        yield Finding("Warehouse", True, "a night is running on it")
    elif not os.path.lexists(path):
        yield Finding("Warehouse", True, "not there yet; the first night makes it")
    else:
        check_warehouse(path)
        if not os.access(path, os.W_OK):
            raise WarehouseError(f"{path} is not writable; type: chmod u+w {path}")
        with open_warehouse(path, read_only=True) as connection:
            tables = read_everything(connection, path, remedy=warehouse_remedy(path))
        yield Finding("Warehouse", True, f"{path}, {tables} tables read in full")


def _tables(settings: Settings) -> Iterator[Finding]:
    """Of which version the tables are that outlive a night, and what the next night does to them."""
    from orchestration.migrations import MIGRATIONS, refuse_newer, schema_state

    path = settings.warehouse_path
    if lock_holder(settings.home) is not None or not path.is_file():
        return
    with open_warehouse(path, read_only=True) as connection:
        refuse_newer(connection)
        state = schema_state(connection)
    made_by = f", made by trade-credit {state.code_version}" if state.code_version else ""
    ahead = (
        f"the next night migrates them ({'; '.join(state.ahead)})" if state.ahead else "nothing to migrate"
    )
    yield Finding("Tables", True, f"version {state.version} of {len(MIGRATIONS)}{made_by}; {ahead}")


def _landed_days(settings: Settings, today: date) -> Iterator[Finding]:
    """A day landed ahead of the clock: every night until then would read nothing new, and say nothing of it."""
    path = settings.warehouse_path
    if settings.demo is not None or lock_holder(settings.home) is not None or not path.is_file():
        return
    with open_warehouse(path, read_only=True) as connection:
        latest = _latest_landing(connection)
    if latest is None:
        return
    text = f"latest {latest}"
    if latest > today:
        text = (
            f"sources were read for {latest}, later than today ({today}), so nights until then read nothing new. "
            "Where the clock is wrong, set it (timedatectl); where the day was a slip, put back a backup of "
            f"{path.name} from before it, or move it away (mv {path} {path}.ahead) and run again: see the runbook "
            "for what that loses"
        )
    yield Finding("Landed days", latest <= today, text)


def _latest_landing(connection: duckdb.DuckDBPyConnection) -> date | None:
    known = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'ops' and table_name = 'landing'"
    ).fetchone()
    row = connection.execute("select max(as_of_date) from ops.landing").fetchone() if known else None
    return row[0] if row else None


def _models(settings: Settings) -> list[Finding]:
    """Every registered model and the history of champions; a night reads the one in force."""
    from models_ml.registry import OtherLayoutError, RegistryError, history, load

    folder = settings.models_dir
    if not folder.is_dir():
        return [Finding("Models", True, "none yet; the first night makes them")]
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    wrong, set_aside = [], []
    looks: list[Callable[[], object]] = [partial(history, folder)]
    looks += [partial(load, folder, name) for name in names]
    for look in looks:
        try:
            look()
        except OtherLayoutError as error:
            set_aside.append(str(error))
        except RegistryError as error:
            wrong.append(f"{folder}: {error}")
    return _named("Models", wrong, "; ".join([f"{len(names) - len(set_aside)} can be read", *set_aside]))


def _publication(settings: Settings) -> list[Finding]:
    broken = faults.pointer_faults(settings)
    publication = current_publication(settings.publication_dir)
    if publication is None:
        return _named("Publication", broken, "none yet; the first night makes it")
    damaged = damage(publication, thorough=True)
    if damaged:
        broken.append(f"{'; '.join(damaged)}. {damage_remedy(publication)}")
    if publication.company != settings.company:
        broken.append(
            f"{publication.folder} is of {publication.company!r}; set TRADE_CREDIT_HOME to this company's"
        )
    for other in whole_publications(settings.publication_dir):
        if Path(other.folder).name != Path(publication.folder).name:
            wrong = damage(other, thorough=True)
            if wrong:
                broken.append(
                    f"{other.folder} could not be gone back to: {'; '.join(wrong)}. Remove it: "
                    f"chmod -R u+w {other.folder} && rm -r {other.folder}"
                )
    well = f"night of {publication.as_of}, {len(publication.tables)} tables, every file as it was written"
    return _named("Publication", broken, well)


def _published_day(settings: Settings, today: date) -> Iterator[Finding]:
    """A publication of a day that is not there yet, by more than a time zone can explain."""
    if settings.demo is not None:
        return
    publication = current_publication(settings.publication_dir)
    if publication is None:
        return
    is_ahead = date.fromisoformat(publication.as_of) > today + timedelta(days=1)
    advice = (
        f", though today is {today}: where the clock is wrong, set it (timedatectl); where the day was a slip, point "
        "publication/current at an earlier one (ln -sfn, see the runbook)"
    )
    yield Finding("Published day", not is_ahead, publication.as_of + (advice if is_ahead else ""))


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(above for above in (path, *path.parents) if above.exists())
