"""The published mart: written aside, read back, closed to writing, switched to by one rename, checked later."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from orchestration.duckdb_file import open_duckdb, read_everything, warehouse_remedy
from orchestration.environment import explain_environment
from orchestration.home import (
    WarehouseError,
    make_readable,
    remove,
    set_aside,
    sync_folder,
)

if TYPE_CHECKING:
    import duckdb

MANIFEST = "manifest.json"
CURRENT = "current"
MART = "mart.duckdb"
COCKPIT = "cockpit"
_RESTORED = "restored"
_REMEDY = "Run a night again to publish anew, or point publication/current at another folder beside it."


@dataclass(frozen=True)
class TableText:
    """What a table of the mart means, and each of its columns."""

    description: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class PublishedFile:
    """A published file's size in bytes and the SHA-256 of its content."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Publication:
    """What one published night holds: its day, its tables with their row counts, its files, and who made it."""

    publication_id: str
    as_of: str
    company: str
    reporting_currency: str
    run_id: str
    tables: dict[str, int]
    folder: str = ""
    # Empty in publications of versions that did not note it.
    files: dict[str, PublishedFile] = field(default_factory=dict)

    @property
    def mart_path(self) -> Path:
        return Path(self.folder) / MART


# ---------------------------------------------------------------- reading


def current_publication(publication_dir: Path) -> Publication | None:
    """The publication that readers see now, or None before the first night.

    A backup restored without links leaves a folder where the pointer was; it is read like one, and the next
    publication makes it a pointer again.
    Raises WarehouseError where the pointer does not lead to a whole publication beside it, with the way out.
    """
    pointer = publication_dir / CURRENT
    try:
        is_link = os.path.islink(pointer)
        pointer.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WarehouseError(explain_environment(error) or f"{pointer} cannot be read: {error}") from error
    target = Path(os.path.realpath(pointer))
    if is_link and target.parent != Path(os.path.realpath(publication_dir)):
        problem = f"{pointer} leads out of the publication folder, to {target}"
    elif not target.exists():
        problem = f"{pointer} leads to {target.name}, which is not there"
    elif not target.is_dir():
        problem = f"{pointer} is a file where a link belongs"
    else:
        try:
            return read_publication(target)
        except WarehouseError as error:
            problem = str(error).removesuffix(f" {_REMEDY}")
    raise WarehouseError(f"{problem}. {_way_out(publication_dir)}")


def read_publication(folder: Path) -> Publication:
    """Read one publication's manifest; raises WarehouseError where it is missing or unreadable.

    Keys that this version does not know are passed over: a newer version that added them still published the same
    tables, and going back a version must not take the mart away from its readers.
    """
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return _parsed(facts, folder)
    except (OSError, ValueError, RecursionError) as error:
        said = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        raise WarehouseError(
            f"{folder} is not a complete publication ({MANIFEST}: {said}). {_REMEDY}"
        ) from error


def whole_publications(publication_dir: Path) -> list[Publication]:
    """Every publication on disk whose manifest can be read, the one written last first."""
    found = []
    for folder in _folders(publication_dir):
        try:
            found.append(read_publication(folder))
        except WarehouseError:
            # Named by whoever follows the pointer to it; as a way out it does not count.
            continue
    return found


@contextmanager
def open_publication(publication: Publication) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published mart as its readers do, for the length of a block; raises WarehouseError where it is damaged."""
    remedy = _way_out(Path(publication.folder).parent, but=publication)
    with open_duckdb(publication.mart_path, read_only=True, remedy=remedy) as connection:
        yield connection


def damage(publication: Publication, *, thorough: bool) -> list[str]:
    """What is wrong with the files of a publication, a line each: missing, or of another size than was written.

    `thorough` also compares checksums and counts rows, which reads everything.
    """
    folder = Path(publication.folder)
    found = []
    for name in _expected_files(publication):
        path = folder / name
        written = publication.files.get(name)
        try:
            size = path.stat().st_size
            if written is not None and size != written.bytes:
                found.append(f"{name} has {size:,} bytes, {written.bytes:,} were written")
            elif thorough and written is not None and _digest(path) != written.sha256:
                found.append(f"{name} is not what was written (its SHA-256 differs)")
        except FileNotFoundError:
            found.append(f"{name} is missing")
        except OSError as error:
            found.append(f"{name} cannot be read ({error.strerror})")
    if thorough and not found:
        found += _unreadable_rows(publication)
    return found


def damage_remedy(publication: Publication) -> str:
    """What to type where a publication's files are damaged."""
    return _way_out(Path(publication.folder).parent, but=publication)


