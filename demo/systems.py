"""The rows each source system shows on a given evening: ERP tables, CRM export, bank file, bureau files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demo import accounts as account_records
from demo import receivables as ledger
from demo import signals, text
from demo.companies import SEGMENTS, Companies, build_companies
from demo.names import COUNTRIES
from demo.world import (
    CURRENCIES,
    LEGAL_ENTITIES,
    NEVER,
    SECTORS,
    Bools,
    Ints,
    Texts,
    World,
    add_months,
    to_date,
    to_day,
)

if TYPE_CHECKING:
    import pyarrow as pa

Columns = dict[str, "pa.Array"]

# Record numbers of a block never reach the next block's.
STRIDE = 100_000_000
OWNERS = tuple(
    f"{first} {last}"
    for last in ("Adler", "Brandt", "Chen", "Dumont")
    for first in ("Ana", "Ben", "Eva", "Ian", "Lea", "Tom")
)
METHODS = ("wire", "check", "card", "other", "direct_debit")
BAD_CURRENCIES = ("EURO", "US$", "UKP", "XXX")
DISPUTE_REASONS = ("price", "quantity", "quality", "delivery", "missing_order_number")
DOCUMENT_TYPES = ("invoice", "debit_memo", "credit_memo")
COST_KINDS = (("staff", 14.0), ("system", 4.0), ("insurance", 6.0), ("collection", 5.0), ("financing", 8.0))
PRODUCT_CLASSES = ("23-10", "23-27", "26-11", "30-16", "31-16", "39-12", "43-21", "47-13")
PRODUCT_COUNT = 64

# Columns of each ERP table after entry_no, which numbers the rows in the order the ERP wrote them.
ERP_TABLES: dict[str, tuple[str, ...]] = {
    "customers": (
        "customer_id", "legal_name", "trade_name", "registration_no", "registration_kind", "country",
        "region", "city", "postal_code", "address", "phone", "email", "industry_code", "parent_customer_id",
        "segment", "payment_terms", "account_owner", "customer_since", "updated_at",
    ),
    "invoices": (
        "invoice_id", "document_type", "customer_id", "legal_entity", "issue_date", "due_date", "currency",
        "amount", "tax_amount", "order_id", "updated_at",
    ),
    "payment_applications": (
        "application_id", "kind", "from_document_id", "invoice_id", "applied_date", "currency", "amount",
        "updated_at",
    ),
    "orders": (
        "order_id", "customer_id", "legal_entity", "order_date", "requested_ship_date", "currency",
        "amount", "delivered_amount", "invoiced_amount", "status", "credit_hold", "created_at",
        "updated_at",
    ),
    "credit_limits": (
        "customer_id", "valid_from", "valid_to", "currency", "amount", "insured_amount", "approved_by",
        "reason", "updated_at",
    ),
    "credit_requests": (
        "request_id", "customer_id", "requested_at", "decided_at", "decision", "currency", "amount",
        "override_reason", "created_at", "updated_at",
    ),
    "disputes": (
        "dispute_id", "customer_id", "invoice_id", "opened_date", "closed_date", "reason", "currency",
        "amount", "created_at", "updated_at",
    ),
    "collection_actions": (
        "action_id", "customer_id", "invoice_id", "action_date", "dunning_level", "promise_date",
        "currency", "promise_amount", "updated_at",
    ),
    "fx_rates": ("rate_date", "currency", "rate", "updated_at"),
    "gl_balances": ("balance_date", "legal_entity", "currency", "account", "balance", "updated_at"),
    "credit_costs": ("cost_month", "legal_entity", "cost_kind", "currency", "amount", "updated_at"),
    "products": ("product_id", "product_name", "product_class", "updated_at"),
    "invoice_lines": ("invoice_id", "line_no", "product_id", "currency", "amount", "updated_at"),
}  # fmt: skip


@dataclass(frozen=True)
class Window:
    """The evenings between which rows were written or changed: previous < day of change <= day."""

    previous: int
    day: int

    def rows(self, created: Ints, *events: Ints) -> tuple[Ints, Ints]:
        """Rows to write, and the day each one last changed as seen on the evening of `day`."""
        last = created.copy()
        for event in events:
            last = np.where(event <= self.day, np.maximum(last, event), last)
        chosen = np.flatnonzero((created <= self.day) & (last > self.previous))
        return chosen, last[chosen]


@dataclass(frozen=True)
class Block:
    """Everything that is ever to happen to one block of companies."""

    world: World
    number: int
    companies: Companies
    erp: account_records.Accounts
    crm: account_records.Accounts
    receivables: ledger.Receivables
    limits: signals.Limits
    requests: signals.Requests
    actions: signals.Actions
    statements: signals.Statements
    notices: signals.Notices
    reports: signals.Reports

    @property
    def base(self) -> int:
        return self.number * STRIDE


def simulate(world: World, number: int) -> Block:
    companies = build_companies(world, number)
    erp = account_records.build_erp(world, companies, number)
    crm = account_records.build_crm(world, companies, number)
    receivables = ledger.build_receivables(world, companies, erp, number)
    limits = signals.build_limits(world, companies, erp, receivables.orders, number)
    write_off = companies.write_off_day[receivables.documents.company]
    notices = signals.build_notices(world, companies, number)
    return Block(
        world=world,
        number=number,
        companies=companies,
        erp=erp,
        crm=crm,
        receivables=receivables,
        limits=limits,
        requests=signals.build_requests(world, companies, erp, limits, number),
        actions=signals.build_actions(world, receivables.documents, write_off, number),
        statements=signals.build_statements(world, companies, number),
        notices=notices,
        reports=signals.build_reports(world, companies, notices, number),
    )


def _minute(rows: Ints) -> Ints:
    """A minute of the working day for each row."""
    return 8 * 60 + rows * 37 % 600


def customer_ids(block: Block, account: Ints) -> pa.Array:
    return text.numbered("C", block.erp.number[account], 6)


def crm_ids(block: Block, row: Ints) -> pa.Array:
    return text.numbered("A-", block.crm.number[row], 6)


def document_ids(block: Block, row: Ints) -> pa.Array:
    import pyarrow.compute as pc

    kind = block.receivables.documents.kind[row]
    return pc.binary_join_element_wise(
        text.pick(("INV", "DM", "CM"), np.where(row < 0, -1, kind)),
        text.numbered("", row + block.base + 1, null=row < 0),
        "",
    )


def order_ids(block: Block, row: Ints) -> pa.Array:
    return text.numbered("SO", row + block.base + 1, null=row < 0)


def payment_ids(block: Block, row: Ints) -> pa.Array:
    return text.numbered("RCP", row + block.base + 1, null=row < 0)


def application_ids(block: Block, row: Ints) -> pa.Array:
    return text.numbered("AP", row + block.base + 1)


def _choose(condition: Bools, yes: pa.Array, no: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(condition), yes, no)


def _text(values: Texts) -> pa.Array:
    import pyarrow as pa

    return pa.array(values.tolist(), type=pa.string())


def _entity(block: Block, company: Ints) -> pa.Array:
    return text.pick(LEGAL_ENTITIES, block.companies.entity[company])


def erp_customers(block: Block, window: Window) -> tuple[Ints, Columns]:
    erp, companies = block.erp, block.companies
    rows, last = window.rows(erp.created, erp.changed)
    company = erp.company[rows]
    address = companies.address
    changed = erp.changed[rows] <= window.day
    parent = erp.parent[rows]
    # A parent opened after the child is entered when it exists.
    parent = np.where((parent >= 0) & (erp.created[parent] <= erp.created[rows]), parent, -1)
    return rows, {
        "customer_id": customer_ids(block, rows),
        "legal_name": _text(erp.name[rows]),
        "trade_name": _text(erp.trade_name[rows]),
        "registration_no": _text(erp.registration_no[rows]),
        "registration_kind": _text(erp.registration_kind[rows]),
        "country": text.pick(COUNTRIES, companies.country[company]),
        "region": _text(address.region[company]),
        "city": _text(erp.city[rows]),
        "postal_code": _text(address.postal_code[company]),
        "address": _text(erp.street[rows]),
        "phone": _text(np.where(changed, erp.phone_after[rows], erp.phone[rows])),
        "email": _text(erp.email[rows]),
        "industry_code": text.pick(tuple(sector[0] for sector in SECTORS), companies.sector[company]),
        "parent_customer_id": text.numbered("C", erp.number[parent], 6, null=parent < 0),
        "segment": text.pick(SEGMENTS, companies.segment[company]),
        "payment_terms": text.numbered("NET", companies.terms[company], 2),
        "account_owner": text.pick(OWNERS, companies.owner[company]),
        "customer_since": text.days(companies.since[company]),
        "updated_at": text.stamps(last, _minute(rows)),
    }


def _coded_currency(block: Block, row: Ints) -> pa.Array:
    documents = block.receivables.documents
    bad = documents.dirt[row] == ledger.UNKNOWN_CURRENCY
    index = np.where(bad, len(CURRENCIES) + row % len(BAD_CURRENCIES), documents.currency[row])
    return text.pick(CURRENCIES + BAD_CURRENCIES, index)


def document_sign(documents: ledger.Documents) -> Ints:
    """-1 for the rows whose amount was keyed in with a minus, 1 otherwise."""
    return np.where(documents.dirt == ledger.NEGATIVE, -1, 1)


def erp_invoices(block: Block, window: Window) -> tuple[Ints, Columns]:
    documents = block.receivables.documents
    rows, last = window.rows(documents.recorded, documents.mended)
    repeated = np.flatnonzero(documents.is_repeated[rows])
    entry = np.concatenate([rows, rows[repeated] + STRIDE * 9 // 10])
    last = np.concatenate([last, last[repeated]])
    rows = np.concatenate([rows, rows[repeated]])
    dirt = documents.dirt[rows]
    sign = document_sign(documents)[rows]
    due = documents.due[rows]
    due = np.where((dirt == ledger.MISSING_DUE) & (documents.mended[rows] > window.day), NEVER, due)
    due = np.where(dirt == ledger.DUE_BEFORE_ISSUE, documents.issue[rows] - 5 - rows % 20, due)
    due_text = _choose(dirt == ledger.DATE_FORMAT, text.days(due, "%d/%m/%Y"), text.days(due))
    customer = _choose(
        dirt == ledger.ORPHAN,
        text.numbered("C", (rows * 7919 + block.number) % 99_999 + 1, 6),
        customer_ids(block, documents.account[rows]),
    )
    return entry, {
        "invoice_id": document_ids(block, rows),
        "document_type": text.pick(DOCUMENT_TYPES, documents.kind[rows]),
        "customer_id": customer,
        "legal_entity": _entity(block, documents.company[rows]),
        "issue_date": text.days(documents.issue[rows]),
        "due_date": due_text,
        "currency": _coded_currency(block, rows),
        "amount": text.fixed(documents.amount[rows] * sign),
        "tax_amount": text.fixed(documents.tax[rows] * sign),
        "order_id": order_ids(block, documents.order[rows]),
        "updated_at": text.stamps(last, _minute(rows)),
    }


def erp_applications(block: Block, window: Window) -> tuple[Ints, Columns]:
    applications = block.receivables.applications
    rows, last = window.rows(applications.day)
    source = _choose(
        applications.memo[rows] >= 0,
        document_ids(block, applications.memo[rows]),
        payment_ids(block, applications.payment[rows]),
    )
    target = applications.document[rows]
    missing = text.numbered("INV", rows + block.base + 90_000_000)
    return rows, {
        "application_id": application_ids(block, rows),
        "kind": text.pick(ledger.APPLICATION_KINDS, applications.kind[rows]),
        "from_document_id": source,
        "invoice_id": _choose(target < 0, missing, document_ids(block, target)),
        "applied_date": text.days(applications.day[rows]),
        "currency": text.pick(CURRENCIES, applications.currency[rows]),
        "amount": text.fixed(applications.amount[rows]),
        "updated_at": text.stamps(last, _minute(rows)),
    }


def erp_orders(block: Block, window: Window) -> tuple[Ints, Columns]:
    orders = block.receivables.orders
    rows, last = window.rows(
        orders.day,
        orders.ship[:, 0],
        orders.ship[:, 1],
        orders.billed[:, 0],
        orders.billed[:, 1],
        orders.cancelled,
    )
    part = orders.part[rows]
    delivered = (part * (orders.ship[rows] <= window.day)).sum(axis=1)
    invoiced = (part * (orders.billed[rows] <= window.day)).sum(axis=1)
    is_cancelled = orders.cancelled[rows] <= window.day
    status = np.where(is_cancelled, 2, np.where(invoiced >= orders.amount[rows], 1, 0))
    order_date = _choose(
        orders.is_text_date[rows], text.days(orders.day[rows], "%d/%m/%Y"), text.days(orders.day[rows])
    )
    held = (orders.held[rows] & (status == 0)).astype(np.int64)
    return rows, {
        "order_id": order_ids(block, rows),
        "customer_id": customer_ids(block, orders.account[rows]),
        "legal_entity": _entity(block, orders.company[rows]),
        "order_date": order_date,
        "requested_ship_date": text.days(orders.requested[rows]),
        "currency": text.pick(CURRENCIES, orders.currency[rows]),
        "amount": text.fixed(orders.amount[rows]),
        "delivered_amount": text.fixed(delivered),
        "invoiced_amount": text.fixed(invoiced),
        "status": text.pick(("open", "closed", "cancelled"), status),
        "credit_hold": text.pick(("false", "true"), held),
        "created_at": text.stamps(orders.day[rows], _minute(rows)),
        "updated_at": text.stamps(last, _minute(rows)),
    }


def erp_limits(block: Block, window: Window) -> tuple[Ints, Columns]:
    limits = block.limits
    rows, last = window.rows(limits.valid_from)
    return rows, {
        "customer_id": customer_ids(block, limits.account[rows]),
        "valid_from": text.days(limits.valid_from[rows]),
        "valid_to": text.days(limits.valid_to[rows]),
        "currency": text.pick(CURRENCIES, limits.currency[rows]),
        "amount": text.fixed(limits.amount[rows]),
        "insured_amount": text.fixed(limits.insured[rows]),
        "approved_by": text.pick(signals.APPROVERS, limits.approver[rows]),
        "reason": text.pick(signals.LIMIT_REASONS, limits.reason[rows]),
        "updated_at": text.stamps(last, _minute(rows)),
    }


def erp_requests(block: Block, window: Window) -> tuple[Ints, Columns]:
    requests = block.requests
    rows, last = window.rows(requests.requested_day, requests.decided_day)
    decided = requests.decided_day[rows] <= window.day
    minute = np.where(decided, requests.decided_minute[rows], requests.requested_minute[rows])
    decided_day = np.where(decided, requests.decided_day[rows], NEVER)
    created = text.stamps(requests.requested_day[rows], requests.requested_minute[rows])
    return rows, {
        "request_id": text.numbered("CRQ", rows + block.base + 1),
        "customer_id": customer_ids(block, requests.account[rows]),
        "requested_at": created,
        "decided_at": text.stamps(decided_day, requests.decided_minute[rows]),
        "decision": text.pick(signals.DECISIONS, np.where(decided, requests.decision[rows], -1)),
        "currency": text.pick(CURRENCIES, requests.currency[rows]),
        "amount": text.fixed(requests.amount[rows]),
        "override_reason": text.pick(signals.OVERRIDES, np.where(decided, requests.override[rows], -1)),
        "created_at": created,
        "updated_at": text.stamps(last, minute),
    }


def erp_disputes(block: Block, window: Window) -> tuple[Ints, Columns]:
    documents = block.receivables.documents
    disputed = np.flatnonzero(documents.dispute_opened < NEVER)
    number = np.lexsort((disputed, documents.dispute_opened[disputed]))
    disputed = disputed[number]
    opened, closed = documents.dispute_opened[disputed], documents.dispute_closed[disputed]
    chosen, last = window.rows(opened, closed)
    rows = disputed[chosen]
    closed = np.where(closed[chosen] <= window.day, closed[chosen], NEVER)
    return chosen, {
        "dispute_id": text.numbered("DSP", chosen + block.base + 1),
        "customer_id": customer_ids(block, documents.account[rows]),
        "invoice_id": document_ids(block, rows),
        "opened_date": text.days(opened[chosen]),
        "closed_date": text.days(closed),
        "reason": text.pick(DISPUTE_REASONS, rows * 31 % len(DISPUTE_REASONS)),
        "currency": text.pick(CURRENCIES, documents.currency[rows]),
        "amount": text.fixed(np.rint(documents.amount[rows] * (1 + rows % 4) / 4).astype(np.int64)),
        "created_at": text.stamps(opened[chosen], _minute(chosen)),
        "updated_at": text.stamps(last, _minute(chosen)),
    }


def erp_actions(block: Block, window: Window) -> tuple[Ints, Columns]:
    actions, documents = block.actions, block.receivables.documents
    rows, last = window.rows(actions.day)
    document = actions.document[rows]
    without = actions.promise[rows] >= NEVER
    return rows, {
        "action_id": text.numbered("COL", rows + block.base + 1),
        "customer_id": customer_ids(block, documents.account[document]),
        "invoice_id": document_ids(block, document),
        "action_date": text.days(actions.day[rows]),
        "dunning_level": text.whole(actions.level[rows]),
        "promise_date": text.days(actions.promise[rows]),
        "currency": text.pick(CURRENCIES, np.where(without, -1, documents.currency[document])),
        "promise_amount": text.fixed(actions.amount[rows], null=without),
        "updated_at": text.stamps(last, _minute(rows)),
    }


def erp_lines(block: Block, window: Window) -> tuple[Ints, Columns]:
    """One to three lines for each invoice of the twelve months before the first night, and all after it."""
    documents, world = block.receivables.documents, block.world
    since = to_day(add_months(world.first_day, -12))
    rng = world.rng(block.number, 30)
    total = len(documents.kind)
    lines = rng.choice(3, total, p=[0.55, 0.30, 0.15]) + 1
    products = rng.integers(0, PRODUCT_COUNT, (total, 3))
    cut = rng.uniform(0.25, 0.6, (total, 2))
    rows, last = window.rows(documents.recorded)
    kept = (documents.issue[rows] > since) & (documents.kind[rows] == ledger.INVOICE)
    rows, last = rows[kept], last[kept]
    amount = documents.amount[rows]
    first = np.where(lines[rows] > 1, np.rint(amount * cut[rows, 0]).astype(np.int64), amount)
    second = np.where(
        lines[rows] > 2, np.rint((amount - first) * cut[rows, 1]).astype(np.int64), amount - first
    )
    parts = (
        np.stack([first, second, amount - first - second], axis=1) * document_sign(documents)[rows][:, None]
    )
    row_index, line = np.nonzero(np.arange(3)[None, :] < lines[rows][:, None])
    document = rows[row_index]
    return document * 3 + line, {
        "invoice_id": document_ids(block, document),
        "line_no": text.whole(line + 1),
        "product_id": text.numbered("P", products[document, line] + 1, 4),
        "currency": _coded_currency(block, document),
        "amount": text.fixed(parts[row_index, line]),
        "updated_at": text.stamps(last[row_index], _minute(document)),
    }


def block_tables(block: Block, window: Window) -> Iterator[tuple[str, Ints, Columns]]:
    """ERP rows of one block that were written or changed in the window: table, entry numbers, columns."""
    makers: tuple[tuple[str, Any], ...] = (
        ("customers", erp_customers),
        ("invoices", erp_invoices),
        ("payment_applications", erp_applications),
        ("orders", erp_orders),
        ("credit_limits", erp_limits),
        ("credit_requests", erp_requests),
        ("disputes", erp_disputes),
        ("collection_actions", erp_actions),
        ("invoice_lines", erp_lines),
    )
    for table, maker in makers:
        entry, columns = maker(block, window)
        yield table, entry + block.base + 1, columns


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

    booked = documents.dirt != ledger.UNKNOWN_CURRENCY
    sign = document_sign(documents) * np.where(documents.kind == ledger.CREDIT_MEMO, -1, 1)
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
        "updated_at": text.stamps(last, _minute(chosen)),
    }  # fmt: skip

    index = np.arange(PRODUCT_COUNT)
    chosen, last = window.rows(np.full(PRODUCT_COUNT, world.start, dtype=np.int64))
    yield "products", chosen + 1, {
        "product_id": text.numbered("P", index[chosen] + 1, 4),
        "product_name": text.numbered("Component ", index[chosen] + 1, 3),
        "product_class": text.pick(PRODUCT_CLASSES, chosen % len(PRODUCT_CLASSES)),
        "updated_at": text.stamps(last, _minute(chosen)),
    }  # fmt: skip


def crm_export(block: Block, day: int) -> Columns:
    """The whole CRM as of the evening of `day`, under the CRM's own headings."""
    crm, companies = block.crm, block.companies
    rows, last = Window(-NEVER, day).rows(crm.created, crm.changed)
    company = crm.company[rows]
    changed = crm.changed[rows] <= day
    parent = crm.parent[rows]
    parent = np.where((parent >= 0) & (crm.created[parent] <= day), parent, -1)
    return {
        "Account No": crm_ids(block, rows),
        "Company": _text(crm.name[rows]),
        "Tax ID": _text(crm.registration_no[rows]),
        "Tax ID Type": _text(crm.registration_kind[rows]),
        "Country": text.pick(COUNTRIES, companies.country[company]),
        "State": _text(companies.address.region[company]),
        "City": _text(crm.city[rows]),
        "Zip": _text(companies.address.postal_code[company]),
        "Street": _text(crm.street[rows]),
        "Phone": _text(np.where(changed, crm.phone_after[rows], crm.phone[rows])),
        "E-Mail": _text(crm.email[rows]),
        "Industry": text.pick(tuple(sector[0] for sector in SECTORS), companies.sector[company]),
        "Parent Account": text.numbered("A-", crm.number[parent], 6, null=parent < 0),
        "Segment": text.pick(SEGMENTS, companies.segment[company]),
        "Owner": text.pick(OWNERS, companies.owner[company]),
        "Client Since": text.days(crm.created[rows], "%d.%m.%Y"),
        "Last Modified": text.stamps(last, _minute(rows)),
    }


