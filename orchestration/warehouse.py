"""The warehouse file: opening it, its schemas, the one-writer lock, and atomic publication of the mart."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

SCHEMAS = (
    "raw",
    "landing",
    "staging",
    "quarantine",
    "policy",
    "core",
    "features",
    "ml",
    "mart",
    "ops",
)
MANIFEST = "manifest.json"
CURRENT = "current"


class WarehouseError(Exception):
    """The warehouse or the publication is not in a state to go on; the text says what to do."""


class NightInProgressError(WarehouseError):
    """Another run holds the warehouse; only one may write at a time."""


@contextmanager
def open_warehouse(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for the length of a block; closed again so that dbt may open it next.

    Raises WarehouseError where the file cannot be opened (locked by another process, or damaged).
    """
    import duckdb

    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.Error as error:
        raise WarehouseError(
            f"The warehouse {path} cannot be opened: {error}\n"
            "If another program has it open, close that program: BI tools read publication/current/mart.duckdb. "
            "If the file is damaged, move it away and run again: raw data is landed anew from the sources."
        ) from error
    try:
        yield connection
    finally:
        connection.close()


def prepare_warehouse(path: Path) -> None:
    """Create the warehouse file and its schemas where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_warehouse(path) as connection:
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")


def replace_night(
    connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], frame: Any, as_of: date
) -> int:
    """Replace the rows of `table` for one night with `frame`, in one transaction; other nights stay.

    `columns` maps each column to its SQL type, and creates the table on the first night. `frame` is a small
    pandas frame that holds at least those columns except `as_of_date`, which is set here. Returns the rows
    written. Naming the columns keeps a renamed one from landing in its neighbour's place.
    """
    declared = ", ".join(f"{name} {kind}" for name, kind in {"as_of_date": "DATE", **columns}.items())
    names = ", ".join(columns)
    connection.execute(f"create table if not exists {table} ({declared})")
    connection.begin()
    try:
        connection.execute(f"delete from {table} where as_of_date = ?", [as_of])
        if len(frame):
            connection.register("night_rows", frame)
            connection.execute(
                f"insert into {table} (as_of_date, {names}) select ?::date, {names} from night_rows", [as_of]
            )
            connection.unregister("night_rows")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return len(frame)


# ---------------------------------------------------------------- one writer

_held: dict[Path, IO[str]] = {}


def hold_night_lock(home: Path) -> None:
    """Take the one-writer lock of `home` for this process, or find that this process has it already.

    The lock is the operating system's, so it falls with the process however that ends.
    Raises NightInProgressError where another process holds it.
    """
    path = (home / "run.lock").resolve()
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise NightInProgressError(
            f"Another run (process {holder}) is writing to {home}. Only one night may run at a time: "
            "wait until it ends (`trade-credit status` shows it), then run again."
        ) from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    _held[path] = handle


def release_night_lock(home: Path) -> None:
    """Give the one-writer lock back; does nothing where this process does not hold it."""
    handle = _held.pop((home / "run.lock").resolve(), None)
    if handle is not None:
        handle.truncate(0)
        handle.close()


def is_night_running(home: Path) -> bool:
    """True while some process holds the one-writer lock of `home`."""
    path = (home / "run.lock").resolve()
    if path in _held:
        return True
    if not path.exists():
        return False
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


# ---------------------------------------------------------------- publication


@dataclass(frozen=True)
class Publication:
    """What one published night holds: its day, its tables with their row counts, and who made it."""

    publication_id: str
    as_of: str
    company: str
    reporting_currency: str
    run_id: str
    tables: dict[str, int]
    folder: str = ""

    @property
    def mart_path(self) -> Path:
        return Path(self.folder) / "mart.duckdb"


def current_publication(publication_dir: Path) -> Publication | None:
    """The publication that readers see now, or None before the first night.

    Raises WarehouseError where the pointer leads to a folder that is not a complete publication.
    """
    pointer = publication_dir / CURRENT
    if not pointer.is_symlink():
        return None
    return read_publication(pointer.resolve())


def read_publication(folder: Path) -> Publication:
    """Read one publication's manifest; raises WarehouseError where it is missing or unreadable."""
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Publication(**{**facts, "folder": str(folder)})
    except (OSError, ValueError, TypeError) as error:
        raise WarehouseError(
            f"{folder} is not a complete publication ({error}). Run a night again to publish anew, or point "
            "publication/current at another folder beside it."
        ) from error


def publish_mart(
    warehouse: Path,
    publication_dir: Path,
    *,
    as_of: date,
    company: str,
    reporting_currency: str,
    run_id: str,
    keep: int,
) -> Publication:
    """Copy the mart aside (read-only DuckDB file and Parquet), then move the pointer by one rename.

    Tables are written in a total order, so that two equal nights give equal files. Killed before the rename,
    readers still see the night before; what was written aside is removed by the next night. The `keep` newest
    publications stay.
    """
    publication_id = f"{as_of.isoformat()}-{run_id[:8]}"
    publication_dir.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(publication_dir)
    target = publication_dir / publication_id
    aside = publication_dir / f".{publication_id}.partial"
    (aside / "parquet").mkdir(parents=True)

    tables = _copy_mart(warehouse, aside)
    publication = Publication(publication_id, as_of.isoformat(), company, reporting_currency, run_id, tables)
    facts = {name: value for name, value in asdict(publication).items() if name != "folder"}
    (aside / MANIFEST).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _sync(aside)
    if target.exists():
        shutil.rmtree(target)
    aside.rename(target)
    switch_publication(publication_dir, target)
    _retire_old(publication_dir, keep)
    return read_publication(target)


def switch_publication(publication_dir: Path, target: Path) -> None:
    """Point `current` at `target` in one rename, so that a reader sees the old or the new, never neither."""
    pointer = publication_dir / f".{CURRENT}.next"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(target.name)
    pointer.replace(publication_dir / CURRENT)
    _sync_folder(publication_dir)


def _copy_mart(warehouse: Path, folder: Path) -> dict[str, int]:
    # The file's name makes DuckDB call its catalog `mart`: tables in the default schema are `mart.<table>` to a
    # reader, while a schema `mart` inside it would make that address ambiguous.
    tables: dict[str, int] = {}
    with open_warehouse(warehouse) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "select table_name from information_schema.tables "
                "where table_schema = 'mart' order by table_name"
            ).fetchall()
        ]
        connection.execute(f"attach '{_quoted(folder / 'mart.duckdb')}' as published")
        for name in names:
            connection.execute(f"create table published.main.{name} as from mart.{name} order by all")
            connection.execute(
                f"copy published.main.{name} to '{_quoted(folder / 'parquet' / f'{name}.parquet')}' "
                "(format parquet, compression zstd)"
            )
            count = connection.execute(f"select count(*) from published.main.{name}").fetchone()
            tables[name] = int(count[0]) if count else 0
        connection.execute("detach published")
    return tables


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _remove_unfinished(publication_dir: Path) -> None:
    for leftover in publication_dir.glob(".*.partial"):
        shutil.rmtree(leftover)


def _retire_old(publication_dir: Path, keep: int) -> None:
    current = (publication_dir / CURRENT).resolve()
    folders = sorted(
        (
            folder
            for folder in publication_dir.iterdir()
            if (folder / MANIFEST).is_file() and not folder.is_symlink()
        ),
        key=lambda folder: ((folder / MANIFEST).stat().st_mtime_ns, folder.name),
        reverse=True,
    )
    for folder in folders[max(keep, 1) :]:
        if folder.resolve() != current:
            shutil.rmtree(folder)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
