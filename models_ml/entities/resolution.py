"""One night of customer resolution: records in; codes, aliases, splits, reviews and groups out."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from models_ml.entities.assign import (
    OPEN_END,
    create_assignment_table,
    create_cluster_table,
    create_judged_table,
    create_review_table,
)
from models_ml.entities.comparisons import install_pair_macros
from models_ml.entities.corporate_groups import create_group_table
from models_ml.entities.decisions import checked_decisions, load_decisions
from models_ml.entities.link import LinkModel, create_candidate_table, create_pair_table, default_levels
from models_ml.entities.normalise import INPUT_COLUMNS, create_record_table
from models_ml.entities.settings import ResolveOutcome, ResolveSettings
from models_ml.entities.tables import scalar

if TYPE_CHECKING:
    import duckdb

_SCRATCH = "entity_scratch"
_PARAMETER_COLUMNS = "as_of_date, comparison, level_rank, level, m_probability, u_probability, origin"


def resolve(
    con: duckdb.DuckDBPyConnection,
    *,
    customers: str,
    as_of: datetime.date,
    decisions: Sequence[dict[str, Any]] | None,
    seed: int,
    settings: ResolveSettings,
) -> ResolveOutcome:
    """Give every source customer its customer code, as of `as_of`.

    Parameters
    ----------
    con: open connection without a transaction in progress. All tables are written in one transaction at
        the end; a failure before it leaves the database as it was. Intermediate tables live in an
        in-memory catalog.
    customers: relation with one row per (source_system, customer_id) and the columns of `INPUT_COLUMNS`; a column
        is_current, where there is one, is false for the last record of a customer that has left its source. Such a
        record counts where it had a code before, and keeps it; it hands it on to a new number of the same company.
    as_of: the night. What this night wrote before is taken back first, so a night can be run again. A night
        older than one already recorded answers from what was known before it and leaves the history of codes
        and splits as it is: the tables of the night are its own, and the newest night builds on the same
        history as if it had not been run. Numbers it issues stay with their records.
    decisions: steward's rows (source_system_l, customer_id_l, source_system_r, customer_id_r, decision
        'same' or 'different', decided_by, decided_on, reason). Those decided after `as_of` are not known
        yet; of several on one pair the latest stands. They win over every other evidence.
    seed: of the sample the weights are estimated from.

    Writes (schema core)
    --------------------
    customer_xref(source_system, customer_id, customer_code, match_probability, match_rule, first_seen_on)
    customer_alias(customer_code, alias_code, since)
    customer_group(customer_code, group_code)
    match_candidate(source_system_l, customer_id_l, name_l, source_system_r, customer_id_r, name_r,
        match_probability, rule, status)
    customer_split(customer_code, new_customer_code, source_system, customer_id, split_on, reason)
    match_parameter(as_of_date, comparison, level_rank, level, m_probability, u_probability, origin)
    and the state customer_code and xref_history. What outlives the night (customer_code, xref_history, customer_split,
    match_parameter) must be there; whoever opens the night makes it.

    Raises
    ------
    ValueError: `customers` lacks a column, or a (source_system, customer_id) stands in it twice or is empty.
    DecisionError: decisions are ill-formed, or "same" rows join what a "different" row parts.
    """
    known = checked_decisions(decisions or (), as_of)
    _check_input(con, customers)
    with _scratch(con) as work:
        columns = ", ".join(f"CAST({column} AS VARCHAR) AS {column}" for column in INPUT_COLUMNS)
        con.execute(f"CREATE TABLE {_SCRATCH}.main.customer_input AS SELECT {columns} FROM {customers}")
        _mark_gone(con, customers, as_of)
        create_record_table(work, "customer_input", "record")
        work.execute("ALTER TABLE record ADD COLUMN is_gone BOOLEAN")
        work.execute("UPDATE record SET is_gone = (source_system, customer_id) IN (FROM gone)")
        install_pair_macros(work)
        applied = load_decisions(work, known)
        _load_prior(con, work, as_of)
        candidates = create_candidate_table(work, settings)
        if candidates:
            model = create_pair_table(work, settings, seed)
        else:
            model = LinkModel("default", "no candidate pairs", 0.0, default_levels())
            _create_empty_pairs(work)
        create_judged_table(work, settings)
        conflicts = create_cluster_table(work)
        new_codes = create_assignment_table(work, as_of)
        create_review_table(work)
        unknown_parents = create_group_table(work)
        _load_parameters(work, model, as_of)
        con.execute("BEGIN")
        try:
            _publish(con, as_of)
            con.execute("COMMIT")
        except BaseException:
            con.execute("ROLLBACK")
            raise
    day = f"DATE '{as_of.isoformat()}'"
    return ResolveOutcome(
        records=scalar(con, "SELECT count(*) FROM core.customer_xref"),
        customers=scalar(con, "SELECT count(DISTINCT customer_code) FROM core.customer_xref"),
        new_codes=new_codes,
        merged_codes=scalar(con, f"SELECT count(*) FROM core.customer_alias WHERE since = {day}"),
        split_records=scalar(con, f"SELECT count(*) FROM core.customer_split WHERE split_on = {day}"),
        accepted_pairs=scalar(
            con, "SELECT count(*) FROM core.match_candidate WHERE status IN ('accepted', 'steward_same')"
        ),
        review_pairs=scalar(con, "SELECT count(*) FROM core.match_candidate WHERE status = 'review'"),
        conflicts=conflicts,
        decisions_applied=applied,
        decisions_unmatched=len(known) - applied,
        groups=scalar(con, "SELECT count(DISTINCT group_code) FROM core.customer_group"),
        unknown_parents=unknown_parents,
        model=model.origin,
        model_reason=model.reason,
    )


@contextmanager
def _scratch(con: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A second connection whose current catalog is an in-memory database that vanishes afterwards."""
    con.execute(f"ATTACH ':memory:' AS {_SCRATCH}")
    work = con.cursor()
    try:
        work.execute(f"USE {_SCRATCH}")
        yield work
    finally:
        work.close()
        con.execute(f"DETACH {_SCRATCH}")


