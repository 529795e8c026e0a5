"""What judging landed rows costs beside the same predicates as plain SQL.

    python -m benchmarks.quality [--rows N] [--repeats N] [--memory-limit TEXT]

Makes N documents, with a customer for every 200 of them, inside DuckDB; about 1 % are dirty in ten ways. Each way
of judging runs in a process of its own and prints its best wall time of the repeats, CPU of that repeat, and the
process's peak memory. Two sets of rules are timed: those that one row decides (plain SQL: one pass a table that
counts each predicate's rows), and all rules of the tables (plain SQL: that pass, the accepted rows, and one query
a rule that looks at other rows). The gate's figure holds the engine's scan with failing rows kept and what Great
Expectations asks of the accepted rows; its import, the quarantine and the Data Docs are not in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from orchestration.sources.contract import CONTRACT, SYSTEM_COLUMNS
from quality.catalog import KINDS, Rule, load_rules
from quality.evaluation import evaluate_rules, judging_order
from quality.expectations import expected_of_accepted
from quality.predicates import create_macros, failing_rows_query, row_predicates
from quality.suites import judge_tables

AS_OF = date(2026, 10, 31)
TABLES = ("customers", "fx_rates", "invoices")
_SOURCE = "erp"
_FIRST_DAY = "DATE '2023-11-01'"


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and CPU, MiB at the peak, and the failing rows found, which both ways must agree on."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    failing_rows: int


def main() -> None:
    """Print one line a rule set and way, and the ratio of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="documents to judge")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-limit", default="16GB", help="DuckDB's own limit, for each process")
    parser.add_argument("--measure", nargs=3, metavar=("FILE", "WAY", "RULES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        file, way, rules = arguments.measure
        cost = _measure(Path(file), way, rules, arguments.repeats, arguments.memory_limit)
        print(json.dumps(asdict(cost)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "warehouse.duckdb"
        start = time.monotonic()
        _generate(file, arguments.rows, arguments.memory_limit)
        print(f"{arguments.rows:,} documents made in {time.monotonic() - start:.0f} s")
        print(f"{'rules':<28}{'way':<10}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'failing rows':>14}")
        for rules in ("row", "all"):
            costs = {way: _in_own_process(file, way, rules, arguments) for way in ("plain", "gate")}
            for way, cost in costs.items():
                title = f"{len(_rules(rules))} {'that one row decides' if rules == 'row' else 'altogether'}"
                print(
                    f"{title:<28}{way:<10}{cost.wall_seconds:>9.2f}{cost.cpu_seconds:>9.2f}"
                    f"{cost.peak_mib:>10,.0f}{cost.failing_rows:>14,}"
                )
            gate, plain = costs["gate"], costs["plain"]
            if gate.failing_rows != plain.failing_rows:
                raise SystemExit("the two ways found different rows, so their times say nothing")
            print(
                f"{'':<28}{'ratio':<10}{gate.wall_seconds / plain.wall_seconds:>9.2f}"
                f"{gate.cpu_seconds / plain.cpu_seconds:>9.2f}"
            )


def _in_own_process(file: Path, way: str, rules: str, arguments: argparse.Namespace) -> Cost:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.quality", "--measure", str(file), way, rules),
            *("--repeats", str(arguments.repeats), "--memory-limit", arguments.memory_limit),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _measure(file: Path, way: str, rules: str, repeats: int, memory_limit: str) -> Cost:
    judge: Callable[[duckdb.DuckDBPyConnection, Sequence[Rule]], int] = {"plain": _plain, "gate": _gate}[way]
    chosen = _rules(rules)
    if way == "gate":
        import great_expectations  # noqa: F401  (its import is no part of the figure)
    with duckdb.connect(str(file)) as con:
        con.execute(f"SET memory_limit = '{memory_limit}'")
        create_macros(con, as_of=AS_OF, reporting_currency="USD", cut_over=None)
        best: tuple[float, float] | None = None
        for _ in range(repeats):
            wall, cpu = time.perf_counter(), time.process_time()
            found = judge(con, chosen)
            spent = time.perf_counter() - wall, time.process_time() - cpu
            best = min(best or spent, spent)
    assert best is not None
    return Cost(*best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found)


def _rules(which: str) -> list[Rule]:
    rules = [rule for rule in load_rules() if rule.table in TABLES and KINDS[rule.kind].looks_at != "table"]
    if which == "row":
        return [rule for rule in rules if KINDS[rule.kind].looks_at == "row"]
    # Orders are not made, so the rules on them do not apply.
    return [rule for rule in rules if "orders" not in rule.needs]


def _gate(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> int:
    outcomes = evaluate_rules(
        con, rules, as_of=AS_OF, cut_over=None, absent_tables=(), reporting_currency="USD"
    )
    for table in judging_order(rules):
        con.execute(
            f"CREATE OR REPLACE VIEW staging.accepted_{table} AS SELECT * FROM temp.main.accepted_{table}"
        )
    expected = expected_of_accepted(rules, cut_over=None)
    judged = judge_tables(con, expected, outcomes, {}, company="Benchmark")
    broken = {outcome.rule.id: outcome.error for outcome in outcomes.values() if outcome.error}
    if broken or judged.found:
        raise SystemExit(f"rules could not run: {broken}; let through: {[one.told for one in judged.found]}")
    return sum(outcome.rows_failed for outcome in outcomes.values())


def _plain(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> int:
    found = 0
    for table in judging_order(rules):
        own = [rule for rule in rules if rule.table == table]
        tests = {
            rule.id: (rule.severity, " OR ".join(f"({test})" for _, test in row_predicates(rule)))
            for rule in own
            if KINDS[rule.kind].looks_at == "row"
        }
        counts = ", ".join(f"count(*) FILTER (WHERE {test})" for _, test in tests.values())
        found += sum(con.execute(f"SELECT {counts} FROM staging.landed_{table} r").fetchall()[0])
        others = [rule for rule in own if rule.id not in tests]
        if len(tests) == len(rules) or not any(KINDS[rule.kind].looks_at == "rows" for rule in rules):
            continue
        bad = " OR ".join(test for severity, test in tests.values() if severity == "quarantine")
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE bad_{table} AS "
            f"SELECT r.rowid AS row_id FROM staging.landed_{table} r WHERE {bad}"
        )
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW accepted_{table} AS SELECT r.* FROM staging.landed_{table} r "
            f"WHERE r.rowid NOT IN (SELECT row_id FROM bad_{table})"
        )
        # Those that keep rows apart come first, because the others do not look at what is out already.
        for rule in sorted(others, key=lambda rule: rule.severity != "quarantine"):
            query = f"SELECT DISTINCT row_id FROM ({failing_rows_query(rule)[1]})"
            if rule.severity == "quarantine":
                (count,) = con.execute(f"INSERT INTO bad_{table} {query}").fetchall()[0]
            else:
                (count,) = con.execute(f"SELECT count(*) FROM ({query})").fetchall()[0]
            found += count
    return found


def _generate(file: Path, rows: int, memory_limit: str) -> None:
    """Landed tables as the night leaves them: text as delivered, system columns, first loads."""
    customers = max(rows // 200, 10)
    with duckdb.connect(str(file)) as con:
        con.execute(f"SET memory_limit = '{memory_limit}'")
        con.execute("CREATE SCHEMA staging; CREATE SCHEMA ops")
        con.execute(
            "CREATE TABLE ops.repair (source_system VARCHAR, table_name VARCHAR, _row_key VARCHAR, "
            "_occurrence INTEGER, column_name VARCHAR, repair VARCHAR, original_value VARCHAR, "
            "repaired_value VARCHAR, reason VARCHAR)"
        )
        _land(
            con,
            "customers",
            f"range(1, {customers} + 1) n(i)",
            customer_id="'C' || i",
            legal_name="CASE WHEN hash(i, 1) % 100 = 0 THEN ' ' ELSE 'Company ' || i || ' Ltd' END",
            registration_no="lpad(CAST(10 + i % 6 AS VARCHAR), 2, '0') || '-' || lpad(CAST(i AS VARCHAR), 7, '0')",
            registration_kind="'EIN'",
            country="CASE WHEN hash(i, 2) % 200 = 0 THEN 'UK' ELSE 'US' END",
            payment_terms="'NET30'",
            email="'ap@company' || i || '.example'",
            customer_since="CAST(DATE '2015-01-01' + CAST(i % 2000 AS INTEGER) AS VARCHAR)",
        )
        _land(
            con,
            "fx_rates",
            "range(4 * 1100) n(i)",
            rate_date=f"CAST({_FIRST_DAY} + CAST(i // 4 AS INTEGER) - 5 AS VARCHAR)",
            currency="['EUR', 'GBP', 'CNY', 'JPY'][1 + i % 4]",
            rate="CAST(1 + (hash(i) % 100) / 1000 AS VARCHAR)",
        )
        # One document in a hundred is dirty, in one of ten ways.
        dirt = "CASE WHEN hash(i, 7) % 100 = 0 THEN hash(i, 8) % 10 ELSE 99 END"
        day = f"({_FIRST_DAY} + CAST(hash(i, 3) % 1090 AS INTEGER))"
        amount = "CAST(CAST(100 + hash(i, 4) % 9000000 AS BIGINT) / 100 AS DECIMAL(38, 4))"
        _land(
            con,
            "invoices",
            f"(SELECT i, {dirt} AS dirt, {day} AS day, {amount} AS sum FROM range({rows}) n(i))",
            invoice_id="CASE WHEN dirt = 0 THEN NULL ELSE 'I' || i END",
            document_type="CASE WHEN dirt = 1 THEN 'RV' WHEN i % 50 = 0 THEN 'credit_memo' ELSE 'invoice' END",
            customer_id=f"CASE WHEN dirt = 2 THEN 'X' || i ELSE 'C' || (1 + hash(i, 5) % {customers}) END",
            legal_entity="'E' || (1 + i % 3)",
            issue_date="CASE WHEN dirt = 3 THEN strftime(day, '%d.%m.%Y') ELSE CAST(day AS VARCHAR) END",
            due_date="CASE WHEN dirt = 4 THEN NULL WHEN dirt = 5 THEN CAST(day - 3 AS VARCHAR) "
            "ELSE CAST(day + 30 AS VARCHAR) END",
            currency="CASE WHEN dirt = 6 THEN 'US$' ELSE "
            "['USD', 'EUR', 'GBP', 'CNY', 'JPY'][CAST(1 + hash(i, 6) % 5 AS INTEGER)] END",
            amount="CASE WHEN dirt = 7 THEN '-' || sum WHEN dirt = 8 THEN replace(CAST(sum AS VARCHAR), '.', ',') "
            "ELSE CAST(sum AS VARCHAR) END",
            tax_amount="CASE WHEN dirt = 9 THEN CAST(sum + 1 AS VARCHAR) "
            "ELSE CAST(CAST(sum * 0.19 AS DECIMAL(38, 4)) AS VARCHAR) END",
            updated_at="CAST(day AS VARCHAR) || ' 08:00:00'",
        )


def _land(con: duckdb.DuckDBPyConnection, table: str, source: str, **columns: str) -> None:
    contract = CONTRACT[table]
    key = " || '|' || ".join(f"coalesce({columns[name]}, '')" for name in contract.key)
    system = {
        "source_system": f"'{_SOURCE}'",
        "_row_key": key,
        "_occurrence": "1",
        "_row_hash": "CAST(hash(i) AS VARCHAR)",
        "_is_deleted": "false",
        "_is_backfill": "true",
        "_loaded_at": f"TIMESTAMP '{AS_OF}'",
        "_load_id": f"'{AS_OF}'",
        "_source_file": f"'{table}.csv'",
        "_source_row": "i",
    }
    shown = [f"CAST({columns.get(name, 'NULL')} AS VARCHAR) AS {name}" for name in contract.field_names]
    shown += [f"CAST({system[name]} AS {kind}) AS {name}" for name, kind in SYSTEM_COLUMNS]
    shown += [f"TIMESTAMP '{AS_OF}' AS _first_loaded_at", "true AS _first_is_backfill"]
    con.execute(f"CREATE TABLE staging.landed_{table} AS SELECT {', '.join(shown)} FROM {source}")


if __name__ == "__main__":
    main()
