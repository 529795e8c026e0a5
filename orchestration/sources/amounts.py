"""How amounts are spelt: a sample of one says how a source writes them, and becomes the SQL that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.sources.sql_text import literal

if TYPE_CHECKING:
    import duckdb

# Other characters for what a keyboard writes: full-width forms, the minus and triangles of accounting, apostrophes,
# and the hard, narrow and wide spaces that spreadsheets put between thousands.
_OTHER = "０１２３４５６７８９．，（）＋－−–‒△▲’‘ʼ＇\u00a0\u202f\u2007\u2009\u3000\t"
_PLAIN = "0123456789.,()+------''''      "
# Which side of the books a mark stands for; an account of a customer grows on its debit side.
_SIDES = {"dr": "cr", "d": "c", "s": "h", "deb": "cred", "debit": "credit", "soll": "haben"}
PLAIN_NUMBER = "[+-]?[0-9]+([.][0-9]+)?"


@dataclass(frozen=True)
class AmountFormat:
    """One way of writing amounts.

    `thousands` and `point` are the separators ('' where there is none), `mark` what stands beside the number
    (a currency), `debit` and `credit` the marks of the two sides, in lower case.
    """

    thousands: str
    point: str
    is_indian: bool = False
    mark: str = ""
    debit: str = ""
    credit: str = ""

    @property
    def number(self) -> str:
        """The regular expression of a number without sign or mark."""
        point = re.escape(self.point)
        whole = "[0-9]+"
        if self.thousands:
            group = re.escape(self.thousands)
            grouped = (
                f"[0-9]{{1,2}}({group}[0-9]{{2}})*{group}[0-9]{{3}}"
                if self.is_indian
                else f"[0-9]{{1,3}}({group}[0-9]{{3}})+"
            )
            whole = f"({grouped}|[0-9]+)"
        return f"{whole}({point}[0-9]*)?|{point}[0-9]+"


PLAIN = AmountFormat("", ".")


def amount_format(sample: str) -> AmountFormat | None:
    """What a sample such as '1.234,56-', "CHF 1'234.50" or '1,23,456.78 Dr' says; None where it says nothing.

    Signs need not be shown: a minus before or behind the number and parentheses are read in every format.
    """
    text = sample.translate(str.maketrans(_OTHER, _PLAIN)).strip()
    found = re.fullmatch(r"([^0-9]*?)([0-9](?:[0-9.,' ]*[0-9])?)([^0-9]*)", text)
    if found is None:
        return None
    before, core, after = (part.strip("+-() ") for part in found.groups())
    marks = [part for part in (before, after) if part]
    side = next((part for part in marks if part.rstrip(".").casefold() in {*_SIDES, *_SIDES.values()}), None)
    if side is not None:
        marks.remove(side)
    if len(marks) > 1:
        return None
    separators = _separators(core)
    if separators is None:
        return None
    debit = credit = ""
    if side is not None:
        pairs = {**_SIDES, **{credit: debit for debit, credit in _SIDES.items()}}
        name = side.rstrip(".").casefold()
        debit, credit = (name, pairs[name]) if name in _SIDES else (pairs[name], name)
    thousands, point = separators
    group = re.escape(thousands)
    is_indian = (
        bool(group) and re.match(rf"[0-9]{{1,2}}({group}[0-9]{{2}})+{group}[0-9]{{3}}", core) is not None
    )
    return AmountFormat(thousands, point, is_indian, "".join(marks), debit, credit)


def _separators(core: str) -> tuple[str, str] | None:
    """The separator of thousands and the decimal point of a number such as 1.234,56; None where they are mixed up."""
    signs = re.findall(r"[.,' ]", core)
    if not signs:
        return "", "."
    first, last = signs[0], signs[-1]
    if len(set(signs)) > 2 or (len(set(signs)) == 2 and signs.count(last) > 1):
        return None
    if first != last:
        return (first, last) if last in ".," else None
    whole, _, rest = core.partition(first)
    if len(signs) == 1 and first in ".," and (len(rest) != 3 or len(whole) > 3):
        return "", first
    return first, "," if first == "." else "."


def normal_sql(value: str) -> str:
    """`value` with the characters of a keyboard, and nothing around it."""
    return f"trim(translate({value}, {literal(_OTHER)}, {literal(_PLAIN)}))"


def amount_sql(form: AmountFormat, value: str) -> str:
    """The amount that the text `value` writes in `form`, as plain text; NULL where it is not written so."""
    text = normal_sql(value)
    is_credit = "false"
    if form.debit:
        sides = f"(?i)^({form.debit}|{form.credit})[.]? +| *({form.debit}|{form.credit})[.]?$"
        is_credit = f"regexp_matches({text}, '(?i)^{form.credit}[.]? | *{form.credit}[.]?$')"
        text = f"trim(regexp_replace({text}, '{sides}', ''))"
    if form.mark:
        mark = re.escape(form.mark).replace("'", "''")
        text = f"trim(regexp_replace({text}, '^([-+(]?) *{mark} *| *{mark} *([-)]?)$', '\\1\\2'))"
    body = f"regexp_replace({text}, '^[(](.+)[)]$|^[-+] *(.+)$|^(.+?) *-$', '\\1\\2\\3')"
    is_negative = f"(regexp_matches({text}, '^[(].*[)]$|^-|-$') <> {is_credit})"
    number = f"replace({body}, {literal(form.thousands)}, '')" if form.thousands else body
    if form.point != ".":
        number = f"replace({number}, {literal(form.point)}, '.')"
    # .50 and 100. say no more than 0.50 and 100 do.
    number = f"regexp_replace(regexp_replace({number}, '^[.]', '0.'), '[.]$', '')"
    is_number = f"regexp_full_match({body}, {literal(form.number)})"
    return f"case when {is_number} then case when {is_negative} then '-' else '' end || {number} end"


def plain_amount_sql(formats: Sequence[AmountFormat], value: str) -> str:
    """`value` as a plain decimal where it is one in any of `formats` or plain, and as it stands where it is none.

    What two of the formats read as different amounts is told to be ambiguous, and so waits as unreadable.
    """
    readings = [amount_sql(form, value) for form in formats or [PLAIN]]
    read = readings[0]
    ambiguous = f"{value} || ' (ambiguous: thousands or decimals?)'"
    cases = []
    if len(readings) > 1:
        distinct = f"list_distinct([{', '.join(readings)}])"
        cases.append(f"when len({distinct}) > 1 then {ambiguous}")
        read = f"{distinct}[1]"
    cases.append(f"when {read} is not null then {read}")
    if formats:
        if any(form.point == "," for form in formats) and not any(form.thousands == "." for form in formats):
            cases.append(
                f"when regexp_full_match({normal_sql(value)}, '[+-]?[0-9]{{1,3}}[.][0-9]{{3}}') then {ambiguous}"
            )
        plain = amount_sql(PLAIN, value)
        cases.append(f"when {plain} is not null then {plain}")
    # An exponent is rewritten where six decimals hold it exactly.
    exponent = f"regexp_full_match({value}, '[+-]?[0-9]+([.][0-9]+)?[eE][+-]?[0-9]{{1,2}}')"
    as_number = f"try_cast({value} as decimal(38, 6))"
    cases.append(
        f"when {exponent} and cast({as_number} as double) = try_cast({value} as double) "
        f"then cast({as_number} as varchar)"
    )
    general = f"case {' '.join(cases)} else {value} end"
    if formats:
        return general
    # Most values are plain already.
    return f"case when regexp_full_match({value}, '{PLAIN_NUMBER}') then {value} else {general} end"


def without_float_noise_sql(value: str) -> str:
    """A plain decimal without the digits that only binary floating point adds (1234.5600000000002).

    Spreadsheets calculate and show 15 significant digits (IEEE 754 doubles hold no more for certain); where these
    leave at most four decimals of nine or more, the rest is noise.
    """
    rounded = f"format('{{:.15g}}', cast({value} as double))"
    return (
        f"case when regexp_full_match({value}, '-?[0-9]+[.][0-9]{{9,}}') "
        f"and regexp_full_match({rounded}, '-?[0-9]+([.][0-9]{{1,4}})?') then {rounded} else {value} end"
    )


def define_amounts(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Make `amount(text, sample)` known to `query`, for the samples that stand in it; nothing where it calls none.

    Gives DECIMAL(38,6), NULL for what is not written as the sample.
    """
    if not re.search(r"(?i)\bamount\s*\(", query):
        return
    samples = {text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", query)}
    forms = {sample: form for sample in sorted(samples) if (form := amount_format(sample)) is not None}
    if not forms:
        return
    cases = " ".join(
        f"when {literal(sample)} then "
        f"try_cast(coalesce({amount_sql(form, 'written')}, {amount_sql(PLAIN, 'written')}) as decimal(38, 6))"
        for sample, form in forms.items()
    )
    connection.execute(f"create or replace temp macro amount(written, sample) as case sample {cases} end")
