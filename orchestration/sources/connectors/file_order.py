"""Which of several files is the newer: by the date in their names, as configured or as they can only be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from orchestration.sources.errors import SourceError

# Ways to write a day or a month in a file's name. Names with the year first already sort as their days do.
_YEAR_FIRST = ("%Y-%m-%d", "%Y%m%d", "%Y-%m", "%Y%m")
_YEAR_LAST = (
    "%d-%m-%Y",
    "%d%m%Y",
    "%m-%d-%Y",
    "%m%d%Y",
    "%m-%Y",
    "%m%Y",
    "%d-%b-%Y",
    "%d%b%Y",
    "%b-%Y",
    "%b%Y",
)
_SHAPES = {
    "%Y": r"(?:19|20)\d\d",
    "%y": r"\d\d",
    "%m": r"(?:0[1-9]|1[0-2])",
    "%d": r"(?:0[1-9]|[12]\d|3[01])",
    "%b": r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    "%B": r"(?:january|february|march|april|may|june|july|august|september|october|november|december)",
    "%H": r"\d\d",
    "%M": r"\d\d",
    "%S": r"\d\d",
}


@dataclass(frozen=True)
class Order:
    """Files from the oldest to the newest, what to tell of how that was found, and whether a date or number says so."""

    paths: tuple[Path, ...]
    told: str | None = None
    is_certain: bool = True


def in_order(where: str, paths: Sequence[Path], name_date: str | None) -> Order:
    """`paths` by the date in their names, written as `name_date` (strptime); by name where they hold none, 9 before 10.

    Without `name_date` a date is taken as it can only be read. Raises SourceError where a name lacks the configured
    date, or where the names hold dates that can be read in two ways and the ways disagree on which is the newest.
    """
    by_name = tuple(sorted(paths, key=_by_number))
    if name_date is not None:
        days = {path: _day(path, name_date) for path in by_name}
        if missing := [path.name for path, day in days.items() if day is None]:
            raise SourceError(
                where,
                f"the name of {missing[0]} holds no date written as {name_date!r}",
                remedy="correct `name_date`, or `files`, so that every file that matches has its date",
            )
        return Order(_sorted(days))
    if len(by_name) < 2 or any(_reading(by_name, sample) for sample in _YEAR_FIRST):
        return Order(by_name)
    readings = {sample: found for sample in _YEAR_LAST if (found := _reading(by_name, sample))}
    orders = {_sorted(found): sample for sample, found in readings.items()}
    if len(orders) > 1:
        newest = ", ".join(f"{order[-1].name} by {sample!r}" for order, sample in orders.items())
        raise SourceError(
            where,
            f"which file is the newest cannot be told from the names: {newest}",
            remedy="say how the date in the names is written, for example `name_date: '%d%m%Y'`",
        )
    if not orders:
        return Order(by_name, is_certain=len({re.sub(r"\d+", "0", path.name) for path in by_name}) == 1)
    order, sample = next(iter(orders.items()))
    if order == by_name:
        return Order(by_name)
    return Order(
        order,
        f"{where}: the names of the files hold a date as {sample!r}, so {order[-1].name} is taken for the newest; "
        f"`name_date: '{sample}'` in the configuration says so, or another way if this one is wrong",
    )


def _by_number(path: Path) -> tuple[tuple[str, int], ...]:
    parts = re.findall(r"(\D*)(\d*)", str(path))
    return tuple((text, int(digits or 0)) for text, digits in parts)


def _sorted(days: Mapping[Path, date | None]) -> tuple[Path, ...]:
    return tuple(sorted(days, key=lambda path: (days[path] or date.min, _by_number(path))))


def _reading(paths: Sequence[Path], sample: str) -> dict[Path, date | None] | None:
    """The day of every path read by `sample`; None where one of them has none."""
    days = {path: _day(path, sample) for path in paths}
    return None if None in days.values() else days


def _day(path: Path, sample: str) -> date | None:
    """The one date of the file's name that is written as `sample`, the separator - standing for . and _ too."""
    pattern = re.sub(
        r"%[A-Za-z]", lambda found: _SHAPES.get(found[0], r"\d+"), re.escape(sample).replace(r"\-", "[-._ ]")
    )
    found = re.findall(rf"(?<![0-9])({pattern})(?![0-9])", path.stem, re.IGNORECASE)
    if len(found) != 1:
        return None
    text = re.sub(r"[._ ]", "-", found[0]) if "-" in sample else found[0]
    try:
        return datetime.strptime(text, sample).replace(tzinfo=UTC).date()
    except ValueError:
        return None
