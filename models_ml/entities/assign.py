"""From scored pairs to customers: which pairs hold, which records are one customer, and its code."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from models_ml.entities.comparisons import NAME_ROOT, NAME_SPELLING, PLACE_STREET
from models_ml.entities.tables import count, load_arrays, load_labels

if TYPE_CHECKING:
    import datetime

    import duckdb
    import numpy as np

    from models_ml.entities.settings import ResolveSettings

OPEN_END = "DATE '9999-12-31'"
# Links refused for these reasons become questions; the others are settled.
_ASKED = "'same_system', 'registration_differs', 'legal_form_differs'"


def create_judged_table(con: duckdb.DuckDBPyConnection, settings: ResolveSettings) -> None:
    """Create `judged`: every scored pair that matters, with `rule`, `verdict`, `strength` and `is_strong`.

    Rules in order, the first that applies decides:
        steward_different, steward_same   a person decided
        registration_conflict             two different valid numbers of one kind: rejected
        parent_of_other                   one names the other as its parent: rejected
        registration_no                   same valid number: accepted; review if the names differ wholly
        registration_differs              two numbers of national registers that differ: review
        legal_form_differs                two legal forms with registers of their own: review
        model                             probability and name agree: accepted
        kept                              linked last night and still likely: accepted
        same_system, generic_words, model likely, but not sure enough: review
        same_name                         same name, and nothing else to judge by: review
    """
    s = settings
    con.execute(f"""
        CREATE OR REPLACE TABLE judged AS
        WITH evidence AS (
            -- A record that has left its source may live on under another number of it.
            SELECT p.*, l.source_system = r.source_system AND NOT l.is_gone AND NOT r.is_gone AS same_system,
                coalesce(l.register_no <> r.register_no, false) AS registration_differs,
                coalesce(l.legal_form <> r.legal_form, false) AS legal_form_differs,
                (place_level >= {PLACE_STREET})::INTEGER + (phone_level = 1)::INTEGER
                    + (email_domain_level = 1)::INTEGER AS identifiers,
                place_level IN (0, 1) OR phone_level = 0 OR email_domain_level = 0 AS has_contrary,
                coalesce(l.reg_key = r.reg_key, false) AS same_registration,
                l.reg_kind = 'OTHER' AS is_other_kind,
                l.is_cjk <> r.is_cjk AS other_script,
                CASE WHEN l.reg_kind = r.reg_kind AND l.reg_kind <> 'OTHER' AND l.reg_key <> r.reg_key
                        AND (l.reg_kind <> 'VAT' OR left(l.reg_no, 2) = left(r.reg_no, 2))
                    -- Without a check digit, one slip of the pen makes another valid number.
                    THEN CASE WHEN l.reg_is_checked THEN true
                        ELSE damerau_levenshtein(l.reg_no, r.reg_no) > 1 END
                    ELSE false END AS registration_conflict,
                coalesce(l.source_system = r.source_system AND (l.parent_customer_id = r.customer_id
                    OR r.parent_customer_id = l.customer_id), false) AS is_parent,
                coalesce(lp.prior_code = rp.prior_code AND lp.is_active AND rp.is_active
                    AND 'steward' NOT IN (lp.prior_rule, rp.prior_rule), false) AS was_linked,
                w.decision
            FROM pair p
            JOIN record l ON l.record_no = p.record_no_l
            JOIN record r ON r.record_no = p.record_no_r
            LEFT JOIN record_prior lp ON lp.record_no = p.record_no_l
            LEFT JOIN record_prior rp ON rp.record_no = p.record_no_r
            LEFT JOIN steward w ON w.record_no_l = p.record_no_l AND w.record_no_r = p.record_no_r
        ), eligible AS (
            SELECT *,
                name_level >= {NAME_SPELLING}
                    OR (name_level IN (-1, 1, 2) AND identifiers >= 2) AS name_allows,
                name_level >= {NAME_SPELLING} AND identifiers >= 2
                    AND match_probability >= {s.same_system_probability} AS sure
            FROM evidence
        ), ruled AS (
            SELECT *, CASE
                WHEN decision = 'different' THEN 'steward_different'
                WHEN decision = 'same' THEN 'steward_same'
                WHEN registration_conflict THEN 'registration_conflict'
                WHEN is_parent AND NOT same_registration THEN 'parent_of_other'
                WHEN same_registration THEN 'registration_no'
                WHEN registration_differs AND match_probability >= {s.review_probability} THEN 'registration_differs'
                WHEN registration_differs THEN NULL
                -- A form changes when a company converts, and when somebody enters it otherwise: what was linked stays.
                WHEN legal_form_differs AND was_linked AND name_allows
                    AND match_probability >= {s.keep_probability} THEN 'kept'
                WHEN legal_form_differs AND match_probability >= {s.review_probability} THEN 'legal_form_differs'
                WHEN legal_form_differs THEN NULL
                WHEN name_allows AND match_probability >= {s.merge_probability}
                    AND (sure OR NOT same_system) THEN 'model'
                WHEN was_linked AND name_allows AND match_probability >= {s.keep_probability} THEN 'kept'
                WHEN match_probability >= {s.review_probability} THEN
                    CASE WHEN name_level = {NAME_ROOT} THEN 'generic_words'
                    WHEN same_system THEN 'same_system'
                    ELSE 'model' END
                WHEN name_level >= {NAME_ROOT} AND NOT has_contrary THEN 'same_name'
                END AS rule
            FROM eligible
        ), decided AS (
            SELECT *, CASE
                WHEN rule IN ('steward_different', 'steward_same') THEN rule
                WHEN rule IN ('registration_conflict', 'parent_of_other')
                    THEN CASE WHEN match_probability >= {s.review_probability} THEN 'rejected' END
                WHEN rule = 'registration_no' THEN CASE
                    WHEN name_level <> 0 OR (other_script AND NOT is_other_kind)
                        OR match_probability >= {s.merge_probability} THEN 'accepted' ELSE 'review' END
                WHEN rule = 'kept' THEN 'accepted'
                WHEN rule = 'model' AND name_allows AND match_probability >= {s.merge_probability}
                    AND (sure OR NOT same_system) THEN 'accepted'
                ELSE 'review' END AS verdict
            FROM ruled WHERE rule IS NOT NULL
        )
        SELECT record_no_l, record_no_r, rule, verdict, same_system,
            CASE WHEN rule = 'steward_same' THEN 1.0
                 WHEN rule = 'registration_no' AND verdict = 'accepted'
                    THEN greatest(match_probability, {s.registration_probability})
                 ELSE match_probability END AS match_probability,
            CASE rule WHEN 'steward_same' THEN 3 WHEN 'registration_no' THEN 2 ELSE 1 END AS strength,
            rule IN ('steward_same', 'registration_no') OR sure AS is_strong
        FROM decided WHERE verdict IS NOT NULL
        ORDER BY record_no_l, record_no_r
    """)


def create_cluster_table(con: duckdb.DuckDBPyConnection) -> int:
    """Create `cluster` (record_no, cluster_no = smallest record_no in it); returns the links refused.

    Accepted pairs are connected; where a connected group holds a contradiction (a steward's "different",
    two valid registration numbers of one kind, a parent with its subsidiary, two numbers of one source
    joined only through a third record), its links are laid again from strongest to weakest and the one that
    would bring the contradiction about is refused. `refused`: record_no_l, record_no_r, reason.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = count(con, "record")
    edges = con.execute(
        "SELECT record_no_l - 1 AS l, record_no_r - 1 AS r FROM judged"
        " WHERE verdict IN ('accepted', 'steward_same')"
    ).fetchnumpy()
    graph = coo_matrix(
        (np.ones(len(edges["l"]), dtype=np.int8), (edges["l"], edges["r"])), shape=(size, size)
    )
    _, labels = connected_components(graph, directed=False)
    load_labels(con, "component", labels)
    con.execute("""
        CREATE OR REPLACE TABLE contradiction AS
        WITH member AS (
            SELECT c.cluster_no, r.* FROM component c JOIN record r USING (record_no)
            WHERE c.cluster_no IN (SELECT cluster_no FROM component GROUP BY 1 HAVING count(*) > 1)
        )
        SELECT cluster_no FROM member WHERE reg_key IS NOT NULL AND reg_kind <> 'OTHER'
        GROUP BY cluster_no, reg_kind, CASE WHEN reg_kind = 'VAT' THEN left(reg_no, 2) END
        HAVING count(DISTINCT reg_no) > 1
        UNION
        SELECT cluster_no FROM member GROUP BY cluster_no
        HAVING count(DISTINCT register_no) > 1 OR count(DISTINCT legal_form) > 1
        UNION
        SELECT l.cluster_no FROM steward s JOIN component l ON l.record_no = s.record_no_l
        JOIN component r ON r.record_no = s.record_no_r
        WHERE s.decision = 'different' AND l.cluster_no = r.cluster_no
        UNION
        SELECT a.cluster_no FROM member a JOIN member b ON a.cluster_no = b.cluster_no
            AND a.source_system = b.source_system AND a.parent_customer_id = b.customer_id
            AND a.record_no <> b.record_no
        UNION
        SELECT m.cluster_no FROM (
            SELECT cluster_no FROM member WHERE NOT is_gone GROUP BY 1
            HAVING count(*) > count(DISTINCT source_system)) m
        JOIN component c USING (cluster_no)
        JOIN judged j ON j.record_no_l = c.record_no
        WHERE j.verdict = 'accepted' AND NOT j.is_strong
    """)
    refused = _relay_contradicting(con, labels)
    load_labels(con, "cluster", labels)
    con.execute("CREATE OR REPLACE TABLE refused (record_no_l INTEGER, record_no_r INTEGER, reason VARCHAR)")
    if refused:
        con.executemany("INSERT INTO refused (record_no_l, record_no_r, reason) VALUES (?, ?, ?)", refused)
    return len(refused)


