"""ERP tables about the whole company: exchange rates, the control account, costs and products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from demo import bills, text
from demo import receivables as ledger
from demo.erp import document_sign
from demo.systems import PRODUCT_COUNT, Block, Columns, Window, working_minute
from demo.world import CURRENCIES, LEGAL_ENTITIES, Ints, World, add_months, to_date, to_day

COST_KINDS = (("staff", 14.0), ("system", 4.0), ("insurance", 6.0), ("collection", 5.0), ("financing", 8.0))
PRODUCT_CLASSES = ("23-10", "23-27", "26-11", "30-16", "31-16", "39-12", "43-21", "47-13")


def ledger_movement(block: Block) -> Ints:
    """What the block books on the receivables control account, cents, shape (entities, currencies, days).

    Documents are booked on the day they are recorded, with the sign, amount and currency they carry,
    mistakes included; a document in a currency the ERP does not know is parked and not booked. Receipts are
    booked on the day the bank delivers them, bounced ones taken back on the day of the reversal. Discounts
    and write-offs reduce the account on their day. Applying cash or a credit memo moves nothing: both sides
    lie on the account. A row that reaches the extract twice was booked once.
    """
    world, companies = block.world, block.companies
    documents, payments = block.receivables.documents, block.receivables.payments
    applications = block.receivables.applications
    days = world.end - world.start + 1
    movement = np.zeros((len(LEGAL_ENTITIES), len(CURRENCIES), days), dtype=np.int64)

    def post(company: Ints, currency: Ints, day: Ints, amount: Ints) -> None:
        kept = day <= world.end
        np.add.at(
            movement, (companies.entity[company[kept]], currency[kept], day[kept] - world.start), amount[kept]
        )

    booked = documents.dirt != bills.UNKNOWN_CURRENCY
    sign = document_sign(documents) * np.where(documents.kind == bills.CREDIT_MEMO, -1, 1)
    post(
        documents.company[booked],
        documents.currency[booked],
        documents.recorded[booked],
        (documents.amount * sign)[booked],
    )
    post(payments.company, payments.currency, payments.booked, -payments.amount)
    post(payments.company, payments.currency, payments.reversed_day, payments.amount)
    reducing = np.isin(applications.kind, (ledger.DISCOUNT, ledger.WRITE_OFF))
    target = applications.document[reducing]
    post(
        documents.company[target],
        applications.currency[reducing],
        applications.day[reducing],
        -applications.amount[reducing],
    )
    return movement


def balance_days(world: World, window: Window) -> Ints:
    """Closing days in the window: month ends before the first night, every day from it on."""
    first_night = to_day(world.first_day)
    days = np.arange(max(world.start, window.previous + 1), window.day + 1)
    is_month_end = np.isin(days + 1, world.month_start)
    return days[is_month_end | (days >= first_night)]


def company_tables(world: World, window: Window, movement: Ints) -> Iterator[tuple[str, Ints, Columns]]:
    """ERP tables that are not about single customers: rates, control account, costs and products."""
    days = np.arange(max(world.start, window.previous + 1), window.day + 1)
    offset = days - world.start
    quoted = [index for index, currency in enumerate(CURRENCIES) if currency != "USD"]
    day = np.repeat(days, len(quoted))
    column = np.tile(quoted, len(days))
    rates = np.rint(world.fx[np.repeat(offset, len(quoted)), column] * 1_000_000).astype(np.int64)
    yield "fx_rates", (day - world.start) * 3 + column, {
        "rate_date": text.days(day),
        "currency": text.pick(CURRENCIES, column),
        "rate": text.fixed(rates, 6),
        "updated_at": text.stamps(day, np.full(len(day), 17 * 60)),
    }  # fmt: skip

    closing = balance_days(world, window)
    pairs = len(LEGAL_ENTITIES) * len(CURRENCIES)
    balance = movement.cumsum(axis=2).reshape(pairs, -1)
    used = (movement != 0).cumsum(axis=2).reshape(pairs, -1) > 0
    pair = np.tile(np.arange(pairs), len(closing))
    day = np.repeat(closing, pairs)
    kept = used[pair, day - world.start]
    pair, day = pair[kept], day[kept]
    yield "gl_balances", (day - world.start) * pairs + pair + 1, {
        "balance_date": text.days(day),
        "legal_entity": text.pick(LEGAL_ENTITIES, pair // len(CURRENCIES)),
        "currency": text.pick(CURRENCIES, pair % len(CURRENCIES)),
        "account": text.same("receivables_control", len(pair)),
        "balance": text.fixed(balance[pair, day - world.start]),
        "updated_at": text.stamps(day, np.full(len(day), 23 * 60 + 30)),
    }  # fmt: skip

    kinds = len(COST_KINDS)
    month_first = world.month_start[: world.month_count]
    known = np.array([to_day(add_months(to_date(value), 1)) + 4 for value in month_first], dtype=np.int64)
    grid = np.arange(len(month_first) * len(LEGAL_ENTITIES) * kinds)
    month, entity, kind = np.unravel_index(grid, (len(month_first), len(LEGAL_ENTITIES), kinds))
    chosen, last = window.rows(known[month])
    entity_share = np.array([0.46, 0.38, 0.16])[entity]
    base = np.array([cost for _, cost in COST_KINDS])[kind] * world.customers * entity_share
    cents = np.rint(base * world.rng(1_000_003).lognormal(0.0, 0.08, len(grid)) * 100).astype(np.int64)
    yield "credit_costs", chosen + 1, {
        "cost_month": text.days(month_first[month[chosen]]),
        "legal_entity": text.pick(LEGAL_ENTITIES, entity[chosen]),
        "cost_kind": text.pick(tuple(name for name, _ in COST_KINDS), kind[chosen]),
        "currency": text.pick(CURRENCIES, entity[chosen]),
        "amount": text.fixed(cents[chosen]),
        "updated_at": text.stamps(last, working_minute(chosen)),
    }  # fmt: skip

    index = np.arange(PRODUCT_COUNT)
    chosen, last = window.rows(np.full(PRODUCT_COUNT, world.start, dtype=np.int64))
    yield "products", chosen + 1, {
        "product_id": text.numbered("P", index[chosen] + 1, 4),
        "product_name": text.numbered("Component ", index[chosen] + 1, 3),
        "product_class": text.pick(PRODUCT_CLASSES, chosen % len(PRODUCT_CLASSES)),
        "updated_at": text.stamps(last, working_minute(chosen)),
    }  # fmt: skip
