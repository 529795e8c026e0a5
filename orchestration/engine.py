"""DuckDB as this process may use it: one place opens it, within the memory and threads the company allows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

IN_MEMORY = ":memory:"
# What a container may use, in the two layouts Linux has; a machine without them has only its memory.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# What a company has not decided: half of the machine, and a thread a core.
_allowed: dict[str, Any] = {}


def allow_engine(options: Mapping[str, Any]) -> None:
    """From here on every database that this process opens keeps to `options`, which are DuckDB's own."""
    _allowed.clear()
    _allowed.update(options)


def connect(
    path: Path | str = IN_MEMORY, *, read_only: bool = False, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, or a database in memory, within what the company allows.

    Whoever else opens the same file in this process while this connection lives shares its limits. `threads` bounds
    the database of a small task further. Raises duckdb.Error as DuckDB does.
    """
    import duckdb

    # Set after opening: a file that is open already can be opened again under equal options alone.
    connection = duckdb.connect(str(path), read_only=read_only)
    try:
        told: dict[str, Any] = {"memory_limit": f"{_machine_bytes() // 2 // 1024**2}MiB", **_allowed}
        if threads is not None:
            told["threads"] = min(threads, told.get("threads", threads))
        for name, value in told.items():
            _tell(connection, name, str(value))
    except BaseException:
        connection.close()
        raise
    return connection


def _tell(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """Set one of DuckDB's options, unless that is its value: a folder that is in use cannot be set again."""
    # Read to the end: a result left open keeps a connection from other work.
    [(now,)] = connection.execute("select current_setting(?)", [name]).fetchall()
    if str(now) != value:
        text = value.replace("'", "''")
        connection.execute(f"set {name} = '{text}'")


def _machine_bytes() -> int:
    """Memory of the machine, or of the container where that is less."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in _CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # absent, or "max"
            found.append(int(limit.read_text(encoding="ascii")))
    return min(found)
