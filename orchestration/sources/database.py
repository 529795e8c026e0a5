"""Reads database tables as all-text Arrow batches with ConnectorX, so that money stays exact."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from orchestration.sources.config import DatabaseSource, DatabaseTable
from orchestration.sources.errors import SourceError, TransientSourceError, closest
from orchestration.sources.mapping import literal

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 122_880
CONNECT_SECONDS = 5.0
_TEXT_TYPE = {"mysql": "CHAR", "mssql": "NVARCHAR(MAX)", "oracle": "VARCHAR2(4000)"}
_PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "mssql": 1433,
    "oracle": 1521,
    "redshift": 5439,
}
# The server answered, and said no: waiting will not help.
_REFUSED = re.compile(
    r"(?i)FATAL: .*(does not exist|authentication failed|permission denied|pg_hba)|Access denied"
)
_TRANSIENT = re.compile(
    r"(?i)timed? ?out|refused|unreachable|locked|too many (clients|connections)|starting up|shutting down"
    r"|terminating connection|connection (reset|closed)|broken pipe|deadlock|no route to host"
)


def relation_of(table_name: str, table: DatabaseTable) -> tuple[str, str]:
    """The SQL relation a configured table reads, and its name in messages and in `_source_file`."""
    origin = table.from_ or table_name
    if re.match(r"(?is)^\s*(select|with)\b", origin):
        return f"({origin.strip().rstrip(';')})", table_name
    return origin, origin


def check_reachable(source: DatabaseSource) -> None:
    """Raise where the database does not answer: a missing file is terminal, a silent server is transient."""
    if _scheme(source) == "sqlite":
        path = _sqlite_path(source)
        if not path.is_file():
            raise SourceError(
                f"source {source.name}",
                f"no database file {path}",
                remedy="create it, or correct `url` in the configuration",
            )
        return
    parts = urlsplit(source.url.get_secret_value())
    socket_folder = _socket_folder(source)
    if socket_folder is not None:
        if not Path(socket_folder).is_dir():
            raise TransientSourceError(
                f"source {source.name}", f"no server socket in {socket_folder}", remedy="start the server"
            )
        return
    if not parts.hostname:
        return
    address = (parts.hostname, parts.port or _PORTS[_scheme(source)])
    try:
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise TransientSourceError(
            f"source {source.name}",
            f"the database {address[0]}:{address[1]} cannot be reached ({error.strerror or error})",
            remedy="start it, or correct host and port in `url`",
        ) from error


def columns_of(source: DatabaseSource, table_name: str, table: DatabaseTable) -> tuple[str, ...]:
    """The columns of a configured table, in the database's order."""
    relation, name = relation_of(table_name, table)
    where = f"source {source.name}, table {name}"
    query = f"SELECT * FROM {relation} source_rows WHERE 1 = 0"
    if _scheme(source) == "sqlite":
        import sqlite3

        uri = f"file:{quote(str(_sqlite_path(source)))}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                return tuple(item[0] for item in connection.execute(query).description)
        except sqlite3.Error as error:
            raise _error(source, where, name, error) from error
    return tuple(_read(source, where, name, query).schema.names)


def keepable(
    source: DatabaseSource, table_name: str, table: DatabaseTable, columns: Sequence[str]
) -> tuple[str, ...]:
    """Those of `columns` that can be read as text without risk to the night, though nobody asked for them.

    Binary columns and names that occur twice are left out; so are all of an Oracle database, whose cast to text
    fails on values longer than 4000 characters.
    """
    if not columns or _scheme(source) == "oracle":
        return ()
    once = [column for column in columns if list(columns).count(column) == 1]
    if _scheme(source) == "sqlite" or not once:
        return tuple(once)
    import pyarrow as pa

    relation, name = relation_of(table_name, table)
    selected = ", ".join(_quoted(source, column) for column in once)
    query = f"SELECT {selected} FROM {relation} source_rows WHERE 1 = 0"
    schema = _read(source, f"source {source.name}, table {name}", name, query).schema
    binary = (pa.types.is_binary, pa.types.is_large_binary)
    return tuple(
        column
        for column, kind in zip(once, schema.types, strict=True)
        if not any(test(kind) for test in binary)
    )