def _relay_contradicting(con: duckdb.DuckDBPyConnection, labels: np.ndarray) -> list[tuple[int, int, str]]:
    """Split the contradicting components in `labels` (in place); only their records pass through Python."""
    members = con.execute("""
        SELECT r.record_no, r.source_system, r.customer_id, r.parent_customer_id,
            CASE WHEN r.reg_key IS NOT NULL AND r.reg_kind <> 'OTHER'
                 THEN r.reg_kind || CASE WHEN r.reg_kind = 'VAT' THEN left(r.reg_no, 2) ELSE '' END
                 END AS kind,
            r.reg_no, r.reg_is_checked, r.is_gone, r.register_no, r.legal_form
        FROM component c JOIN contradiction USING (cluster_no) JOIN record r USING (record_no) ORDER BY 1
    """).fetchall()
    if not members:
        return []
    apart: dict[int, set[int]] = defaultdict(set)
    for left, right in con.execute(
        "SELECT record_no_l, record_no_r FROM steward WHERE decision = 'different'"
    ).fetchall():
        apart[left].add(right)
        apart[right].add(left)
    groups = {row[0]: _Group(row) for row in members}
    links = con.execute("""
        SELECT j.record_no_l, j.record_no_r, j.rule, j.is_strong FROM judged j
        JOIN component c ON c.record_no = j.record_no_l JOIN contradiction USING (cluster_no)
        WHERE j.verdict IN ('accepted', 'steward_same')
        ORDER BY j.strength DESC, j.match_probability DESC, j.record_no_l, j.record_no_r
    """).fetchall()
    refused = []
    for left, right, rule, is_strong in links:
        a, b = groups[left], groups[right]
        if a is b:
            continue
        reason = a.reason_against(b, apart, rule=rule, is_strong=is_strong)
        if reason is None:
            a.take_in(b)
            for record in b.records:
                groups[record] = a
        else:
            refused.append((left, right, reason))
    for record, group in groups.items():
        labels[record - 1] = -min(group.records)
    return [link for link in refused if groups[link[0]] is not groups[link[1]]]


