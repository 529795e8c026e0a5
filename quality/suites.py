"""Great Expectations judges what goes on, the accepted tables and the marts: one suite and one validation a table.

The engine's scan has sorted the rows before. What is found here, the scan let through, so the night must stop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from html import escape
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from quality.catalog import KINDS
from quality.docs import shown
from quality.evaluation import Outcome
from quality.expectations import Expected, accepted_relation, is_mart, row_identity
from quality.served import served

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Great Expectations grades failures in its own words.
_GX_SEVERITY = {"block": "critical", "quarantine": "warning", "warn": "info"}
_SAMPLES = 20


@dataclass(frozen=True)
class Found:
    """What Great Expectations said against one expectation: the rows that break it, or why it could not run."""

    expected: Expected
    relation: str
    rows: int
    sample_keys: tuple[str, ...]
    error: str | None

    @property
    def told(self) -> str:
        """The finding in words, with table, expectation, count and sample keys."""
        name = f"{self.expected.kind} ({_looked_at(self.expected)}) on {self.relation}"
        if self.error is not None:
            return f"the expectation {name} could not run: {self.error}"
        keys = f": {'; '.join(self.sample_keys[:3])}" if self.sample_keys else ""
        return f"Great Expectations finds {self.rows:,} that the scan let through, {name}{keys}"


@dataclass(frozen=True)
class Judged:
    """What Great Expectations found, and its own `context`, which remembers the results of all `tables`."""

    found: tuple[Found, ...]
    context: Any
    tables: tuple[str, ...]


def import_in_background() -> threading.Thread:
    """Begin to import Great Expectations, which takes seconds, while the engine does something else."""
    # Whoever asks DuckDB something looks for these in passing, and must not see them half imported.
    import pyarrow  # noqa: F401

    def attempt() -> None:
        # What breaks it will break the judging too, where it is told.
        with suppress(Exception):
            _import_gx()

    thread = threading.Thread(target=attempt, name="import of Great Expectations", daemon=True)
    thread.start()
    return thread


def judge_tables(
    con: DuckDBPyConnection,
    expected: Sequence[Expected],
    outcomes: Mapping[str, Outcome],
    sample_keys: Mapping[str, Sequence[str]],
    *,
    company: str,
) -> Judged:
    """Validate every table that `expected` names where it stands in the engine; only counts leave it.

    `outcomes` and `sample_keys` say what the scan found of each rule, for the descriptions in the Data Docs. `con`
    needs the macros of predicates.create_macros and must be in autocommit. A table is asked a few questions, however
    many expectations it has: Great Expectations bundles its core metrics. Where one fails, it is asked again for keys.
    """
    gx = _import_gx()
    context = gx.get_context(mode="ephemeral")
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    found: list[Found] = []
    tables = tuple(dict.fromkeys(one.rule.table for one in expected))
    batches: set[str] = set()
    with served(con, batches) as url:
        source = context.data_sources.add_sql(name="warehouse", connection_string=url)
        # Regular expressions are written for each dialect, and DuckDB's function goes by the name of this one's.
        source.get_execution_engine().dialect_module = SimpleNamespace(DremioDialect=None)
        for table in tables:
            own = [one for one in expected if one.rule.table == table]
            query = _relation(con, own)
            batches.add(query)
            batch = source.add_query_asset(
                name=table.replace(".", "_") if is_mart(table) else f"accepted_{table}",
                query=_relation(con, own),
            ).add_batch_definition_whole_table("all rows")
            suite = context.suites.add(
                gx.ExpectationSuite(
                    name=table,
                    expectations=[
                        _expectation(one, number, outcomes, sample_keys) for number, one in enumerate(own)
                    ],
                    meta={"company": company},
                )
            )
            definition = context.validation_definitions.add(
                gx.ValidationDefinition(name=table, data=batch, suite=suite)
            )
            judged = definition.run(result_format="BOOLEAN_ONLY")
            for result in judged.results:
                if not result.success:
                    one = own[result.expectation_config.meta["number"]]
                    found.append(_found(con, one, result, batch, own))
    return Judged(tuple(found), context, tables)


def _import_gx() -> Any:
    """Great Expectations with its telemetry off; importing it takes seconds, so only when needed."""
    import os

    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations
    import great_expectations.expectations

    return great_expectations


def _relation(con: DuckDBPyConnection, own: Sequence[Expected]) -> str:
    """The table as its expectations see it: with the columns that these make from a row, in the same query."""
    rule = own[0].rule
    relation = rule.table if is_mart(rule.table) else accepted_relation(rule.table)
    there = {column[0] for column in con.execute(f"SELECT * FROM {relation} LIMIT 0").description}
    made: dict[str, str] = {}
    for one in own:
        made |= one.columns
    changed = [f'{sql} AS "{name}"' for name, sql in made.items() if name in there]
    added = "".join(f', {sql} AS "{name}"' for name, sql in made.items() if name not in there)
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    return f"SELECT r.*{replaced}{added} FROM {relation} r"


def _quoted(query: str) -> str:
    """SQL as SQLAlchemy takes it, to which a colon would begin a parameter."""
    return query.replace(":", "\\:")


@cache
def _expectation_class() -> Any:
    from great_expectations.expectations import UnexpectedRowsExpectation

    class ExpectNoFailingRows(UnexpectedRowsExpectation):  # type: ignore[misc]
        """Holds where the query finds no row. Unlike its parent it asks for the count alone."""

        metric_dependencies = ("unexpected_rows_query.row_count",)

        def _validate(
            self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None
        ) -> Any:
            count = metrics["unexpected_rows_query.row_count"]
            return {"success": count == 0, "result": {"observed_value": count}}

    return ExpectNoFailingRows


def _expectation(
    one: Expected, number: int, outcomes: Mapping[str, Outcome], sample_keys: Mapping[str, Sequence[str]]
) -> Any:
    rule = one.rule
    arguments = dict(one.arguments)
    if one.query is None:
        made = getattr(_import_gx().expectations, one.kind)
    else:
        made = _expectation_class()
        arguments["unexpected_rows_query"] = _quoted(one.query)
    return made(
        **arguments,
        description=_description(one, outcomes.get(rule.id), sample_keys.get(rule.id, ())),
        severity=_GX_SEVERITY[rule.severity],
        meta={"rule_id": rule.id, "owner": rule.owner, "dimension": rule.dimension, "number": number},
    )


def _description(one: Expected, outcome: Outcome | None, keys: Sequence[str]) -> str:
    """The rule as Data Docs show it; they print it as HTML, so whatever came with the data is escaped."""
    rule = one.rule
    lines = [
        escape(line)
        for line in (
            f"{rule.id}: {rule.expected}",
            f"{rule.dimension}, {rule.severity}, {rule.owner}",
            f"Why: {rule.reason}",
            f"To mend: {rule.remedy}",
            f"Judged by {one.kind} ({_looked_at(one)})",
        )
    ]
    seen = "; ".join(map(shown, keys))
    if outcome is not None and outcome.rows_failed:
        if KINDS[rule.kind].looks_at == "table":
            lines.append(f"Found: {seen}")
        else:
            out = ", kept in quarantine" if rule.severity == "quarantine" else ""
            lines.append(
                f"{outcome.rows_failed:,} of {outcome.rows_checked:,} rows fail, among them {seen}{out}"
            )
    # A dollar sign would start a placeholder of the template.
    return "<br>".join(lines).replace("$", "&#36;")


def _looked_at(one: Expected) -> str:
    """The columns an expectation is about, or that it is a question in SQL."""
    if one.query is not None:
        return "SQL"
    names = ("column", "column_list", "column_A", "column_B")
    named = [one.arguments[name] for name in names if name in one.arguments]
    return ", ".join(", ".join(name) if isinstance(name, list) else name for name in named) or "all rows"


def _found(con: DuckDBPyConnection, one: Expected, result: Any, batch: Any, own: Sequence[Expected]) -> Found:
    """Both a failed expectation and one that could not run say `success: False`; the second has a cause."""
    rule = one.rule
    relation = rule.table if is_mart(rule.table) else accepted_relation(rule.table)
    error = _error(result)
    if error is not None:
        return Found(one, relation, 0, (), error)
    rows, keys = _rows_found(con, one, result, batch, own)
    return Found(one, relation, rows, keys, None)


def _error(result: Any) -> str | None:
    info = result.exception_info or {}
    causes = [info] if "raised_exception" in info else list(info.values())
    messages = [str(cause.get("exception_message")) for cause in causes if cause.get("raised_exception")]
    return " ".join(messages[0].split()) if messages else None


def _rows_found(
    con: DuckDBPyConnection, one: Expected, result: Any, batch: Any, own: Sequence[Expected]
) -> tuple[int, tuple[str, ...]]:
    if one.query is not None:
        query = one.query.format(batch=f"({_relation(con, own)})")
        rows = con.execute(f"SELECT * FROM ({query}) LIMIT {_SAMPLES}").fetchall()
        (count,) = con.execute(f"SELECT count(*) FROM ({query})").fetchall()[0]
        return int(count), tuple(_key_text(row) for row in rows)
    if (
        "column" not in one.arguments
        and "column_A" not in one.arguments
        and "column_list" not in one.arguments
    ):
        return 1, ()
    names = list(row_identity(one.rule))
    again = batch.get_batch().validate(
        result.expectation_config.to_domain_obj(),
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": names,
            "partial_unexpected_count": _SAMPLES,
        },
    )
    found = again.result
    # Of a repeated combination of columns, the combination is listed and no row of it.
    repeated = [key for key in found.get("partial_unexpected_list") or () if isinstance(key, dict)]
    listed = found.get("partial_unexpected_index_list") or repeated
    keys = (_key_text(key[name] for name in names if name in key) for key in listed)
    return int(found.get("unexpected_count") or 0), tuple(dict.fromkeys(keys))


def _key_text(values: Iterable[Any]) -> str:
    return "|".join("" if value is None else str(value) for value in values)