def bank_file(block: Block, previous: int, day: int) -> Columns:
    """Receipts the bank delivered in (previous, day]; one that bounced is delivered again with that date.

    `updated_at` is the bank's booking time of the receipt; it does not move when the receipt bounces.
    """
    payments = block.receivables.payments
    rows, _ = Window(previous, day).rows(payments.booked, payments.reversed_day)
    reversed_day = np.where(payments.reversed_day[rows] <= day, payments.reversed_day[rows], NEVER)
    return {
        "payment_id": payment_ids(block, rows),
        "customer_id": customer_ids(block, payments.account[rows]),
        "legal_entity": _entity(block, payments.company[rows]),
        "received_date": text.days(payments.received[rows]),
        "currency": text.pick(CURRENCIES, payments.currency[rows]),
        "amount": text.fixed(payments.amount[rows]),
        "method": text.pick(METHODS, payments.method[rows]),
        "reversed_at": text.days(reversed_day),
        "updated_at": text.stamps(payments.booked[rows], _minute(rows)),
    }


def bureau_files(block: Block, day: int) -> dict[str, tuple[Columns, frozenset[str]]]:
    """All the bureau has published by `day`: file stem -> columns, and the columns that are numbers."""
    companies = block.companies
    window = Window(-NEVER, day)
    reports, notices, statements = block.reports, block.notices, block.statements
    rows, last = window.rows(reports.day)
    company = reports.company[rows]
    report_columns = {
        "report_id": text.numbered("BR", rows + block.base + 1),
        "registration_no": _text(companies.registration_no[company]),
        "report_date": text.days(reports.day[rows]),
        "score": text.whole(reports.score[rows]),
        "risk_class": text.whole(reports.risk_class[rows]),
        "currency": text.pick(CURRENCIES, companies.currency[company]),
        "recommended_limit": text.fixed(reports.limit[rows]),
        "updated_at": text.stamps(last, _minute(rows)),
    }
    rows, last = window.rows(notices.published)
    company = notices.company[rows]
    notice_columns = {
        "event_id": text.numbered("LE", rows + block.base + 1),
        "registration_no": _text(companies.registration_no[company]),
        "event_date": text.days(notices.day[rows]),
        "published_at": text.days(notices.published[rows]),
        "kind": text.pick(signals.NOTICES, notices.kind[rows]),
        "currency": text.pick(CURRENCIES, companies.currency[company]),
        "amount": text.fixed(notices.amount[rows], null=notices.kind[rows] == 1),
        "updated_at": text.stamps(last, _minute(rows)),
    }
    rows, last = window.rows(statements.published)
    company = statements.company[rows]
    statement_columns = {
        "registration_no": _text(companies.registration_no[company]),
        "period_end": text.days(statements.period_end[rows]),
        "published_at": text.days(statements.published[rows]),
        "currency": text.pick(CURRENCIES, companies.currency[company]),
        **{
            name: text.fixed(statements.figures[rows, position])
            for position, name in enumerate(signals.STATEMENT_FIGURES)
        },
        "audited": text.pick(("false", "true"), statements.audited[rows].astype(np.int64)),
        "updated_at": text.stamps(last, _minute(rows)),
    }
    return {
        "bureau_reports": (report_columns, frozenset({"score", "risk_class"})),
        "legal_events": (notice_columns, frozenset()),
        "financial_statements": (statement_columns, frozenset({"audited"})),
    }