class _Group:
    """The records of one customer while its links are laid."""

    def __init__(self, row: tuple[Any, ...]) -> None:
        record, system, customer, parent, kind, number, is_checked, is_gone, register_no, form = row
        self.records = {record}
        # One that has left its source stands in nobody's way there.
        self.systems = set() if is_gone else {system}
        self.registers = {register_no} - {None}
        self.forms = {form} - {None}
        self.names = {(system, customer)}
        self.parents = {(system, parent)} if parent is not None and parent != customer else set()
        self.numbers: dict[str, set[str]] = {kind: {number}} if kind else {}
        self.checked = {kind} if is_checked else set()

    def reason_against(
        self, other: _Group, apart: dict[int, set[int]], *, rule: str, is_strong: bool
    ) -> str | None:
        small, large = sorted((self, other), key=lambda group: len(group.records))
        if any(apart[record] & large.records for record in small.records if record in apart):
            return "steward_different"
        if rule == "steward_same":
            return None
        for kind in self.numbers.keys() & other.numbers.keys():
            mine, theirs = self.numbers[kind], other.numbers[kind]
            if not mine & theirs and (
                kind in self.checked | other.checked or not any(_one_slip(a, b) for a in mine for b in theirs)
            ):
                return "registration_conflict"
        if rule != "registration_no":
            if self.registers and other.registers and not self.registers & other.registers:
                return "registration_differs"
            if rule != "kept" and self.forms and other.forms and not self.forms & other.forms:
                return "legal_form_differs"
        if self.parents & other.names or other.parents & self.names:
            return "parent_of_other"
        if self.systems & other.systems and not is_strong:
            return "same_system"
        return None

    def take_in(self, other: _Group) -> None:
        self.records |= other.records
        self.systems |= other.systems
        self.names |= other.names
        self.parents |= other.parents
        self.checked |= other.checked
        self.registers |= other.registers
        self.forms |= other.forms
        for kind, numbers in other.numbers.items():
            self.numbers.setdefault(kind, set()).update(numbers)


