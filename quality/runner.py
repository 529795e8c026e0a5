"""The two gates, over landed tables and over marts: they judge, record, and say whether the night may go on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quality.catalog import KINDS, MART_RULES_FOLDER, Rule, RuleError, load_rules
from quality.docs import write_index
from quality.evaluation import Outcome, evaluate_rules
from quality.predicates import create_macros
from quality.quarantine import (
    QuarantineThresholds,
    TableResult,
    insert_rows,
    prepare_quarantine,
    write_quarantine,
)
from quality.suites import Verdict, validate_outcomes

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

Status = Literal["passed", "failed", "error", "not_applicable"]
SAMPLE_SIZE = 20


@dataclass(frozen=True)
class RuleResult:
    """One rule and what became of it. `sample_keys` are at most 20 failing keys, with the failing columns."""

    rule: Rule
    status: Status
    rows_checked: int
    rows_failed: int
    rows_failed_old: int
    rows_quarantined: int
    sample_keys: tuple[str, ...]
    expected: str
    observed: str
    error: str | None = None

    @property
    def is_blocking(self) -> bool:
        """True where this result alone stops the night: a blocking rule failed, or a rule could not run."""
        return self.status == "error" or (self.status == "failed" and self.rule.severity == "block")


@dataclass(frozen=True)
class GateReport:
    """Everything a gate found for one as-of date; `seconds` holds the wall time of each step.

    `tables` is empty for the gate over marts: it takes no row out.
    """

    as_of: date
    results: tuple[RuleResult, ...]
    tables: tuple[TableResult, ...]
    docs_index: Path | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def blocking(self) -> tuple[str, ...]:
        """Why the night must stop, one reason a line; empty where it may go on."""
        reasons = []
        for result in self.results:
            if result.status == "error":
                reasons.append(
                    f"rule {result.rule.id} on {result.rule.table} could not run: {result.error}. "
                    f"This is a fault of the rule or the gate, not of the data ({result.rule.owner})."
                )
            elif result.is_blocking:
                shown = f" ({'; '.join(result.sample_keys[:3])})" if result.sample_keys else ""
                reasons.append(
                    f"rule {result.rule.id} on {result.rule.table} failed: {result.rule.reason} "
                    f"{result.observed}{shown}. To mend: {result.rule.remedy} ({result.rule.owner})"
                )
        for table in self.tables:
            if table.landed != table.accepted + table.quarantined:
                reasons.append(
                    f"{table.table}: {table.landed:,} rows landed, but {table.accepted:,} accepted and "
                    f"{table.quarantined:,} quarantined do not add up to them"
                )
            if table.share > table.threshold:
                top = ", ".join(f"{rule} {rows:,}" for rule, rows in table.top_rules)
                reasons.append(
                    f"{table.table}: {table.quarantined:,} of {table.landed:,} rows ({table.share:.1%}) "
                    f"quarantined, the threshold is {table.threshold:.1%}; most by {top}"
                )
        return tuple(reasons)

    def result(self, rule_id: str) -> RuleResult:
        """The result of one rule; raises KeyError where it was not part of the gate."""
        for result in self.results:
            if result.rule.id == rule_id:
                return result
        raise KeyError(rule_id)


def run_gate(
    warehouse: Path | DuckDBPyConnection,
    *,
    as_of: date,
    docs_dir: Path | None,
    thresholds: QuarantineThresholds,
    company: str,
    rules: Sequence[Rule] | None = None,
    cut_over: date | None = None,
    only_tables: Iterable[str] | None = None,
    reporting_currency: str | None = None,
) -> GateReport:
    """Judge staging.landed_* by the rules; write quarantine.*, ops.dq_result and staging.accepted_*.

    Parameters
    ----------
    warehouse: the DuckDB file, or an open connection to it; the gate works on a connection of its own beside
    it.
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

    The tables that outlive the night (ops.dq_*, quarantine.*) must be there; whoever opens the night makes them.
    Reading happens first, writing in one transaction at the end: after an error nothing has changed. Whether
    the night may go on is in the report (`blocking`); a blocked gate still writes its results, so that they
    can be looked at. Raises RuleError where `only_tables` or a rule names a table that never landed.
    """
    all_rules = tuple(rules) if rules is not None else load_rules()
    chosen = set(only_tables) if only_tables is not None else None
    clock = _Clock()
    with _own_connection(warehouse) as con:
        landed = _landed_tables(con)
        _refuse_unknown_tables(all_rules, chosen, landed)
        results = _judge(
            con,
            [rule for rule in all_rules if chosen is None or rule.table in chosen],
            clock,
            as_of=as_of,
            cut_over=cut_over,
            company=company,
            docs_dir=docs_dir,
            reporting_currency=reporting_currency,
        )
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
            _write_results(con, results, [table.table for table in tables], as_of)
            _write_tables(con, tables, as_of)
        clock.lap("write")
        index = _index(con, as_of, company, docs_dir)
    return GateReport(as_of, results, tables, index, clock.seconds)


def run_mart_gate(
    warehouse: Path | DuckDBPyConnection,
    *,
    as_of: date,
    docs_dir: Path | None,
    company: str,
    rules: Sequence[Rule] | None = None,
    reporting_currency: str | None = None,
) -> GateReport:
    """Judge the marts before they are published; write ops.dq_result and ops.dq_failing_row.

    The parameters are those of run_gate; `rules` None stands for the mart rules that come with the project.
    Nothing is taken out of a mart: a rule blocks the publication or warns. A rule over a mart that was not
    built could not run, which blocks too. Data Docs join the pages the first gate wrote to `docs_dir`.
    """
    all_rules = tuple(rules) if rules is not None else load_rules(MART_RULES_FOLDER)
    clock = _Clock()
    with _own_connection(warehouse) as con:
        results = _judge(
            con,
            all_rules,
            clock,
            as_of=as_of,
            cut_over=None,
            company=company,
            docs_dir=docs_dir,
            reporting_currency=reporting_currency,
        )
        with _transaction(con):
            _write_results(con, results, list(dict.fromkeys(rule.table for rule in all_rules)), as_of)
        clock.lap("write")
        index = _index(con, as_of, company, docs_dir)
    return GateReport(as_of, results, (), index, clock.seconds)


def _judge(
    con: DuckDBPyConnection,
    rules: Sequence[Rule],
    clock: _Clock,
    *,
    as_of: date,
    cut_over: date | None,
    company: str,
    docs_dir: Path | None,
    reporting_currency: str | None,
) -> tuple[RuleResult, ...]:
    """Failing rows found by the engine, verdicts by Great Expectations, and both held against each other."""
    create_macros(con, as_of=as_of, reporting_currency=reporting_currency, cut_over=cut_over)
    outcomes = evaluate_rules(
        con,
        rules,
        as_of=as_of,
        cut_over=cut_over,
        absent_tables=_absent_tables(con),
        reporting_currency=reporting_currency,
    )
    outcomes = {rule.id: outcomes[rule.id] for rule in rules}
    samples = _sample_keys(con)
    clock.lap("evaluate")
    verdicts = validate_outcomes(con, outcomes, samples, company=company, docs_dir=docs_dir)
    clock.lap("great_expectations")
    quarantined = _quarantined_by_rule(con)
    return tuple(
        _result(outcome, verdicts.get(rule_id), samples.get(rule_id, ()), quarantined.get(rule_id, 0))
        for rule_id, outcome in outcomes.items()
    )


@contextmanager
def _own_connection(warehouse: Path | DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
    """A connection whose temporary objects are nobody else's, to the file or beside the connection given."""
    import duckdb

    owned = duckdb.connect(str(warehouse)) if isinstance(warehouse, Path) else warehouse
    try:
        con = owned.cursor()
        try:
            yield con
        finally:
            con.close()
    finally:
        if isinstance(warehouse, Path):
            owned.close()


