"""What a page is made of: a list of figures, a table, bars or lines, each with texts that are ready to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

# How a value is shown, by the kind of its column.
KINDS = ("text", "code", "amount", "share", "number", "days", "date", "customer", "grade", "severity")
NOT_KNOWN = "–"


@dataclass(frozen=True)
class Column:
    """One column of a table: where its value stands in a row, its heading, how it is shown, and what it means."""

    name: str
    heading: str
    kind: str = "text"
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings. `empty` is said where there are none."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    empty: str
    note: str = ""
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Figures:
    """Single figures: label, value as shown, and what it means."""

    title: str
    figures: Sequence[tuple[str, str, str]]
    note: str = ""
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True)
class Bars:
    """Horizontal bars of one amount by name, each with its value as shown; `share` is of the longest, 0 to 1."""

    title: str
    bars: Sequence[tuple[str, str, float]]
    empty: str
    note: str = ""
    kind: str = field(default="bars", init=False)


@dataclass(frozen=True)
class Lines:
    """One line over time. points: (day, value); `target` is drawn where there is one. Unknown values leave a gap."""

    title: str
    points: Sequence[tuple[date, float | None]]
    shown_last: str
    empty: str
    target: float | None = None
    note: str = ""
    kind: str = field(default="lines", init=False)

    @property
    def known(self) -> list[tuple[int, float]]:
        """Position and value of the points that are known."""
        return [(at, value) for at, (_, value) in enumerate(self.points) if value is not None]

    def path(self, width: int, height: int) -> str:
        """The line as an SVG path within `width` and `height`, from the least to the greatest value."""
        low, high = self._range()
        step = width / max(len(self.points) - 1, 1)
        parts, last = [], None
        for at, value in self.known:
            move = "L" if last == at - 1 else "M"
            parts.append(f"{move}{at * step:.1f} {self._y(value, low, high, height):.1f}")
            last = at
        return "".join(parts)

    def path_end_y(self, height: int) -> float:
        """Where the last known value lies."""
        low, high = self._range()
        return self._y(self.known[-1][1], low, high, height)

    def target_y(self, height: int) -> float | None:
        """Where the target's line lies, None without one."""
        if self.target is None:
            return None
        low, high = self._range()
        return self._y(self.target, low, high, height)

    def _range(self) -> tuple[float, float]:
        values = [value for _, value in self.known] + ([] if self.target is None else [self.target])
        low, high = min(values, default=0.0), max(values, default=1.0)
        return low, high if high > low else low + 1.0

    @staticmethod
    def _y(value: float, low: float, high: float, height: int) -> float:
        return height - (value - low) / (high - low) * height


Block = Table | Figures | Bars | Lines


def shown(value: Any, kind: str = "text") -> str:
    """A value as a reader wants it: amounts whole with thousands apart, shares as percent, days as 2026-05-31."""
    if value is None or value != value:
        return NOT_KNOWN
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, date):
        return value.isoformat()
    if kind == "share":
        return f"{float(value) * 100:,.1f} %"
    if kind in ("amount", "days"):
        return f"{value:,.0f}"
    if isinstance(value, bool):
        return "✓" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    return str(value)
