"""The two gates, over landed tables and over marts: they judge, record, and say whether the night may go on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from quality.catalog import MART_RULES_FOLDER, Rule, RuleError, load_rules
from quality.docs import Docs, read_docs
from quality.evaluation import Outcome, evaluate_rules
from quality.expectations import accepted_relation, expected_of_accepted, expected_of_marts
from quality.predicates import create_macros
from quality.quarantine import (
    QuarantineThresholds,
    TableResult,
    insert_rows,
    prepare_quarantine,
    write_quarantine,
)
from quality.report import GateReport, RuleResult, rule_result
from quality.suites import Found, Judged, import_in_background, judge_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

__all__ = [
    "GateReport",
    "QuarantineThresholds",
    "RuleError",
    "RuleResult",
    "load_rules",
    "run_gate",
    "run_mart_gate",
]

SAMPLE_SIZE = 20


def run_gate(
    warehouse: DuckDBPyConnection,
    *,
    as_of: date,
    docs_dir: Path | None,
    thresholds: QuarantineThresholds,
    company: str,
    rules: Sequence[Rule] | None = None,
    cut_over: date | None = None,
    only_tables: Iterable[str] | None = None,
    reporting_currency: str | None = None,
    write_docs: bool = True,
) -> GateReport:
    """Judge staging.landed_* by the rules; write quarantine.*, ops.dq_result and staging.accepted_*.

    Parameters
    ----------
    warehouse: an open connection to the warehouse; the gate works on a connection of its own beside it.
    as_of: the day the night answers for. Results of that day are replaced, those of other days stay, also
    when an earlier day is run again. quarantine.<table>, staging.accepted_<table> and ops.dq_failing_row hold
    the state of the night that ran last, whichever day that was.
    docs_dir: folder for the Data Docs (static HTML); None to go without.
    thresholds: quarantined shares above which a table blocks.
    company: name the Data Docs carry.
    rules: None for the rules that come with the project.
    cut_over: rows whose event date lies before it meet the tolerant rules; None where all rows are new.
    only_tables: judge these tables and leave the state of the others as it is.
    reporting_currency: ISO 4217 code; without it, rules on exchange rates do not apply.

    write_docs: False leaves the Data Docs to the caller, as `report.docs.write()`, when nobody waits for them.

    The tables that outlive the night (ops.dq_*, quarantine.*) must be there; whoever opens the night makes them.
    Reading happens first, writing in one transaction after it: after an error nothing has changed. Then Great
    Expectations judges the accepted rows; what it finds there, the scan let through, and stands in `report.found`.
    Whether the night may go on is in the report (`blocking`); a blocked gate still writes its results, so that
    they can be looked at. Raises RuleError where `only_tables` or a rule names a table that never landed.
    """
    all_rules = tuple(rules) if rules is not None else load_rules()
    chosen = set(only_tables) if only_tables is not None else None
    judged_rules = [rule for rule in all_rules if chosen is None or rule.table in chosen]
    clock = _Clock()
    with _own_connection(warehouse) as con:
        landed = _landed_tables(con)
        _refuse_unknown_tables(all_rules, chosen, landed)
        coming = import_in_background()
        scan = _scan(con, judged_rules, as_of=as_of, cut_over=cut_over, reporting_currency=reporting_currency)
        clock.lap("evaluate")
        with _transaction(con):
            prepare_quarantine(con, all_rules)
            tables = tuple(
                write_quarantine(
                    con,
                    table,
                    [rule for rule in all_rules if rule.table == table],
                    as_of=as_of,
                    thresholds=thresholds,
                )
                for table in landed
                if chosen is None or table in chosen
            )
            results = scan.results(())
            _write_results(con, results, [table.table for table in tables], as_of)
            _write_tables(con, tables, as_of)
        clock.lap("write")
        # From here on accepted_<table> is what goes on, not what the scan took for it.
        for table in _accepted_tables(con):
            con.execute(
                f"CREATE OR REPLACE TEMP VIEW accepted_{table} AS SELECT * FROM {accepted_relation(table)}"
            )
        coming.join()
        clock.lap("import")
        expected = expected_of_accepted(scan.sound_rules, cut_over=cut_over)
        judged = judge_tables(con, expected, scan.outcomes, scan.samples, company=company)
        found = scan.let_through(judged.found)
        if found:
            results = scan.results(found)
            with _transaction(con):
                _write_results(con, results, [table.table for table in tables], as_of)
        clock.lap("great_expectations")
        docs = _read_docs(con, docs_dir, judged, as_of=as_of, company=company, now=write_docs)
        clock.lap("docs")
    return GateReport(as_of, results, tables, found, docs, clock.seconds)


def run_mart_gate(
    warehouse: DuckDBPyConnection,
    *,
    as_of: date,
    docs_dir: Path | None,
    company: str,
    rules: Sequence[Rule] | None = None,
    reporting_currency: str | None = None,
    write_docs: bool = True,
) -> GateReport:
    """Judge the marts before they are published; write ops.dq_result and ops.dq_failing_row.

    The parameters are those of run_gate; `rules` None stands for the mart rules that come with the project.
    Nothing is taken out of a mart: a rule blocks the publication or warns. A rule over a mart that was not
    built could not run, which blocks too. Great Expectations judges the marts beside the scan; what it alone finds
    stands in `report.found` and blocks. Data Docs join the pages the first gate wrote to `docs_dir`.
    """
    all_rules = tuple(rules) if rules is not None else load_rules(MART_RULES_FOLDER)
    clock = _Clock()
    with _own_connection(warehouse) as con:
        coming = import_in_background()
        scan = _scan(con, all_rules, as_of=as_of, cut_over=None, reporting_currency=reporting_currency)
        clock.lap("evaluate")
        coming.join()
        clock.lap("import")
        expected = expected_of_marts(scan.sound_rules, as_of=as_of)
        judged = judge_tables(con, expected, scan.outcomes, scan.samples, company=company)
        found = scan.let_through(judged.found)
        clock.lap("great_expectations")
        results = scan.results(found)
        with _transaction(con):
            _write_results(con, results, list(dict.fromkeys(rule.table for rule in all_rules)), as_of)
        clock.lap("write")
        docs = _read_docs(con, docs_dir, judged, as_of=as_of, company=company, now=write_docs)
        clock.lap("docs")
    return GateReport(as_of, results[: len(all_rules)], (), found, docs, clock.seconds)


@dataclass(frozen=True)
class _Scan:
    """What the engine found: an outcome and sample keys a rule, and the rows it keeps apart."""

    outcomes: Mapping[str, Outcome]
    samples: Mapping[str, tuple[str, ...]]
    quarantined: Mapping[str, int]

    @property
    def sound_rules(self) -> list[Rule]:
        """The rules that apply and could run; the others stop the night by themselves or do not count."""
        return [
            outcome.rule
            for outcome in self.outcomes.values()
            if outcome.error is None and outcome.not_applicable is None
        ]

    def let_through(self, found: Iterable[Found]) -> tuple[Found, ...]:
        """Those findings that the scan is at fault for, and expectations that could not run.

        Rows that fail a quarantine rule are taken out, so finding any is news. Where a rule blocks, the rows stay, and
        what the scan failed it for is there to be found again.
        """
        return tuple(
            one
            for one in found
            if one.error is not None
            or one.expected.rule.severity == "quarantine"
            or not self._has_failed(one.expected.rule.id)
        )

    def _has_failed(self, rule_id: str) -> bool:
        return rule_id in self.outcomes and self.outcomes[rule_id].rows_failed > 0

    def results(self, found: Iterable[Found]) -> tuple[RuleResult, ...]:
        """A result for every rule, and after them for what was found of tables' keys, which have no rule."""
        first: dict[str, Found] = {}
        for one in found:
            first.setdefault(one.expected.rule.id, one)
        results = [
            rule_result(
                outcome, first.get(rule_id), self.samples.get(rule_id, ()), self.quarantined.get(rule_id, 0)
            )
            for rule_id, outcome in self.outcomes.items()
        ]
        of_keys = [one for rule_id, one in first.items() if rule_id not in self.outcomes]
        results += [
            rule_result(Outcome(one.expected.rule, rows_failed=one.rows), one, (), 0) for one in of_keys
        ]
        return tuple(results)