def _check_input(con: duckdb.DuckDBPyConnection, customers: str) -> None:
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {customers}").fetchall()}
    missing = [column for column in INPUT_COLUMNS if column not in present]
    if missing:
        raise ValueError(
            f"{customers} lacks {', '.join(missing)}; resolution needs the columns {', '.join(INPUT_COLUMNS)}"
        )
    faulty = con.execute(f"""
        SELECT source_system, customer_id, count(*) FROM {customers}
        GROUP BY ALL HAVING count(*) > 1 OR source_system IS NULL OR customer_id IS NULL ORDER BY 1, 2 LIMIT 5
    """).fetchall()
    if faulty:
        shown = "; ".join(
            f"{system or 'NULL'} {customer or 'NULL'}: {count} rows" for system, customer, count in faulty
        )
        raise ValueError(
            f"{customers} must hold each (source_system, customer_id) once, and no empty one; found {shown}. "
            "The uniqueness rule of the gate should have quarantined them"
        )


def _mark_gone(con: duckdb.DuckDBPyConnection, customers: str, as_of: datetime.date) -> None:
    """Create `gone`, the records that have left their source, and drop those of them that never had a code."""
    scratch = f"{_SCRATCH}.main"
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {customers}").fetchall()}
    condition = "NOT is_current" if "is_current" in present else "false"
    con.execute(f"""
        CREATE TABLE {scratch}.gone AS
        SELECT CAST(source_system AS VARCHAR) AS source_system, CAST(customer_id AS VARCHAR) AS customer_id
        FROM {customers} WHERE {condition}
    """)
    con.execute(f"""
        DELETE FROM {scratch}.customer_input WHERE (source_system, customer_id) IN (FROM {scratch}.gone)
        AND (source_system, customer_id) NOT IN (
            SELECT (source_system, customer_id) FROM core.xref_history
            WHERE valid_from < DATE '{as_of.isoformat()}')
    """)


def _load_prior(
    con: duckdb.DuckDBPyConnection, work: duckdb.DuckDBPyConnection, as_of: datetime.date
) -> None:
    """Create `record_prior` (what each record carried before) and `register` (all numbers ever issued)."""
    con.execute(f"""
        CREATE TABLE {_SCRATCH}.main.prior_state AS
        SELECT source_system, customer_id, customer_code AS prior_code, match_rule AS prior_rule,
            valid_to >= DATE '{as_of.isoformat()}' AS is_active
        FROM core.xref_history WHERE valid_from < DATE '{as_of.isoformat()}'
        QUALIFY row_number() OVER (PARTITION BY source_system, customer_id ORDER BY valid_from DESC) = 1
    """)
    con.execute(f"CREATE TABLE {_SCRATCH}.main.issued AS SELECT * FROM core.customer_code")
    work.execute("""
        CREATE TABLE record_prior AS
        SELECT r.record_no, p.prior_code, p.prior_rule, p.is_active
        FROM record r JOIN prior_state p USING (source_system, customer_id)
    """)
    work.execute("""
        CREATE TABLE register AS
        SELECT i.customer_code, CAST(substr(i.customer_code, 2) AS BIGINT) AS code_no,
            r.record_no, i.issued_on
        FROM issued i LEFT JOIN record r USING (source_system, customer_id)
    """)