def _parsed(facts: Any, folder: Path) -> Publication:
    """A manifest's facts as a publication; raises ValueError for anything else than what was written there."""
    if not isinstance(facts, dict):
        raise ValueError(f"holds a {type(facts).__name__}, no facts")
    texts = {}
    for name in ("publication_id", "as_of", "company", "reporting_currency", "run_id"):
        if not isinstance(facts.get(name), str):
            raise ValueError(f"{name} is {'no text' if name in facts else 'missing'}")
        texts[name] = facts[name]
    date.fromisoformat(texts["as_of"])
    tables = facts.get("tables")
    if not isinstance(tables, dict) or not all(type(count) is int for count in tables.values()):
        raise ValueError("tables is no list of row counts")
    files = facts.get("files", {})
    if not isinstance(files, dict):
        raise ValueError("files is no list of files")
    return Publication(
        **texts,
        tables=tables,
        folder=str(folder),
        files={name: _parsed_file(name, written) for name, written in files.items()},
    )


def _parsed_file(name: str, written: Any) -> PublishedFile:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise ValueError(f"names {name!r}, which lies elsewhere")
    if not (
        isinstance(written, dict)
        and type(written.get("bytes")) is int
        and isinstance(written.get("sha256"), str)
    ):
        raise ValueError(f"says neither size nor checksum of {name}")
    return PublishedFile(written["bytes"], written["sha256"])


def _expected_files(publication: Publication) -> list[str]:
    if publication.files:
        return list(publication.files)
    return [MART, *(f"parquet/{table}.parquet" for table in publication.tables)]


def _unreadable_rows(publication: Publication) -> list[str]:
    try:
        with open_publication(publication) as connection:
            read_everything(connection, publication.mart_path, remedy="")
            return list(_miscounted(connection, Path(publication.folder), publication.tables))
    except WarehouseError as error:
        return [str(error).strip()]


def _miscounted(connection: duckdb.DuckDBPyConnection, folder: Path, tables: dict[str, int]) -> Iterator[str]:
    """Tables and Parquet files that hold another number of rows than `tables` says, or cannot be read."""
    import duckdb

    for table, rows in tables.items():
        for name, source in (
            (table, f"main.{_identifier(table)}"),
            (f"{table}.parquet", f"read_parquet({_literal(folder / 'parquet' / f'{table}.parquet')})"),
        ):
            try:
                count = connection.execute(f"select count(*) from {source}").fetchone()
            except duckdb.Error as error:
                yield f"{name} cannot be read ({str(error).splitlines()[0]})"
                continue
            if count is None or count[0] != rows:
                yield f"{name} holds {count[0] if count else 0:,} rows, its manifest says {rows:,}"


def _way_out(publication_dir: Path, but: Publication | None = None) -> str:
    """What to type where readers see no whole publication: the newest one that is whole, else a night."""
    broken = Path(but.folder).name if but is not None else ""
    for publication in whole_publications(publication_dir):
        folder = Path(publication.folder)
        if folder.name not in (broken, CURRENT) and not damage(publication, thorough=False):
            pointer = publication_dir / CURRENT
            blocked = pointer.exists() and not pointer.is_symlink()
            move = f"mv {pointer} {publication_dir / _RESTORED}-by-hand && " if blocked else ""
            return (
                f"Show readers the night of {publication.as_of} meanwhile: {move}ln -sfn {folder.name} {pointer}; "
                "the next night publishes anew."
            )
    return "Run a night (`trade-credit run`) to publish anew: it mends the pointer too."


