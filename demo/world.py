"""What is fixed about a demo world: its calendar, its random streams, entities, currencies and sectors."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

# A day is an integer: days since 1970-01-01. NEVER stands for "does not happen".
NEVER = 1_000_000
EPOCH = date(1970, 1, 1).toordinal()

# How long the company lives after the first night. The whole life is drawn at once and shown day by day.
FUTURE_MONTHS = 24
# Companies simulated together; a larger portfolio is worked block by block, so memory stays bounded.
BLOCK_SIZE = 5_000

LEGAL_ENTITIES = ("US01", "DE01", "GB01")
CURRENCIES = ("USD", "EUR", "GBP")
HOME_COUNTRY = ("US", "DE", "GB")
TAX_RATE = (0.0, 0.19, 0.20)
FX_START = {"EUR": 1.085, "GBP": 1.27}

# (sector code, English, German, French, Chinese) - ISIC sections and divisions.
SECTORS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        "C10",
        ("Foods", "Food Processing"),
        ("Lebensmittel", "Bäckerei"),
        ("Alimentaire", "Pâtisserie"),
        "食品",
    ),
    ("C13", ("Textiles", "Apparel"), ("Textil", "Bekleidung"), ("Textile", "Confection"), "纺织"),
    ("C20", ("Chemicals", "Coatings"), ("Chemie", "Lacke"), ("Chimie", "Revêtements"), "化工"),
    ("C25", ("Metals", "Fabrication"), ("Metallbau", "Stahlhandel"), ("Métaux", "Chaudronnerie"), "金属"),
    (
        "C26",
        ("Electronics", "Instruments"),
        ("Elektronik", "Messtechnik"),
        ("Électronique", "Mesure"),
        "电子",
    ),
    (
        "C28",
        ("Machinery", "Machine Works"),
        ("Maschinenbau", "Anlagenbau"),
        ("Mécanique", "Machines"),
        "机械",
    ),
    ("F41", ("Construction", "Builders"), ("Bau", "Hochbau"), ("Construction", "Bâtiment"), "建设"),
    ("G46", ("Trading", "Wholesale"), ("Großhandel", "Handel"), ("Négoce", "Distribution"), "贸易"),
    ("G47", ("Stores", "Retail"), ("Einzelhandel", "Märkte"), ("Magasins", "Détail"), "商业"),
    ("H49", ("Logistics", "Freight"), ("Spedition", "Logistik"), ("Transports", "Logistique"), "物流"),
    ("I55", ("Hospitality", "Hotels"), ("Gastronomie", "Hotels"), ("Hôtellerie", "Restauration"), "酒店"),
    ("J62", ("Software", "Systems"), ("Software", "Systeme"), ("Informatique", "Systèmes"), "科技"),
)
# Default risk of a sector relative to the mean, on the log scale.
SECTOR_RISK = np.array([0.0, 0.15, -0.1, 0.0, -0.15, -0.1, 0.35, 0.05, 0.25, 0.1, 0.35, -0.2])


def to_day(value: date) -> int:
    """Days since 1970-01-01."""
    return value.toordinal() - EPOCH


def to_date(day: int) -> date:
    return date.fromordinal(int(day) + EPOCH)


def add_months(value: date, months: int) -> date:
    """`value` moved by whole months; the day is cut to the month's last one where needed."""
    index = value.year * 12 + value.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(value.day, calendar.monthrange(year, month + 1)[1]))


def business_day(days: Ints, at_weekends: Bools | None = None) -> Ints:
    """The same day, or the Monday after where it is a Saturday or Sunday.

    Rows marked in `at_weekends` keep their day: web orders, automatic billing, instant payments.
    """
    weekday = (days + 3) % 7
    moved = days + np.where(weekday == 5, 2, 0) + np.where(weekday == 6, 1, 0)
    return moved if at_weekends is None else np.where(at_weekends, days, moved)


@dataclass(frozen=True)
class World:
    """Identity of a demo world. Equal worlds give equal rows, whatever day is looked at first."""

    seed: int
    customers: int
    months: int
    first_day: date

    @cached_property
    def start(self) -> int:
        """First day of history."""
        return to_day(add_months(self.first_day, -self.months)) + 1

    @cached_property
    def end(self) -> int:
        """Last day the company can be asked to live."""
        return to_day(add_months(self.first_day, FUTURE_MONTHS))

    @cached_property
    def month_start(self) -> Ints:
        """First day of each calendar month from the month of `start` to a year after `end`."""
        first = to_date(self.start).replace(day=1)
        count = self.month_count + 12
        return np.array([to_day(add_months(first, index)) for index in range(count + 1)], dtype=np.int64)

    @cached_property
    def month_count(self) -> int:
        """Calendar months that `start`..`end` touches."""
        first, last = to_date(self.start), to_date(self.end)
        return (last.year - first.year) * 12 + last.month - first.month + 1

    @property
    def company_count(self) -> int:
        """Companies that ever show up: those known by the first night and one more for ten who join later."""
        return self.customers * 11 // 10

    @property
    def block_count(self) -> int:
        return -(-self.company_count // BLOCK_SIZE)

    def month_of(self, days: Ints) -> Ints:
        """Index into the simulated months, cut to the simulated span."""
        found = np.searchsorted(self.month_start, days, side="right") - 1
        return np.clip(found, 0, self.month_count - 1)

    def rng(self, *stream: int) -> np.random.Generator:
        """An independent random stream; every stage of every block has its own."""
        return np.random.default_rng([self.seed, *stream])

    @cached_property
    def sector_shock(self) -> Floats:
        """Autoregressive business climate, shape (sectors, months), mean 0, higher is better."""
        rng = self.rng(1_000_001)
        noise = rng.normal(size=(len(SECTORS), self.month_count))
        common = rng.normal(size=self.month_count)
        shock = np.zeros_like(noise)
        level = rng.normal(scale=0.5, size=len(SECTORS))
        for month in range(self.month_count):
            level = 0.92 * level + 0.16 * noise[:, month] + 0.12 * common[month]
            shock[:, month] = level
        return shock

    @cached_property
    def fx(self) -> Floats:
        """US dollars for one unit, shape (days from start to end, currencies), rounded to 6 decimals."""
        rng = self.rng(1_000_002)
        days = self.end - self.start + 1
        rates = np.ones((days, len(CURRENCIES)))
        for column, currency in enumerate(CURRENCIES):
            if currency in FX_START:
                steps = rng.normal(scale=0.0035, size=days)
                path = np.zeros(days)
                for index in range(1, days):
                    path[index] = 0.997 * path[index - 1] + steps[index]
                rates[:, column] = np.round(FX_START[currency] * np.exp(path), 6)
        return rates
