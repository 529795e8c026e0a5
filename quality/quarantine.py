"""Keeps failing rows apart: quarantine tables, what was released, and the views of accepted rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from quality.catalog import Rule
from quality.predicates import CAST_KINDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A landed row is one source key and occurrence; parts of the key may be missing, hence the null-safe
# comparison.
IDENTITY = ("source_system", "_row_key", "_occurrence")


@dataclass(frozen=True)
class QuarantineThresholds:
    """Largest share of a table's landed rows that may be quarantined before the night stops (0 to 1)."""

    default: float = 0.05
    by_table: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bad = {
            name: share
            for name, share in {"default": self.default, **self.by_table}.items()
            if not 0 <= share <= 1
        }
        if bad:
            raise ValueError(f"quarantine thresholds are shares from 0 to 1, received {bad}")

    def of(self, table: str) -> float:
        """The threshold of `table`."""
        return self.by_table.get(table, self.default)


@dataclass(frozen=True)
class TableResult:
    """How many rows of a table landed, passed and were kept apart, and the rules that kept most of them.

    `top_rules` holds (rule id, rows), largest first. `withheld_values` counts values hidden from accepted
    rows.
    """

    table: str
    landed: int
    accepted: int
    quarantined: int
    released: int
    withheld_values: int
    threshold: float
    top_rules: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        """Quarantined share of the landed rows; 0 for an empty table."""
        return self.quarantined / self.landed if self.landed else 0.0


def write_quarantine(
    con: DuckDBPyConnection,
    table: str,
    rules: Sequence[Rule],
    *,
    as_of: date,
    thresholds: QuarantineThresholds,
) -> TableResult:
    """Rebuild quarantine.<table>, record releases and make staging.accepted_<table> from gate_failure.

    A row is quarantined once, under the first of its failing rules in catalogue order; `all_rule_ids` names
    the others too. Call prepare_quarantine first, and both within one transaction.

    Going back to an earlier day changes the present and not the record. quarantine.<table> is the state of
    the night that ran last, so after a rerun of 5 May it shows what 5 May held. quarantine.held remembers
    every row held and not released yet, whatever day ran last: the night after takes up first days and
    releases from there. A rerun of an earlier day records no release (what left since then is on record
    already) and takes back only what it shows to be wrong: a release of that same day whose row it still holds.
    """
    columns = [row[0] for row in con.execute(f"DESCRIBE staging.landed_{table}").fetchall()]
    contract = [name for name in columns if name != "source_system" and not name.startswith("_")]
    released = 0
    if _concerned(con, table):
        _rebuild(con, table, contract, as_of)
        released = _record_releases(con, table, as_of)
    withheld = _withhold(con, table, as_of)
    _accepted_view(con, table, columns, rules, withheld)
    landed, accepted, quarantined = con.execute(
        f"SELECT (SELECT count(*) FROM staging.landed_{table}), "
        f"(SELECT count(*) FROM staging.accepted_{table}), (SELECT count(*) FROM quarantine.{table})"
    ).fetchall()[0]
    top = con.execute(
        f"SELECT rule_id, count(*) FROM quarantine.{table} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
    ).fetchall()
    return TableResult(
        table,
        landed,
        accepted,
        quarantined,
        released,
        sum(withheld.values()),
        thresholds.of(table),
        tuple(top),
    )


