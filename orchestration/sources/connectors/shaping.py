"""`from: select …` over relations of a source: files and answers as tables of text, selected in the engine's SQL."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.engine import connect
from orchestration.sources.amounts import define_amounts
from orchestration.sources.connectors.source_file import BATCH_ROWS, first_line
from orchestration.sources.errors import SourceError, closest
from orchestration.sources.sql_text import literal, quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# How the engine says that a query names what is not there.
_UNKNOWN = re.compile(
    r'(?:Referenced column|column named|Referenced table|Table with name) "?([^"]+?)"? (?:not found|does not exist)'
)
# Where a row of a relation came from, for a query to pass on.
ORIGIN_COLUMNS = ("_source_file", "_source_row")


@dataclass(frozen=True)
class Relation:
    """Files or an answer as a table of text, with ORIGIN_COLUMNS; `batches` opens the rows of some of its columns."""

    name: str
    columns: tuple[str, ...]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


def words_of(query: str) -> frozenset[str]:
    """Every name that a query may mean: its quoted identifiers and its bare words."""
    without_texts = re.sub(r"'(?:[^']|'')*'", " ", query)
    in_quotes = {name.replace('""', '"') for name in re.findall(r'"((?:[^"]|"")*)"', without_texts)}
    return frozenset(in_quotes | set(re.findall(r"\w+", re.sub(r'"(?:[^"]|"")*"', " ", without_texts))))


def named_in(query: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that a query may mean as relations."""
    folded = {word.casefold() for word in words_of(query)}
    return [name for name in names if name.casefold() in folded]


def selected_columns(
    where: str, query: str, relations: Sequence[Relation], others: Sequence[str] = ()
) -> tuple[str, ...]:
    """The columns that `query` gives, found without reading a row; `others` are relations it does not name.

    Raises SourceError where it is not one select, or names a relation, column or function that does not exist.
    """
    unread = [Relation(name, (), lambda _: iter(())) for name in others]
    with _workshop(where, query, [*relations, *unread]) as connection:
        for relation in relations:
            connection.execute(f"create table {quoted(relation.name)} ({_definitions(relation)})")
        _close(connection)
        rows = connection.execute(f"describe select * from (\n{_bare(query)}\n)").fetchall()
    return tuple(str(row[0]) for row in rows)


def selected_batches(
    where: str,
    query: str,
    relations: Sequence[Relation],
    columns: Sequence[str],
    *,
    label: str,
    own_labels: Sequence[str] | None,
    has_rows: bool,
    work: Path,
) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Opens the rows of `query`: text columns c0, c1, … for `columns`, and ORIGIN_COLUMNS.

    Rows that pass their origin on are labelled with the file they came from, one of `own_labels`, and ordered as
    they stand there (`has_rows` says that their number is passed on too); all others (`own_labels` is None) with
    `label`, and in the order of their values.
    Raises SourceError where a value cannot be worked as the query says, or an origin is no file of the feed's own.
    """
    chosen = [f"cast({quoted(name)} as varchar) as c{number}" for number, name in enumerate(columns)]
    if own_labels is None:
        lines = ["cast(null as bigint) as _source_row", f"{literal(label)} as _source_file"]
        order = "all"
    else:
        listed = ", ".join(map(literal, own_labels))
        # A row of no file of its own would be counted for none.
        foreign = (
            "error(concat('_source_file must be the one of `rows`, and is ', coalesce(_source_file, 'NULL')))"
        )
        lines = [
            f"cast({'_source_row' if has_rows else 'null'} as bigint) as _source_row",
            f"case when _source_file in ({listed}) then _source_file else {foreign} end as _source_file",
        ]
        order = f"list_position([{listed}], _source_file), _source_row"
    final = f"select {', '.join([*chosen, *lines])} from (\n{_bare(query)}\n) order by {order}"

    def stream() -> Iterator[pa.RecordBatch]:
        with _workshop(where, query, relations, work) as connection:
            for relation in relations:
                _load(connection, relation)
            _close(connection)
            yield from connection.sql(final).to_arrow_reader(BATCH_ROWS)

    return stream


@contextmanager
def _workshop(
    where: str, query: str, relations: Sequence[Relation], work: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of its own to run a query in: in memory, or in a file below `work` that goes with it."""
    import duckdb

    with ExitStack() as opened:
        place = ":memory:"
        if work is not None:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="shaping_", dir=work))
            place = f"{folder}/rows.duckdb"
        connection = opened.enter_context(connect(place, threads=2))
        try:
            # Names that a query does not find in its relations must not be looked for in this program.
            connection.execute("set python_enable_replacements = false")
            _refuse_no_select(where, query, connection)
            define_amounts(connection, query)
            yield connection
        except duckdb.Error as error:
            raise _failed(where, relations, error) from error


