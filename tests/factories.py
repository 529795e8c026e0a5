"""Build a small warehouse from contract rows, as landing and gate leave it, and run dbt on it in-process."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from orchestration.dbt_runner import dbt_target_dir
from orchestration.ledger_history import LEDGER_HISTORY_COLUMNS
from orchestration.sources.contract import CONTRACT, SYSTEM_COLUMNS, TABLES
from tests.shared import parsed_project, run_folder

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
DEFAULT_SOURCE = "erp"
WAREHOUSE = "warehouse.duckdb"
SCHEMAS = ("raw", "staging", "quarantine", "core", "features", "ml", "mart", "ops", "policy")

# Tables other parts of the night write and dbt only reads, with the columns the interfaces name.
UPSTREAM_TABLES: dict[str, str] = {
    "core.customer_xref": (
        "source_system VARCHAR, customer_id VARCHAR, customer_code VARCHAR, match_probability DOUBLE, "
        "match_rule VARCHAR, first_seen_on DATE"
    ),
    "core.customer_alias": "customer_code VARCHAR, alias_code VARCHAR, since DATE",
    "core.ledger_history": ", ".join(f"{name} {kind}" for name, kind in LEDGER_HISTORY_COLUMNS.items()),
    "core.match_candidate": (
        "source_system_l VARCHAR, customer_id_l VARCHAR, source_system_r VARCHAR, customer_id_r VARCHAR, "
        "match_probability DOUBLE, rule VARCHAR, status VARCHAR"
    ),
    "ops.source_table": "table_name VARCHAR, source_system VARCHAR, is_provided BOOLEAN",
    "ops.landing": (
        "as_of_date DATE, source_system VARCHAR, table_name VARCHAR, source_file VARCHAR, rows_read BIGINT, "
        "rows_landed BIGINT, rows_deleted BIGINT, cursor_value VARCHAR"
    ),
    "ops.source_total": (
        "as_of_date DATE, source_system VARCHAR, table_name VARCHAR, source_file VARCHAR, currency VARCHAR, "
        "row_count BIGINT, amount DECIMAL(38,6)"
    ),
    "ops.repair": (
        "source_system VARCHAR, table_name VARCHAR, _row_key VARCHAR, _occurrence INTEGER, "
        "column_name VARCHAR, repair VARCHAR, original_value VARCHAR, repaired_value VARCHAR, reason VARCHAR"
    ),
    "ops.dq_result": (
        "as_of_date DATE, table_name VARCHAR, rule_id VARCHAR, dimension VARCHAR, severity VARCHAR, "
        "owner VARCHAR, status VARCHAR, rows_checked BIGINT, rows_failed BIGINT, rows_failed_old BIGINT, "
        "rows_quarantined BIGINT, max_failed_share DOUBLE, expected VARCHAR, message VARCHAR, "
        "remedy VARCHAR, sample_keys VARCHAR[]"
    ),
    "quarantine.withheld_value": (
        "as_of_date DATE, table_name VARCHAR, column_name VARCHAR, rule_id VARCHAR, owner VARCHAR, "
        "reason VARCHAR, remedy VARCHAR, source_system VARCHAR, _row_key VARCHAR, _occurrence INTEGER, "
        "original_value VARCHAR"
    ),
    "quarantine.released": (
        "table_name VARCHAR, rule_id VARCHAR, owner VARCHAR, source_system VARCHAR, _row_key VARCHAR, "
        "_occurrence INTEGER, first_quarantined_on DATE, released_on DATE, original_values JSON, "
        "outcome VARCHAR"
    ),
    "ml.customer_score": (
        "as_of_date DATE, customer_code VARCHAR, score_status VARCHAR, status_reason VARCHAR, pd DOUBLE, "
        "horizon_months INTEGER, points INTEGER, grade VARCHAR, data_depth VARCHAR, model_id VARCHAR, "
        "model_kind VARCHAR, model_role VARCHAR, policy_version VARCHAR, expires_on DATE"
    ),
    "ml.score_reason": (
        "as_of_date DATE, customer_code VARCHAR, reason_rank INTEGER, feature VARCHAR, reason_code VARCHAR, "
        "direction VARCHAR, contribution_log_odds DOUBLE, feature_value DOUBLE, prior_value DOUBLE, "
        "unit VARCHAR, reason_text VARCHAR, improvement_text VARCHAR"
    ),
    "ml.model_run": (
        "as_of_date DATE, model_id VARCHAR, model_kind VARCHAR, is_champion BOOLEAN, is_published BOOLEAN, "
        "decision VARCHAR, decision_reason VARCHAR, train_from DATE, train_to DATE, calibration_from DATE, "
        "calibration_to DATE, test_from DATE, test_to DATE, train_rows BIGINT, train_events BIGINT, "
        "test_rows BIGINT, test_events BIGINT, data_fingerprint VARCHAR, policy_version VARCHAR, "
        "horizon_months INTEGER, metrics JSON"
    ),
    "ml.model_monitoring": (
        "as_of_date DATE, model_id VARCHAR, metric VARCHAR, feature VARCHAR, value DOUBLE, convention_bound DOUBLE, "
        "chi_squared_bound DOUBLE, reference_count BIGINT, current_count BIGINT, bin_count BIGINT, "
        "is_within_convention BOOLEAN, is_within_chi_squared BOOLEAN"
    ),
    "ml.model_metric": (
        "as_of_date DATE, model_id VARCHAR, model_kind VARCHAR, sample VARCHAR, metric VARCHAR, "
        "segment VARCHAR, value DOUBLE, lower_95 DOUBLE, upper_95 DOUBLE, row_count BIGINT, "
        "event_count BIGINT"
    ),
}

_QUARANTINE_COLUMNS = (
    "as_of_date DATE, rule_id VARCHAR, owner VARCHAR, reason VARCHAR, remedy VARCHAR, source_system VARCHAR, "
    "_row_key VARCHAR, _occurrence INTEGER, _row_hash VARCHAR, amount VARCHAR, currency VARCHAR, "
    "original_values JSON, first_quarantined_on DATE, column_names VARCHAR[], all_rule_ids VARCHAR[]"
)
_IDENTITY = "source_system, _row_key, _occurrence"


def make_warehouse(
    path: str | Path,
    tables: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    as_of: str | date,
    xref: Mapping[tuple[str, str], str] | None = None,
    not_provided: Sequence[str] = (),
    rows: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
) -> Path:
    """Create the warehouse file `path` with every table dbt reads.

    `tables` maps contract tables to rows (contract columns; dates, amounts and booleans in any form whose
    text is the contract's). A table named there counts as delivered, even with no rows; every other one as
    absent.
    A row may also give `source_system` ('erp'), `_source_file` ('<table>.csv'), `_occurrence` (1),
    `_is_deleted`, `_loaded_at` (day of the night that landed it) and `_is_backfill`. Without `_loaded_at` the
    row belongs to the first load. Rows of one key with different `_loaded_at` are versions of it.

    `xref` maps (source_system, customer_id) to customer_code; left out, each source customer gets a code of
    its own, 'C000001' onwards in key order. `not_provided` lists tables to record as absent although given.
    `rows` inserts rows into any other table, for example {"ml.customer_score": [{...}]}; a quarantine row
    takes its landed row out of the accepted view.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unknown = sorted(set(tables) - set(CONTRACT))
    if unknown:
        raise KeyError(f"no contract tables: {unknown}; valid are {sorted(CONTRACT)}")
    with duckdb.connect(str(path)) as con:
        _create_tables(con)
        for name, given in tables.items():
            _insert_versions(con, name, given, str(as_of))
        _land(con, str(as_of))
        _record_sources(con, tables, not_provided, str(as_of))
        _link_customers(con, xref, str(as_of))
        for name, other in (rows or {}).items():
            insert_rows(con, name, other)
    return path


def land_night(path: str | Path, as_of: str | date) -> None:
    """Land the warehouse `path` anew as the night of `as_of` would: versions loaded by then count, later ones not."""
    with duckdb.connect(str(path)) as con:
        _land(con, str(as_of))


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert `rows` into `table` by column name; columns a row leaves out are NULL."""
    for row in rows:
        columns = ", ".join(row)
        marks = ", ".join("?" for _ in row)
        con.execute(f"insert into {table} ({columns}) values ({marks})", list(row.values()))


def _create_tables(con: duckdb.DuckDBPyConnection) -> None:
    for schema in SCHEMAS:
        con.execute(f"create schema if not exists {schema}")
    system = ", ".join(f"{name} {kind}" for name, kind in SYSTEM_COLUMNS)
    for table in TABLES:
        columns = ", ".join(f"{name} VARCHAR" for name in table.field_names)
        con.execute(f"create table raw.{table.name} ({columns}, {system})")
        con.execute(f"create table quarantine.{table.name} ({_QUARANTINE_COLUMNS})")
    for name, columns in UPSTREAM_TABLES.items():
        con.execute(f"create table {name} ({columns})")


def _insert_versions(
    con: duckdb.DuckDBPyConnection, name: str, rows: Iterable[Mapping[str, Any]], as_of: str
) -> None:
    table = CONTRACT[name]
    values = list(_versions(name, rows, as_of))
    if not values:
        return
    columns = [*table.field_names, *(column for column, _ in SYSTEM_COLUMNS)]
    temporary = f"incoming_{name}"
    kinds = {**dict.fromkeys(table.field_names, "VARCHAR"), **dict(SYSTEM_COLUMNS)}
    con.execute(f"create temp table {temporary} ({', '.join(f'{c} {kinds[c]}' for c in columns)})")
    marks = f"({', '.join('?' for _ in columns)})"
    for start in range(0, len(values), 500):
        chunk = values[start : start + 500]
        con.execute(
            f"insert into {temporary} values {', '.join([marks] * len(chunk))}",
            [value for row in chunk for value in row],
        )
    hashed = f"md5(concat_ws('|', {', '.join(table.field_names)}))"
    con.execute(f"insert into raw.{name} select * replace ({hashed} as _row_hash) from {temporary}")
    con.execute(f"drop table {temporary}")


def _versions(name: str, rows: Iterable[Mapping[str, Any]], as_of: str) -> Iterator[list[Any]]:
    table = CONTRACT[name]
    system_given = {column for column, _ in SYSTEM_COLUMNS}
    for number, row in enumerate(rows, start=1):
        unknown = sorted(set(row) - set(table.field_names) - system_given)
        if unknown:
            raise KeyError(f"{name} has no columns {unknown}; valid are {list(table.field_names)}")
        loaded_at = str(row.get("_loaded_at", as_of))
        system = {
            "source_system": row.get("source_system", DEFAULT_SOURCE),
            "_row_key": "|".join(str(row.get(column)) for column in table.key),
            "_occurrence": row.get("_occurrence", 1),
            "_row_hash": None,
            "_is_deleted": row.get("_is_deleted", False),
            "_is_backfill": row.get("_is_backfill", "_loaded_at" not in row),
            "_loaded_at": f"{loaded_at[:10]} 00:00:00",
            "_load_id": loaded_at[:10],
            "_source_file": row.get("_source_file", f"{name}.csv"),
            "_source_row": number,
        }
        contract = [_as_text(row.get(column)) for column in table.field_names]
        yield [*contract, *(system[column] for column, _ in SYSTEM_COLUMNS)]


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _land(con: duckdb.DuckDBPyConnection, as_of: str) -> None:
    for table in TABLES:
        con.execute(
            f"""
            create or replace table staging.landed_{table.name} as
            select * exclude (version_rank),
            from (
                select *,
                    first_value(_loaded_at) over (partition by {_IDENTITY} order by _loaded_at)
                        as _first_loaded_at,
                    first_value(_is_backfill) over (partition by {_IDENTITY} order by _loaded_at)
                        as _first_is_backfill,
                    row_number() over (partition by {_IDENTITY} order by _loaded_at desc) as version_rank,
                from raw.{table.name}
                where _is_backfill or _loaded_at <= cast('{as_of}' as timestamp)
            )
            where version_rank = 1 and not _is_deleted
            """
        )
        con.execute(
            f"""
            create or replace view staging.accepted_{table.name} as
            select landed.* from staging.landed_{table.name} as landed
            anti join quarantine.{table.name} as held using ({_IDENTITY})
            """
        )


def _record_sources(
    con: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Iterable[Mapping[str, Any]]],
    not_provided: Sequence[str],
    as_of: str,
) -> None:
    for table in TABLES:
        sources = con.execute(f"select distinct source_system from raw.{table.name} order by 1").fetchall()
        provided = table.name in tables and table.name not in not_provided
        for (source,) in sources or [(DEFAULT_SOURCE if provided else None,)]:
            con.execute("insert into ops.source_table values (?, ?, ?)", [table.name, source, provided])
    for name in ("invoices", "payments"):
        con.execute(
            f"""
            insert into ops.source_total
            select cast('{as_of}' as date), source_system, '{name}', _source_file, currency, count(*),
                sum(cast(amount as decimal(38, 6)))
            from staging.landed_{name} group by all order by all
            """
        )


def _link_customers(
    con: duckdb.DuckDBPyConnection, xref: Mapping[tuple[str, str], str] | None, as_of: str
) -> None:
    customers = con.execute(
        "select distinct source_system, customer_id from staging.accepted_customers order by 1, 2"
    ).fetchall()
    for number, (source, customer_id) in enumerate(customers, start=1):
        code = xref[(source, customer_id)] if xref is not None else f"C{number:06d}"
        con.execute(
            "insert into core.customer_xref values (?, ?, ?, 1.0, 'same_key', ?)",
            [source, customer_id, code, as_of],
        )


def run_dbt(
    path: str | Path,
    *,
    select: str | Sequence[str] | None = None,
    as_of: str | date,
    command: str = "build",
    vars: Mapping[str, Any] | None = None,
    exclude: str | Sequence[str] | None = None,
    check: bool = True,
) -> Any:
    """Run dbt over the warehouse `path` in this process and return dbtRunnerResult.

    The project is parsed once a test run, for a database named as a night names it: the file is `warehouse.duckdb`.
    Raises AssertionError naming each failed model or test, unless `check` is False. The warehouse file is free
    again afterwards.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    path = Path(path).resolve()
    assert path.name == WAREHOUSE, f"the parsed project names the database {WAREHOUSE}, not {path.name}"
    arguments = [command, *_common_arguments(), "--vars", _vars_argument(as_of, vars)]
    for flag, chosen in (("--select", select), ("--exclude", exclude)):
        if chosen is not None:
            arguments += [flag, *([chosen] if isinstance(chosen, str) else chosen)]
    if command == "build":
        # Unit tests are about the SQL, not about this warehouse; `command="test"` runs them.
        arguments += ["--exclude-resource-type", "unit_test"]
    # Running marks the manifest's nodes, so each run gets a copy of the parsed one. Parsing sets the environment.
    manifest = _parsed_manifest().deepcopy()
    with _warehouse_environment(path):
        try:
            result = dbtRunner(manifest=manifest).invoke(arguments)
        finally:
            # dbt keeps its DuckDB connection for the life of the process, which would lock the file.
            DuckDBConnectionManager.close_all_connections()
    if check:
        failures = [
            f"{run.node.name}: {run.message}"
            for run in getattr(result.result, "results", [])
            if run.status not in ("success", "pass", "skipped", "no-op", "warn")
        ]
        if result.exception is not None:
            raise AssertionError(f"dbt {command} did not run: {result.exception}") from result.exception
        assert not failures, "\n".join(failures)
    return result


@functools.cache
def _parsed_manifest() -> Any:
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack((dbt_target_dir(parsed_project()) / "partial_parse.msgpack").read_bytes())


@functools.cache
def _target_dir() -> str:
    """Where dbt writes what it compiled in this process."""
    folder = run_folder() / f"dbt-{os.getpid()}"
    folder.mkdir()
    return str(folder)


def _common_arguments() -> list[str]:
    target = _target_dir()
    return [
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", target, "--log-path", target, "--quiet", "--log-level-file", "none"),
        # The outcomes are returned; the manifest and the results would be written again at every call.
        "--no-write-json",
    ]


def _vars_argument(as_of: str | date, extra: Mapping[str, Any] | None) -> str:
    import json

    return json.dumps({"as_of_date": str(as_of), **(extra or {})})


@contextmanager
def _warehouse_environment(path: Path) -> Iterator[None]:
    previous = os.environ.get("TRADE_CREDIT_WAREHOUSE")
    os.environ["TRADE_CREDIT_WAREHOUSE"] = str(path)
    try:
        yield
    finally:
        if previous is None:
            del os.environ["TRADE_CREDIT_WAREHOUSE"]
        else:
            os.environ["TRADE_CREDIT_WAREHOUSE"] = previous


def fetch(path: str | Path, sql: str) -> list[dict[str, Any]]:
    """The rows of `sql` over the warehouse `path`, as dicts, read-only."""
    with duckdb.connect(str(path), read_only=True) as con:
        cursor = con.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
