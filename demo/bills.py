"""Invoices and debit memos of one block, and how each of them is to go: mistakes, disputes, credits, payment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.companies import Companies
from demo.names import COUNTRIES
from demo.orders import Orders
from demo.world import HOME_COUNTRY, NEVER, TAX_RATE, Bools, Floats, Ints, World, business_day, to_day

INVOICE, DEBIT_MEMO, CREDIT_MEMO = 0, 1, 2

# Planted mistakes of a document. All but the slip leave it without any application, for good or until mended.
CLEAN, MISSING_DUE, NEGATIVE, DUE_BEFORE_ISSUE, UNKNOWN_CURRENCY, ORPHAN, DATE_FORMAT, SLIP = range(8)
DIRT_NAMES = (
    "clean", "missing_due_date", "negative_amount", "due_before_issue", "unknown_currency", "orphan_invoice",
    "other_date_format_due_date", "currency_slip",
)  # fmt: skip
DIRT_RATE = (0.0, 0.0012, 0.0006, 0.0010, 0.0006, 0.0008, 0.0001, 0.0004)


@dataclass(frozen=True)
class Bills:
    """Invoices and debit memos before they are numbered, shape (bills,)."""

    kind: Ints
    company: Ints
    account: Ints
    currency: Ints  # the true one
    order: Ints
    issue: Ints
    recorded: Ints
    terms: Ints
    due: Ints
    amount: Ints
    tax_rate: Floats
    default: Ints  # day the company defaults, or NEVER
    write_off: Ints
    stress: Floats
    health: Floats

    @property
    def count(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class Course:
    """How each bill goes, shape (bills,); amounts in cents, zero where there is no such thing."""

    dirt: Ints
    mended: Ints  # day the missing due date was filled in, or NEVER
    is_settled: Bools
    is_disputed: Bools
    opened: Ints
    closed: Ints
    credit: Ints
    credit_day: Ints
    discount: Ints
    pay: Ints  # day of the payment, or of its first part
    part: Ints  # what is paid on that day
    rest: Ints  # what is paid on second_day
    second_day: Ints
    is_early: Bools

    @property
    def is_slip(self) -> Bools:
        """Billed in another currency than agreed; credited in full."""
        return np.asarray(self.dirt == SLIP)


def _billed(world: World, companies: Companies, orders: Orders, rng: np.random.Generator) -> dict[str, Ints]:
    """Invoices from deliveries and a few debit memos, before they are numbered."""
    order, leg = np.nonzero(orders.billed < NEVER)
    issue = orders.billed[order, leg]
    amount = orders.part[order, leg]
    extra = np.flatnonzero(rng.random(len(order)) < 0.004)
    extra_issue = business_day(issue[extra] + rng.integers(35, 70, len(extra)))
    extra_amount = np.maximum(np.rint(amount[extra] * 0.03).astype(np.int64), 1_500)
    kind = np.concatenate([np.full(len(order), INVOICE), np.full(len(extra), DEBIT_MEMO)])
    source = np.concatenate([order, order[extra]])
    issue = np.concatenate([issue, extra_issue])
    amount = np.concatenate([amount, extra_amount])
    company = orders.company[source]
    keep = (issue <= world.end) & (issue < companies.default_day[company] + 4)
    recorded_lag = np.where(rng.random(len(issue)) < 0.006, rng.integers(1, 7, len(issue)), 0)
    columns = {
        "kind": kind,
        "order": np.where(kind == INVOICE, source, -1),
        "source": source,
        "issue": issue,
        "recorded": business_day(issue + recorded_lag, recorded_lag == 0),
        "amount": amount,
    }
    columns = {name: values[keep] for name, values in columns.items()}
    order_key = np.lexsort((columns["source"], columns["recorded"]))
    return {name: values[order_key] for name, values in columns.items()}


def build_bills(world: World, companies: Companies, orders: Orders, rng: np.random.Generator) -> Bills:
    """What is billed for deliveries, with the state of its company when it falls due."""
    billed = _billed(world, companies, orders, rng)
    source, issue = billed["source"], billed["issue"]
    company = orders.company[source]
    terms = companies.terms[company]
    due = issue + terms
    month = world.month_of(due)
    entity = companies.entity[company]
    domestic = (
        companies.country[company] == np.array([COUNTRIES.index(code) for code in HOME_COUNTRY])[entity]
    )
    return Bills(
        kind=billed["kind"],
        company=company,
        account=orders.account[source],
        currency=orders.currency[source],
        order=billed["order"],
        issue=issue,
        recorded=billed["recorded"],
        terms=terms,
        due=due,
        amount=billed["amount"],
        tax_rate=np.where(domestic, np.array(TAX_RATE)[entity], 0.0),
        default=companies.default_day[company],
        write_off=companies.write_off_day[company],
        stress=companies.stress[company, month],
        health=companies.health[company, month],
    )


def build_course(world: World, companies: Companies, bills: Bills, rng: np.random.Generator) -> Course:
    """How each bill goes; drawn in this order, so that the same seed gives the same company."""
    dirt, mended = _mistakes(world, bills, rng)
    is_settled = (dirt == CLEAN) | (mended < NEVER)
    is_disputed, opened, closed = _disputes(bills, dirt, rng)
    pay, discounts, is_disputed = _payment_days(
        world, companies, bills, mended, is_settled, (is_disputed, opened, closed), rng
    )
    credit, credit_day = _credits(bills, dirt, is_disputed, closed, discounts, pay, rng)
    discount = np.where(discounts, np.rint(bills.amount * 0.02).astype(np.int64), 0)

    # Cash to expect, in one or two instalments.
    total = bills.count
    cash = np.where(is_settled, bills.amount - credit - discount, 0)
    parted = (rng.random(total) < 0.012 + 0.10 * bills.stress) & ~discounts & (cash > 20_000)
    part = np.where(parted, np.rint(cash * rng.uniform(0.4, 0.8, total)).astype(np.int64), cash)
    second_day = business_day(pay + rng.integers(12, 40, total))
    early = (rng.random(total) < 0.005) & is_settled & ~parted & ~discounts & ~is_disputed
    early &= (credit == 0) & (mended == NEVER)
    pay = np.where(
        early, np.maximum(business_day(bills.issue - rng.integers(3, 15, total)), world.start), pay
    )
    return Course(
        dirt=dirt,
        mended=mended,
        is_settled=is_settled,
        is_disputed=is_disputed,
        opened=opened,
        closed=closed,
        credit=credit,
        credit_day=credit_day,
        discount=discount,
        pay=pay,
        part=part,
        rest=cash - part,
        second_day=second_day,
        is_early=early,
    )


def _mistakes(world: World, bills: Bills, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The planted mistake of each bill, and the day it is mended."""
    total = bills.count
    draw = rng.random(total)
    bounds = np.cumsum(DIRT_RATE[1:])
    dirt = np.where(draw < bounds[-1], np.searchsorted(bounds, draw, side="right") + 1, CLEAN)
    dirt[bills.kind != INVOICE] = CLEAN
    mended = np.full(total, NEVER, dtype=np.int64)
    # The ERP team mends missing due dates found after the first night; older ones stay as they are.
    mend_day = business_day(bills.issue + rng.integers(18, 60, total))
    mends = (dirt == MISSING_DUE) & (rng.random(total) < 0.65) & (mend_day > to_day(world.first_day))
    mended[mends] = mend_day[mends]
    # Open items of a defaulted company are not looked at again.
    mended[mended >= bills.default] = NEVER
    return dirt, mended


