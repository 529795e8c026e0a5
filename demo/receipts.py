"""Receipts of one block, wave by wave: what is paid, paid again after bouncing, recovered, and paid on account."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.bills import CLEAN, Bills, Course
from demo.companies import Companies
from demo.world import NEVER, Bools, Ints, World, business_day


@dataclass(frozen=True)
class Wave:
    """Receipts of one cause. Shares are parts of a receipt that pay one bill, shape (shares,); receipts (receipts,)."""

    bill: Ints
    value: Ints
    day: Ints
    applied: Ints
    receipt: Ints  # row of the share's receipt
    head: Ints  # row of the first share of each receipt
    booked: Ints  # day the bank delivered the receipt
    reversed_day: Ints

    @property
    def count(self) -> int:
        """Number of receipts."""
        return len(self.head)

    @property
    def received(self) -> Ints:
        return self.day[self.head]

    @property
    def amount(self) -> Ints:
        """What each receipt pays, in cents."""
        summed = np.bincount(self.receipt, weights=self.value, minlength=self.count)
        return np.rint(summed).astype(np.int64)

    @property
    def bounced(self) -> Ints:
        """Shares whose receipt was taken back."""
        return np.flatnonzero(self.reversed_day[self.receipt] < NEVER)


@dataclass(frozen=True)
class Receipts:
    """All waves of a block, and what they leave open."""

    waves: tuple[Wave, ...]
    is_orphan: Bools  # of the last wave: booked against a document that does not exist
    discount: Ints  # taken on each bill
    lost: Ints  # bills written off
    left: Ints  # open on each bill before its write-off


def _paid_together(bills: Bills, bill: Ints, day: Ints, flag: Ints) -> tuple[Ints, Ints]:
    """One receipt pays everything a company settles on one day from one account in one currency.

    Returns the first share of each receipt, and the receipt of each share.
    """
    key = ((bills.account[bill] * 3 + bills.currency[bill]) * 40_000 + day) * 2 + flag
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def build_receipts(
    world: World, companies: Companies, bills: Bills, course: Course, rng: np.random.Generator
) -> Receipts:
    """Everything that is paid; drawn in this order, so that the same seed gives the same company."""
    paid = _first_payments(world, companies, bills, course, rng)
    again = _paid_again(bills, paid, rng)
    discount, left = _left_open(bills, course, paid, again)
    recovered, returned = _recovered(companies, bills, left)
    left = left - returned
    lost = np.flatnonzero((left > 0) & (bills.default < NEVER))
    on_account = _on_account(bills, course, rng)
    is_orphan = rng.random(on_account.count) < 0.3
    return Receipts((paid, again, recovered, on_account), is_orphan, discount, lost, left)


def _first_payments(
    world: World, companies: Companies, bills: Bills, course: Course, rng: np.random.Generator
) -> Wave:
    rows = np.arange(bills.count)
    once, twice = rows[course.part > 0], rows[course.rest > 0]
    bill = np.concatenate([once, twice])
    value = np.concatenate([course.part[once], course.rest[twice]])
    day = np.concatenate([course.pay[once], course.second_day[twice]])
    is_early = course.is_early[bill]
    paid = day < bills.default[bill]
    bill, value, day, is_early = bill[paid], value[paid], day[paid], is_early[paid]

    head, receipt = _paid_together(bills, bill, day, is_early.astype(np.int64))
    received, count = day[head], len(head)
    booked = received.copy()
    is_late_row = rng.random(count) < 0.01
    booked[is_late_row] = business_day(received + rng.integers(3, 13, count))[is_late_row]
    stress = companies.stress[bills.company[bill[head]], world.month_of(received)]
    bounced = (rng.random(count) < 0.003 + 0.014 * stress) & ~is_early[head]
    reversed_day = np.where(bounced, business_day(booked + rng.integers(2, 9, count)), NEVER)
    lag = np.where(rng.random(count) < 0.85, 0, 1)
    slow = rng.random(count) < 0.03
    lag = np.where(slow, rng.integers(2, 16, count), lag)
    lag[bounced] = 0
    applied = np.maximum(business_day(booked + lag, lag == 0)[receipt], bills.recorded[bill])
    return Wave(bill, value, day, applied, receipt, head, booked, reversed_day)


def _paid_again(bills: Bills, paid: Wave, rng: np.random.Generator) -> Wave:
    """What bounced is paid again later, unless the company has defaulted by then."""
    rows = paid.bounced
    receipt = paid.receipt[rows]
    day = business_day(paid.reversed_day[receipt] + rng.integers(4, 20, paid.count)[receipt])
    alive = day < bills.default[paid.bill[rows]]
    rows, day = rows[alive], day[alive]
    bill = paid.bill[rows]
    return _plain_wave(bills, bill, paid.value[rows], day, np.maximum(day, bills.recorded[bill]))


def _left_open(bills: Bills, course: Course, paid: Wave, again: Wave) -> tuple[Ints, Ints]:
    """The discounts that were taken, and what no payment has covered."""
    total, bounced = bills.count, paid.bounced
    settled = np.bincount(paid.bill, weights=paid.value, minlength=total)
    settled -= np.bincount(paid.bill[bounced], weights=paid.value[bounced], minlength=total)
    settled += np.bincount(again.bill, weights=again.value, minlength=total)
    took_discount = (course.discount > 0) & (np.bincount(paid.bill, minlength=total) > 0)
    discount = np.where(took_discount, course.discount, 0)
    owed = np.where(course.is_settled, bills.amount - course.credit - discount, 0)
    return discount, owed - np.rint(settled).astype(np.int64)


def _recovered(companies: Companies, bills: Bills, left: Ints) -> tuple[Wave, Ints]:
    """A composition: part of what is open is paid between default and write-off."""
    share = companies.recovery[bills.company]
    returned = np.where((left > 0) & (share > 0), np.rint(left * share).astype(np.int64), 0)
    bill = np.flatnonzero(returned > 0)
    day = business_day(bills.default + 40 + (bills.company * 7) % 45)[bill]
    return _plain_wave(bills, bill, returned[bill], day, day), returned


def _on_account(bills: Bills, course: Course, rng: np.random.Generator) -> Wave:
    """Money on account that nobody applied."""
    bill = np.flatnonzero(rng.random(bills.count) < 0.0014)
    bill = bill[(course.dirt[bill] == CLEAN) & (bills.issue[bill] < bills.default[bill])]
    day = business_day(bills.issue[bill] + 9)
    value = np.maximum((bills.amount[bill] // 3_000) * 1_000, 5_000)
    each = np.arange(len(bill))
    return Wave(bill, value, day, day, each, each, day, np.full(len(bill), NEVER))


def _plain_wave(bills: Bills, bill: Ints, value: Ints, day: Ints, applied: Ints) -> Wave:
    """Receipts that the bank delivers on their day and that do not bounce."""
    head, receipt = _paid_together(bills, bill, day, np.zeros(len(bill), dtype=np.int64))
    return Wave(bill, value, day, applied, receipt, head, day[head], np.full(len(head), NEVER))