def _folders(publication_dir: Path) -> list[Path]:
    """Folders that hold a manifest, the one written last first."""
    found = []
    try:
        for folder in publication_dir.iterdir():
            if not folder.is_symlink() and not folder.name.startswith("."):
                written = _written_at(folder)
                if written is not None:
                    found.append((written, folder.name, folder))
    except OSError:
        return []
    return [folder for _, _, folder in sorted(found, reverse=True)]


def _written_at(folder: Path) -> int | None:
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        return None


# ---------------------------------------------------------------- publishing


def publish_mart(
    warehouse: Path,
    publication_dir: Path,
    *,
    as_of: date,
    company: str,
    reporting_currency: str,
    run_id: str,
    keep: int,
    descriptions: Mapping[str, TableText] = MappingProxyType({}),
    beside: Callable[[Path], None] = lambda folder: None,
    before_switch: Callable[[], None] = lambda: None,
) -> Publication:
    """Copy the mart aside (DuckDB file and Parquet), read it back, close it, then move the pointer by one rename.

    `descriptions` say what tables and columns mean, and are kept in the file as comments. `beside` may write further
    files into the folder, next to the mart that it then holds.

    Tables are written in a total order, so that two equal nights give equal files. Killed before the rename,
    readers still see the night before; what was written aside is removed by the next night. The publication is
    read-only and belongs to the group of `publication_dir`. The `keep` newest publications stay. `before_switch` has
    the last word: where it raises, readers see what they saw before.

    Raises WarehouseError where it cannot be written or does not read back; readers then see what they saw before.
    """
    publication_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    for leftover in publication_dir.glob(".*.partial"):
        remove(leftover)
    publication_id = _free_name(publication_dir, f"{as_of.isoformat()}-{run_id[:8]}")
    target = publication_dir / publication_id
    aside = publication_dir / f".{publication_id}.partial"
    try:
        (aside / "parquet").mkdir(parents=True)
        tables = _copy_mart(warehouse, aside, descriptions)
        _read_back(aside, tables)
        beside(aside)
        publication = Publication(
            publication_id,
            as_of.isoformat(),
            company,
            reporting_currency,
            run_id,
            tables,
            files=_written_files(aside),
        )
        facts = {name: value for name, value in asdict(publication).items() if name != "folder"}
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        (aside / MANIFEST).write_text(text, encoding="utf-8")
        _sync(aside)
        make_readable(aside, publication_dir.stat().st_gid)
        before_switch()
        aside.rename(target)
    except WarehouseError:
        remove(aside)
        raise
    except BaseException as error:
        remove(aside)
        cause = explain_environment(error)
        if cause is None:
            raise
        raise WarehouseError(
            f"The publication could not be written; readers see what they saw before. {cause}"
        ) from error
    switch_publication(publication_dir, target)
    _retire_old(publication_dir, keep)
    return read_publication(target)


def switch_publication(publication_dir: Path, target: Path) -> None:
    """Point `current` at `target` in one rename, so that a reader sees the old or the new, never neither.

    Where a folder or a file lies in place of the pointer it is moved aside first and kept.
    """
    pointer = publication_dir / CURRENT
    following = publication_dir / f".{CURRENT}.next"
    remove(following)
    following.symlink_to(target.name)
    if pointer.exists() and not pointer.is_symlink():
        _set_restored_aside(publication_dir, pointer)
    following.replace(pointer)
    sync_folder(publication_dir)


