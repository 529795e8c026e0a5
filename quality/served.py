"""DuckDB for Great Expectations: an SQLAlchemy dialect that leads to a connection which is open already."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from duckdb import DuckDBPyConnection

# Connections that the dialect below hands out, by the name used in its URL.
_SERVED: dict[str, _Connection] = {}


@contextmanager
def served(con: DuckDBPyConnection, batches: Collection[str]) -> Iterator[str]:
    """An SQLAlchemy URL that leads to `con` itself, so that its temporary tables and macros are seen.

    `batches` are the queries of whole batches, and may grow: Great Expectations asks each by itself only for the names
    of its columns, so no row of it leaves the engine. `con` must be in autocommit: a statement that breaks would end an
    open transaction.
    """
    from sqlalchemy.dialects import registry

    registry.register("duckdb.served", __name__, "ServedDialect")
    name = f"c{id(con):x}"
    connection = _SERVED[name] = _Connection(con, batches)
    try:
        yield f"duckdb+served:///{name}"
    finally:
        del _SERVED[name]
        # Pools and caches keep their connection for as long as the process lives; DuckDB's must not live so long.
        connection.con = None


class _Cursor:
    """Fetches inside execute: Great Expectations closes its connection before it reads the result."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self._next = 0
        self.description: Any = None
        self.rowcount = -1
        self.arraysize = 1

    def execute(self, statement: str, parameters: Any = None, context: Any = None) -> None:
        con = self.connection.con
        if con is None:
            raise RuntimeError("the gate that served this connection has ended")
        if statement.strip() in self.connection.batches:
            statement = f"SELECT * FROM ({statement}) LIMIT 0"
        con.execute(statement, parameters) if parameters else con.execute(statement)
        # Column names only: DuckDB's type objects would be kept by SQLAlchemy's caches.
        self.description = [(column[0], *[None] * 6) for column in con.description or ()]
        self._rows = con.fetchall() if self.description else []
        self._next = 0

    def fetchone(self) -> tuple[Any, ...] | None:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        rows = self._rows[self._next : self._next + (size or self.arraysize)]
        self._next += len(rows)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(len(self._rows) or 1)

    def close(self) -> None:
        self._rows = []


class _Connection:
    """The gate's own connection as DB-API: it stays open and in autocommit, whatever the pool does."""

    def __init__(self, con: DuckDBPyConnection, batches: Collection[str]) -> None:
        self.con: DuckDBPyConnection | None = con
        self.batches = batches
        self.notices: list[str] = []

    def cursor(self) -> _Cursor:
        return _Cursor(self)

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


def __getattr__(name: str) -> Any:
    """ServedDialect, made when SQLAlchemy asks for it, so that duckdb-engine loads only with the gate."""
    if name != "ServedDialect":
        raise AttributeError(name)
    import duckdb_engine

    class ServedDialect(duckdb_engine.Dialect):  # type: ignore[misc]
        supports_statement_cache = False

        def connect(self, *args: Any, **kwargs: Any) -> Any:
            return _SERVED[kwargs["database"]]

    return ServedDialect
