"""Orders, documents, receipts and their applications of one block, drawn whole and exact to the cent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.accounts import Accounts
from demo.companies import Companies
from demo.names import COUNTRIES
from demo.world import (
    HOME_COUNTRY,
    NEVER,
    TAX_RATE,
    Bools,
    Floats,
    Ints,
    World,
    business_day,
    to_day,
)

INVOICE, DEBIT_MEMO, CREDIT_MEMO = 0, 1, 2
CASH, CREDIT, DISCOUNT, WRITE_OFF, REVERSAL = 0, 1, 2, 3, 4
APPLICATION_KINDS = ("cash", "credit_memo", "discount", "write_off", "reversal")

# Planted mistakes of a document. All but the slip leave it without any application, for good or until mended.
CLEAN, MISSING_DUE, NEGATIVE, DUE_BEFORE_ISSUE, UNKNOWN_CURRENCY, ORPHAN, DATE_FORMAT, SLIP = range(8)
DIRT_NAMES = (
    "clean", "missing_due_date", "negative_amount", "due_before_issue", "unknown_currency", "orphan_invoice",
    "other_date_format_due_date", "currency_slip",
)  # fmt: skip
DIRT_RATE = (0.0, 0.0012, 0.0006, 0.0010, 0.0006, 0.0008, 0.0001, 0.0004)


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


def _cents(values: Floats) -> Ints:
    return np.maximum(np.rint(values * 100).astype(np.int64), 100)


def build_orders(world: World, companies: Companies, erp: Accounts, block: int) -> Orders:
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


def _bill(world: World, companies: Companies, orders: Orders, rng: np.random.Generator) -> dict[str, Ints]:
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


def _pay_run(world: World, days: Ints, run_day: Ints) -> Ints:
    """First monthly payment run on or after each day."""
    month = np.searchsorted(world.month_start, days, side="right") - 1
    month = np.minimum(month, len(world.month_start) - 2)
    this_month = world.month_start[month] + run_day - 1
    return np.where(this_month >= days, this_month, world.month_start[month + 1] + run_day - 1)


def _group_rows(keys: Ints) -> tuple[Ints, Ints]:
    """Row of the first member of each group, and the group of each row."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def build_receivables(world: World, companies: Companies, erp: Accounts, block: int) -> Receivables:
    orders = build_orders(world, companies, erp, block)
    rng = world.rng(block, 11)
    bill = _bill(world, companies, orders, rng)
    kind, order, issue, recorded, amount = (
        bill[key] for key in ("kind", "order", "issue", "recorded", "amount")
    )
    source = bill["source"]
    company, account = orders.company[source], orders.account[source]
    true_currency = orders.currency[source]
    total = len(kind)
    terms = companies.terms[company]
    due = issue + terms
    default = companies.default_day[company]
    write_off = companies.write_off_day[company]
    month = world.month_of(due)
    stress, health = companies.stress[company, month], companies.health[company, month]

    entity = companies.entity[company]
    domestic = (
        companies.country[company] == np.array([COUNTRIES.index(code) for code in HOME_COUNTRY])[entity]
    )
    rate = np.where(domestic, np.array(TAX_RATE)[entity], 0.0)
    tax = np.rint(amount * rate / (1 + rate)).astype(np.int64)

    draw = rng.random(total)
    bounds = np.cumsum(DIRT_RATE[1:])
    dirt = np.where(draw < bounds[-1], np.searchsorted(bounds, draw, side="right") + 1, CLEAN)
    dirt[kind != INVOICE] = CLEAN
    mended = np.full(total, NEVER, dtype=np.int64)
    # The ERP team mends missing due dates found after the first night; older ones stay as they are.
    mend_day = business_day(issue + rng.integers(18, 60, total))
    mends = (dirt == MISSING_DUE) & (rng.random(total) < 0.65) & (mend_day > to_day(world.first_day))
    mended[mends] = mend_day[mends]
    # Open items of a defaulted company are not looked at again.
    mended[mended >= default] = NEVER
    is_settled = (dirt == CLEAN) | (mended < NEVER)

    # Disputes.
    chance = 0.012 + 0.05 * stress + 0.012 * (health < -1.2)
    opened = business_day(issue + 3 + (rng.random(total) * (terms + 4)).astype(np.int64))
    closed = business_day(np.minimum(opened + rng.integers(6, 50, total), due + 65))
    disputed = (rng.random(total) < chance) & (dirt == CLEAN) & (opened < default) & (kind == INVOICE)

    # When and how each document is paid.
    lateness = companies.lateness[company] * np.exp(
        -0.55 * health + 1.45 * stress + 0.65 * rng.normal(size=total)
    )
    lateness = lateness * np.where(rng.random(total) < 0.02, 3.0, 1.0) - rng.uniform(0, 8, total)
    lateness = np.minimum(lateness, np.where(default < NEVER, 140.0, 76.0))
    discounts = companies.takes_discount[company] & (rng.random(total) < 0.75 * np.exp(-2.0 * stress))
    discounts &= is_settled & ~disputed & (kind == INVOICE) & (terms >= 30) & (mended == NEVER)
    plain_day = due + np.rint(lateness).astype(np.int64)
    run_day = companies.pay_run[company]
    on_run = (run_day > 0) & ~discounts
    plain_day = np.where(on_run, _pay_run(world, plain_day - 12, np.maximum(run_day, 1)), plain_day)
    pay = np.where(discounts, issue + rng.integers(6, 10, total), plain_day)
    pay = np.maximum(pay, recorded + 2)
    disputed &= pay > opened
    pay = np.where(disputed, np.maximum(pay, closed + rng.integers(2, 8, total)), pay)
    pay = np.where(mended < NEVER, np.maximum(pay, mended + rng.integers(2, 9, total)), pay)
    pay = business_day(pay, rng.random(total) < 0.12)

    # Credit memos: after returns, at the end of a dispute, and to undo a slip in the currency.
    credit_day = np.where(disputed, closed, business_day(issue + rng.integers(4, 26, total)))
    credits = rng.random(total) < np.where(disputed, 0.45, 0.014)
    credits &= (
        (dirt == CLEAN) & (kind == INVOICE) & ~discounts & (credit_day >= recorded) & (credit_day < pay)
    )
    credit = np.where(credits, np.rint(amount * rng.uniform(0.05, 0.3, total)).astype(np.int64), 0)
    slip = dirt == SLIP
    credit_day = np.where(slip, business_day(np.maximum(credit_day, recorded + 3)), credit_day)
    credit = np.where(slip, amount, credit)
    credits |= slip
    credits &= credit_day < default
    credit[~credits] = 0
    discount = np.where(discounts, np.rint(amount * 0.02).astype(np.int64), 0)

    # Cash to expect, in one or two instalments.
    cash = np.where(is_settled, amount - credit - discount, 0)
    parted = (rng.random(total) < 0.012 + 0.10 * stress) & ~discounts & (cash > 20_000)
    part = np.where(parted, np.rint(cash * rng.uniform(0.4, 0.8, total)).astype(np.int64), cash)
    second_day = business_day(pay + rng.integers(12, 40, total))
    early = (rng.random(total) < 0.005) & is_settled & ~parted & ~discounts & ~disputed & ~credits
    early &= mended == NEVER
    pay = np.where(early, np.maximum(business_day(issue - rng.integers(3, 15, total)), world.start), pay)

    rows = np.arange(total)
    open_rows = [rows[part > 0], rows[(cash - part) > 0]]
    document = np.concatenate(open_rows)
    value = np.concatenate([part[open_rows[0]], (cash - part)[open_rows[1]]])
    value_day = np.concatenate([pay[open_rows[0]], second_day[open_rows[1]]])
    is_early = early[document]
    paid = value_day < default[document]
    document, value, value_day, is_early = document[paid], value[paid], value_day[paid], is_early[paid]

    coded_currency = true_currency.copy()
    wrong_currency = (true_currency + 1 + rng.integers(0, 2, total)) % 3
    coded_currency[slip] = wrong_currency[slip]

    # One receipt pays everything a company settles on one day from one account in one currency.
    def group(document: Ints, value_day: Ints, flag: Ints) -> tuple[Ints, Ints]:
        key = ((account[document] * 3 + true_currency[document]) * 40_000 + value_day) * 2 + flag
        return _group_rows(key)

    first, payment = group(document, value_day, is_early.astype(np.int64))
    received = value_day[first]
    count = len(first)
    booked = received.copy()
    is_late_row = rng.random(count) < 0.01
    booked[is_late_row] = business_day(received + rng.integers(3, 13, count))[is_late_row]
    pay_company = company[document[first]]
    pay_stress = companies.stress[pay_company, world.month_of(received)]
    bounced = (rng.random(count) < 0.003 + 0.014 * pay_stress) & ~is_early[first]
    reversed_day = np.where(bounced, business_day(booked + rng.integers(2, 9, count)), NEVER)
    lag = np.where(rng.random(count) < 0.85, 0, 1)
    slow = rng.random(count) < 0.03
    lag = np.where(slow, rng.integers(2, 16, count), lag)
    lag[bounced] = 0
    applied = np.maximum(business_day(booked + lag, lag == 0)[payment], recorded[document])

    # What bounced is paid again later, unless the company has defaulted by then.
    again = np.flatnonzero(bounced[payment])
    again_day = business_day(reversed_day[payment[again]] + rng.integers(4, 20, count)[payment[again]])
    alive = again_day < default[document[again]]
    again, again_day = again[alive], again_day[alive]
    again_document, again_value = document[again], value[again]
    second_first, second_payment = group(again_document, again_day, np.zeros(len(again), dtype=np.int64))
    second_received = again_day[second_first]

    # A composition: part of what is open is paid between default and write-off.
    settled_value = np.bincount(document, weights=value, minlength=total)
    settled_value -= np.bincount(document[bounced[payment]], weights=value[bounced[payment]], minlength=total)
    settled_value += np.bincount(again_document, weights=again_value, minlength=total)
    took_discount = (discount > 0) & (np.bincount(document, minlength=total) > 0)
    discount[~took_discount] = 0
    left = np.where(is_settled, amount - credit - discount, 0) - np.rint(settled_value).astype(np.int64)
    recovered_share = companies.recovery[company]
    returned = np.where(
        (left > 0) & (recovered_share > 0), np.rint(left * recovered_share).astype(np.int64), 0
    )
    composition_day = business_day(default + 40 + (company * 7) % 45)
    third_document = rows[returned > 0]
    third_day = composition_day[third_document]
    third_first, third_payment = group(
        third_document, third_day, np.zeros(len(third_document), dtype=np.int64)
    )
    left = left - returned
    lost = rows[(left > 0) & (default < NEVER)]

    # Money on account that nobody applied, some of it booked against a document that does not exist.
    on_account = np.flatnonzero(rng.random(total) < 0.0014)
    on_account = on_account[(dirt[on_account] == CLEAN) & (issue[on_account] < default[on_account])]
    stray_day = business_day(issue[on_account] + 9)
    stray_amount = np.maximum((amount[on_account] // 3_000) * 1_000, 5_000)
    is_orphan_application = rng.random(len(on_account)) < 0.3

    heads = np.concatenate(
        [document[first], again_document[second_first], third_document[third_first], on_account]
    )
    starts = np.cumsum([0, count, len(second_first), len(third_first), len(on_account)])
    pay_received = np.concatenate([received, second_received, third_day[third_first], stray_day])
    pay_booked = np.concatenate([booked, second_received, third_day[third_first], stray_day])
    pay_reversed = np.concatenate([reversed_day, np.full(starts[-1] - count, NEVER)])
    pay_amount = np.concatenate(
        [
            np.bincount(payment, weights=value, minlength=count),
            np.bincount(second_payment, weights=again_value, minlength=len(second_first)),
            np.bincount(third_payment, weights=returned[third_document], minlength=len(third_first)),
            stray_amount.astype(np.float64),
        ]
    )
    pay_amount_cents = np.rint(pay_amount).astype(np.int64)
    # Rounded up or paid twice in part: the rest stays unapplied.
    overpaid = (rng.random(starts[-1]) < 0.004) & (pay_reversed == NEVER) & (np.arange(starts[-1]) < count)
    pay_amount_cents = pay_amount_cents + np.where(overpaid, 1_000 + pay_amount_cents // 20, 0)
    pay_order = np.lexsort((np.arange(starts[-1]), pay_booked))
    rank = np.empty(starts[-1], dtype=np.int64)
    rank[pay_order] = np.arange(starts[-1])
    method_share = np.array(
        [[0.2, 0.5, 0.25, 0.05, 0.0], [0.45, 0.0, 0.02, 0.03, 0.5], [0.5, 0.05, 0.05, 0.1, 0.3]]
    )
    cumulative = method_share.cumsum(axis=1)[companies.entity[company[heads]]]
    method = (rng.random(starts[-1])[:, None] > cumulative).sum(axis=1)
    payments = Payments(
        company=company[heads][pay_order],
        account=account[heads][pay_order],
        currency=true_currency[heads][pay_order],
        received=pay_received[pay_order],
        booked=pay_booked[pay_order],
        amount=pay_amount_cents[pay_order],
        method=np.minimum(method, 4)[pay_order],
        reversed_day=pay_reversed[pay_order],
    )

    # Credit memos are documents too: number all documents by the day they were recorded.
    memo_of = np.flatnonzero(credit > 0)
    documents_total = total + len(memo_of)
    all_recorded = np.concatenate([recorded, credit_day[memo_of]])
    document_order = np.lexsort((np.arange(documents_total), all_recorded))
    new_row = np.empty(documents_total, dtype=np.int64)
    new_row[document_order] = np.arange(documents_total)

    reversed_rows = np.flatnonzero(bounced[payment])
    discount_rows = np.flatnonzero(discount[document] > 0)
    parts: list[tuple[int, Ints, Ints, Ints, Ints, Ints]] = []

    def add(kind_code: int, payment_row: Ints, memo_row: Ints, target: Ints, day: Ints, cents: Ints) -> None:
        parts.append((kind_code, payment_row, memo_row, target, day, cents))

    none = np.full(documents_total + len(document), -1, dtype=np.int64)
    add(CASH, rank[payment], none[: len(document)], document, applied, value)
    add(CASH, rank[starts[1] + second_payment], none[: len(again)], again_document,
        np.maximum(again_day, recorded[again_document]), again_value)  # fmt: skip
    add(CASH, rank[starts[2] + third_payment], none[: len(third_document)], third_document, third_day,
        returned[third_document])  # fmt: skip
    add(REVERSAL, rank[payment[reversed_rows]], none[: len(reversed_rows)], document[reversed_rows],
        np.maximum(reversed_day[payment[reversed_rows]], applied[reversed_rows]),
        -value[reversed_rows])  # fmt: skip
    add(CREDIT, none[: len(memo_of)], new_row[total:], memo_of, credit_day[memo_of], credit[memo_of])
    add(DISCOUNT, none[: len(discount_rows)], none[: len(discount_rows)], document[discount_rows],
        applied[discount_rows], discount[document[discount_rows]])  # fmt: skip
    add(WRITE_OFF, none[: len(lost)], none[: len(lost)], lost, write_off[lost], left[lost])
    stray = np.flatnonzero(is_orphan_application)
    kinds = np.concatenate(
        [np.full(len(piece[3]), piece[0]) for piece in parts] + [np.full(len(stray), CASH)]
    )
    app_payment = np.concatenate([piece[1] for piece in parts] + [rank[starts[3] + stray]])
    app_memo = np.concatenate([piece[2] for piece in parts] + [none[: len(stray)]])
    target = np.concatenate([piece[3] for piece in parts] + [on_account[stray]])
    app_day = np.concatenate([piece[4] for piece in parts] + [stray_day[stray]])
    app_amount = np.concatenate([piece[5] for piece in parts] + [stray_amount[stray]])
    is_orphan = np.arange(len(kinds)) >= len(kinds) - len(stray)
    app_order = np.lexsort((np.arange(len(kinds)), app_day))
    applications = Applications(
        kind=kinds[app_order],
        payment=app_payment[app_order],
        memo=app_memo[app_order],
        document=np.where(is_orphan, -1, new_row[target])[app_order],
        currency=np.where(is_orphan, true_currency[target], coded_currency[target])[app_order],
        day=app_day[app_order],
        amount=app_amount[app_order],
    )

    # The day a document is closed: its last cash, the credit of a slip, or the write-off.
    final = np.full(total, NEVER, dtype=np.int64)
    last_cash = np.zeros(total, dtype=np.int64)
    np.maximum.at(last_cash, document, applied)
    np.maximum.at(last_cash, again_document, again_day)
    closed_by_cash = is_settled & (left <= 0)
    final[closed_by_cash] = last_cash[closed_by_cash]
    final[lost] = write_off[lost]
    final[slip & (credit > 0)] = credit_day[slip & (credit > 0)]

    dispute_closed = np.where(closed >= default, write_off, closed)
    tail = len(memo_of)

    def extend(values: Ints, memo_values: Ints) -> Ints:
        return np.concatenate([values, memo_values])[document_order]

    memo_tax = np.rint(credit[memo_of] * (rate / (1 + rate))[memo_of]).astype(np.int64)
    documents = Documents(
        kind=extend(kind, np.full(tail, CREDIT_MEMO)),
        company=extend(company, company[memo_of]),
        account=extend(account, account[memo_of]),
        currency=extend(coded_currency, coded_currency[memo_of]),
        order=extend(order, order[memo_of]),
        issue=extend(issue, credit_day[memo_of]),
        recorded=extend(recorded, credit_day[memo_of]),
        due=extend(due, credit_day[memo_of]),
        amount=extend(amount, credit[memo_of]),
        tax=extend(tax, memo_tax),
        dirt=extend(dirt, np.full(tail, CLEAN)),
        mended=extend(mended, np.full(tail, NEVER)),
        is_repeated=np.concatenate(
            [(rng.random(total) < 0.0005) & (dirt == CLEAN), np.zeros(tail, dtype=bool)]
        )[document_order],
        final_day=extend(final, credit_day[memo_of]),
        credited=extend(credit, np.zeros(tail, dtype=np.int64)),
        stress=np.concatenate([stress, stress[memo_of]])[document_order],
        dispute_opened=extend(np.where(disputed, opened, NEVER), np.full(tail, NEVER)),
        dispute_closed=extend(np.where(disputed, dispute_closed, NEVER), np.full(tail, NEVER)),
    )
    return Receivables(orders, documents, payments, applications)
