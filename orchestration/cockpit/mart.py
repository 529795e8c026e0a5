"""Questions to the published mart: rows as dicts, and what its columns mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.cockpit.blocks import Column, Table

if TYPE_CHECKING:
    import duckdb

    from orchestration.cockpit.texts import Texts


class Mart:
    """The published mart, and the words of one language for what is shown of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, word: Texts) -> None:
        self.word = word
        self._connection = connection
        self._meanings: dict[tuple[str, str], str] = {
            (table, column): comment
            for table, column, comment in connection.execute(
                "select table_name, column_name, comment from duckdb_columns() where comment is not null"
            ).fetchall()
        }

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of `query`."""
        found = self._connection.execute(query, list(parameters))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def one(self, query: str, *parameters: Any) -> dict[str, Any]:
        """The first row of `query`, empty where there is none."""
        return next(iter(self.rows(query, *parameters)), {})

    def by_customer(self, query: str) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The rows of `query` by their customer_code, in its order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.rows(query):
            found[row["customer_code"]].append(row)
        return found

    def columns(self, table: str, kinds: Iterable[tuple[str, str]]) -> list[Column]:
        """Columns of a mart table with the heading in words and what the mart says they mean."""
        return [
            Column(name, self.word(f"col_{name}"), kind, self._meanings.get((table, name), ""))
            for name, kind in kinds
        ]

    def table(
        self,
        title: str,
        table: str,
        kinds: Iterable[tuple[str, str]],
        rows: Sequence[Mapping[str, Any]],
        *,
        note: str = "",
    ) -> Table:
        """A block of rows of one mart table; title and note are keys of words."""
        return Table(
            self.word(title),
            self.columns(table, kinds),
            rows,
            self.word("nothing"),
            self.word(note) if note else "",
        )

    def meaning(self, table: str, column: str) -> str:
        """What the mart says a column means."""
        return self._meanings.get((table, column), "")
