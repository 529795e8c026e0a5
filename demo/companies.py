"""The hidden side of the demo: companies, their health month by month, and the day they default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo import registration
from demo.names import (
    COUNTRIES,
    COUNTRY_SHARE,
    Address,
    NameBook,
    build_addresses,
    build_names,
)
from demo.world import (
    BLOCK_SIZE,
    NEVER,
    SECTOR_RISK,
    SECTORS,
    Bools,
    Floats,
    Ints,
    Texts,
    World,
    business_day,
    to_day,
)

SEGMENTS = ("enterprise", "mid-market", "small business")
TERMS = np.array([15, 30, 45, 60], dtype=np.int64)
# Expected monthly default probability is near 0.4 %, 5 % a year.
_HAZARD_LEVEL = -6.6
_HAZARD_SLOPE = 1.6


@dataclass(frozen=True)
class Companies:
    """One block of true companies. Arrays have shape (n,) or (n, months)."""

    offset: int
    country: Ints
    sector: Ints
    entity: Ints
    currency: Ints
    other_currency: Ints  # second currency a company is billed in, or the first again
    segment: Ints
    terms: Ints
    parent: Ints  # index in the block, -1 for none
    since: Ints
    is_prospect: Bools
    default_day: Ints
    write_off_day: Ints
    leaves_day: Ints
    is_sudden: Bools
    recovery: Floats  # share of the open amount paid after default, before the write-off
    health: Floats  # (n, months), higher is better
    stress: Floats  # (n, months), 0 calm .. about 1.4 just before a default
    order_rate: Floats  # (n, months), expected orders a month
    ticket: Floats  # typical order amount in document currency
    lateness: Floats  # habitual days late
    pay_run: Ints  # 0 pays each invoice, 5..25 pays once a month on that day
    takes_discount: Bools
    books: NameBook
    address: Address
    registration_no: Texts
    registration_kind: Texts
    owner: Ints

    @property
    def count(self) -> int:
        return len(self.country)


def _health(world: World, rng: np.random.Generator, sector: Ints, parent: Ints) -> Floats:
    count, months = len(sector), world.month_count
    base = rng.normal(scale=0.75, size=count)
    walk = rng.normal(scale=0.65, size=count)
    shocks = rng.normal(scale=0.20, size=(count, months))
    health = np.empty((count, months))
    for month in range(months):
        walk = 0.952 * walk + shocks[:, month]
        health[:, month] = base + walk
    health += 0.6 * world.sector_shock[sector] - 0.4 * SECTOR_RISK[sector][:, None]
    has_parent = parent >= 0
    health[has_parent] = 0.6 * health[has_parent] + 0.5 * health[parent[has_parent]]
    return health


def _stress(
    world: World, rng: np.random.Generator, health: Floats, default_day: Ints, is_sudden: Bools
) -> Floats:
    """Ramps of trouble: true ones that end in default, and false ones that companies recover from."""
    count, months = health.shape
    middle = world.month_start[:months] + 15.0
    length = np.asarray(rng.uniform(100, 290, count))
    length[is_sudden] = 25.0
    amplitude = np.asarray(rng.uniform(0.6, 1.35, count))
    rise = 1.0 - (default_day[:, None] - middle[None, :]) / length[:, None]
    stress: Floats = amplitude[:, None] * np.clip(rise, 0.0, 1.0) ** 1.2
    false_start = rng.random((count, months)) < 0.005 * np.exp(-0.35 * health)
    false_height = rng.uniform(0.25, 0.95, (count, months))
    false_rise = rng.integers(3, 8, (count, months))
    rows, columns = np.nonzero(false_start)
    for shift in range(12):
        column = columns + shift
        inside = column < months
        up = false_rise[rows, columns]
        shape = np.where(shift <= up, shift / up, np.maximum(0.0, 1.0 - (shift - up) / 4.0))
        value = false_height[rows, columns] * shape
        np.maximum.at(stress, (rows[inside], column[inside]), value[inside])
    return stress


def build_companies(world: World, block: int) -> Companies:
    """Companies of one block; a pure function of the world and the block number."""
    offset = block * BLOCK_SIZE
    count = min(BLOCK_SIZE, world.company_count - offset)
    rng = world.rng(block, 1)
    months = world.month_count
    serial = np.arange(offset, offset + count, dtype=np.int64)

    country = rng.choice(len(COUNTRIES), count, p=COUNTRY_SHARE).astype(np.int64)
    sector = rng.integers(0, len(SECTORS), count)
    codes = np.array(COUNTRIES)[country]
    entity = np.where(np.isin(codes, ["US", "CN"]), 0, np.where(codes == "GB", 2, 1)).astype(np.int64)
    currency = np.where(rng.random(count) < 0.93, entity, 0).astype(np.int64)
    second = (currency + rng.integers(1, 3, count)) % 3
    other_currency = np.where(rng.random(count) < 0.06, second, currency)
    segment = rng.choice(3, count, p=[0.10, 0.35, 0.55]).astype(np.int64)
    terms = TERMS[rng.choice(4, count, p=[0.06, 0.42, 0.28, 0.24])]

    parent = np.full(count, -1, dtype=np.int64)
    children = np.flatnonzero(rng.random(count) < 0.085)
    heads = np.setdiff1d(np.arange(count), children)
    parent[children] = heads[rng.integers(0, max(1, len(heads) // 8), len(children))]

    first_night = to_day(world.first_day)
    before = world.start - np.minimum(rng.gamma(1.6, 1100, count), 11_000).astype(np.int64) - 1
    draw = rng.random(count)
    during = world.start + (draw * (first_night - 3 - world.start)).astype(np.int64)
    later = first_night + 1 + (draw * (world.end - first_night - 3)).astype(np.int64)
    since = business_day(np.where(rng.random(count) < 0.78, before, during))
    since = np.where(serial % 11 == 10, business_day(later), since)
    is_prospect = rng.random(count) < 0.03

    health = _health(world, rng, sector, parent)
    hazard = 1.0 / (1.0 + np.exp(-(_HAZARD_LEVEL - _HAZARD_SLOPE * health)))
    young = (world.month_start[:months][None, :] - since[:, None]) < 730
    hits = rng.random((count, months)) < hazard * np.where(young, 1.25, 1.0)
    hits &= world.month_start[:months][None, :] > since[:, None] + 90
    first_hit = hits.argmax(axis=1)
    defaults = hits.any(axis=1) & ~is_prospect
    day_in_month = rng.integers(0, 28, count)
    default_day = np.where(defaults, business_day(world.month_start[first_hit] + day_in_month), NEVER)
    write_off_day = np.where(defaults, business_day(default_day + rng.integers(90, 181, count)), NEVER)
    is_sudden = rng.random(count) < 0.20
    recovery = np.where(rng.random(count) < 0.2, rng.uniform(0.15, 0.5, count), 0.0)
    leaves = rng.exponential(1 / 0.0028, count) * 30.4
    leaves_day = np.maximum(since + 120, world.start + leaves.astype(np.int64))
    stress = _stress(world, rng, health, default_day, is_sudden)

    level = np.array([7.0, 4.0, 2.5])[segment] * rng.lognormal(-0.2, 0.6, count)
    level = np.clip(level, 0.6, 24.0)
    ticket = np.array([9_000.0, 2_600.0, 850.0])[segment] * rng.lognormal(-0.15, 0.55, count)
    surges = rng.random(count) < 0.15
    growth = 0.004 * rng.normal(size=count)
    steps = np.arange(months)
    calendar_month = (
        world.month_start[:months].astype("datetime64[D]").astype("datetime64[M]").astype(int)
    ) % 12
    season = 1.0 + 0.08 * np.sin(2 * np.pi * (calendar_month - 2) / 12)
    pressure = np.where(surges[:, None], 1.0 + 0.7 * stress, np.maximum(0.3, 1.0 - 0.38 * stress))
    order_rate = (
        level[:, None] * season[None, :] * np.exp(growth[:, None] * steps[None, :] + 0.06 * health) * pressure
    )
    order_rate *= rng.lognormal(-0.03, 0.25, (count, months))
    order_rate[is_prospect] = 0.0

    # Habit is only partly a matter of health: some sound companies pay late as a rule.
    lateness = rng.lognormal(np.log(6.5), 0.33, count)
    pay_run = np.where(rng.random(count) < 0.3, rng.choice([5, 10, 15, 20, 25], count), 0).astype(np.int64)
    takes_discount = rng.random(count) < 0.14

    registration_no = np.empty(count, dtype=object)
    registration_kind = np.empty(count, dtype=object)
    for index, code in enumerate(COUNTRIES):
        chosen = country == index
        kind, make = registration.MAKERS[code]
        registration_no[chosen] = make(serial[chosen])
        registration_kind[chosen] = kind
    uses_lei = (rng.random(count) < 0.06) & (codes != "CN")
    registration_no[uses_lei] = registration.lei(serial[uses_lei])
    registration_kind[uses_lei] = "LEI"

    return Companies(
        offset=offset,
        country=country,
        sector=sector,
        entity=entity,
        currency=currency,
        other_currency=other_currency,
        segment=segment,
        terms=terms,
        parent=parent,
        since=since,
        is_prospect=is_prospect,
        default_day=default_day,
        write_off_day=write_off_day,
        leaves_day=leaves_day,
        is_sudden=is_sudden,
        recovery=recovery,
        health=health,
        stress=stress,
        order_rate=order_rate,
        ticket=ticket,
        lateness=lateness,
        pay_run=pay_run,
        takes_discount=takes_discount,
        books=build_names(rng, country, sector),
        address=build_addresses(rng, country),
        registration_no=registration_no,
        registration_kind=registration_kind,
        owner=rng.integers(0, 24, count),
    )
