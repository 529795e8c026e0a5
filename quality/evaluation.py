"""Finds the failing rows of every rule inside the engine, with one scan a table for rules on single rows.

Great Expectations would scan a table for every rule that is not one of its own. Here each table, landed or mart, is
scanned once for all its row rules, and the failing rows are kept, which the quarantine needs. What goes on is then
judged a second time, by expectations that expectations.py derives from the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from quality.catalog import KINDS, MART, Rule, RuleError
from quality.predicates import failing_rows_query, row_predicates, tables_read
from quality.reconcile import reconcile_sources

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What the marts hold amounts as (dbt_project/macros/amounts.sql).
MONEY = "DECIMAL(38,4)"

_TABLES = """
CREATE OR REPLACE TEMP TABLE gate_failure (
    table_name VARCHAR, rule_id VARCHAR, rule_rank INTEGER,
    severity VARCHAR, withhold BOOLEAN, is_old BOOLEAN,
    row_id BIGINT, source_system VARCHAR, _row_key VARCHAR, _occurrence INTEGER, column_names VARCHAR[],
    shown VARCHAR
);
CREATE OR REPLACE TEMP TABLE gate_hit (row_id BIGINT, hit INTEGER);
"""


@dataclass(frozen=True)
class Outcome:
    """What the engine found for one rule: rows looked at, rows failing, or why it could not run."""

    rule: Rule
    rows_checked: int = 0
    rows_failed: int = 0
    rows_failed_old: int = 0
    error: str | None = None
    not_applicable: str | None = None


def evaluate_rules(
    con: DuckDBPyConnection,
    rules: Sequence[Rule],
    *,
    as_of: date,
    cut_over: date | None,
    absent_tables: Iterable[str],
    reporting_currency: str | None,
) -> dict[str, Outcome]:
    """Fill the temporary table gate_failure, one row a rule and failing row; answer an outcome for each rule.

    `con` needs the macros of predicates.create_macros. Tables are judged in the order of their references,
    so that a rule reading accepted_<table> sees what is left of it.
    """
    con.execute(_TABLES)
    absent = set(absent_tables)
    outcomes: dict[str, Outcome] = {}
    order = judging_order(rules)
    if not all(table.startswith(MART) for table in order):
        _show_accepted(con, order)
    for table in order:
        own = [rule for rule in rules if rule.table == table]
        applicable = []
        for rule in own:
            reason = _why_not_applicable(rule, absent, reporting_currency)
            if reason is None:
                applicable.append(rule)
            else:
                outcomes[rule.id] = Outcome(rule, not_applicable=reason)
        outcomes.update(_evaluate_table(con, table, applicable, as_of=as_of, cut_over=cut_over))
    return outcomes


def _show_accepted(con: DuckDBPyConnection, judged: Sequence[str]) -> None:
    """Temporary views accepted_<table>: what is left of a table judged now, or was left when it last was."""
    views = con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema = 'staging' AND (table_name LIKE 'landed_%' OR table_name LIKE 'accepted_%')"
    ).fetchall()
    known = {name for (name,) in views}
    for table in sorted(name.removeprefix("landed_") for name in known if name.startswith("landed_")):
        rows = f"SELECT r.* FROM staging.landed_{table} r"
        if table in judged:
            rows += (
                f" WHERE r.rowid NOT IN (SELECT row_id FROM gate_failure "
                f"WHERE table_name = '{table}' AND severity = 'quarantine' AND row_id IS NOT NULL)"
            )
        elif f"accepted_{table}" in known:
            rows = f"SELECT * FROM staging.accepted_{table}"
        con.execute(f"CREATE OR REPLACE TEMP VIEW accepted_{table} AS {rows}")


def judging_order(rules: Sequence[Rule]) -> list[str]:
    """Tables with rules, each after the tables whose accepted rows it reads; RuleError on a circle."""
    tables = list(dict.fromkeys(rule.table for rule in rules))
    sorter: TopologicalSorter[str] = TopologicalSorter({table: set() for table in tables})
    for rule in rules:
        sorter.add(rule.table, *sorted(tables_read(rule)))
    try:
        return [table for table in sorter.static_order() if table in tables]
    except CycleError as error:
        raise RuleError(
            [f"rules refer to accepted rows in a circle: {' -> '.join(error.args[1])}"]
        ) from error


def _why_not_applicable(rule: Rule, absent: set[str], reporting_currency: str | None) -> str | None:
    referred = {rule.params["table"]} if rule.kind == "refers_to" else set()
    for table in sorted({rule.table, *rule.needs, *referred} & absent):
        if not (table == rule.table and rule.params.get("required_table")):
            return f"no source delivers {table}"
    if reporting_currency is None and "reporting_currency()" in str(rule.params):
        return "no reporting currency was given"
    return None


def _evaluate_table(
    con: DuckDBPyConnection, table: str, rules: list[Rule], *, as_of: date, cut_over: date | None
) -> dict[str, Outcome]:
    errors: dict[str, str] = {}
    if not rules:
        return {}
    try:
        con.execute(f"SELECT 1 FROM {rules[0].relation} LIMIT 0")
    except Exception as error:
        return {rule.id: Outcome(rule, error=_first_line(error)) for rule in rules}
    # (rule, column) by position: what the scan writes is the position.
    hits: list[tuple[Rule, str | None]] = []

    row_rules = [rule for rule in rules if KINDS[rule.kind].looks_at == "row"]
    if _scan(con, row_rules, hits, errors, cut_over):
        _store(con, table, hits, cut_over, rules)

    # Quarantine first: warnings that read accepted_<own table> must not see rows that are already out.
    others = [rule for rule in rules if KINDS[rule.kind].looks_at == "rows"]
    for rule in sorted(others, key=lambda rule: rule.severity != "quarantine"):
        column, query = failing_rows_query(rule)
        old = _is_old(rule, cut_over)
        scope = f"JOIN {rule.relation} r ON r.rowid = f.row_id WHERE NOT {old}" if rule.scope == "new" else ""
        try:
            found = _inserted(
                con,
                f"INSERT INTO gate_hit (row_id, hit) SELECT DISTINCT f.row_id, 0 FROM ({query}) f {scope}",
            )
        except Exception as error:
            errors[rule.id] = _first_line(error)
            continue
        if found:
            _store(con, table, [(rule, column)], cut_over, rules)

    for rule in rules:
        if KINDS[rule.kind].looks_at == "table":
            try:
                findings = _judge_table(con, rule, as_of)
            except Exception as error:
                errors[rule.id] = _first_line(error)
                continue
            for finding in findings:
                con.execute(
                    "INSERT INTO gate_failure (table_name, rule_id, rule_rank, severity, withhold, is_old, _row_key, "
                    "column_names) VALUES (?, ?, ?, ?, false, false, ?, [])",
                    [table, rule.id, rules.index(rule), rule.severity, finding],
                )

    return _outcomes(con, table, rules, errors, cut_over)


def _scan(
    con: DuckDBPyConnection,
    rules: list[Rule],
    hits: list[tuple[Rule, str | None]],
    errors: dict[str, str],
    cut_over: date | None,
) -> int:
    """One pass over the table of `rules` for all of them, filling gate_hit; answers the failures found.

    A rule that breaks the pass is left out of it and reported in `errors`.
    """
    tests: list[str] = []
    for rule in rules:
        for column, predicate in row_predicates(rule):
            if rule.scope == "new":
                predicate = f"({predicate}) AND NOT {_is_old(rule, cut_over)}"
            hits.append((rule, column))
            tests.append(predicate)
    if not tests:
        return 0
    relation = rules[0].relation
    try:
        return _inserted(con, _scan_query(relation, tests, range(len(tests))))
    except Exception:
        sound: list[int] = []
        for position, ((rule, _), test) in enumerate(zip(hits, tests, strict=True)):
            try:
                con.execute(f"SELECT count(*) FROM {relation} r WHERE {test}").fetchone()
                sound.append(position)
            except Exception as error:
                errors.setdefault(rule.id, _first_line(error))
        sound = [position for position in sound if hits[position][0].id not in errors]
        return (
            _inserted(con, _scan_query(relation, [tests[position] for position in sound], sound))
            if sound
            else 0
        )


def _scan_query(relation: str, tests: Sequence[str], positions: Iterable[int]) -> str:
    # The disjunction is read first and stops at the first true test, so that only failing rows pay for the
    # list.
    any_test = " OR ".join(f"({test})" for test in tests)
    cases = ", ".join(
        f"CASE WHEN {test} THEN {position} END" for position, test in zip(positions, tests, strict=True)
    )
    return (
        f"INSERT INTO gate_hit (row_id, hit) SELECT row_id, unnest(hits) FROM (SELECT r.rowid AS row_id, "
        f"list_filter([{cases}], lambda hit: hit IS NOT NULL) AS hits "
        f"FROM {relation} r WHERE {any_test})"
    )


def _store(
    con: DuckDBPyConnection,
    table: str,
    hits: Sequence[tuple[Rule, str | None]],
    cut_over: date | None,
    rules: Sequence[Rule],
) -> None:
    """Move gate_hit into gate_failure: one row a rule and judged row, with the columns that failed."""
    rule = hits[0][0]
    # What is shown beside a key only helps the reader: a column that is gone must not keep the rule from running.
    there = {
        column[0]: str(column[1])
        for column in con.execute(f"SELECT * FROM {rule.relation} LIMIT 0").description
    }
    identity = (
        f"NULL AS source_system, concat_ws('|', {', '.join(_key_text(name, there) for name in rule.key)}) AS _row_key, "
        "1 AS _occurrence"
        if rule.key
        else "source_system, _row_key, _occurrence"
    )
    shows = {rule.id: rule for rule, _ in hits if there.keys() & set(rule.show)}
    shown = "NULL"
    if shows:
        cases = " ".join(
            f"WHEN '{rule.id}' THEN shown_{position}" for position, rule in enumerate(shows.values())
        )
        shown = f"CASE rule_id {cases} END"
    shown_columns = "".join(
        f", concat_ws(', ', {', '.join(_named_value(name, there) for name in rule.show if name in there)}) "
        f"AS shown_{position}"
        for position, rule in enumerate(shows.values())
    )
    meaning = [
        value
        for n, (rule, column) in enumerate(hits)
        for value in (
            n,
            rule.id,
            rules.index(rule),
            rule.severity,
            rule.severity_old or rule.severity,
            rule.withhold,
            column,
        )
    ]
    con.execute(
        f"""
        INSERT INTO gate_failure (
            table_name, rule_id, rule_rank, severity, withhold, is_old, row_id, source_system, _row_key, _occurrence,
            column_names, shown
        )
        SELECT '{table}', rule_id, rule_rank, CASE WHEN is_old THEN severity_old ELSE severity END, withhold,
        is_old,
            row_id, source_system, _row_key, _occurrence, column_names, {shown}
        FROM (
            SELECT m.rule_id, m.rule_rank, m.severity, m.severity_old, m.withhold, h.row_id,
                list(m.column_name ORDER BY m.hit) FILTER (WHERE m.column_name IS NOT NULL) AS column_names
            FROM gate_hit h
            JOIN (VALUES {", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(hits))})
                m (hit, rule_id, rule_rank, severity, severity_old, withhold, column_name) USING (hit)
            GROUP BY ALL
        ) f
        JOIN (
            SELECT rowid AS landed_id, {identity}, {_is_old(rule, cut_over)} AS is_old{shown_columns}
            FROM {rule.relation} r
            WHERE rowid IN (SELECT row_id FROM gate_hit)
        ) l ON l.landed_id = f.row_id
        """,
        meaning,
    )
    con.execute("DELETE FROM gate_hit")


def _key_text(column: str, there: Mapping[str, str]) -> str:
    return f"coalesce({_text(column, there)}, '')"


def _named_value(column: str, there: Mapping[str, str]) -> str:
    return f"'{column} ' || coalesce({_text(column, there)}, 'not given')"


def _text(column: str, there: Mapping[str, str]) -> str:
    """SQL, the value of a column as a reader wants it; `there` holds the columns of the table and their types."""
    if there.get(column) != MONEY:
        return f'CAST(r."{column}" AS VARCHAR)'
    is_reporting = column.endswith("_reporting") or "currency" not in there
    return f'ops.money_text(r."{column}", {"reporting_currency()" if is_reporting else "r.currency"})'


def _is_old(rule: Rule, cut_over: date | None) -> str:
    """SQL, true for rows before the cut-over date. A row whose date cannot be read meets the strict rules."""
    if cut_over is None or rule.event_date is None:
        return "false"
    return f"coalesce(as_date(r.\"{rule.event_date}\"[1:10]) < DATE '{cut_over.isoformat()}', false)"


def _judge_table(con: DuckDBPyConnection, rule: Rule, as_of: date) -> list[str]:
    """What is wrong with the table as a whole, one line a finding."""
    if rule.kind == "not_empty":
        (count,) = _one(con, f"SELECT count(*) FROM {rule.relation}")
        return [] if count else ["it holds no row" if rule.key else "no row was delivered"]
    if rule.kind == "finds_nothing":
        return [str(finding) for (finding,) in con.execute(rule.params["query"]).fetchall()]
    if rule.kind == "fresh":
        column, limit = rule.params["column"], int(rule.params["max_age_days"])
        part = "'' AS part" if rule.key else "source_system || ': ' AS part"
        newest = con.execute(
            f"""
            SELECT part, max(day) AS newest FROM (
                SELECT {part}, as_date(CAST("{column}" AS VARCHAR)[1:10]) AS day FROM {rule.relation}
            ) WHERE day <= as_of() GROUP BY 1 HAVING newest < as_of() - {limit} ORDER BY 1
            """
        ).fetchall()
        return [
            f"{part}newest {column} is {day}, {(as_of - day).days} days before {as_of}"
            for part, day in newest
        ]
    return [difference.text for difference in reconcile_sources(con, as_of, rule.table)]


def _outcomes(
    con: DuckDBPyConnection, table: str, rules: list[Rule], errors: Mapping[str, str], cut_over: date | None
) -> dict[str, Outcome]:
    failed = {
        rule_id: (count, old)
        for rule_id, count, old in con.execute(
            "SELECT rule_id, count(*), count(*) FILTER (WHERE is_old) FROM gate_failure "
            "WHERE table_name = ? GROUP BY 1",
            [table],
        ).fetchall()
    }
    old = _is_old(rules[0], cut_over)
    total, old_rows = _one(con, f"SELECT count(*), count(*) FILTER (WHERE {old}) FROM {rules[0].relation} r")
    outcomes: dict[str, Outcome] = {}
    for rule in rules:
        count, count_old = failed.get(rule.id, (0, 0))
        checked = total - old_rows if rule.scope == "new" else total
        outcomes[rule.id] = Outcome(rule, checked, count, count_old, errors.get(rule.id))
    return outcomes


def _one(con: DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = con.execute(query).fetchone()
    assert row is not None  # an aggregate always answers one row
    return row


def _inserted(con: DuckDBPyConnection, statement: str) -> int:
    row = con.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