def prepare_quarantine(con: DuckDBPyConnection, rules: Sequence[Rule]) -> None:
    """Make what all tables share: the texts of the rules."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE gate_text (rule_id VARCHAR, owner VARCHAR, reason VARCHAR, remedy VARCHAR)"
    )
    insert_rows(
        con,
        "gate_text",
        [
            {"rule_id": rule.id, "owner": rule.owner, "reason": rule.reason, "remedy": rule.remedy}
            for rule in rules
        ],
    )


def _concerned(con: DuckDBPyConnection, table: str) -> bool:
    """False for a table that has, had and released nothing, which is most tables on most nights."""
    row = con.execute(
        f"""
        SELECT EXISTS (SELECT 1 FROM quarantine.{table})
            OR EXISTS (SELECT 1 FROM quarantine.held WHERE table_name = $1)
            OR EXISTS (SELECT 1 FROM gate_failure WHERE table_name = $1 AND severity = 'quarantine')
            OR EXISTS (SELECT 1 FROM quarantine.released WHERE table_name = $1)
        """,
        [table],
    ).fetchone()
    return bool(row and row[0])


def _rebuild(con: DuckDBPyConnection, table: str, contract: Sequence[str], as_of: date) -> None:
    values = ", ".join(f'"{name}" := l."{name}"' for name in contract)
    amount, currency = (f'l."{name}"' if name in contract else "NULL" for name in ("amount", "currency"))
    con.execute(f"DELETE FROM quarantine.{table}")
    con.execute(
        f"""
        INSERT INTO quarantine.{table} (
            as_of_date, rule_id, owner, reason, remedy, source_system, _row_key, _occurrence, _row_hash, amount,
            currency, original_values, first_quarantined_on, column_names, all_rule_ids
        )
        WITH failing AS (
            SELECT row_id, arg_min(rule_id, rule_rank) AS rule_id, arg_min(column_names, rule_rank) AS
            column_names,
                list(rule_id ORDER BY rule_rank) AS all_rule_ids
            FROM gate_failure WHERE table_name = '{table}' AND severity = 'quarantine' AND row_id IS NOT NULL
            GROUP BY row_id
        )
        SELECT ?, f.rule_id, t.owner, t.reason, t.remedy, l.source_system, l._row_key, l._occurrence,
        l._row_hash,
            {amount}, {currency}, to_json(struct_pack({values})),
            least(?, h.first_quarantined_on, e.first_quarantined_on), f.column_names, f.all_rule_ids
        FROM failing f
        JOIN staging.landed_{table} l ON l.rowid = f.row_id
        JOIN gate_text t ON t.rule_id = f.rule_id
        LEFT JOIN quarantine.held h ON h.table_name = '{table}' AND {_same_row("h", "l")}
        LEFT JOIN (
            -- Held then and released since: on an earlier day, or earlier today.
            SELECT source_system, _row_key, _occurrence,
                arg_min(first_quarantined_on, released_on) AS first_quarantined_on
            FROM quarantine.released WHERE table_name = '{table}' AND released_on >= ?
            GROUP BY ALL
        ) e ON {_same_row("e", "l")}
        ORDER BY l.source_system, l._row_key, l._occurrence
        """,
        [as_of, as_of, as_of],
    )


def _record_releases(con: DuckDBPyConnection, table: str, as_of: date) -> int:
    """Record the rows that left, and keep quarantine.held; answers how many rows left on `as_of`."""
    con.execute(
        f"DELETE FROM quarantine.released AS r WHERE table_name = ? AND released_on = ? "
        f"AND EXISTS (SELECT 1 FROM quarantine.{table} q WHERE {_same_row('q', 'r')})",
        [table, as_of],
    )
    # Where a later night holds rows, tonight is the past: what it lacks came later, or its release is on record.
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_left AS
        SELECT h.* FROM quarantine.held h
        WHERE h.table_name = $table
            AND NOT EXISTS (SELECT 1 FROM quarantine.{table} q WHERE {_same_row("q", "h")})
            AND $as_of >= (SELECT max(last_quarantined_on) FROM quarantine.held WHERE table_name = $table)
        """,
        {"table": table, "as_of": as_of},
    )
    con.execute(
        f"""
        INSERT INTO quarantine.released (
            table_name, rule_id, owner, source_system, _row_key, _occurrence, first_quarantined_on, released_on,
            original_values, outcome
        )
        SELECT g.table_name, g.rule_id, g.owner, g.source_system, g._row_key, g._occurrence,
            g.first_quarantined_on, ?, g.original_values,
            CASE WHEN EXISTS (SELECT 1 FROM staging.landed_{table} l WHERE {_same_row("l", "g")})
                THEN 'accepted' ELSE 'no_longer_delivered' END
        FROM gate_left g ORDER BY g.source_system, g._row_key, g._occurrence
        """,
        [as_of],
    )
    con.execute(
        f"DELETE FROM quarantine.held AS h WHERE table_name = ? "
        f"AND EXISTS (SELECT 1 FROM gate_left g WHERE {_same_row('g', 'h')})",
        [table],
    )
    _remember_held(con, table, as_of)
    row = con.execute(
        "SELECT count(*) FROM quarantine.released WHERE table_name = ? AND released_on = ?", [table, as_of]
    ).fetchone()
    return int(row[0]) if row else 0


