"""Documents, receipts and their applications of one block, numbered as the ERP shows them, exact to the cent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.accounts import Accounts
from demo.bills import CLEAN, CREDIT_MEMO, Bills, Course, build_bills, build_course
from demo.companies import Companies
from demo.orders import Orders, build_orders
from demo.receipts import Receipts, build_receipts
from demo.world import NEVER, Bools, Floats, Ints, World

CASH, CREDIT, DISCOUNT, WRITE_OFF, REVERSAL = 0, 1, 2, 3, 4
APPLICATION_KINDS = ("cash", "credit_memo", "discount", "write_off", "reversal")


@dataclass
class Documents:
    """Invoices, debit memos and credit memos, shape (documents,), in the order of their numbers."""

    kind: Ints
    company: Ints
    account: Ints
    currency: Ints  # as coded
    order: Ints
    issue: Ints
    recorded: Ints
    due: Ints
    amount: Ints
    tax: Ints
    dirt: Ints
    mended: Ints  # day the missing due date was filled in, or NEVER
    is_repeated: Bools  # delivered in two identical rows
    final_day: Ints  # day nothing is open any more, or NEVER
    credited: Ints
    stress: Floats
    dispute_opened: Ints
    dispute_closed: Ints


@dataclass
class Payments:
    """Receipts, shape (payments,), in the order of their numbers."""

    company: Ints
    account: Ints
    currency: Ints
    received: Ints
    booked: Ints  # day the bank delivered the row
    amount: Ints
    method: Ints
    reversed_day: Ints


@dataclass
class Applications:
    """Shape (applications,), in the order of their numbers; day is both value and recording day."""

    kind: Ints
    payment: Ints  # row in payments, -1 otherwise
    memo: Ints  # row in documents of the credit memo, -1 otherwise
    document: Ints  # row in documents; -1 for an orphan application
    currency: Ints
    day: Ints
    amount: Ints


@dataclass
class Receivables:
    orders: Orders
    documents: Documents
    payments: Payments
    applications: Applications


@dataclass(frozen=True)
class _Numbers:
    """The rows that bills, credit memos and receipts get once all of a block are put in order."""

    memo_of: Ints  # bill of each credit memo
    document_order: Ints
    document: Ints  # row of each bill, then of each memo
    receipt_order: Ints
    receipt: Ints  # row of each receipt, wave after wave
    starts: Ints  # where the receipts of each wave begin among all


def build_receivables(world: World, companies: Companies, erp: Accounts, block: int) -> Receivables:
    """Everything one block of companies orders, is billed for and pays; a pure function of world and block."""
    orders = build_orders(world, companies, erp, block)
    rng = world.rng(block, 11)
    bills = build_bills(world, companies, orders, rng)
    course = build_course(world, companies, bills, rng)
    slip = course.is_slip
    wrong_currency = (bills.currency + 1 + rng.integers(0, 2, bills.count)) % 3
    coded_currency = np.where(slip, wrong_currency, bills.currency)
    receipts = build_receipts(world, companies, bills, course, rng)
    numbers = _number(bills, course, receipts)
    payments = _payments(companies, bills, receipts, numbers, rng)
    applications = _applications(bills, course, receipts, numbers, coded_currency)
    documents = _documents(bills, course, receipts, numbers, coded_currency, rng)
    return Receivables(orders, documents, payments, applications)


def _rank(order: Ints) -> Ints:
    """The place of each row in an order of rows."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _number(bills: Bills, course: Course, receipts: Receipts) -> _Numbers:
    """Documents by the day they were recorded, credit memos among them; receipts by the day they were booked."""
    memo_of = np.flatnonzero(course.credit > 0)
    recorded = np.concatenate([bills.recorded, course.credit_day[memo_of]])
    document_order = np.lexsort((np.arange(len(recorded)), recorded))
    booked = np.concatenate([wave.booked for wave in receipts.waves])
    receipt_order = np.lexsort((np.arange(len(booked)), booked))
    return _Numbers(
        memo_of=memo_of,
        document_order=document_order,
        document=_rank(document_order),
        receipt_order=receipt_order,
        receipt=_rank(receipt_order),
        starts=np.cumsum([0, *(wave.count for wave in receipts.waves)]),
    )