@dataclass(frozen=True)
class Held:
    """Rows that would wait: by source system and table, and, of those, by the first rule that holds them.

    With each rule stand how many rows it holds, and one of them in words.
    """

    rows: dict[tuple[str, str], int]
    by_rule: dict[tuple[str, str, str], tuple[int, str]]


def rows_held(
    con: DuckDBPyConnection,
    rules: Sequence[Rule],
    *,
    as_of: date,
    cut_over: date | None,
    reporting_currency: str | None,
) -> Held:
    """Scan staging.landed_* by the quarantine rules among `rules`, and record nothing."""
    _scan(con, rules, as_of=as_of, cut_over=cut_over, reporting_currency=reporting_currency)
    found = con.execute(
        """
        SELECT source_system, table_name, rule_id, count(*), min(row_id), arg_min(column_names, row_id)
        FROM (
            SELECT * FROM gate_failure WHERE severity = 'quarantine' AND row_id IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY table_name, row_id ORDER BY rule_rank) = 1
        )
        GROUP BY ALL ORDER BY source_system, table_name, count(*) DESC, rule_id
        """
    ).fetchall()
    rows: dict[tuple[str, str], int] = {}
    by_rule: dict[tuple[str, str, str], tuple[int, str]] = {}
    for system, table, rule, count, row_id, columns in found:
        rows[system, table] = rows.get((system, table), 0) + count
        by_rule[system, table, rule] = (count, _row_in_words(con, table, row_id, columns or []))
    return Held(rows, by_rule)


