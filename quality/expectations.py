"""What Great Expectations is to expect of a table that goes on, derived from the rules the engine scans by.

A rule is written once, in its YAML file. The scan (evaluation.py) turns it into a predicate on landed rows; this
module turns the same rule into an expectation on what is left, by another way: a core expectation wherever one
exists, the rule's own SQL on the real table otherwise. So a mistake in the scan does not hide itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from quality.catalog import KINDS, MART, Rule
from quality.predicates import row_predicates

# A mart's key is named in its rules file, but no rule says it; this one does, for Great Expectations alone.
_KEY_REASON = (
    "Two rows of {table} stand for the same thing, or one for nothing: its key ({key}) repeats or is missing."
)
_KEY_REMEDY = "Look for a join in the model of the mart that multiplies rows."

_DAY = (
    r"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
    r"|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_FORMS = {
    "is_date": f"^{_DAY}$",
    "is_timestamp": rf"^{_DAY}([ T]\d{{2}}:\d{{2}}:\d{{2}}(\.\d{{1,6}})?)?$",
    "is_decimal": r"^[+-]?\d{1,16}(\.\d{1,18})?$",
    "is_integer": r"^[+-]?\d{1,10}$",
    "is_boolean": r"^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$",
}


# Stands in SQL for the table as its expectations see it.
BATCH = "<the table>"


@dataclass(frozen=True)
class Expected:
    """One expectation: the name of its class in Great Expectations and what it takes.

    `rule` says why it holds and whose it is. `columns` are columns it looks at beside the table's own, each with
    the SQL that makes it from a row.
    """

    rule: Rule
    kind: str
    arguments: Mapping[str, Any]
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str | None:
        """The SQL of an expectation that is written in SQL; it finds the rows (or figures) that break the rule."""
        return self.arguments.get("unexpected_rows_query")


def accepted_relation(table: str) -> str:
    """The view in which accepted rows of a contract table go on."""
    return f"staging.accepted_{table}"


def row_identity(rule: Rule) -> tuple[str, ...]:
    """The columns that name a row of the table of `rule`."""
    return rule.key or ("source_system", "_row_key", "_occurrence")


def expected_of_accepted(rules: Iterable[Rule], *, cut_over: date | None) -> list[Expected]:
    """What must hold of staging.accepted_* once rows in quarantine are out: the rules that quarantine or block.

    Warnings are not among them: what they are about goes on by design. Rows before `cut_over` that a tolerant rule
    lets through are left out of its expectation.
    """
    found: list[Expected] = []
    for rule in rules:
        if rule.severity == "quarantine":
            found += _of_rows(rule, cut_over)
        elif rule.kind == "not_empty":
            found.append(Expected(rule, "ExpectTableRowCountToBeBetween", {"min_value": 1}))
        elif rule.kind == "source_totals":
            found.append(_totals(rule))
    return found


def expected_of_marts(rules: Sequence[Rule], *, as_of: date) -> list[Expected]:
    """What must hold of the marts before they are published: their keys, and every rule that blocks."""
    found: list[Expected] = []
    for table in dict.fromkeys(rule.table for rule in rules):
        found += _key(next(rule for rule in rules if rule.table == table))
    for rule in rules:
        if rule.severity != "block" or rule.max_failed_share:
            continue
        if rule.kind == "fails_when":
            found += _core_of_predicate(rule, as_of) or [
                _sql(rule, _rows_where(rule, rule.params["predicate"]))
            ]
        elif rule.kind == "finds_nothing":
            found.append(_sql(rule, f"SELECT * FROM ({rule.params['query']})"))
        elif rule.kind == "failing_rows":
            names = ", ".join(f'm."{name}"' for name in rule.key)
            found.append(
                _sql(
                    rule,
                    f"SELECT {names} FROM {rule.table} m JOIN ({rule.params['query']}) f ON f.row_id = m.rowid",
                )
            )
        elif rule.kind == "refers_to":
            condition = rule.params.get("when") or "true"
            column, table, key = (rule.params[name] for name in ("column", "table", "key"))
            found.append(
                _sql(
                    rule,
                    _rows_where(
                        rule,
                        f'({condition}) AND r."{column}" NOT IN (SELECT "{key}" FROM {table} '
                        f'WHERE "{key}" IS NOT NULL)',
                    ),
                )
            )
    return found


def _key(of: Rule) -> list[Expected]:
    rule = Rule(
        id=f"{of.table.replace('.', '_')}_key",
        table=of.table,
        dimension="uniqueness",
        severity="block",
        owner="IT Data Platform",
        reason=_KEY_REASON.format(table=of.table, key=", ".join(of.key)),
        remedy=_KEY_REMEDY,
        kind="finds_nothing",
        key=of.key,
    )
    if len(of.key) > 1:
        unique = Expected(
            rule,
            "ExpectCompoundColumnsToBeUnique",
            {"column_list": list(of.key), "ignore_row_if": "never"},
        )
        return [unique]
    return [
        Expected(rule, "ExpectColumnValuesToBeUnique", {"column": of.key[0]}),
        Expected(rule, "ExpectColumnValuesToNotBeNull", {"column": of.key[0]}),
    ]


def _of_rows(rule: Rule, cut_over: date | None) -> list[Expected]:
    """Expectations that the accepted rows of a landed table no longer break `rule`."""
    params = rule.params
    tolerated = _tolerated(rule, cut_over)
    if rule.kind == "not_blank" and tolerated is None:
        return [_not_blank(rule, name) for name in rule.columns]
    if rule.kind in _FORMS and tolerated is None:
        return [_matches(rule, name, _FORMS[rule.kind]) for name in rule.columns]
    if rule.kind == "matches" and tolerated is None:
        return [_matches(rule, name, f"^({params['pattern']})$") for name in rule.columns]
    if rule.kind == "in_set" and tolerated is None:
        return [
            Expected(
                rule,
                "ExpectColumnValuesToBeInSet",
                {"column": name, "value_set": list(params["values"])},
                _given(name),
            )
            for name in rule.columns
        ]
    if rule.kind == "between" and tolerated is None:
        bounds = {f"{end}_value": params[end] for end in ("min", "max") if params.get(end) is not None}
        return [
            Expected(
                rule,
                "ExpectColumnValuesToBeBetween",
                {"column": f"{name} (number)", **bounds},
                {f"{name} (number)": f'try_cast("{name}" AS DECIMAL(38, 18))'},
            )
            for name in rule.columns
        ]
    if rule.kind == "delivered_once" and tolerated is None:
        told_apart = [*params.get("apart", ()), *([params["parts"]] if "parts" in params else [])]
        # Great Expectations finds no two rows alike in which a column is empty.
        apart = {f"{name} (or none)": f"coalesce(\"{name}\", '')" for name in told_apart}
        key = {"column_list": ["source_system", "_row_key", *apart], "ignore_row_if": "never"}
        return [Expected(rule, "ExpectCompoundColumnsToBeUnique", key, apart)]
    if rule.kind == "not_before":
        return [_not_before(rule, tolerated)]
    if rule.kind == "dated_by_delivery" and tolerated is None:
        days = int(params.get("days", 0))
        latest = f"the night, and {days} days"
        known = f"CASE WHEN NOT _first_is_backfill THEN as_of() + {days} END"
        return [_pair(rule, latest, f"{name} (day)", {latest: known, **_day(name)}) for name in rule.columns]
    return [_sql(rule, _broken_rows(rule, tolerated))]


def _tolerated(rule: Rule, cut_over: date | None) -> str | None:
    """SQL, true for the rows that `rule` lets through because they are old; None where it lets none through."""
    if cut_over is None or rule.event_date is None or not (rule.severity_old or rule.scope == "new"):
        return None
    return f"coalesce({_as_day(rule.event_date)} < DATE '{cut_over.isoformat()}', false)"


def _not_blank(rule: Rule, name: str) -> Expected:
    given, unless = _given(name), rule.params.get("unless")
    if unless:
        # Under a name of its own: other rules on the column see it without what stands in here.
        given = {f"{name}, where needed": f"CASE WHEN {unless} THEN 'not needed' ELSE {given[name]} END"}
    return Expected(rule, "ExpectColumnValuesToNotBeNull", {"column": next(iter(given))}, given)


def _given(name: str) -> dict[str, str]:
    return {name: f'CASE WHEN trim("{name}") <> \'\' THEN "{name}" END'}


def _as_day(name: str) -> str:
    return f"""try_cast(CASE WHEN "{name}" LIKE '____-__-__%' THEN left("{name}", 10) END AS DATE)"""


def _day(name: str) -> dict[str, str]:
    return {f"{name} (day)": _as_day(name)}


def _matches(rule: Rule, name: str, regex: str) -> Expected:
    return Expected(rule, "ExpectColumnValuesToMatchRegex", {"column": name, "regex": regex}, _given(name))


def _pair(rule: Rule, later: str, earlier: str, columns: Mapping[str, str]) -> Expected:
    arguments = {
        "column_A": later,
        "column_B": earlier,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
    }
    return Expected(rule, "ExpectColumnPairValuesAToBeGreaterThanB", arguments, columns)


def _not_before(rule: Rule, tolerated: str | None) -> Expected:
    later, earlier = rule.params["column"], rule.params["other"]
    columns = {**_day(later), **_day(earlier)}
    name = f"{later} (day)"
    if tolerated is not None:
        name = f"{later} (day, since the cut-over)"
        columns[name] = f"CASE WHEN NOT {tolerated} THEN {_as_day(later)} END"
    return _pair(rule, name, f"{earlier} (day)", columns)


def _totals(rule: Rule) -> Expected:
    """What was accepted and what was kept apart must be what landed, in rows and amounts by currency."""
    parts = (
        (f"staging.landed_{rule.table}", "landed"),
        (f"quarantine.{rule.table}", "out"),
        (BATCH, "accepted"),
    )
    counted = " UNION ALL ".join(
        f"SELECT currency, '{part}' AS part, ops.plain_number(amount) AS amount FROM {relation}"
        for relation, part in parts
    )
    rows, amounts = (
        f"{what} FILTER (WHERE part = 'landed') IS DISTINCT FROM {what} FILTER (WHERE part <> 'landed')"
        for what in ("count(*)", "sum(amount)")
    )
    return _sql(rule, f"SELECT currency FROM ({counted}) GROUP BY currency HAVING {rows} OR {amounts}")


def _sql(rule: Rule, query: str) -> Expected:
    # Great Expectations prints a warning about every query that does not name the batch it is asked of.
    named = query if BATCH in query else f"{query} /* of {BATCH} */"
    text = named.replace("{", "{{").replace("}", "}}").replace(BATCH, "{batch}")
    return Expected(rule, "UnexpectedRowsExpectation", {"unexpected_rows_query": text})


def _rows_where(rule: Rule, condition: str) -> str:
    names = ", ".join(f'r."{name}"' for name in row_identity(rule))
    return f"SELECT {names} FROM (SELECT * FROM {BATCH}) r WHERE {condition}"


def _broken_rows(rule: Rule, tolerated: str | None) -> str:
    """Accepted rows that break a rule which is SQL, looks at other tables, or has no core expectation."""
    old = f" AND NOT {tolerated}" if tolerated else ""
    if KINDS[rule.kind].looks_at == "row":
        tests = " OR ".join(f"({test})" for _, test in row_predicates(rule))
        return _rows_where(rule, f"({tests}){old}")
    if rule.kind == "failing_rows":
        here = " AND ".join(f'l."{name}" IS NOT DISTINCT FROM r."{name}"' for name in row_identity(rule))
        return _rows_where(
            rule,
            f"EXISTS (SELECT 1 FROM {rule.relation} l JOIN ({rule.params['query']}) f ON f.row_id = l.rowid "
            f"WHERE {here}){old}",
        )
    column, table, key = (rule.params[name] for name in ("column", "table", "key"))
    delivered, accepted = (
        f'SELECT source_system, "{key}" FROM {relation} WHERE "{key}" IS NOT NULL'
        for relation in (f"staging.landed_{table}", f"accepted_{table}")
    )
    here = f'(r.source_system, r."{column}")'
    if rule.params["among"] == "delivered":
        lost = f"{here} NOT IN ({delivered})"
    elif rule.params["among"] == "ever delivered":
        before = (
            f'SELECT source_system, "{key}" FROM raw.{table} '
            f'WHERE "{key}" IS NOT NULL AND CAST(_loaded_at AS DATE) <= as_of()'
        )
        lost = f"{here} NOT IN ({delivered}) AND {here} NOT IN ({before})"
    else:
        lost = f"{here} IN ({delivered}) AND {here} NOT IN ({accepted})"
    condition = f"({rule.params['when']}) AND " if rule.params.get("when") else ""
    return _rows_where(rule, f"{condition}trim(r.\"{column}\") <> '' AND {lost}{old}")


_NUMBER = r"-?\d+(?:\.\d+)?"
_BETWEEN = re.compile(rf"r\.(\w+) NOT BETWEEN ({_NUMBER}) AND ({_NUMBER})")
_COMPARED = re.compile(rf"r\.(\w+) (<=|>=|<|>) (as_of\(\)|{_NUMBER}|r\.\w+)")
_DAY_OF_NIGHT = re.compile(r"r\.(\w+) <> as_of\(\)")
_MISSING = re.compile(r"r\.(\w+) IS NULL")
_BLANK = re.compile(r"blank\(r\.(\w+)\)")


def _core_of_predicate(rule: Rule, as_of: date) -> list[Expected]:
    """Core expectations that say the same as the predicate of a `fails_when` rule; none where they cannot.

    Read are alternatives joined by OR that compare a column with a bound, another column or nothing.
    """
    night = datetime.combine(as_of, time())
    found: list[Expected] = []
    for part in re.split(r"\s+OR\s+", rule.params["predicate"].strip()):
        if match := _BETWEEN.fullmatch(part):
            column, low, high = match[1], float(match[2]), float(match[3])
            found.append(_between(rule, column, min_value=low, max_value=high))
        elif match := _DAY_OF_NIGHT.fullmatch(part):
            found.append(_between(rule, match[1], min_value=night, max_value=night))
        elif match := _MISSING.fullmatch(part):
            found.append(Expected(rule, "ExpectColumnValuesToNotBeNull", {"column": match[1]}))
        elif match := _BLANK.fullmatch(part):
            found.append(
                Expected(rule, "ExpectColumnValuesToNotBeNull", {"column": match[1]}, _given(match[1]))
            )
        elif match := _COMPARED.fullmatch(part):
            column, sign, other = match[1], match[2], match[3]
            low_end, strict = sign.startswith("<"), sign.endswith("=")
            if other.startswith("r."):
                higher, lower = (column, other[2:]) if low_end else (other[2:], column)
                pair = _pair(rule, higher, lower, {})
                found.append(Expected(rule, pair.kind, {**pair.arguments, "or_equal": not strict}))
            else:
                bound = night if other == "as_of()" else float(other)
                end = "min" if low_end else "max"
                found.append(_between(rule, column, **{f"{end}_value": bound, f"strict_{end}": strict}))
        else:
            return []
    return found


def _between(rule: Rule, column: str, **bounds: Any) -> Expected:
    return Expected(rule, "ExpectColumnValuesToBeBetween", {"column": column, **bounds})


def is_mart(table: str) -> bool:
    """Whether a table of the rules is a mart, whose rows are typed and named by a key of its own."""
    return table.startswith(MART)