def _close(connection: duckdb.DuckDBPyConnection) -> None:
    """What a query of a configuration may touch is its relations: no file, no network, no setting."""
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _refuse_no_select(where: str, query: str, connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SourceError(
            where,
            "`from` is no single select",
            valid="one statement: select … from rows",
            remedy="write what is to be read as one select; with … as (…) can stand before it",
        )


def _definitions(relation: Relation) -> str:
    columns = [f"{quoted(name)} varchar" for name in _named(relation)]
    return ", ".join([*columns, "_source_file varchar", "_source_row bigint"])


def _named(relation: Relation) -> list[str]:
    """The columns that a query can name: they have a name, and it is not that of an origin."""
    return [name for name in relation.columns if name and name.casefold() not in ORIGIN_COLUMNS]


def _load(connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    import pyarrow as pa

    names = _named(relation)
    fields = [pa.field(f"c{number}", pa.string()) for number in range(len(names))]
    schema = pa.schema([*fields, pa.field("_source_row", pa.int64()), pa.field("_source_file", pa.string())])
    broken: list[Exception] = []

    def ordered() -> Iterator[pa.RecordBatch]:
        try:
            for batch in relation.batches(names):
                yield batch.select(schema.names)
        except SourceError as error:
            broken.append(error)
            raise

    connection.execute(f"create table {quoted(relation.name)} ({_definitions(relation)})")
    connection.register("arriving", pa.RecordBatchReader.from_batches(schema, ordered()))
    chosen = ", ".join([*(field.name for field in fields), "_source_file", "_source_row"])
    try:
        connection.execute(f"insert into {quoted(relation.name)} select {chosen} from arriving")
    except Exception:
        # The engine would tell it in words of its own.
        if broken:
            raise broken[0] from None
        raise
    connection.unregister("arriving")


def _bare(query: str) -> str:
    """A query fit to stand in brackets on lines of its own: without the semicolon that may end it."""
    import duckdb

    text = query.encode()
    # The engine counts bytes.
    tokens = [place for place, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment]
    return text[: tokens[-1]].decode() if tokens and text[tokens[-1] :][:1] == b";" else query


def _failed(where: str, relations: Sequence[Relation], error: Exception) -> SourceError:
    said = first_line(error)
    missing = _UNKNOWN.search(said)
    known = {relation.name: _named(relation) for relation in relations}
    valid = "; ".join(
        f"{name} ({', '.join(columns[:60])})" if columns else name for name, columns in known.items()
    )
    nearest = None
    if missing is not None:
        nearest = closest(
            missing.group(1), [*known, *(column for columns in known.values() for column in columns)]
        )
    hint = f"did you mean {nearest!r}? " if nearest else ""
    if missing is not None and any(len(columns) == 1 for columns in known.values()):
        hint += "where a title stands above the names, say `header: 3` or which line holds them; "
    return SourceError(
        where,
        f"`from` cannot be run: {said}",
        valid=f"relations and columns found: {valid}" if missing is not None else "",
        remedy=f"{hint}correct the select; use try_cast where a value may be ill-formed",
    )
