"""Build a small warehouse from contract rows, as landing and gate leave it, and run dbt on it in-process."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from models_ml.policy import TABLES as POLICY_TABLES
from models_ml.policy import Policy, read_policy
from orchestration.dbt_runner import dbt_target_dir, metric_tables
from orchestration.migrations import bring_forward
from orchestration.night import dbt_variables
from orchestration.policy import SEEDS as POLICY_SEEDS
from orchestration.policy import policy_keys
from orchestration.settings import Settings, load_settings
from orchestration.sources.contract import CONTRACT, EXTRA_COLUMN, SYSTEM_COLUMNS, TABLES
from tests.shared import parsed_project, run_folder

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
DEFAULT_SOURCE = "erp"
WAREHOUSE = "warehouse.duckdb"


def seeded_policy(*, as_of: date) -> Policy:
    """The policy in force on `as_of` by the project's own seeds."""
    import pandas as pd

    return read_policy(
        {name: pd.read_csv(POLICY_SEEDS / f"{name}.csv") for name in POLICY_TABLES},
        keys=policy_keys(),
        as_of=as_of,
    )


# Tables that resolution makes anew each night and dbt only reads; those that outlive a night come of the migrations.
UPSTREAM_TABLES: dict[str, str] = {
    "core.customer_xref": (
        "source_system VARCHAR, customer_id VARCHAR, customer_code VARCHAR, match_probability DOUBLE, "
        "match_rule VARCHAR, first_seen_on DATE"
    ),
    "core.customer_alias": "customer_code VARCHAR, alias_code VARCHAR, since DATE",
    "core.match_candidate": (
        "source_system_l VARCHAR, customer_id_l VARCHAR, source_system_r VARCHAR, customer_id_r VARCHAR, "
        "match_probability DOUBLE, rule VARCHAR, status VARCHAR"
    ),
}
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
    bring_forward(con)
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
    con.execute(f"insert into raw.{name} by name select * replace ({hashed} as _row_hash) from {temporary}")
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
            select * exclude (version_rank, {EXTRA_COLUMN}),
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
                (as_of_date, source_system, table_name, source_file, currency, row_count, amount)
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
    arguments = [command, *_common_arguments()]
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
            told = {**company_variables(as_of), "metric_tables": metric_tables(manifest), **(vars or {})}
            result = dbtRunner(manifest=manifest).invoke([*arguments, "--vars", json.dumps(told)])
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


def company_variables(as_of: str | date) -> dict[str, Any]:
    """What a night of a company that sets no parameter of its own tells dbt."""
    return dbt_variables(_plain_settings(), date.fromisoformat(str(as_of)))


@functools.cache
def _plain_settings() -> Settings:
    return load_settings(None, env={}, home=Path(_target_dir()))


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