def _create_empty_pairs(work: duckdb.DuckDBPyConnection) -> None:
    work.execute("""
        CREATE TABLE pair (record_no_l INTEGER, record_no_r INTEGER, match_probability DOUBLE,
            name_level INTEGER,
            place_level INTEGER, phone_level INTEGER, email_domain_level INTEGER)
    """)


def _load_parameters(work: duckdb.DuckDBPyConnection, model: LinkModel, as_of: datetime.date) -> None:
    work.execute("""
        CREATE TABLE parameter (as_of_date DATE, comparison VARCHAR, level_rank INTEGER, level VARCHAR,
            m_probability DOUBLE,
            u_probability DOUBLE, origin VARCHAR)
    """)
    rows: list[tuple[Any, ...]] = [
        (
            as_of,
            "any",
            0,
            "probability that two records match",
            model.probability_two_records_match,
            None,
            model.origin,
        )
    ]
    ranks: dict[str, int] = defaultdict(int)
    for (comparison, label), (m, u, origin) in model.levels.items():
        ranks[comparison] += 1
        rows.append((as_of, comparison, ranks[comparison], label, m, u, origin))
    work.executemany(f"INSERT INTO parameter ({_PARAMETER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _publish(con: duckdb.DuckDBPyConnection, as_of: datetime.date) -> None:
    """Take back what this night wrote, then write it anew; runs in the caller's transaction."""
    day = f"DATE '{as_of.isoformat()}'"
    scratch = f"{_SCRATCH}.main"
    history, split = "core.xref_history", "core.customer_split"
    # Every night leaves its weights, so they tell which nights there have been.
    if scalar(con, f"SELECT count(*) FROM core.match_parameter WHERE as_of_date > {day}"):
        # Later nights built on what this one recorded; whoever runs it again works on a copy.
        con.execute(f"CREATE OR REPLACE TEMP TABLE earlier_history AS FROM {history}")
        con.execute(f"CREATE OR REPLACE TEMP TABLE earlier_split AS FROM {split}")
        history, split = "temp.earlier_history", "temp.earlier_split"
    con.execute(f"DELETE FROM {history} WHERE valid_from >= {day}")
    con.execute(f"UPDATE {history} SET valid_to = {OPEN_END} WHERE valid_to >= {day}")
    con.execute(f"DELETE FROM {split} WHERE split_on >= {day}")
    con.execute(f"DELETE FROM core.match_parameter WHERE as_of_date = {day}")
    con.execute(
        f"INSERT INTO core.match_parameter ({_PARAMETER_COLUMNS}) "
        f"SELECT {_PARAMETER_COLUMNS} FROM {scratch}.parameter"
    )
    con.execute(f"""
        INSERT INTO core.customer_code (customer_code, source_system, customer_id, issued_on)
        SELECT format('C{{:06d}}', n.code_no), r.source_system, r.customer_id, n.issued_on
        FROM {scratch}.new_code n JOIN {scratch}.record r ON r.record_no = n.cluster_no ORDER BY n.code_no
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE core.customer_xref AS
        WITH link AS (
            SELECT unnest([record_no_l, record_no_r]) AS record_no, rule, strength, j.match_probability
            FROM {scratch}.judged j JOIN {scratch}.cluster l ON l.record_no = j.record_no_l
            JOIN {scratch}.cluster r ON r.record_no = j.record_no_r AND r.cluster_no = l.cluster_no
            WHERE j.verdict IN ('accepted', 'steward_same')
        ), best AS (
            SELECT record_no, CASE WHEN rule = 'steward_same' THEN 'steward' ELSE rule END AS match_rule,
                match_probability
            FROM link QUALIFY row_number() OVER (
                PARTITION BY record_no ORDER BY strength DESC, match_probability DESC, rule) = 1
        )
        SELECT r.source_system, r.customer_id, a.customer_code,
            coalesce(b.match_probability, 1.0) AS match_probability,
            coalesce(b.match_rule, 'single_record') AS match_rule,
            coalesce(f.first_seen_on, {day}) AS first_seen_on
        FROM {scratch}.record r JOIN {scratch}.assignment a USING (record_no)
            LEFT JOIN best b USING (record_no)
        LEFT JOIN (SELECT source_system, customer_id, min(valid_from) AS first_seen_on FROM {history}
            GROUP BY ALL) f USING (source_system, customer_id)
        ORDER BY r.source_system, r.customer_id
    """)
    con.execute(f"""
        INSERT INTO {split} (customer_code, new_customer_code, source_system, customer_id, split_on, reason)
        WITH moved AS (
            SELECT p.prior_code, x.customer_code, r.record_no, r.source_system, r.customer_id
            FROM {scratch}.record_prior p JOIN {scratch}.record r USING (record_no)
            JOIN {scratch}.assignment x USING (record_no)
                WHERE p.is_active AND p.prior_code <> x.customer_code
        ), part AS (
            SELECT p.prior_code, x.customer_code, count(*) AS records, min(record_no) AS first_no
            FROM {scratch}.record_prior p JOIN {scratch}.assignment x USING (record_no) WHERE p.is_active
            GROUP BY p.prior_code, x.customer_code
        ), stayed AS (
            -- Where the old customer is now: under its own code, or where most of it was merged into.
            SELECT prior_code, customer_code AS main_code FROM part QUALIFY row_number() OVER (
                PARTITION BY prior_code ORDER BY customer_code = prior_code DESC, records DESC, first_no) = 1
        )
        SELECT m.prior_code, m.customer_code, m.source_system, m.customer_id, {day},
            CASE WHEN EXISTS (FROM {scratch}.steward s WHERE s.decision = 'different'
                    AND m.record_no IN (s.record_no_l, s.record_no_r)) THEN 'steward_different'
                 WHEN EXISTS (FROM {scratch}.judged j WHERE j.rule = 'registration_conflict'
                    AND m.record_no IN (j.record_no_l, j.record_no_r)) THEN 'registration_conflict'
                 ELSE 'evidence_too_weak' END
        FROM moved m JOIN stayed s USING (prior_code) WHERE m.customer_code <> s.main_code
        ORDER BY m.source_system, m.customer_id
    """)
    con.execute(f"""
        UPDATE {history} h SET valid_to = {day}
        WHERE valid_to = {OPEN_END} AND NOT EXISTS (FROM core.customer_xref x
            WHERE x.source_system = h.source_system AND x.customer_id = h.customer_id
            AND x.customer_code = h.customer_code AND x.match_rule = h.match_rule)
    """)
    con.execute(f"""
        INSERT INTO {history} (source_system, customer_id, customer_code, match_rule, valid_from, valid_to)
        SELECT source_system, customer_id, customer_code, match_rule, {day}, {OPEN_END}
        FROM core.customer_xref x WHERE NOT EXISTS (FROM {history} h WHERE h.valid_to = {OPEN_END}
            AND h.source_system = x.source_system AND h.customer_id = x.customer_id)
        ORDER BY source_system, customer_id
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE core.customer_alias AS
        WITH retired AS (
            SELECT i.customer_code AS alias_code, i.source_system, i.customer_id
            FROM core.customer_code i WHERE i.issued_on <= {day}
            AND NOT EXISTS (FROM core.customer_xref x WHERE x.customer_code = i.customer_code)
        ), heir AS (
            -- The record the number was issued to shows who answers to it now; where it is gone, its last
            -- companions do.
            SELECT alias_code, x.customer_code, 0 AS choice, x.source_system, x.customer_id
            FROM retired JOIN core.customer_xref x USING (source_system, customer_id)
            UNION ALL
            SELECT alias_code, x.customer_code, 1, x.source_system, x.customer_id
            FROM retired JOIN {history} h ON h.customer_code = alias_code
            JOIN core.customer_xref x ON x.source_system = h.source_system AND x.customer_id = h.customer_id
        ), chosen AS (
            SELECT alias_code, customer_code FROM heir QUALIFY row_number() OVER (
                PARTITION BY alias_code ORDER BY choice, source_system, customer_id) = 1
        )
        SELECT c.customer_code, c.alias_code,
            coalesce((SELECT max(valid_to) FROM {history} h WHERE h.customer_code = c.alias_code),
                {day}) AS since
        FROM chosen c ORDER BY c.customer_code, c.alias_code
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE core.match_candidate AS
        SELECT l.source_system AS source_system_l, l.customer_id AS customer_id_l, l.legal_name AS name_l,
            r.source_system AS source_system_r, r.customer_id AS customer_id_r, r.legal_name AS name_r,
            m.match_probability, m.rule, m.status
        FROM {scratch}.match_pair m JOIN {scratch}.record l ON l.record_no = m.record_no_l
        JOIN {scratch}.record r ON r.record_no = m.record_no_r
        ORDER BY m.record_no_l, m.record_no_r
    """)
    con.execute(f"CREATE OR REPLACE TABLE core.customer_group AS SELECT * FROM {scratch}.code_group")
    con.execute("DROP TABLE IF EXISTS temp.earlier_history")
    con.execute("DROP TABLE IF EXISTS temp.earlier_split")