@contextmanager
def _transaction(con: DuckDBPyConnection) -> Iterator[None]:
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise


def _index(con: DuckDBPyConnection, as_of: date, company: str, docs_dir: Path | None) -> Path | None:
    if docs_dir is None:
        return None
    return write_index(con, docs_dir, as_of=as_of, company=company)


def _landed_tables(con: DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema = 'staging' AND table_name LIKE 'landed\\_%' ESCAPE '\\' ORDER BY 1"
    ).fetchall()
    return [name.removeprefix("landed_") for (name,) in rows]


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


def _result(outcome: Outcome, verdict: Verdict | None, keys: Sequence[str], quarantined: int) -> RuleResult:
    rule = outcome.rule
    status: Status
    error = outcome.error
    if outcome.not_applicable is not None:
        status, observed = "not_applicable", outcome.not_applicable
    elif verdict is None:
        status, observed, error = "error", "not validated", "Great Expectations gave no verdict"
    elif verdict.error is not None or error is not None:
        status, observed, error = "error", "could not run", error or verdict.error
    elif verdict.success != (verdict.rows_counted == 0) or verdict.rows_counted not in (
        0,
        outcome.rows_failed,
    ):
        status, observed = "error", f"counted {verdict.rows_counted:,} rows, the scan {outcome.rows_failed:,}"
        error = f"Great Expectations and the scan disagree: {observed}"
    else:
        status = "passed" if verdict.success else "failed"
        observed = _observed(outcome)
    return RuleResult(
        rule=rule,
        status=status,
        rows_checked=outcome.rows_checked,
        rows_failed=outcome.rows_failed,
        rows_failed_old=outcome.rows_failed_old,
        rows_quarantined=quarantined,
        sample_keys=tuple(keys),
        expected=rule.expected,
        observed=observed,
        error=error,
    )


def _observed(outcome: Outcome) -> str:
    if KINDS[outcome.rule.kind].looks_at == "table":
        return f"{outcome.rows_failed:,} finding(s) in a table of {outcome.rows_checked:,} rows"
    if not outcome.rows_failed:
        return f"0 of {outcome.rows_checked:,} rows fail"
    share = outcome.rows_failed / outcome.rows_checked if outcome.rows_checked else 1.0
    old = f", {outcome.rows_failed_old:,} of them before the cut-over" if outcome.rows_failed_old else ""
    return f"{outcome.rows_failed:,} of {outcome.rows_checked:,} rows ({share:.2%}) fail{old}"


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
