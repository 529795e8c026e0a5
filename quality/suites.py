"""Great Expectations on DuckDB: one expectation a rule, checked in the engine, and the Data Docs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from quality.catalog import KINDS, MART
from quality.docs import PAGES, shown, without_network
from quality.evaluation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

# Great Expectations grades failures in its own words.
_GX_SEVERITY = {"block": "critical", "quarantine": "warning", "warn": "info"}


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations said of one rule: held or not, rows it counted, or why it could not run."""

    success: bool
    rows_counted: int
    error: str | None


def validate_outcomes(
    con: DuckDBPyConnection,
    outcomes: Mapping[str, Outcome],
    sample_keys: Mapping[str, Sequence[str]],
    *,
    company: str,
    docs_dir: Path | None,
) -> dict[str, Verdict]:
    """Check every applicable rule as an expectation on the temporary table gate_failure of `con`.

    One suite a table, one expectation a rule; an expectation holds where no row (or no more than the
    tolerated share) fails. Only counts leave the engine. Data Docs are written to `docs_dir` unless it is
    None; what an earlier night wrote there is replaced, while the pages of marts join those of landed tables,
    which were judged before. `con` must be in autocommit: a broken expectation would end an open transaction.
    """
    gx = _import_gx()
    context = gx.get_context(mode="ephemeral")
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    verdicts: dict[str, Verdict] = {}
    applicable = [outcome for outcome in outcomes.values() if outcome.not_applicable is None]
    with _served(con) as url:
        source = context.data_sources.add_sql(name="warehouse", connection_string=url)
        for table in dict.fromkeys(outcome.rule.table for outcome in applicable):
            own = [outcome for outcome in applicable if outcome.rule.table == table]
            batch = source.add_query_asset(
                name=table.replace(".", "_") if table.startswith(MART) else f"landed_{table}",
                query=f"SELECT * FROM gate_failure WHERE table_name = '{table}'",
            ).add_batch_definition_whole_table("failing rows")
            suite = context.suites.add(
                gx.ExpectationSuite(
                    name=table,
                    expectations=[
                        _expectation(outcome, sample_keys.get(outcome.rule.id, ())) for outcome in own
                    ],
                    meta={"company": company},
                )
            )
            definition = context.validation_definitions.add(
                gx.ValidationDefinition(name=table, data=batch, suite=suite)
            )
            for result in definition.run(result_format="SUMMARY").results:
                verdicts[result.expectation_config.meta["rule_id"]] = _verdict(result)
        if docs_dir is not None:
            _build_docs(
                context, docs_dir, list(dict.fromkeys(outcome.rule.table for outcome in outcomes.values()))
            )
    return verdicts


def _import_gx() -> Any:
    """Great Expectations with its telemetry off; importing it takes seconds, so only when needed."""
    import os

    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations


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


def _expectation(outcome: Outcome, keys: Sequence[str]) -> Any:
    rule = outcome.rule
    return _expectation_class()(
        unexpected_rows_query=_query(outcome),
        description=_description(outcome, keys),
        severity=_GX_SEVERITY[rule.severity],
        meta={"rule_id": rule.id, "owner": rule.owner, "dimension": rule.dimension},
    )


def _description(outcome: Outcome, keys: Sequence[str]) -> str:
    """The rule as Data Docs show it; they print it as HTML, so whatever came with the data is escaped."""
    rule = outcome.rule
    lines = [
        escape(line)
        for line in (
            f"{rule.id}: {rule.expected}",
            f"{rule.dimension}, {rule.severity}, {rule.owner}",
            f"Why: {rule.reason}",
            f"To mend: {rule.remedy}",
        )
    ]
    found = "; ".join(map(shown, keys))
    if outcome.rows_failed and KINDS[rule.kind].looks_at == "table":
        lines.append(f"Found: {found}")
    elif outcome.rows_failed:
        lines.append(f"{outcome.rows_failed:,} of {outcome.rows_checked:,} rows fail, among them {found}")
    # A dollar sign would start a placeholder of the template.
    return "<br>".join(lines).replace("$", "&#36;")