def _remember_held(con: DuckDBPyConnection, table: str, as_of: date) -> None:
    """Bring quarantine.held up to what is held on `as_of`; what a later night released stays released."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gate_held AS
        SELECT '{table}' AS table_name, q.rule_id, q.owner, q.source_system, q._row_key, q._occurrence,
            least(q.first_quarantined_on, h.first_quarantined_on) AS first_quarantined_on,
            greatest(q.as_of_date, h.last_quarantined_on) AS last_quarantined_on, q.original_values
        FROM quarantine.{table} q
        LEFT JOIN quarantine.held h ON h.table_name = '{table}' AND {_same_row("h", "q")}
        WHERE NOT EXISTS (
            SELECT 1 FROM quarantine.released r
            WHERE r.table_name = '{table}' AND r.released_on > ? AND {_same_row("r", "q")}
        )
        """,
        [as_of],
    )
    con.execute(
        f"DELETE FROM quarantine.held AS h WHERE table_name = ? "
        f"AND EXISTS (SELECT 1 FROM gate_held g WHERE {_same_row('g', 'h')})",
        [table],
    )
    con.execute(
        "INSERT INTO quarantine.held BY NAME FROM gate_held ORDER BY source_system, _row_key, _occurrence"
    )


def _withhold(con: DuckDBPyConnection, table: str, as_of: date) -> dict[str, int]:
    """Record values hidden from accepted rows; answers how many by column."""
    con.execute("DELETE FROM quarantine.withheld_value WHERE table_name = ?", [table])
    named = [
        row[0]
        for row in con.execute(
            "SELECT DISTINCT unnest(column_names) FROM gate_failure "
            "WHERE table_name = ? AND withhold ORDER BY 1",
            [table],
        ).fetchall()
    ]
    counts: dict[str, int] = {}
    for column in named:
        con.execute(
            f"""
            INSERT INTO quarantine.withheld_value (
                as_of_date, table_name, column_name, rule_id, owner, reason, remedy, source_system, _row_key,
                _occurrence, original_value
            )
            SELECT ?, '{table}', '{column}', f.rule_id, t.owner, t.reason, t.remedy, l.source_system,
            l._row_key,
                l._occurrence, l."{column}"
            FROM (
                SELECT row_id, arg_min(rule_id, rule_rank) AS rule_id FROM gate_failure
                WHERE table_name = '{table}' AND withhold AND list_contains(column_names, '{column}') GROUP
                BY row_id
            ) f
            JOIN staging.landed_{table} l ON l.rowid = f.row_id
            JOIN gate_text t ON t.rule_id = f.rule_id
            WHERE f.row_id NOT IN (
                SELECT row_id FROM gate_failure
                WHERE table_name = '{table}' AND severity = 'quarantine' AND row_id IS NOT NULL
            )
            ORDER BY l.source_system, l._row_key, l._occurrence
            """,
            [as_of],
        )
        row = con.execute(
            "SELECT count(*) FROM quarantine.withheld_value WHERE table_name = ? AND column_name = ?",
            [table, column],
        ).fetchone()
        counts[column] = int(row[0]) if row else 0
    return {column: count for column, count in counts.items() if count}


def _accepted_view(
    con: DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    rules: Sequence[Rule],
    withheld: Mapping[str, int],
) -> None:
    """Landed rows without a quarantine row. Empty text in a column that is cast downstream reads as NULL,
    and so does a withheld value."""
    cast = {column for rule in rules if rule.kind in CAST_KINDS for column in rule.columns}
    shown = []
    for column in columns:
        value = f'r."{column}"'
        if column in cast:
            value = f"nullif(trim({value}), '')"
        if column in withheld:
            value = (
                f"CASE WHEN EXISTS (SELECT 1 FROM quarantine.withheld_value w WHERE w.table_name = '{table}' "
                f"AND w.column_name = '{column}' AND {_same_row('w', 'r')}) THEN NULL ELSE {value} END"
            )
        shown.append(f'{value} AS "{column}"')
    con.execute(
        f"CREATE OR REPLACE VIEW staging.accepted_{table} AS SELECT {', '.join(shown)} "
        f"FROM staging.landed_{table} r "
        f"WHERE NOT EXISTS (SELECT 1 FROM quarantine.{table} q WHERE {_same_row('q', 'r')})"
    )


def insert_rows(con: DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert a few hundred small rows of the same columns in one statement; row by row takes a millisecond each."""
    if rows:
        marks = "(" + ", ".join("?" * len(rows[0])) + ")"
        con.execute(
            f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {', '.join([marks] * len(rows))}",
            [value for row in rows for value in row.values()],
        )


def _same_row(left: str, right: str) -> str:
    return " AND ".join(f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in IDENTITY)