def roll_back(publication_dir: Path, publication_id: str | None = None) -> Publication:
    """Point readers at an earlier publication that is whole: the named one, or the one written before the current.

    Nothing is removed and no table of the warehouse changes; the next night publishes as ever. Raises WarehouseError
    where there is none such, or its files are damaged, with those that there are.
    """
    found = whole_publications(publication_dir)
    named = {publication.publication_id: publication for publication in found}
    current = current_publication(publication_dir)
    if publication_id is None:
        ids = list(named)
        at = ids.index(current.publication_id) if current and current.publication_id in named else -1
        publication_id = ids[at + 1] if at + 1 < len(ids) else None
    there = ", ".join(named) or "none"
    if publication_id is None:
        raise WarehouseError(f"No publication was written before the current one; on disk: {there}.")
    if publication_id not in named:
        raise WarehouseError(f"{publication_id!r} is no publication on disk; there are: {there}.")
    target = named[publication_id]
    faults = damage(target, thorough=False)
    if faults:
        raise WarehouseError(
            f"{publication_id} is damaged ({'; '.join(faults[:3])}); choose another of: {there}."
        )
    switch_publication(publication_dir, Path(target.folder))
    return read_publication(Path(target.folder))


def _set_restored_aside(publication_dir: Path, restored: Path) -> None:
    """Give what was restored in place of the pointer the name of the publication it is, or a free one."""
    try:
        name = read_publication(restored).publication_id
    except WarehouseError:
        name = ""
    if re.fullmatch(r"\w[\w.-]*", name) and name != CURRENT and not (publication_dir / name).exists():
        restored.rename(publication_dir / name)
    else:
        set_aside(restored, publication_dir, _RESTORED)


def _free_name(publication_dir: Path, name: str) -> str:
    """`name`, or with a number where the same run published before: what readers have open is never rewritten."""
    number = 1
    free = name
    while os.path.lexists(publication_dir / free):
        number += 1
        free = f"{name}-{number}"
    return free


def _copy_mart(warehouse: Path, folder: Path, descriptions: Mapping[str, TableText]) -> dict[str, int]:
    # The file's name makes DuckDB call its catalog `mart`: tables in the default schema are `mart.<table>` to a
    # reader, while a schema `mart` inside it would make that address ambiguous.
    tables: dict[str, int] = {}
    with open_duckdb(warehouse, read_only=False, remedy=warehouse_remedy(warehouse)) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "select table_name from information_schema.tables "
                "where table_schema = 'mart' order by table_name"
            ).fetchall()
        ]
        connection.execute(f"attach {_literal(folder / MART)} as published")
        for name in names:
            connection.execute(f"create table published.main.{name} as from mart.{name} order by all")
            connection.execute(
                f"copy published.main.{name} to {_literal(folder / 'parquet' / f'{name}.parquet')} "
                "(format parquet, compression zstd)"
            )
            count = connection.execute(f"select count(*) from published.main.{name}").fetchone()
            tables[name] = int(count[0]) if count else 0
            _comment(connection, name, descriptions.get(name))
        connection.execute("detach published")
    return tables


def _comment(connection: duckdb.DuckDBPyConnection, table: str, text: TableText | None) -> None:
    if text is None:
        return
    there = {row[0] for row in connection.execute(f"describe published.main.{table}").fetchall()}
    connection.execute(f"comment on table published.main.{table} is {_text(text.description)}")
    for column, said in text.columns.items():
        if column in there and said:
            connection.execute(
                f"comment on column published.main.{table}.{_identifier(column)} is {_text(said)}"
            )


def _read_back(folder: Path, tables: dict[str, int]) -> None:
    remedy = (
        "Run the night again; if that happens twice, the disk is failing: move the state folder to another."
    )
    with open_duckdb(folder / MART, read_only=True, remedy=remedy) as connection:
        wrong = list(_miscounted(connection, folder, tables))
    if wrong:
        raise WarehouseError(
            f"What was written does not read back: {'; '.join(wrong)}. Readers see what they saw before. {remedy}"
        )


def _written_files(folder: Path) -> dict[str, PublishedFile]:
    return {
        path.relative_to(folder).as_posix(): PublishedFile(path.stat().st_size, _digest(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _retire_old(publication_dir: Path, keep: int) -> None:
    current = (publication_dir / CURRENT).resolve()
    for folder in _folders(publication_dir)[max(keep, 1) :]:
        if folder.resolve() != current:
            remove(folder)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        elif path.is_dir():
            sync_folder(path)
    sync_folder(folder)
