"""Turns rules into SQL: the helper macros rules may use, and one predicate a rule and column."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from quality.catalog import Rule
from quality.currencies import by_currency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

# Kinds whose columns are cast by the models downstream, so that empty text there must become NULL.
CAST_KINDS = ("is_date", "is_timestamp", "is_decimal", "is_integer", "is_boolean")

_ALPHABET_31 = "0123456789ABCDEFGHJKLMNPQRTUWXY"

# Every macro takes text as delivered and answers NULL for NULL. Well-formed is what the models' plain CAST
# accepts without changing the meaning: DuckDB itself would also read '2024-1-5' or '1e5'.
_MACROS = {
    "blank(x)": "x IS NULL OR trim(x) = ''",
    "as_date(x)": r"CASE WHEN regexp_full_match(x, '\d{4}-\d{2}-\d{2}') THEN try_cast(x AS DATE) END",
    "as_timestamp(x)": r"""CASE
        WHEN regexp_full_match(x, '\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?)?')
        THEN try_cast(x AS TIMESTAMP) END""",
    # At most 16 digits before the point: what a sum of many rows can still be held of (dbt_project/macros/amounts.sql).
    "as_decimal(x)": r"CASE WHEN regexp_full_match(x, '[+-]?\d{1,16}(\.\d{1,18})?') "
    "THEN try_cast(x AS DECIMAL(38, 18)) END",
    # Decimals other than zero that the currency (ISO 4217) has no place for; NULL for what is no currency.
    "too_many_decimals(x, c)": by_currency(r"regexp_matches(x, '\.\d{{{places}}}\d*[1-9]')", "null"),
    "as_integer(x)": r"CASE WHEN regexp_full_match(x, '[+-]?\d{1,10}') THEN try_cast(x AS INTEGER) END",
    "as_boolean(x)": "CASE WHEN lower(x) = 'true' THEN true WHEN lower(x) = 'false' THEN false END",
    "squeezed(x)": "regexp_replace(upper(trim(x)), '[^A-Z0-9]', '', 'g')",
    # GB 32100-2015: (31 - sum(value * (3^(i-1) mod 31))) mod 31 over the first 17 characters.
    "uscc_is_valid(x)": f"""CASE WHEN regexp_full_match(x, '[{_ALPHABET_31}]{{18}}') THEN
        (31 - list_sum([(strpos('{_ALPHABET_31}', x[i]) - 1)
            * [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28][i] for i in range(1, 18)]) %
            31) % 31
        = strpos('{_ALPHABET_31}', x[18]) - 1
        ELSE false END""",
    # ISO 17442 / ISO 7064 mod 97-10: letters become 10 to 35, the number leaves 1. Taken in pieces to fit 64
    # bits.
    "letters_as_digits(x)": "array_to_string("
    "[CASE WHEN ascii(c) >= 65 THEN (ascii(c) - 55)::VARCHAR ELSE c END for c in string_split(x, '')], '')",
    "mod_97_tail(d)": "(((substr(d, 1, 17)::BIGINT % 97)::VARCHAR || substr(d, 18, 15))::BIGINT % 97)"
    "::VARCHAR || substr(d, 33)",
    "lei_is_valid(x)": "CASE WHEN regexp_full_match(x, '[0-9A-Z]{18}[0-9]{2}') "
    "THEN mod_97_tail(letters_as_digits(x))::BIGINT % 97 = 1 ELSE false END",
    # An EIN has no check digit: nine digits whose first two are a prefix the IRS assigns.
    "ein_is_valid(x)": r"regexp_full_match(x, '\d{2}-?\d{7}') AND substr(x, 1, 2) NOT IN "
    "('00','07','08','09','17','18','19','28','29','49','69','70','78','79','89','96','97')",
    # Germany, ISO 7064 mod 11,10 over eight digits.
    "vat_de_is_valid(x)": r"""CASE WHEN regexp_full_match(x, 'DE[1-9]\d{8}') THEN
        (11 - list_reduce([substr(x, i + 2, 1)::INTEGER for i in range(1, 9)],
            lambda p, d: (CASE WHEN (p + d) % 10 = 0 THEN 10 ELSE (p + d) % 10 END) * 2 % 11, 10)) % 10
        = substr(x, 11, 1)::INTEGER
        ELSE false END""",
    # ISO/IEC 7812-1 annex B over digits only: from the right every second digit counts double, as its cross sum.
    "luhn_is_valid(d)": """list_sum([
        CASE WHEN (length(d) - i) % 2 = 0 THEN substr(d, i, 1)::INTEGER
            ELSE substr(d, i, 1)::INTEGER * 2 // 10 + substr(d, i, 1)::INTEGER * 2 % 10 END
        for i in range(1, length(d) + 1)]) % 10 = 0""",
    # France: key = (12 + 3 * (SIREN mod 97)) mod 97; keys with letters follow no published formula. A SIREN ends
    # in a Luhn digit, but for those of Monaco, which begin with 000.
    "vat_fr_is_valid(x)": r"""CASE WHEN NOT regexp_full_match(x, 'FR[0-9A-HJ-NP-Z]{2}\d{9}') THEN false
        WHEN substr(x, 5, 3) <> '000' AND NOT luhn_is_valid(substr(x, 5)) THEN false
        WHEN regexp_full_match(x, 'FR\d{11}')
            THEN (12 + 3 * (substr(x, 5)::BIGINT % 97)) % 97 = substr(x, 3, 2)::INTEGER
        ELSE true END""",
    # United Kingdom: weights 8 to 2 over seven digits plus the two check digits are divisible by 97, or are
    # so after adding 55 (numbers given out since 2010). A branch suffix of three digits carries no check.
    "vat_gb_is_valid(x)": r"""CASE WHEN regexp_full_match(x, 'GB\d{9}(\d{3})?') THEN
        (list_sum([substr(x, i + 2, 1)::INTEGER * (9 - i) for i in range(1, 8)]) + substr(x, 10, 2)::INTEGER)
        % 97 IN (0, 42)
        ELSE regexp_full_match(x, 'GB(GD|HA)\d{3}') END""",
    "vat_it_is_valid(x)": r"CASE WHEN regexp_full_match(x, 'IT\d{11}') THEN luhn_is_valid(substr(x, 3)) "
    "ELSE false END",
    # Netherlands: weights 9 to 2 mod 11 over eight digits; numbers of sole traders (since 2020) leave 1 by
    # ISO 7064 mod 97-10 over the whole number instead.
    "vat_nl_is_valid(x)": r"""CASE WHEN regexp_full_match(x, 'NL\d{9}B\d{2}') THEN
        list_sum([substr(x, i + 2, 1)::INTEGER * (10 - i) for i in range(1, 9)]) % 11
            = substr(x, 11, 1)::INTEGER
        OR letters_as_digits(x)::BIGINT % 97 = 1
        ELSE false END""",
    # Poland (NIP): weights 6 5 7 2 3 4 5 6 7 mod 11 over nine digits; a remainder of 10 is never given out.
    "vat_pl_is_valid(x)": r"""CASE WHEN regexp_full_match(x, 'PL\d{10}') THEN
        list_sum([substr(x, i + 2, 1)::INTEGER * [6, 5, 7, 2, 3, 4, 5, 6, 7][i] for i in range(1, 10)]) % 11
        = substr(x, 12, 1)::INTEGER
        ELSE false END""",
    # Bulgaria (companies): weights 1 to 8 mod 11; where that is 10, weights 3 to 10, and a second 10 counts as
    # 0. Ten digits are the numbers of persons and branches, of which only the form is checked.
    "vat_bg_is_valid(x)": r"""CASE WHEN regexp_full_match(x, 'BG\d{9}') THEN
        CASE WHEN list_sum([substr(x, i + 2, 1)::INTEGER * i for i in range(1, 9)]) % 11 < 10
            THEN list_sum([substr(x, i + 2, 1)::INTEGER * i for i in range(1, 9)]) % 11
            ELSE list_sum([substr(x, i + 2, 1)::INTEGER * (i + 2) for i in range(1, 9)]) % 11 % 10 END
        = substr(x, 11, 1)::INTEGER
        ELSE regexp_full_match(x, 'BG\d{10}') END""",
    # Belgium: the last two of ten digits are 97 less the remainder of the first eight.
    "vat_be_is_valid(x)": r"CASE WHEN regexp_full_match(x, 'BE[01]\d{9}') "
    "THEN 97 - substr(x, 3, 8)::BIGINT % 97 = substr(x, 11, 2)::INTEGER ELSE false END",
    # Of other countries the form is checked, not the digit.
    "vat_is_valid(x)": "CASE left(x, 2) WHEN 'DE' THEN vat_de_is_valid(x) WHEN 'FR' THEN vat_fr_is_valid(x) "
    "WHEN 'GB' THEN vat_gb_is_valid(x) WHEN 'IT' THEN vat_it_is_valid(x) WHEN 'NL' THEN vat_nl_is_valid(x) "
    "WHEN 'PL' THEN vat_pl_is_valid(x) WHEN 'BG' THEN vat_bg_is_valid(x) WHEN 'BE' THEN vat_be_is_valid(x) "
    "ELSE regexp_full_match(x, '[A-Z]{2}[0-9A-Z+*]{2,12}') END",
    "registration_is_valid(kind, x)": "CASE kind WHEN 'USCC' THEN uscc_is_valid(squeezed(x)) "
    "WHEN 'LEI' THEN lei_is_valid(squeezed(x)) WHEN 'EIN' THEN ein_is_valid(trim(x)) "
    "WHEN 'VAT' THEN vat_is_valid(squeezed(x)) ELSE true END",
}


def create_macros(
    con: DuckDBPyConnection, *, as_of: date, reporting_currency: str | None, cut_over: date | None
) -> None:
    """Make the helper macros as temporary objects of this connection, among them as_of()."""
    constants = {
        "as_of()": f"DATE '{as_of.isoformat()}'",
        "reporting_currency()": "NULL::VARCHAR"
        if reporting_currency is None
        else _literal(reporting_currency),
        "cut_over()": "NULL::DATE" if cut_over is None else f"DATE '{cut_over.isoformat()}'",
    }
    for signature, body in (constants | _MACROS).items():
        con.execute(f"CREATE OR REPLACE TEMP MACRO {signature} AS ({body})")


def row_predicates(rule: Rule) -> list[tuple[str | None, str]]:
    """(column, SQL predicate true where the row fails) for each column of a rule that looks at one row.

    Columns are read under the alias `r`. A predicate that is NULL does not fail the row; blank values fail
    only 'not_blank', so that one mistake is reported once.
    """
    params = rule.params
    failing: list[tuple[str | None, str]] = []
    for column in rule.columns:
        value = f'r."{column}"'
        test = {
            "not_blank": f"blank({value})"
            + (f" AND NOT coalesce({params['unless']}, false)" if params.get("unless") else ""),
            "is_date": f"as_date({value}) IS NULL",
            "is_timestamp": f"as_timestamp({value}) IS NULL",
            "is_decimal": f"as_decimal({value}) IS NULL",
            "is_integer": f"as_integer({value}) IS NULL",
            "is_boolean": f"as_boolean({value}) IS NULL",
            "in_set": f"{value} NOT IN ({_literals(params.get('values', ()))})",
            "matches": f"NOT regexp_full_match({value}, {_literal(str(params.get('pattern')))})",
            "between": _outside(f"as_decimal({value})", params.get("min"), params.get("max")),
            "decimals_of_currency": f'too_many_decimals({value}, r."{params.get("of")}")',
            "dated_by_delivery": _after_delivery(value, int(params.get("days", 0))),
        }.get(rule.kind)
        if test is None:
            break
        failing.append((column, test if rule.kind == "not_blank" else f"NOT blank({value}) AND ({test})"))
    if rule.kind == "not_before":
        failing.append(
            (
                params["column"],
                f'as_date(r."{params["column"]}"[1:10]) < as_date(r."{params["other"]}"[1:10])',
            )
        )
    elif rule.kind == "delivered_once":
        failing.append((None, _delivered_before(rule)))
    elif rule.kind == "check_digit":
        number, kind = f'r."{params["column"]}"', f'r."{params["kind_column"]}"'
        failing.append(
            (params["column"], f"NOT blank({number}) AND NOT registration_is_valid({kind}, {number})")
        )
    elif rule.kind == "fails_when":
        failing.append((None, params["predicate"]))
    return failing


def _delivered_before(rule: Rule) -> str:
    """Whether an earlier row of the delivery has the key and says the same.

    Rows that differ in the columns `apart` are of different things. Within one, rows that differ in `parts` are parts
    of it, as long as they agree with its first row in `agree`.
    """
    apart, parts, agree = (rule.params.get(name) for name in ("apart", "parts", "agree"))
    if not apart:
        return "r._occurrence > 1"
    landed, identity = f"staging.landed_{rule.table}", "source_system, _row_key, _occurrence"
    thing = ", ".join(["source_system", "_row_key", *(f'"{name}"' for name in apart)])
    first = f'first_value("{agree}") OVER (PARTITION BY {thing} ORDER BY _occurrence)'
    again = [f'row_number() OVER (PARTITION BY {thing}, "{parts}" ORDER BY _occurrence) > 1']
    again += [f'"{agree}" IS DISTINCT FROM {first}'] if agree else []
    # Looks only at keys that came more than once, which are few.
    repeated = f"(SELECT (source_system, _row_key) FROM {landed} WHERE _occurrence > 1)"
    rows = (
        f"SELECT {identity}, {' OR '.join(again)} AS again FROM {landed} "
        f"WHERE (source_system, _row_key) IN {repeated}"
    )
    this = "(r.source_system, r._row_key, r._occurrence)"
    return f"r._occurrence > 1 AND {this} IN (SELECT ({identity}) FROM ({rows}) WHERE again)"


def failing_rows_query(rule: Rule) -> tuple[str | None, str]:
    """(column, query of one column `row_id`) for a rule that needs other rows or tables to decide."""
    if rule.kind == "failing_rows":
        return None, rule.params["query"]
    column, table, key = (rule.params[name] for name in ("column", "table", "key"))
    condition = f"({rule.params['when']}) AND " if rule.params.get("when") else ""
    if rule.params["among"] == "published":
        return column, (
            f"SELECT r.rowid AS row_id FROM {rule.relation} r "
            f'WHERE {condition}r."{column}" IS NOT NULL '
            f'AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t."{key}" = r."{column}")'
        )
    match = f't.source_system = r.source_system AND t."{key}" = r."{column}"'
    known = f"EXISTS (SELECT 1 FROM staging.landed_{table} t WHERE {match})"
    if rule.params["among"] == "delivered":
        test = f"NOT {known}"
    elif rule.params["among"] == "ever delivered":
        # What left the source since (a customer archived while it still owes) is known all the same.
        before = (
            f"EXISTS (SELECT 1 FROM raw.{table} t WHERE {match} AND CAST(t._loaded_at AS DATE) <= as_of())"
        )
        test = f"NOT {known} AND NOT {before}"
    else:
        test = f"{known} AND NOT EXISTS (SELECT 1 FROM accepted_{table} t WHERE {match})"
    return column, (
        f"SELECT r.rowid AS row_id FROM staging.landed_{rule.table} r "
        f'WHERE {condition}NOT blank(r."{column}") AND {test}'
    )


def tables_read(rule: Rule) -> set[str]:
    """The other tables whose accepted rows a rule reads: they must be judged before it."""
    text = " ".join(str(value) for value in rule.params.values())
    found = set(re.findall(r"\baccepted_([a-z_]+)\b", text))
    if rule.kind == "refers_to" and rule.params["among"] == "accepted":
        found.add(rule.params["table"])
    return found - {rule.table}


def looks_beyond_its_row(rule: Rule) -> bool:
    """Whether a rule on one row depends on rows of other tables, accepted or only landed."""
    text = str(rule.params)
    return rule.kind == "refers_to" or "staging.landed_" in text or "accepted_" in text


def _outside(value: str, low: object, high: object) -> str:
    tests = [f"{value} < {low}"] if low is not None else []
    tests += [f"{value} > {high}"] if high is not None else []
    return " OR ".join(tests) or "false"


def _after_delivery(value: str, days: int) -> str:
    """A first load may hold any date: what lies after as_of is then not known yet, which is no mistake. A
    row that a later night brought waits until its day has come, but for `days` of time-zone or posting slack: it is
    posted ahead, or its date is wrong."""
    return f"NOT r._first_is_backfill AND as_date({value}[1:10]) > as_of() + {days}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literals(values: Iterable[str]) -> str:
    return ", ".join(_literal(value) for value in values) or "NULL"
