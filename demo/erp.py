"""The ERP: rows of each table that were written or changed by a given evening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from demo import bills, signals, text
from demo import receivables as ledger
from demo.companies import SEGMENTS
from demo.names import COUNTRIES
from demo.systems import (
    OWNERS,
    PRODUCT_COUNT,
    STRIDE,
    Block,
    Columns,
    Window,
    application_ids,
    customer_ids,
    document_ids,
    legal_entity,
    order_ids,
    payment_ids,
    working_minute,
)
from demo.world import CURRENCIES, NEVER, SECTORS, Ints, add_months, to_day

if TYPE_CHECKING:
    import pyarrow as pa


BAD_CURRENCIES = ("EURO", "US$", "UKP", "XXX")
DISPUTE_REASONS = ("price", "quantity", "quality", "delivery", "missing_order_number")
DOCUMENT_TYPES = ("invoice", "debit_memo", "credit_memo")
# Columns of each ERP table after entry_no, which numbers the rows in the order the ERP wrote them.
ERP_TABLES: dict[str, tuple[str, ...]] = {
    "customers": (
        "customer_id", "legal_name", "trade_name", "registration_no", "registration_kind", "country",
        "region", "city", "postal_code", "address", "phone", "email", "industry_code", "parent_customer_id",
        "segment", "payment_terms", "account_owner", "customer_since", "updated_at",
    ),
    "invoices": (
        "invoice_id", "document_type", "customer_id", "legal_entity", "issue_date", "due_date", "currency",
        "amount", "tax_amount", "order_id", "created_at", "updated_at",
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
        "legal_name": text.plain(erp.name[rows]),
        "trade_name": text.plain(erp.trade_name[rows]),
        "registration_no": text.plain(erp.registration_no[rows]),
        "registration_kind": text.plain(erp.registration_kind[rows]),
        "country": text.pick(COUNTRIES, companies.country[company]),
        "region": text.plain(address.region[company]),
        "city": text.plain(erp.city[rows]),
        "postal_code": text.plain(address.postal_code[company]),
        "address": text.plain(erp.street[rows]),
        "phone": text.plain(np.where(changed, erp.phone_after[rows], erp.phone[rows])),
        "email": text.plain(erp.email[rows]),
        "industry_code": text.pick(tuple(sector[0] for sector in SECTORS), companies.sector[company]),
        "parent_customer_id": text.numbered("C", erp.number[parent], 6, null=parent < 0),
        "segment": text.pick(SEGMENTS, companies.segment[company]),
        "payment_terms": text.numbered("NET", companies.terms[company], 2),
        "account_owner": text.pick(OWNERS, companies.owner[company]),
        "customer_since": text.days(companies.since[company]),
        "updated_at": text.stamps(last, working_minute(rows)),
    }


def _coded_currency(block: Block, row: Ints) -> pa.Array:
    documents = block.receivables.documents
    bad = documents.dirt[row] == bills.UNKNOWN_CURRENCY
    index = np.where(bad, len(CURRENCIES) + row % len(BAD_CURRENCIES), documents.currency[row])
    return text.pick(CURRENCIES + BAD_CURRENCIES, index)


def document_sign(documents: ledger.Documents) -> Ints:
    """-1 for the rows whose amount was keyed in with a minus, 1 otherwise."""
    return np.where(documents.dirt == bills.NEGATIVE, -1, 1)


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
    due = np.where((dirt == bills.MISSING_DUE) & (documents.mended[rows] > window.day), NEVER, due)
    due = np.where(dirt == bills.DUE_BEFORE_ISSUE, documents.issue[rows] - 5 - rows % 20, due)
    due_text = text.choose(dirt == bills.DATE_FORMAT, text.days(due, "%d/%m/%Y"), text.days(due))
    customer = text.choose(
        dirt == bills.ORPHAN,
        text.numbered("C", (rows * 7919 + block.number) % 99_999 + 1, 6),
        customer_ids(block, documents.account[rows]),
    )
    return entry, {
        "invoice_id": document_ids(block, rows),
        "document_type": text.pick(DOCUMENT_TYPES, documents.kind[rows]),
        "customer_id": customer,
        "legal_entity": legal_entity(block, documents.company[rows]),
        "issue_date": text.days(documents.issue[rows]),
        "due_date": due_text,
        "currency": _coded_currency(block, rows),
        "amount": text.fixed(documents.amount[rows] * sign),
        "tax_amount": text.fixed(documents.tax[rows] * sign),
        "order_id": order_ids(block, documents.order[rows]),
        "created_at": text.stamps(documents.recorded[rows], working_minute(rows)),
        "updated_at": text.stamps(last, working_minute(rows)),
    }


def erp_applications(block: Block, window: Window) -> tuple[Ints, Columns]:
    applications = block.receivables.applications
    rows, last = window.rows(applications.day)
    source = text.choose(
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
        "invoice_id": text.choose(target < 0, missing, document_ids(block, target)),
        "applied_date": text.days(applications.day[rows]),
        "currency": text.pick(CURRENCIES, applications.currency[rows]),
        "amount": text.fixed(applications.amount[rows]),
        "updated_at": text.stamps(last, working_minute(rows)),
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
    order_date = text.choose(
        orders.is_text_date[rows], text.days(orders.day[rows], "%d/%m/%Y"), text.days(orders.day[rows])
    )
    held = (orders.held[rows] & (status == 0)).astype(np.int64)
    return rows, {
        "order_id": order_ids(block, rows),
        "customer_id": customer_ids(block, orders.account[rows]),
        "legal_entity": legal_entity(block, orders.company[rows]),
        "order_date": order_date,
        "requested_ship_date": text.days(orders.requested[rows]),
        "currency": text.pick(CURRENCIES, orders.currency[rows]),
        "amount": text.fixed(orders.amount[rows]),
        "delivered_amount": text.fixed(delivered),
        "invoiced_amount": text.fixed(invoiced),
        "status": text.pick(("open", "closed", "cancelled"), status),
        "credit_hold": text.pick(("false", "true"), held),
        "created_at": text.stamps(orders.day[rows], working_minute(rows)),
        "updated_at": text.stamps(last, working_minute(rows)),
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
        "updated_at": text.stamps(last, working_minute(rows)),
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
        "created_at": text.stamps(opened[chosen], working_minute(chosen)),
        "updated_at": text.stamps(last, working_minute(chosen)),
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
        "updated_at": text.stamps(last, working_minute(rows)),
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
    kept = (documents.issue[rows] > since) & (documents.kind[rows] == bills.INVOICE)
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
        "updated_at": text.stamps(last[row_index], working_minute(document)),
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