def _row_in_words(con: DuckDBPyConnection, table: str, row_id: int, columns: Sequence[str]) -> str:
    """Where a landed row came from, and what it holds in `columns`."""
    values = ", ".join(f"concat('{name} ', coalesce(\"{name}\", 'empty'))" for name in columns)
    shown = f"concat_ws(', ', {values})" if columns else "_row_key"
    row = con.execute(
        f"SELECT _source_file || coalesce(', row ' || _source_row, '') || ': ' || {shown} "
        f"FROM staging.landed_{table} WHERE rowid = ?",
        [row_id],
    ).fetchone()
    return str(row[0]) if row else ""


def _scan(
    con: DuckDBPyConnection,
    rules: Sequence[Rule],
    *,
    as_of: date,
    cut_over: date | None,
    reporting_currency: str | None,
) -> _Scan:
    create_macros(con, as_of=as_of, reporting_currency=reporting_currency, cut_over=cut_over)
    outcomes = evaluate_rules(
        con,
        rules,
        as_of=as_of,
        cut_over=cut_over,
        absent_tables=_absent_tables(con),
        reporting_currency=reporting_currency,
    )
    return _Scan({rule.id: outcomes[rule.id] for rule in rules}, _sample_keys(con), _quarantined_by_rule(con))


@contextmanager
def _own_connection(warehouse: DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
    """A connection whose temporary objects are nobody else's, beside the one given."""
    con = warehouse.cursor()
    try:
        yield con
    finally:
        con.close()


@contextmanager
def _transaction(con: DuckDBPyConnection) -> Iterator[None]:
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise


def _read_docs(
    con: DuckDBPyConnection, folder: Path | None, judged: Judged, *, as_of: date, company: str, now: bool
) -> Docs | None:
    if folder is None:
        return None
    docs = read_docs(con, folder, as_of=as_of, company=company, context=judged.context, tables=judged.tables)
    if now:
        docs.write()
    return docs


def _landed_tables(con: DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema = 'staging' AND table_name LIKE 'landed\\_%' ESCAPE '\\' ORDER BY 1"
    ).fetchall()
    return [name.removeprefix("landed_") for (name,) in rows]


def _accepted_tables(con: DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema = 'staging' AND table_name LIKE 'accepted\\_%' ESCAPE '\\' ORDER BY 1"
    ).fetchall()
    return [name.removeprefix("accepted_") for (name,) in rows]


def _refuse_unknown_tables(rules: Sequence[Rule], chosen: set[str] | None, landed: Sequence[str]) -> None:
    named = {rule.table: rule.id for rule in rules if chosen is None or rule.table in chosen}
    problems = [
        f"rule {rule_id}: table {table} has not landed (no staging.landed_{table})"
        for table, rule_id in named.items()
        if table not in landed
    ]
    problems += [
        f"only_tables: no rule is about '{table}'" for table in sorted((chosen or set()) - set(named))
    ]
    if problems:
        raise RuleError(problems)


def _absent_tables(con: DuckDBPyConnection) -> set[str]:
    """Contract tables that no source delivers, after ops.source_table."""
    rows = con.execute(
        "SELECT table_name FROM ops.source_table GROUP BY table_name HAVING NOT bool_or(is_provided)"
    ).fetchall()
    return {name for (name,) in rows}


def _sample_keys(con: DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    rows = con.execute(
        f"""
        SELECT rule_id, list(sample ORDER BY position)
        FROM (
            SELECT rule_id, position,
                concat_ws(' ', concat_ws('|', source_system, _row_key),
                    CASE WHEN _occurrence > 1 THEN '#' || _occurrence END,
                    CASE WHEN len(column_names) > 0 THEN '(' || array_to_string(column_names, ', ') || ')'
                    END, '(' || shown || ')') AS sample
            FROM (
                SELECT *, row_number() OVER (
                    PARTITION BY rule_id ORDER BY source_system, _row_key, _occurrence) AS position
                FROM gate_failure
                QUALIFY position <= {SAMPLE_SIZE}
            )
        )
        GROUP BY rule_id
        """
    ).fetchall()
    return {rule_id: tuple(keys) for rule_id, keys in rows}


def _quarantined_by_rule(con: DuckDBPyConnection) -> dict[str, int]:
    return dict(
        con.execute(
            "SELECT rule_id, count(*) FROM gate_failure WHERE severity = 'quarantine' GROUP BY 1"
        ).fetchall()
    )


def _write_results(
    con: DuckDBPyConnection, results: Sequence[RuleResult], judged: Sequence[str], as_of: date
) -> None:
    """ops.dq_result keeps one row a rule and day, ops.dq_failing_row the failing rows of the last night run."""
    con.execute(
        "DELETE FROM ops.dq_result WHERE as_of_date = ? AND list_contains(?, table_name)",
        [as_of, list(judged)],
    )
    con.execute("DELETE FROM ops.dq_failing_row WHERE list_contains(?, table_name)", [list(judged)])
    insert_rows(
        con,
        "ops.dq_result",
        [
            {
                "as_of_date": as_of,
                "table_name": result.rule.table,
                "rule_id": result.rule.id,
                "dimension": result.rule.dimension,
                "severity": result.rule.severity,
                "owner": result.rule.owner,
                "status": result.status,
                "rows_checked": result.rows_checked,
                "rows_failed": result.rows_failed,
                "rows_failed_old": result.rows_failed_old,
                "rows_quarantined": result.rows_quarantined,
                "max_failed_share": result.rule.max_failed_share,
                "expected": result.expected,
                "message": result.error or result.observed,
                "remedy": result.rule.remedy,
                "sample_keys": list(result.sample_keys),
            }
            for result in results
        ],
    )
    con.execute(
        "INSERT INTO ops.dq_failing_row (as_of_date, table_name, rule_id, severity, is_old, source_system, "
        "_row_key, _occurrence, column_names) SELECT ?, table_name, rule_id, severity, is_old, source_system, "
        "_row_key, _occurrence, column_names FROM gate_failure "
        "ORDER BY table_name, rule_rank, source_system, _row_key, _occurrence",
        [as_of],
    )


def _write_tables(con: DuckDBPyConnection, tables: Sequence[TableResult], as_of: date) -> None:
    """ops.dq_table keeps one row a landed table and day."""
    con.execute(
        "DELETE FROM ops.dq_table WHERE as_of_date = ? AND list_contains(?, table_name)",
        [as_of, [table.table for table in tables]],
    )
    insert_rows(
        con,
        "ops.dq_table",
        [
            {
                "as_of_date": as_of,
                "table_name": table.table,
                "rows_landed": table.landed,
                "rows_accepted": table.accepted,
                "rows_quarantined": table.quarantined,
                "rows_released": table.released,
                "values_withheld": table.withheld_values,
                "quarantine_threshold": table.threshold,
            }
            for table in tables
        ],
    )


class _Clock:
    """Wall seconds between laps; measures the gate, and touches no data."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