def _one_slip(left: str, right: str) -> bool:
    """Whether one changed, missing or swapped character turns one number into the other."""
    if abs(len(left) - len(right)) > 1:
        return False
    differing = [i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b]
    if len(left) == len(right):
        return len(differing) <= 1 or (
            len(differing) == 2
            and differing[1] == differing[0] + 1
            and left[differing[0]] == right[differing[1]]
            and left[differing[1]] == right[differing[0]]
        )
    short, long = sorted((left, right), key=len)
    at = differing[0] if differing else len(short)
    return short[at:] == long[at + 1 :]


def create_assignment_table(con: duckdb.DuckDBPyConnection, as_of: datetime.date) -> int:
    """Create `assignment` (record_no, customer_code) and `new_code`; returns the number of new codes.

    Reads `register` (customer_code, code_no, record_no of its founder or NULL where gone, issued_on) and
    `record_prior`. A cluster carries the oldest code that it can claim, which is the one with the smallest
    number: one its members carried before, or one first issued to a member. Where a customer was split, the
    part with the code's founder keeps it, or the part with the smallest record_no. A cluster without a claim
    gets the next free number, in order of its smallest record_no.
    """
    con.execute("""
        CREATE OR REPLACE TABLE claim AS
        WITH claimed AS (
            SELECT c.cluster_no, p.prior_code AS customer_code, c.record_no
            FROM cluster c JOIN record_prior p USING (record_no)
            UNION
            SELECT c.cluster_no, g.customer_code, c.record_no FROM cluster c JOIN register g USING (record_no)
        )
        SELECT cluster_no, customer_code FROM claimed JOIN register g USING (customer_code)
        QUALIFY row_number() OVER (PARTITION BY customer_code
            ORDER BY claimed.record_no IS NOT DISTINCT FROM g.record_no DESC, claimed.record_no) = 1
    """)
    con.execute("""
        CREATE OR REPLACE TABLE kept_code AS
        SELECT cluster_no, customer_code FROM claim JOIN register USING (customer_code)
        QUALIFY row_number() OVER (PARTITION BY cluster_no ORDER BY code_no) = 1
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE new_code AS
        SELECT c.cluster_no, (SELECT coalesce(max(code_no), 0) FROM register)
                + row_number() OVER (ORDER BY c.cluster_no) AS code_no,
            DATE '{as_of.isoformat()}' AS issued_on
        FROM (SELECT DISTINCT cluster_no FROM cluster) c ANTI JOIN kept_code USING (cluster_no)
    """)
    con.execute("""
        CREATE OR REPLACE TABLE assignment AS
        SELECT c.record_no, c.cluster_no,
            coalesce(k.customer_code, format('C{:06d}', n.code_no)) AS customer_code
        FROM cluster c LEFT JOIN kept_code k USING (cluster_no) LEFT JOIN new_code n USING (cluster_no)
        ORDER BY c.record_no
    """)
    return count(con, "new_code")


