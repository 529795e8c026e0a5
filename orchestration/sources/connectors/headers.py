"""Where the names of columns stand in a file or sheet, and what they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import FileLayout

_NUMBER = re.compile(r"[-+(]?[0-9][0-9., '’/:-]*[-)]?")
# A title above the header is shorter than this.
HEADER_WITHIN = 60

# The values of the row that begins on a line, and the line it ends on.
Record = Callable[[int], tuple[list[str], int]]


@dataclass(frozen=True)
class Header:
    """Names of columns; `lines` hold them (none where the configuration does), `skipped` lines come before the data.

    `told` says what a person should know of how they were found.
    """

    names: tuple[str, ...]
    lines: tuple[int, ...]
    skipped: int
    told: str | None = None


def header_of(
    where: str,
    layout: FileLayout,
    record: Record,
    count: int,
    wanted: Collection[str],
    *,
    above: int = 0,
) -> Header:
    """The names of columns as `layout` places them, else where most of the `wanted` names stand, from line 1 on.

    `count` lines can be looked at by `record`, of which the first `above` say something else.
    Raises SourceError where there are none, or where `columns` names more or fewer than the header.
    """
    if layout.header == ():
        return Header(layout.columns, (), above)
    told = None
    if layout.header is not None:
        lines = layout.header
        if lines[-1] > count:
            raise SourceError(
                where,
                f"has no line {lines[-1]}, in which the configuration says the column names stand",
                valid=f"1 to {count}",
                remedy="correct `header`, or deliver the whole file again",
            )
    else:
        lines = (_likely_line(record, count, wanted, above),)
        if lines[0] != above + 1:
            told = f"the column names were found on line {lines[0]} (`header: {lines[0]}` says so for good)"
    rows, end = [], 0
    for line in lines:
        values, end = record(line)
        rows.append(values)
    names = joined_names(rows)
    while names and not names[-1] and not layout.columns and len(rows) > 1:
        names = names[:-1]
    if not any(names):
        at = "the first line" if lines[-1] == 1 else f"line {lines[-1]}"
        raise SourceError(where, f"{at} is empty", valid="a header line with column names")
    if layout.columns:
        if len(layout.columns) != len(names):
            raise SourceError(
                where,
                f"`columns` names {len(layout.columns)} columns, the header has {len(names)}",
                valid=f"names for {', '.join(names)}",
                remedy="correct `columns`",
            )
        names = list(layout.columns)
    return Header(distinct_names(names), tuple(lines), end, told)


def _likely_line(record: Record, count: int, wanted: Collection[str], above: int) -> int:
    """The line that holds the most of the names that the mapping asks for; the first of the file where none does."""
    first = above + 1
    folded = {name.casefold() for name in wanted}
    best, most = first, len(folded.intersection(map(str.casefold, record(first)[0])))
    for line in range(first + 1, count + 1):
        if most == len(folded):
            break
        values = [value for value in record(line)[0] if value]
        found = len(folded.intersection(map(str.casefold, values)))
        # One name alone may be a word of a title, or a value among others.
        is_row_of_names = len(values) > 1 and not any(_NUMBER.fullmatch(value) for value in values)
        if found > most and (found >= min(2, len(folded)) or is_row_of_names):
            best, most = line, found
    return best


def joined_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """The names that several header lines write together; a name over several columns counts for each of them."""
    width = max((len(row) for row in rows), default=0)
    parts: list[list[str]] = [[] for _ in range(width)]
    for number, row in enumerate(rows, start=1):
        current = ""
        for position in range(width):
            value = row[position] if position < len(row) else ""
            current = value or (current if number < len(rows) else "")
            if current:
                parts[position].append(current)
    return [" ".join(part) for part in parts]


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """`names` with a number behind each that occurs more than once, in whatever case; names left empty stay so."""
    folded = [name.casefold() for name in names]
    counted = Counter(folded)
    numbers: dict[str, int] = {}
    distinct = []
    for name, key in zip(names, folded, strict=True):
        if not name or counted[key] == 1:
            distinct.append(name)
            continue
        number = numbers.get(key, 0) + 1
        while f"{key}_{number}" in counted:
            number += 1
        numbers[key] = number
        distinct.append(f"{name}_{number}")
    return tuple(distinct)