def read_batches(
    source: DatabaseSource,
    table_name: str,
    table: DatabaseTable,
    columns: Sequence[str],
    *,
    since: str | None = None,
    kept: Sequence[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Batches of text columns c0, c1, … for `columns`; an empty text stands for NULL.

    `since` keeps the rows whose cursor is at or after it, and those without a cursor value. Of the columns
    `kept` though unmapped, binary values stay behind.
    """
    relation, name = relation_of(table_name, table)
    where = f"source {source.name}, table {name}"
    text = _TEXT_TYPE.get(_scheme(source), "TEXT")

    def as_text(column: str) -> str:
        name = _quoted(source, column)
        value = f"CAST({name} AS {text})"
        if column in kept and _scheme(source) == "sqlite":
            # SQLite types values, not columns.
            value = f"CASE WHEN typeof({name}) <> 'blob' THEN {value} END"
        # ConnectorX cannot type a SQLite column that opens with NULL, hence the empty text.
        return f"COALESCE({value}, '')"

    selected = ", ".join(f"{as_text(column)} AS c{number}" for number, column in enumerate(columns))
    query = f"SELECT {selected} FROM {relation} source_rows"
    if since is not None and table.cursor is not None:
        cursor = _quoted(source, table.cursor)
        query += f" WHERE {cursor} >= {literal(since)} OR {cursor} IS NULL"
    reader = _read(source, where, name, query, stream=True)
    try:
        yield from reader
    except Exception as error:
        raise _error(source, where, name, error) from error


def _read(source: DatabaseSource, where: str, name: str, query: str, *, stream: bool = False) -> Any:
    import connectorx

    options: dict[str, Any] = {"return_type": "arrow"}
    if stream:
        options = {"return_type": "arrow_stream", "batch_size": BATCH_ROWS}
    try:
        return connectorx.read_sql(_connectorx_url(source), query, **options)
    except Exception as error:
        raise _error(source, where, name, error) from error


def _error(source: DatabaseSource, where: str, name: str, error: Exception) -> SourceError:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if _REFUSED.search(said):
        said = said[said.find("FATAL") :] if "FATAL" in said else said
        return SourceError(where, f"the database refused the connection: {said}", remedy="correct `url`")
    if _TRANSIENT.search(said):
        return TransientSourceError(where, f"the database did not answer: {said}", remedy="try again later")
    missing = re.search(r"no such table|does not exist|doesn't exist|Invalid object name", said)
    if missing:
        names = _table_names(source)
        nearest = closest(name, names)
        hint = f"did you mean {nearest!r}? " if nearest else ""
        return SourceError(
            where,
            said,
            valid=f"tables found: {', '.join(names)}" if names else "",
            remedy=f"{hint}correct `from` in the configuration",
        )
    return SourceError(
        where, f"the database refused the query: {said}", remedy="correct `from`, user or rights"
    )


def _table_names(source: DatabaseSource) -> list[str]:
    """Tables the database shows, for messages; empty where it will not say."""
    if _scheme(source) == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
    else:
        query = "SELECT CAST(table_name AS VARCHAR(200)) AS name FROM information_schema.tables ORDER BY 1"
        if _scheme(source).startswith(("postgres", "redshift")):
            query = query.replace(
                "ORDER", "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER"
            )
    import connectorx

    try:
        found = connectorx.read_sql(_connectorx_url(source), query, return_type="arrow")
    except Exception:
        return []
    return [str(name) for name in found.column(0).to_pylist()][:50]


def _scheme(source: DatabaseSource) -> str:
    return source.url.get_secret_value().split("://", 1)[0].split("+", 1)[0]


def _sqlite_path(source: DatabaseSource) -> Path:
    return Path(source.url.get_secret_value().split(":///", 1)[-1])


def _connectorx_url(source: DatabaseSource) -> str:
    if _scheme(source) == "sqlite":
        return f"sqlite://{quote(str(_sqlite_path(source)))}"
    scheme = {"postgres": "postgresql"}.get(_scheme(source), _scheme(source))
    rest = source.url.get_secret_value().split("://", 1)[1]
    folder = _socket_folder(source)
    if folder is not None:
        # ConnectorX takes a socket's folder only as a host name.
        rest = rest.split("?", 1)[0].replace("@/", f"@{quote(folder, safe='')}/", 1)
    return f"{scheme}://{rest}"


def _socket_folder(source: DatabaseSource) -> str | None:
    """The folder of a local server's socket, where the URL names one as `?host=/folder`."""
    parts = urlsplit(source.url.get_secret_value())
    host = parse_qs(parts.query).get("host", [""])[0]
    return host if host.startswith("/") and not parts.hostname else None


def _quoted(source: DatabaseSource, name: str) -> str:
    if _scheme(source) == "mysql":
        return "`" + name.replace("`", "``") + "`"
    return '"' + name.replace('"', '""') + '"'
