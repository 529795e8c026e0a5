"""Reads database tables as all-text Arrow batches with ConnectorX, so that money stays exact."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from orchestration.sources.config import DatabaseSource, DatabaseTable
from orchestration.sources.connectors import reading_process as connector
from orchestration.sources.errors import SourceError, TransientSourceError, closest
from orchestration.sources.sql_text import literal

if TYPE_CHECKING:
    import sqlite3

    import pyarrow as pa

BATCH_ROWS = 122_880
_TEXT_TYPE = {"mysql": "CHAR", "mssql": "NVARCHAR(MAX)", "oracle": "VARCHAR2(4000)"}
_PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "mssql": 1433,
    "oracle": 1521,
    "redshift": 5439,
}
# What ConnectorX itself allows a connection, and a margin in which the server's own time limit answers first.
_CONNECTING_SECONDS = 30.0
_MARGIN_SECONDS = 10.0
# The server answered, and said no: waiting will not help.
_REFUSED = re.compile(
    r"(?i)FATAL: .*(does not exist|authentication failed|permission denied|pg_hba)|Access denied"
)
_TRANSIENT = re.compile(
    r"(?i)timed? ?out|timeout expired|refused|unreachable|locked|too many (clients|connections)"
    r"|connection slots|starting up|shutting down|terminating connection|connection (was )?(reset|closed|lost)"
    r"|closed the connection|error communicating|unexpected end of file|broken pipe|deadlock|no route to host"
    r"|recovery|user request|gone away|lost connection"
)
# SQLSTATEs after which the same query may succeed: connection, resources, serialization, an operator's hand.
_TRANSIENT_STATES = re.compile(r"08...|53...|40001|40P01|57014|57P0[1-5]|55P03")
_LOCK_STATE, _CANCELLED_STATE = "55P03", "57014"
_LOCK_WAIT = re.compile(
    r"(?i)lock timeout|lock wait timeout|database (table )?is locked|lock request time out"
)
_QUERY_WAIT = re.compile(r"(?i)statement timeout|maximum statement execution time")


def relation_of(table_name: str, table: DatabaseTable) -> tuple[str, str]:
    """The SQL relation a configured table reads, and its name in messages and in `_source_file`."""
    origin = table.from_ or table_name
    if re.match(r"(?is)^\s*(select|with)\b", origin):
        return f"({origin.strip().rstrip(';')})", table_name
    return origin, origin


def longest_wait(source: DatabaseSource) -> float:
    """Seconds after which a query of this source is given up."""
    return source.query_timeout_seconds + _MARGIN_SECONDS


def check_reachable(source: DatabaseSource) -> None:
    """Raise where the database does not answer: a missing file is terminal, a silent server is transient."""
    where = f"source {source.name}"
    if _scheme(source) == "sqlite":
        path = _sqlite_path(source)
        if not path.is_file():
            raise SourceError(
                where,
                f"no database file {path}",
                remedy="create it, or correct `url` in the configuration",
            )
        return
    parts = _parts(source)
    folder = _socket_folder(source)
    if folder is not None:
        if not Path(folder).is_dir():
            raise TransientSourceError(where, f"no server socket in {folder}", remedy="start the server")
    elif parts.hostname:
        address = (parts.hostname, parts.port or _PORTS[_scheme(source)])
        shown = f"{address[0]}:{address[1]}"
        try:
            with socket.create_connection(address, timeout=source.connect_timeout_seconds) as connection:
                # Its server speaks first.
                if _scheme(source) == "mysql" and not connection.recv(1):
                    raise ConnectionResetError("the server closed the connection")
        except (OSError, UnicodeError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise TransientSourceError(
                where,
                f"the database {shown} cannot be reached ({said})",
                remedy="start it, or correct host and port in `url`",
            ) from error
    if _scheme(source) in ("postgresql", "postgres"):
        _greet_postgresql(source, where)


def _greet_postgresql(source: DatabaseSource, where: str) -> None:
    """Log in and out again: ConnectorX would try a login that is refused for half a minute."""
    import psycopg

    try:
        psycopg.connect(
            _server_url(source), connect_timeout=max(2, round(source.connect_timeout_seconds))
        ).close()
    except psycopg.OperationalError as error:
        said = _without_password(source, " ".join(str(error).split()))
        if "unsupported startup parameter" in said:
            raise SourceError(
                where,
                f"the connection pooler refuses time limits ({said})",
                remedy="let it pass them (PgBouncer: ignore_startup_parameters = options), or connect past it",
            ) from error
        if "timeout expired" in said or "connection timeout" in said:
            raise TransientSourceError(
                where,
                f"the database accepts connections but does not answer within {source.connect_timeout_seconds:g} s",
                remedy="see to the server, or raise `connect_timeout_seconds`",
            ) from error
        raise _error(source, where, "", connector.ConnectorError(said)) from error
    except (psycopg.Error, UnicodeError) as error:
        said = _without_password(source, " ".join(str(error).split()))
        raise SourceError(where, f"`url` cannot be used: {said}", remedy="correct `url`") from error


def columns_of(source: DatabaseSource, table_name: str, table: DatabaseTable) -> tuple[str, ...]:
    """The columns of a configured table, in the database's order."""
    relation, name = relation_of(table_name, table)
    where = f"source {source.name}, table {name}"
    query = f"SELECT * FROM {relation} source_rows WHERE 1 = 0"
    if _scheme(source) == "sqlite":
        import sqlite3

        try:
            with closing(_open_sqlite(source)) as connection:
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
    """Batches of text columns c0, c1, … for `columns`; NULL stays NULL, and is no empty text.

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
        return value

    selected = ", ".join(f"{as_text(column)} AS c{number}" for number, column in enumerate(columns))
    query = f"SELECT {selected} FROM {relation} source_rows"
    if since is not None and table.cursor is not None:
        cursor = _quoted(source, table.cursor)
        query += f" WHERE {cursor} >= {literal(since)} OR {cursor} IS NULL"
    # ConnectorX types a SQLite column by its first value and cannot where that is NULL: a row of texts goes before.
    ahead = _scheme(source) == "sqlite"
    if ahead:
        texts = ", ".join(f"'' AS c{number}" for number in range(len(columns)))
        query = f"SELECT {texts} UNION ALL {query}"
    with _shared_lock(source, where, name):
        try:
            for batch in connector.read_batches(
                _connectorx_url(source), query, batch_rows=BATCH_ROWS, longest=longest_wait(source)
            ):
                yield batch.slice(1) if ahead else batch
                ahead = False
        except (connector.ConnectorError, connector.ConnectorSilent) as error:
            raise _error(source, where, name, error, query_seconds=longest_wait(source)) from error


def _read(source: DatabaseSource, where: str, name: str, query: str) -> pa.Table:
    """The answer to a small query, such as one for the columns alone; waits no longer than for a lock."""
    longest = source.lock_timeout_seconds + _CONNECTING_SECONDS + _MARGIN_SECONDS
    try:
        return connector.read_table(_connectorx_url(source), query, longest=longest)
    except (connector.ConnectorError, connector.ConnectorSilent) as error:
        raise _error(source, where, name, error, query_seconds=longest) from error


def _open_sqlite(source: DatabaseSource) -> sqlite3.Connection:
    import sqlite3

    uri = f"file:{quote(str(_sqlite_path(source)))}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=source.lock_timeout_seconds, isolation_level=None)


@contextmanager
def _shared_lock(source: DatabaseSource, where: str, name: str) -> Iterator[None]:
    """Hold a SQLite file readable, waiting for its writer as configured; ConnectorX itself waits 5 s."""
    if _scheme(source) != "sqlite":
        yield
        return
    import sqlite3

    try:
        connection = _open_sqlite(source)
    except sqlite3.Error as error:
        raise _error(source, where, name, error) from error
    with closing(connection):
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        except sqlite3.Error as error:
            raise _error(source, where, name, error) from error
        yield


def _error(
    source: DatabaseSource, where: str, name: str, error: Exception, *, query_seconds: float = 0.0
) -> SourceError:
    """What a failed query means: a lock or a query waited for in vain, a lost connection, or a refusal."""
    said = _without_password(source, str(error).strip().splitlines()[0] if str(error).strip() else "nothing")
    code = getattr(error, "code", None)
    if isinstance(error, connector.ConnectorSilent):
        return TransientSourceError(
            where,
            f"the database gave no whole answer in {query_seconds:.0f} s",
            remedy="try again later, or raise `query_timeout_seconds` (`lock_timeout_seconds` for the columns)",
        )
    if _LOCK_WAIT.search(said) or code == _LOCK_STATE:
        return TransientSourceError(
            where,
            f"a lock that another session holds was waited for {source.lock_timeout_seconds:g} s ({said})",
            remedy="end that session or try again later, or raise `lock_timeout_seconds`",
        )
    if _QUERY_WAIT.search(said):
        return TransientSourceError(
            where,
            f"the query was not finished after {source.query_timeout_seconds:g} s ({said})",
            remedy="try again later, or raise `query_timeout_seconds`",
        )
    if _REFUSED.search(said):
        said = said[said.find("FATAL") :] if "FATAL" in said else said
        return SourceError(where, f"the database refused the connection: {said}", remedy="correct `url`")
    if getattr(error, "is_lost", False):
        return TransientSourceError(
            where, f"the connection to the database was lost: {said}", remedy="try again later"
        )
    if _TRANSIENT.search(said) or (code is not None and _TRANSIENT_STATES.fullmatch(code)):
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
        where, f"the query failed: {said}", remedy="correct `from`, the rows it reads, or the user's rights"
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
    try:
        found = connector.read_table(_connectorx_url(source), query, longest=_CONNECTING_SECONDS)
    except (connector.ConnectorError, connector.ConnectorSilent):
        return []
    return [str(name) for name in found.column(0).to_pylist()][:50]


def _scheme(source: DatabaseSource) -> str:
    return source.url.get_secret_value().split("://", 1)[0].split("+", 1)[0]


def _sqlite_path(source: DatabaseSource) -> Path:
    return Path(source.url.get_secret_value().split(":///", 1)[-1])


def _parts(source: DatabaseSource) -> SplitResult:
    """The parts of `url`; raises SourceError, showing none of it, where it cannot be taken apart."""
    url = source.url.get_secret_value()
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
        stray = "@" in parts.path + parts.fragment or any(
            "@" in item and "=" not in item for item in parts.query.split("&")
        )
    except ValueError:
        stray = True
    if stray:
        raise SourceError(
            f"source {source.name}",
            "`url` cannot be taken apart into user, password, host, port and database",
            valid="for example postgresql://user:${PASSWORD}@host:5432/db",
            remedy="write / ? # @ : % and spaces of user and password as %2F %3F %23 %40 %3A %25 %20",
        )
    return parts


def _without_password(source: DatabaseSource, said: str) -> str:
    """A database's own words without the password of the URL."""
    if _scheme(source) == "sqlite":
        return said
    written = _parts(source).password
    for secret in {written, unquote(written)} if written else ():
        said = said.replace(secret, "***")
    return said