def _payments(
    companies: Companies, bills: Bills, receipts: Receipts, numbers: _Numbers, rng: np.random.Generator
) -> Payments:
    waves, order = receipts.waves, numbers.receipt_order
    count = len(order)
    bill = np.concatenate([wave.bill[wave.head] for wave in waves])
    reversed_day = np.concatenate([wave.reversed_day for wave in waves])
    amount = np.concatenate([wave.amount for wave in waves])
    # Rounded up or paid twice in part: the rest stays unapplied.
    overpaid = (rng.random(count) < 0.004) & (reversed_day == NEVER) & (np.arange(count) < waves[0].count)
    amount = amount + np.where(overpaid, 1_000 + amount // 20, 0)
    method_share = np.array(
        [[0.2, 0.5, 0.25, 0.05, 0.0], [0.45, 0.0, 0.02, 0.03, 0.5], [0.5, 0.05, 0.05, 0.1, 0.3]]
    )
    cumulative = method_share.cumsum(axis=1)[companies.entity[bills.company[bill]]]
    method = (rng.random(count)[:, None] > cumulative).sum(axis=1)
    return Payments(
        company=bills.company[bill][order],
        account=bills.account[bill][order],
        currency=bills.currency[bill][order],
        received=np.concatenate([wave.received for wave in waves])[order],
        booked=np.concatenate([wave.booked for wave in waves])[order],
        amount=amount[order],
        method=np.minimum(method, 4)[order],
        reversed_day=reversed_day[order],
    )


def _applications(
    bills: Bills, course: Course, receipts: Receipts, numbers: _Numbers, coded_currency: Ints
) -> Applications:
    parts: list[tuple[int, Ints, Ints, Ints, Ints, Ints]] = []

    def add(kind: int, payment: Ints | None, memo: Ints | None, bill: Ints, day: Ints, cents: Ints) -> None:
        none = np.full(len(bill), -1, dtype=np.int64)
        parts.append(
            (kind, none if payment is None else payment, none if memo is None else memo, bill, day, cents)
        )

    paid, _, _, on_account = receipts.waves
    for wave, start in zip(receipts.waves[:3], numbers.starts, strict=False):
        add(CASH, numbers.receipt[start + wave.receipt], None, wave.bill, wave.applied, wave.value)
    bounced = paid.bounced
    taken_back = np.maximum(paid.reversed_day[paid.receipt[bounced]], paid.applied[bounced])
    add(
        REVERSAL,
        numbers.receipt[paid.receipt[bounced]],
        None,
        paid.bill[bounced],
        taken_back,
        -paid.value[bounced],
    )
    memo_of = numbers.memo_of
    add(
        CREDIT,
        None,
        numbers.document[bills.count :],
        memo_of,
        course.credit_day[memo_of],
        course.credit[memo_of],
    )
    discounted = np.flatnonzero(receipts.discount[paid.bill] > 0)
    bill = paid.bill[discounted]
    add(DISCOUNT, None, None, bill, paid.applied[discounted], receipts.discount[bill])
    lost = receipts.lost
    add(WRITE_OFF, None, None, lost, bills.write_off[lost], receipts.left[lost])
    stray = np.flatnonzero(receipts.is_orphan)
    payment = numbers.receipt[numbers.starts[3] + stray]
    add(CASH, payment, None, on_account.bill[stray], on_account.day[stray], on_account.value[stray])

    kind = np.concatenate([np.full(len(part[3]), part[0]) for part in parts])
    payment, memo, bill, day, cents = (
        np.concatenate([part[position] for part in parts]) for position in range(1, 6)
    )
    is_orphan = np.arange(len(kind)) >= len(kind) - len(stray)
    order = np.lexsort((np.arange(len(kind)), day))
    return Applications(
        kind=kind[order],
        payment=payment[order],
        memo=memo[order],
        document=np.where(is_orphan, -1, numbers.document[bill])[order],
        currency=np.where(is_orphan, bills.currency[bill], coded_currency[bill])[order],
        day=day[order],
        amount=cents[order],
    )


def _final_days(bills: Bills, course: Course, receipts: Receipts) -> Ints:
    """The day each bill is closed: its last cash, the credit of a slip, or the write-off; else NEVER."""
    paid, again = receipts.waves[:2]
    final = np.full(bills.count, NEVER, dtype=np.int64)
    last_cash = np.zeros(bills.count, dtype=np.int64)
    np.maximum.at(last_cash, paid.bill, paid.applied)
    np.maximum.at(last_cash, again.bill, again.day)
    closed_by_cash = course.is_settled & (receipts.left <= 0)
    final[closed_by_cash] = last_cash[closed_by_cash]
    final[receipts.lost] = bills.write_off[receipts.lost]
    credited_slip = course.is_slip & (course.credit > 0)
    final[credited_slip] = course.credit_day[credited_slip]
    return final


def _documents(
    bills: Bills,
    course: Course,
    receipts: Receipts,
    numbers: _Numbers,
    coded_currency: Ints,
    rng: np.random.Generator,
) -> Documents:
    memo_of = numbers.memo_of
    tail = len(memo_of)
    credit, credit_day = course.credit[memo_of], course.credit_day[memo_of]
    rate = bills.tax_rate

    def extend(values: Ints, memo_values: Ints) -> Ints:
        return np.concatenate([values, memo_values])[numbers.document_order]

    tax = np.rint(bills.amount * rate / (1 + rate)).astype(np.int64)
    memo_tax = np.rint(credit * (rate / (1 + rate))[memo_of]).astype(np.int64)
    repeated = (rng.random(bills.count) < 0.0005) & (course.dirt == CLEAN)
    dispute_closed = np.where(course.closed >= bills.default, bills.write_off, course.closed)
    never = np.full(tail, NEVER)
    return Documents(
        kind=extend(bills.kind, np.full(tail, CREDIT_MEMO)),
        company=extend(bills.company, bills.company[memo_of]),
        account=extend(bills.account, bills.account[memo_of]),
        currency=extend(coded_currency, coded_currency[memo_of]),
        order=extend(bills.order, bills.order[memo_of]),
        issue=extend(bills.issue, credit_day),
        recorded=extend(bills.recorded, credit_day),
        due=extend(bills.due, credit_day),
        amount=extend(bills.amount, credit),
        tax=extend(tax, memo_tax),
        dirt=extend(course.dirt, np.full(tail, CLEAN)),
        mended=extend(course.mended, never),
        is_repeated=np.concatenate([repeated, np.zeros(tail, dtype=bool)])[numbers.document_order],
        final_day=extend(_final_days(bills, course, receipts), credit_day),
        credited=extend(course.credit, np.zeros(tail, dtype=np.int64)),
        stress=np.concatenate([bills.stress, bills.stress[memo_of]])[numbers.document_order],
        dispute_opened=extend(np.where(course.is_disputed, course.opened, NEVER), never),
        dispute_closed=extend(np.where(course.is_disputed, dispute_closed, NEVER), never),
    )
