"""What there is to show of a block of companies: its simulation, the evening looked at, and record numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demo import accounts as account_records
from demo import receivables as ledger
from demo import signals, text
from demo.companies import Companies, build_companies
from demo.world import LEGAL_ENTITIES, Ints, World

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
PRODUCT_COUNT = 64


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


def working_minute(rows: Ints) -> Ints:
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


def legal_entity(block: Block, company: Ints) -> pa.Array:
    return text.pick(LEGAL_ENTITIES, block.companies.entity[company])
