"""What was planted and what is true: the answer sheet that only tests read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from demo import bills, systems
from demo.world import NEVER, Ints, World, to_date, to_day

if TYPE_CHECKING:
    import pyarrow as pa


def is_delivered_twice(world: World, day: int) -> bool:
    """Whether the bank sends the file of `day` a second time under another name: about one night in twelve.

    The file of three days before the first night always is, so that a new demo holds one.
    """
    since = day - to_day(world.first_day)
    if since <= 0:
        return since == -3
    return int(world.rng(1_000_004, since).integers(0, 12)) == 0


class Manifest:
    """Collects planted mistakes and hidden truth as visible on one evening, block by block."""

    def __init__(self, world: World, day: int) -> None:
        self._world = world
        self._day = day
        self._planted: dict[str, list[str]] = {}
        self._companies: dict[str, dict[str, Any]] = {}
        self._erp: dict[str, int] = {}
        self._crm: dict[str, int] = {}
        first_night = to_day(world.first_day)
        self._planted["duplicated_file"] = [
            f"bank/payments_{to_date(value)}_resend.csv"
            for value in range(first_night - 6, day + 1)
            if is_delivered_twice(world, value)
        ]

    def _plant(self, kind: str, keys: pa.Array) -> None:
        self._planted.setdefault(kind, []).extend(keys.to_pylist())

    def add(self, block: systems.Block) -> None:
        """Adds one block's mistakes and truth."""
        day = self._day
        erp, crm, companies = block.erp, block.crm, block.companies

        def visible(mask: np.ndarray[Any, Any], known: Ints) -> Ints:
            return np.flatnonzero(mask & (known <= day))

        for system, records, ids in (("erp", erp, systems.customer_ids), ("crm", crm, systems.crm_ids)):
            self._plant(f"misspelt_name_{system}", ids(block, visible(records.is_misspelt, records.created)))
            wrong = visible(records.is_wrong_registration, records.created)
            self._plant(f"wrong_registration_no_{system}", ids(block, wrong))
        self._plant(
            "duplicate_customer_erp", systems.customer_ids(block, visible(erp.is_duplicate, erp.created))
        )
        in_erp = np.full(companies.count, NEVER, dtype=np.int64)
        np.minimum.at(in_erp, erp.company, erp.created)
        twin = visible(in_erp[crm.company] <= day, crm.created)
        self._plant("duplicate_customer_across_systems", systems.crm_ids(block, twin))

        documents, payments = block.receivables.documents, block.receivables.payments
        applications, orders = block.receivables.applications, block.receivables.orders
        for code in range(1, len(bills.DIRT_NAMES)):
            mask = (documents.dirt == code) & (documents.mended > day)
            self._plant(
                bills.DIRT_NAMES[code], systems.document_ids(block, visible(mask, documents.recorded))
            )
        mended = np.flatnonzero(documents.mended <= day)
        self._plant("mended_due_date", systems.document_ids(block, mended))
        for kind, mask in (
            ("duplicated_document_row", documents.is_repeated),
            ("late_recorded_document", documents.recorded > documents.issue),
        ):
            self._plant(kind, systems.document_ids(block, visible(mask, documents.recorded)))
        text_date = visible(orders.is_text_date, orders.day)
        self._plant("other_date_format_order_date", systems.order_ids(block, text_date))
        late = visible(payments.booked > payments.received, payments.booked)
        self._plant("late_arriving_payment", systems.payment_ids(block, late))
        reversed_rows = np.flatnonzero(payments.reversed_day <= day)
        self._plant("reversed_payment", systems.payment_ids(block, reversed_rows))
        applied = np.zeros(len(payments.amount), dtype=np.int64)
        counted = (applications.day <= day) & (applications.payment >= 0) & (applications.document >= 0)
        np.add.at(applied, applications.payment[counted], applications.amount[counted])
        rest = (payments.amount > applied) & (payments.reversed_day > day)
        self._plant("unapplied_payment", systems.payment_ids(block, visible(rest, payments.booked)))
        orphan = visible(applications.document < 0, applications.day)
        self._plant("orphan_application", systems.application_ids(block, orphan))

        for records, ids, target in (
            (erp, systems.customer_ids, self._erp),
            (crm, systems.crm_ids, self._crm),
        ):
            rows = np.flatnonzero(records.created <= day)
            target.update(
                zip(
                    ids(block, rows).to_pylist(),
                    (records.company[rows] + companies.offset).tolist(),
                    strict=True,
                )
            )
        for index in np.flatnonzero(companies.default_day <= self._world.end):
            self._companies[str(index + companies.offset)] = {
                "default_date": to_date(companies.default_day[index]).isoformat(),
                "write_off_date": to_date(companies.write_off_day[index]).isoformat(),
                "is_sudden": bool(companies.is_sudden[index]),
            }

    def to_bytes(self) -> bytes:
        """Planted mistakes by kind, true company of each record, and default dates by company, as JSON.

        `defaults` covers the company's whole life, also the days still to come.
        """
        content = {
            "day": to_date(self._day).isoformat(),
            "planted": {
                kind: {"count": len(keys), "keys": sorted(keys)}
                for kind, keys in sorted(self._planted.items())
            },
            "identity": {"erp": self._erp, "crm": self._crm},
            "defaults": self._companies,
        }
        return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()