def create_review_table(con: duckdb.DuckDBPyConnection) -> None:
    """Create `match_pair`: the pairs to be shown, with their status.

    Of the pairs that wait for a steward, a forest of the likeliest links between customers is listed: n
    records of one name make n - 1 questions, not n (n - 1) / 2, and each answer is used the next night.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    con.execute(f"""
        CREATE OR REPLACE TABLE open_question AS
        SELECT j.record_no_l, j.record_no_r, least(l.cluster_no, r.cluster_no) AS cluster_l,
            greatest(l.cluster_no, r.cluster_no) AS cluster_r, j.match_probability
        FROM judged j JOIN cluster l ON l.record_no = j.record_no_l
            JOIN cluster r ON r.record_no = j.record_no_r
        LEFT JOIN refused f ON f.record_no_l = j.record_no_l AND f.record_no_r = j.record_no_r
        WHERE (j.verdict = 'review' OR f.reason IN ({_ASKED})) AND l.cluster_no <> r.cluster_no
            -- A steward has already told these two customers apart.
            AND NOT EXISTS (FROM steward s JOIN cluster a ON a.record_no = s.record_no_l
                JOIN cluster b ON b.record_no = s.record_no_r WHERE s.decision = 'different'
                AND least(a.cluster_no, b.cluster_no) = least(l.cluster_no, r.cluster_no)
                AND greatest(a.cluster_no, b.cluster_no) = greatest(l.cluster_no, r.cluster_no))
        QUALIFY row_number() OVER (
            PARTITION BY least(l.cluster_no, r.cluster_no), greatest(l.cluster_no, r.cluster_no)
            ORDER BY j.match_probability DESC, j.record_no_l, j.record_no_r) = 1
        ORDER BY cluster_l, cluster_r
    """)
    questions = con.execute("SELECT cluster_l, cluster_r, match_probability FROM open_question").fetchnumpy()
    size = count(con, "record") + 1
    # Zero means "no link" to scipy, so that the weight is 2 - probability, not 1 - probability.
    weights = coo_matrix(
        (2.0 - np.asarray(questions["match_probability"]), (questions["cluster_l"], questions["cluster_r"])),
        shape=(size, size),
    )
    forest = minimum_spanning_tree(weights.tocsr()).tocoo()
    load_arrays(
        con, "forest", {"cluster_l": forest.row.astype(np.int32), "cluster_r": forest.col.astype(np.int32)}
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE match_pair AS
        SELECT j.record_no_l, j.record_no_r, j.match_probability, coalesce(f.reason, j.rule) AS rule,
            CASE WHEN j.verdict IN ('steward_same', 'steward_different') THEN j.verdict
                 WHEN q.record_no_l IS NOT NULL THEN 'review'
                 WHEN f.reason IS NOT NULL THEN 'rejected'
                 ELSE j.verdict END AS status
        FROM judged j
        LEFT JOIN refused f ON f.record_no_l = j.record_no_l AND f.record_no_r = j.record_no_r
        LEFT JOIN (FROM open_question SEMI JOIN forest USING (cluster_l, cluster_r)) q
            ON q.record_no_l = j.record_no_l AND q.record_no_r = j.record_no_r
        WHERE j.verdict <> 'review'
            AND coalesce(f.reason, '') NOT IN ({_ASKED}) OR q.record_no_l IS NOT NULL
        ORDER BY 1, 2
    """)
