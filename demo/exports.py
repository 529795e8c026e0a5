"""What the other systems deliver as files: the CRM export, the bank file, the bureau."""

from __future__ import annotations

import numpy as np

from demo import signals, text
from demo.companies import SEGMENTS
from demo.names import COUNTRIES
from demo.systems import (
    OWNERS,
    Block,
    Columns,
    Window,
    crm_ids,
    customer_ids,
    legal_entity,
    payment_ids,
    working_minute,
)
from demo.world import CURRENCIES, NEVER, SECTORS

METHODS = ("wire", "check", "card", "other", "direct_debit")


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
        "Company": text.plain(crm.name[rows]),
        "Tax ID": text.plain(crm.registration_no[rows]),
        "Tax ID Type": text.plain(crm.registration_kind[rows]),
        "Country": text.pick(COUNTRIES, companies.country[company]),
        "State": text.plain(companies.address.region[company]),
        "City": text.plain(crm.city[rows]),
        "Zip": text.plain(companies.address.postal_code[company]),
        "Street": text.plain(crm.street[rows]),
        "Phone": text.plain(np.where(changed, crm.phone_after[rows], crm.phone[rows])),
        "E-Mail": text.plain(crm.email[rows]),
        "Industry": text.pick(tuple(sector[0] for sector in SECTORS), companies.sector[company]),
        "Parent Account": text.numbered("A-", crm.number[parent], 6, null=parent < 0),
        "Segment": text.pick(SEGMENTS, companies.segment[company]),
        "Owner": text.pick(OWNERS, companies.owner[company]),
        "Client Since": text.days(crm.created[rows], "%d.%m.%Y"),
        "Last Modified": text.stamps(last, working_minute(rows)),
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
        "legal_entity": legal_entity(block, payments.company[rows]),
        "received_date": text.days(payments.received[rows]),
        "currency": text.pick(CURRENCIES, payments.currency[rows]),
        "amount": text.fixed(payments.amount[rows]),
        "method": text.pick(METHODS, payments.method[rows]),
        "reversed_at": text.days(reversed_day),
        "created_at": text.stamps(payments.booked[rows], working_minute(rows)),
        "updated_at": text.stamps(payments.booked[rows], working_minute(rows)),
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
        "registration_no": text.plain(companies.registration_no[company]),
        "report_date": text.days(reports.day[rows]),
        "score": text.whole(reports.score[rows]),
        "risk_class": text.whole(reports.risk_class[rows]),
        "currency": text.pick(CURRENCIES, companies.currency[company]),
        "recommended_limit": text.fixed(reports.limit[rows]),
        "updated_at": text.stamps(last, working_minute(rows)),
    }
    rows, last = window.rows(notices.published)
    company = notices.company[rows]
    notice_columns = {
        "event_id": text.numbered("LE", rows + block.base + 1),
        "registration_no": text.plain(companies.registration_no[company]),
        "event_date": text.days(notices.day[rows]),
        "published_at": text.days(notices.published[rows]),
        "kind": text.pick(signals.NOTICES, notices.kind[rows]),
        "currency": text.pick(CURRENCIES, companies.currency[company]),
        "amount": text.fixed(notices.amount[rows], null=notices.kind[rows] == 1),
        "updated_at": text.stamps(last, working_minute(rows)),
    }
    rows, last = window.rows(statements.published)
    company = statements.company[rows]
    statement_columns = {
        "registration_no": text.plain(companies.registration_no[company]),
        "period_end": text.days(statements.period_end[rows]),
        "published_at": text.days(statements.published[rows]),
        "currency": text.pick(CURRENCIES, companies.currency[company]),
        **{
            name: text.fixed(statements.figures[rows, position])
            for position, name in enumerate(signals.STATEMENT_FIGURES)
        },
        "audited": text.pick(("false", "true"), statements.audited[rows].astype(np.int64)),
        "updated_at": text.stamps(last, working_minute(rows)),
    }
    return {
        "bureau_reports": (report_columns, frozenset({"score", "risk_class"})),
        "legal_events": (notice_columns, frozenset()),
        "financial_statements": (statement_columns, frozenset({"audited"})),
    }
