"""Orders of one block and their deliveries: what is billed later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.accounts import Accounts
from demo.companies import Companies
from demo.world import NEVER, Bools, Floats, Ints, World, business_day


@dataclass
class Orders:
    """Shape (orders,), deliveries (orders, 2) with NEVER where there is no such delivery."""

    company: Ints
    account: Ints
    currency: Ints
    day: Ints
    requested: Ints
    amount: Ints
    ship: Ints
    billed: Ints
    part: Ints
    cancelled: Ints
    held: Bools
    is_text_date: Bools


def _cents(values: Floats) -> Ints:
    return np.maximum(np.rint(values * 100).astype(np.int64), 100)


def build_orders(world: World, companies: Companies, erp: Accounts, block: int) -> Orders:
    """Orders of one block with their deliveries, by the companies' order rates month by month."""
    rng = world.rng(block, 10)
    counts = rng.poisson(companies.order_rate)
    total = int(counts.sum())
    months = world.month_count
    company = np.repeat(np.arange(companies.count), counts.sum(axis=1))
    month = np.repeat(np.tile(np.arange(months), companies.count), counts.ravel())
    length = world.month_start[month + 1] - world.month_start[month]
    day = business_day(
        world.month_start[month] + (rng.random(total) * length).astype(np.int64), rng.random(total) < 0.15
    )
    stop = np.minimum(companies.default_day, companies.leaves_day)
    keep = (
        (day >= np.maximum(world.start, companies.since[company]))
        & (day < stop[company])
        & (day <= world.end)
    )
    company, day = company[keep], day[keep]
    total = len(day)

    first = np.full(companies.count, -1, dtype=np.int64)
    second = np.full(companies.count, -1, dtype=np.int64)
    first[erp.company[~erp.is_duplicate]] = np.flatnonzero(~erp.is_duplicate)
    second[erp.company[erp.is_duplicate]] = np.flatnonzero(erp.is_duplicate)
    use_second = (second[company] >= 0) & (rng.random(total) < 0.35)
    use_second &= day > erp.created[second[company]]
    account = np.where(use_second, second[company], first[company])

    in_other = rng.random(total) < 0.3
    currency = np.where(in_other, companies.other_currency[company], companies.currency[company])
    stress = companies.stress[company, world.month_of(day)]
    amount = _cents(companies.ticket[company] * np.exp(0.65 * rng.normal(size=total) - 0.21))
    two = (rng.random(total) < 0.35) & (amount > 60_000)
    lag = 1 + np.minimum(rng.geometric(0.16, total), 30)
    ship_one = business_day(day + lag, rng.random(total) < 0.2)
    ship_two = np.where(two, business_day(ship_one + rng.integers(7, 29, total)), NEVER)
    share = np.where(two, np.rint(amount * rng.uniform(0.3, 0.7, total)).astype(np.int64), amount)
    part = np.stack([share, amount - share], axis=1)
    ship = np.stack([ship_one, ship_two], axis=1)
    bill_lag = rng.choice([0, 1, 2], (total, 2), p=[0.8, 0.15, 0.05])
    billed = np.where(ship < NEVER, business_day(ship + bill_lag, rng.random((total, 2)) < 0.25), NEVER)

    withdrawn = rng.random(total) < 0.014
    cancelled = np.where(withdrawn, np.minimum(business_day(day + rng.integers(1, 9, total)), NEVER), NEVER)
    ship[withdrawn] = NEVER
    billed[withdrawn] = NEVER
    # After a default nothing is shipped any more; what is left of the order is cancelled weeks later.
    late = (ship < NEVER) & (ship >= companies.default_day[company][:, None])
    ship[late] = NEVER
    billed[late] = NEVER
    wound_up = business_day(
        np.minimum(companies.default_day[company], world.end) + rng.integers(15, 60, total)
    )
    cancelled = np.where(late.any(axis=1), wound_up, cancelled)
    held = (rng.random(total) < np.clip(stress - 0.45, 0.0, 0.45)) | (rng.random(total) < 0.004)
    return Orders(
        company=company,
        account=account,
        currency=currency,
        day=day,
        requested=business_day(day + 2 + rng.integers(0, 14, total)),
        amount=amount,
        ship=ship,
        billed=billed,
        part=part,
        cancelled=cancelled,
        held=held,
        is_text_date=rng.random(total) < 0.0003,
    )