def _query(outcome: Outcome) -> str:
    rule = outcome.rule
    if outcome.error is not None:
        # The expectation must stop the way the rule did; braces and colons mean something to GX and
        # SQLAlchemy.
        message = outcome.error.replace("'", "''").replace("{", "{{").replace("}", "}}").replace(":", "\\:")
        return f"SELECT error('{message}') AS failure, (SELECT count(*) FROM {{batch}}) AS failing_rows"
    query = f"SELECT source_system, _row_key, _occurrence FROM {{batch}} WHERE rule_id = '{rule.id}'"
    if rule.max_failed_share:
        tolerated = rule.max_failed_share * outcome.rows_checked
        query += f" AND (SELECT count(*) FROM gate_failure WHERE rule_id = '{rule.id}') > {tolerated}"
    return query


def _verdict(result: Any) -> Verdict:
    """Both a failed expectation and one that could not run say `success: False`; the second has a cause."""
    info = result.exception_info or {}
    causes = [info] if "raised_exception" in info else list(info.values())
    messages = [str(cause.get("exception_message")) for cause in causes if cause.get("raised_exception")]
    if messages:
        return Verdict(False, 0, " ".join(messages[0].split()))
    return Verdict(bool(result.success), int(result.result.get("observed_value") or 0), None)


def _build_docs(context: Any, docs_dir: Path, tables: Sequence[str]) -> None:
    """One page a table under docs_dir/tables; built aside, because a site removes pages that are not its own."""
    if not all(table.startswith(MART) for table in tables):
        shutil.rmtree(docs_dir / PAGES, ignore_errors=True)
    with TemporaryDirectory() as aside:
        _build_site(context, Path(aside))
        for page in Path(aside).glob("validations/**/*.html"):
            # validations/<suite, its dots as folders>/<run name>/<run time>/<batch>.html
            table = ".".join(page.relative_to(aside).parts[1:-3])
            target = docs_dir / PAGES / f"{table}.html"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(without_network(page.read_text(encoding="utf-8")), encoding="utf-8")


def _build_site(context: Any, folder: Path) -> None:
    for site in list(context.get_site_names()):
        context.delete_data_docs_site(site)
    context.add_data_docs_site(
        "data_docs",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.resolve()),
            },
            # The result pages show every expectation already; pages of the suites would only repeat them.
            "site_section_builders": {
                "expectations": "none",
                "profiling": "none",
                "validations": {
                    "class_name": "DefaultSiteSectionBuilder",
                    "source_store_name": "validation_results_store",
                    "renderer": {
                        "module_name": "great_expectations.render.renderer.page_renderer",
                        "class_name": "ValidationResultsPageRenderer",
                    },
                },
            },
            "show_how_to_buttons": False,
        },
    )
    context.build_data_docs()


# Connections that the SQLAlchemy dialect below hands out, by the name used in its URL.
_SERVED: dict[str, DuckDBPyConnection] = {}
_CONNECTIONS: list[_Connection] = []


@contextmanager
def _served(con: DuckDBPyConnection) -> Iterator[str]:
    """An SQLAlchemy URL that leads to `con` itself, so that its temporary tables are seen."""
    from sqlalchemy.dialects import registry

    registry.register("duckdb.served", __name__, "ServedDialect")
    name = f"c{id(con):x}"
    _SERVED[name] = con
    try:
        yield f"duckdb+served:///{name}"
    finally:
        del _SERVED[name]
        # Pools and caches keep their connections for as long as the process lives; DuckDB's must not live so long.
        for connection in _CONNECTIONS:
            connection.con = None
        _CONNECTIONS.clear()


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

    def __init__(self, con: DuckDBPyConnection) -> None:
        self.con: DuckDBPyConnection | None = con
        self.notices: list[str] = []
        _CONNECTIONS.append(self)

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
            return _Connection(_SERVED[kwargs["database"]])

    return ServedDialect