def _disputes(bills: Bills, dirt: Ints, rng: np.random.Generator) -> tuple[Bools, Ints, Ints]:
    """Whether each bill is disputed, and the days a dispute is opened and closed."""
    total = bills.count
    chance = 0.012 + 0.05 * bills.stress + 0.012 * (bills.health < -1.2)
    opened = business_day(bills.issue + 3 + (rng.random(total) * (bills.terms + 4)).astype(np.int64))
    closed = business_day(np.minimum(opened + rng.integers(6, 50, total), bills.due + 65))
    disputed = (rng.random(total) < chance) & (dirt == CLEAN) & (opened < bills.default)
    return disputed & (bills.kind == INVOICE), opened, closed


def _payment_days(
    world: World,
    companies: Companies,
    bills: Bills,
    mended: Ints,
    is_settled: Bools,
    disputes: tuple[Bools, Ints, Ints],
    rng: np.random.Generator,
) -> tuple[Ints, Bools, Bools]:
    """The day each bill is paid, whether with a discount, and whether its dispute came before that."""
    disputed, opened, closed = disputes
    total, company = bills.count, bills.company
    lateness = companies.lateness[company] * np.exp(
        -0.55 * bills.health + 1.45 * bills.stress + 0.65 * rng.normal(size=total)
    )
    lateness = lateness * np.where(rng.random(total) < 0.02, 3.0, 1.0) - rng.uniform(0, 8, total)
    lateness = np.minimum(lateness, np.where(bills.default < NEVER, 140.0, 76.0))
    discounts = companies.takes_discount[company] & (rng.random(total) < 0.75 * np.exp(-2.0 * bills.stress))
    discounts &= is_settled & ~disputed & (bills.kind == INVOICE) & (bills.terms >= 30) & (mended == NEVER)
    plain_day = bills.due + np.rint(lateness).astype(np.int64)
    run_day = companies.pay_run[company]
    on_run = (run_day > 0) & ~discounts
    plain_day = np.where(on_run, _pay_run(world, plain_day - 12, np.maximum(run_day, 1)), plain_day)
    pay = np.where(discounts, bills.issue + rng.integers(6, 10, total), plain_day)
    pay = np.maximum(pay, bills.recorded + 2)
    disputed = disputed & (pay > opened)
    pay = np.where(disputed, np.maximum(pay, closed + rng.integers(2, 8, total)), pay)
    pay = np.where(mended < NEVER, np.maximum(pay, mended + rng.integers(2, 9, total)), pay)
    return business_day(pay, rng.random(total) < 0.12), discounts, disputed


def _credits(
    bills: Bills,
    dirt: Ints,
    disputed: Bools,
    closed: Ints,
    discounts: Bools,
    pay: Ints,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """What is credited and when: after returns, at the end of a dispute, and to undo a slip in the currency."""
    total = bills.count
    day = np.where(disputed, closed, business_day(bills.issue + rng.integers(4, 26, total)))
    credits = rng.random(total) < np.where(disputed, 0.45, 0.014)
    credits &= (dirt == CLEAN) & (bills.kind == INVOICE) & ~discounts & (day >= bills.recorded) & (day < pay)
    credit = np.where(credits, np.rint(bills.amount * rng.uniform(0.05, 0.3, total)).astype(np.int64), 0)
    slip = dirt == SLIP
    day = np.where(slip, business_day(np.maximum(day, bills.recorded + 3)), day)
    credit = np.where(slip, bills.amount, credit)
    credits |= slip
    credits &= day < bills.default
    credit[~credits] = 0
    return credit, day


def _pay_run(world: World, days: Ints, run_day: Ints) -> Ints:
    """First monthly payment run on or after each day."""
    month = np.searchsorted(world.month_start, days, side="right") - 1
    month = np.minimum(month, len(world.month_start) - 2)
    this_month = world.month_start[month] + run_day - 1
    return np.where(this_month >= days, this_month, world.month_start[month + 1] + run_day - 1)