def _server_url(source: DatabaseSource) -> str:
    """The URL with the plain scheme; PostgreSQL is asked by it to keep the time limits itself."""
    parts = _parts(source)
    scheme = {"postgres": "postgresql"}.get(_scheme(source), _scheme(source))
    if scheme != "postgresql":
        return parts._replace(scheme=scheme).geturl()
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    limits = {"lock_timeout": source.lock_timeout_seconds, "statement_timeout": source.query_timeout_seconds}
    asked = " ".join(f"-c {name}={max(1, round(seconds * 1000))}" for name, seconds in limits.items())
    # What the URL asks for stands last, so that it wins.
    query["options"] = f"{asked} {query.get('options', '')}".strip()
    rest = source.url.get_secret_value().split("://", 1)[1].split("?", 1)[0].split("#", 1)[0]
    return f"{scheme}://{rest}?{urlencode(query, quote_via=quote)}"


def _connectorx_url(source: DatabaseSource) -> str:
    if _scheme(source) == "sqlite":
        return f"sqlite://{quote(str(_sqlite_path(source)))}"
    url = _server_url(source)
    folder = _socket_folder(source)
    if folder is not None:
        # ConnectorX takes a socket's folder only as a host name.
        head, _, tail = url.partition("?")
        kept = [item for item in tail.split("&") if not item.startswith("host=")]
        host = quote(folder, safe="")
        url = f"{head.replace('@/', f'@{host}/', 1)}?{'&'.join(kept)}"
    return url


def _socket_folder(source: DatabaseSource) -> str | None:
    """The folder of a local server's socket, where the URL names one as `?host=/folder`."""
    parts = _parts(source)
    host = parse_qs(parts.query).get("host", [""])[0]
    return host if host.startswith("/") and not parts.hostname else None


def _quoted(source: DatabaseSource, name: str) -> str:
    if _scheme(source) == "mysql":
        return "`" + name.replace("`", "``") + "`"
    return '"' + name.replace('"', '""') + '"'
