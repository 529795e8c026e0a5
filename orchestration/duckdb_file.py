"""Opens a DuckDB file, and tells whether it is whole: by its size at once, or by reading all of it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.engine import connect
from orchestration.environment import explain_environment, is_damage
from orchestration.home import WarehouseError, owner_name

if TYPE_CHECKING:
    import duckdb

# The layout of a DuckDB file's first blocks: a magic word, then two headers of checksum, iteration, two pointers,
# count of blocks and bytes in each.
_HEADER_BYTES = 3 * 4096
_MAGIC, _MAGIC_AT = b"DUCK", 8
_HEADERS_AT = (4096, 8192)
_DATABASE_HEADER = struct.Struct("<8xQ16xQQ")


@contextmanager
def open_duckdb(path: Path, *, read_only: bool, remedy: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file for the length of a block; `remedy` says what to do where the file is damaged.

    Raises WarehouseError where the file cannot be opened (locked by another process, not permitted, damaged).
    """
    import duckdb

    try:
        connection = connect(path, read_only=read_only)
    except duckdb.Error as error:
        raise WarehouseError(_why_not_opened(path, error, remedy)) from error
    try:
        yield connection
    finally:
        connection.close()


def size_problem(path: Path, *, remedy: str) -> str | None:
    """What the size of a DuckDB file says against it, or None; as a rule only its header is read and nothing locked.

    A file that ends before the blocks its header counts is opened to see whether the missing ones are in use:
    DuckDB cuts free blocks off the end and corrects the count later.
    Raises OSError where it may not be read, and WarehouseError where it has to be opened and cannot be.
    """
    with path.open("rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        header = handle.read(_HEADER_BYTES)
    if size == 0:
        return "is empty"
    if header[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] != _MAGIC:
        return "is no DuckDB file"
    if size < _HEADER_BYTES:
        return f"is cut: {size:,} bytes are not even a header"
    # Two headers take turns; the one written last counts.
    copies = [_DATABASE_HEADER.unpack_from(header, at) for at in _HEADERS_AT]
    blocks, block_bytes = max((iteration, blocks, each) for iteration, blocks, each in copies)[1:]
    if size >= _HEADER_BYTES + blocks * block_bytes:
        return None
    needed = _HEADER_BYTES + _blocks_in_use(path, remedy) * block_bytes
    return f"is cut: {size:,} of {needed:,} bytes are there" if size < needed else None


def _blocks_in_use(path: Path, remedy: str) -> int:
    """How many blocks a DuckDB file must have so that its last used one is there."""
    with open_duckdb(path, read_only=True, remedy=remedy) as connection:
        latest = [connection.execute("select max(block_id) from pragma_metadata_info()").fetchone()]
        latest += [
            connection.execute(
                "select max(greatest(block_id, list_max(additional_block_ids))) from pragma_storage_info(?)",
                [name],
            ).fetchone()
            for name in _tables(connection).values()
        ]
    return 1 + max((row[0] for row in latest if row is not None and row[0] is not None), default=-1)


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Every table of the file as people write it, with the same name quoted."""
    rows = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = current_database() order by all"
    ).fetchall()
    return {".".join(row): ".".join('"' + part.replace('"', '""') + '"' for part in row) for row in rows}


def read_everything(connection: duckdb.DuckDBPyConnection, path: Path, *, remedy: str) -> int:
    """Read every row of every table, so that DuckDB compares each block with its checksum; returns the tables.

    Raises WarehouseError naming the first table that cannot be read.
    """
    import duckdb

    tables = _tables(connection)
    for table, name in tables.items():
        try:
            connection.execute(f"select count(hash(read_row)) from {name} as read_row").fetchone()
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise WarehouseError(f"{path} is damaged: {table} cannot be read ({said}). {remedy}") from error
    return len(tables)


def warehouse_remedy(path: Path) -> str:
    """What to type where the warehouse is damaged, and what that costs."""
    return (
        f"Put back a backup of {path.name} (and remove {path.name}.wal beside it), then run the nights since again. "
        f"Without a backup move it away (mv {path} {path}.damaged) and run again: raw data is landed anew from the "
        "sources, but what only the warehouse knew is lost: which day each figure was known from (all history counts "
        "as known from its own dates), the customer codes given so far, earlier scores, limits and warnings, and "
        "rows that sources no longer give. What is published stays readable meanwhile."
    )


def _why_not_opened(path: Path, error: BaseException, remedy: str) -> str:
    said = str(error).splitlines()[0]
    if path.is_dir():
        return f"{path} is a folder where a DuckDB file belongs; move it away: mv {path} {path}.old"
    if path.is_symlink() and not path.exists():
        return f"{path} leads to {os.readlink(path)}, which is not there: mount that disk, or remove the link"
    if path.is_file() and not os.access(path, os.R_OK):
        return (
            f"{path} may not be read: it belongs to {owner_name(path)}. Run as that user, or give the state folder "
            f"to yours: sudo chown -R $USER {path.parent}"
        )
    if "lock" in said.lower():
        return (
            f"{path} cannot be opened: {said}\n"
            "Close the other program that has it open: BI tools read publication/current/mart.duckdb."
        )
    if path.is_file() and path.stat().st_size == 0:
        return f"{path} is empty: it was made and never written, so nothing is lost with it. Remove it: rm {path}"
    if "WAL" in said or f"{path.name}.wal" in said:
        return (
            f"{path} cannot be opened: {said}\n"
            f"Its log {path.name}.wal holds what was written last, or belongs to another state of the file. Move it "
            f"away (mv {path}.wal {path}.wal.old) and run the last night again."
        )
    advice = remedy if is_damage(error) else explain_environment(error) or remedy
    return f"{path} cannot be opened: {said}\n{advice}"
