"""Planted against found: every mistake the demo company plants, and what the pipeline made of it, by kind.

    python -m tests.pipeline.planted_report HOME

HOME is the state folder of a demo company after at least one night (`.trade-credit` by default). Only tests may
read the demo's answer sheet, which is why this is no part of the product.

found by: the rule that reports the rows, or where the pipeline shows them
planted: mistakes on the answer sheet
unknowable: of them, those that nothing in the data gives away (a misspelt name that stands alone)
asked: of the rest, those that wait for a steward's answer in the match review
found, missed: of what is left
beyond: rows found the same way that were not planted; where the mistake is also real business (a late receipt)
    that need not be an error
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

_TONIGHT = "(SELECT max(as_of_date) FROM ops.dq_table)"


@dataclass(frozen=True)
class Line:
    """One kind of mistake: its keys as planted, unknowable, found (`hits`) and put to a steward (`questions`)."""

    kind: str
    found_by: str
    planted: frozenset[str]
    unknowable: frozenset[str]
    hits: frozenset[str]
    questions: frozenset[str]

    @property
    def found(self) -> frozenset[str]:
        return self.planted & self.hits

    @property
    def asked(self) -> frozenset[str]:
        return (self.planted & self.questions) - self.hits - self.unknowable

    @property
    def missed(self) -> frozenset[str]:
        return self.planted - self.hits - self.unknowable - self.questions

    @property
    def beyond(self) -> frozenset[str]:
        return self.hits - self.planted


class DemoNight:
    """The warehouse of a demo home and its answer sheet."""

    def __init__(self, home: Path) -> None:
        self._warehouse = home / "warehouse.duckdb"
        manifest = json.loads((home / "demo" / "manifest.json").read_text(encoding="utf-8"))
        self.planted: dict[str, frozenset[str]] = {
            kind: frozenset(map(str, entry["keys"])) for kind, entry in manifest["planted"].items()
        }
        self.companies: dict[tuple[str, str], int] = {
            (system, key): company
            for system, known in manifest["identity"].items()
            for key, company in known.items()
        }

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self._warehouse), read_only=True) as warehouse:
            return warehouse.execute(query).fetchall()

    def keys(self, query: str) -> frozenset[str]:
        return frozenset(str(key) for (key,) in self.ask(query))


Hits = Callable[[DemoNight], frozenset[str]]
Finder = tuple[str, Hits]


def _rule(rule_id: str, system: str = "erp") -> Finder:
    """Rows that `rule_id` reports tonight, whether it sets them aside or counts them."""
    query = (
        f"SELECT _row_key FROM ops.dq_failing_row WHERE rule_id = '{rule_id}' AND as_of_date = {_TONIGHT} "
        f"AND source_system = '{system}'"
    )
    return f"rule {rule_id}", partial(DemoNight.keys, query=query)


def _shown(where: str, query: str) -> Finder:
    return where, partial(DemoNight.keys, query=query)


def _joined(night: DemoNight, system: str, *, with_system: str) -> frozenset[str]:
    """Records of `system` that carry one code with another record of `with_system` (in one system: an older one).

    A record that shares its code with a stranger is reported as '<key> joined to another company', so that it
    counts as beyond and not as found.
    """
    members: dict[str, list[tuple[str, str]]] = {}
    for source, key, code in night.ask(
        "SELECT source_system, customer_id, customer_code FROM core.customer_xref"
    ):
        members.setdefault(code, []).append((source, key))
    joined = set()
    for records in members.values():
        companies = {night.companies[record] for record in records}
        for source, key in records:
            if source == system and any(
                other == with_system and (other != system or number < key) for other, number in records
            ):
                joined.add(key if len(companies) == 1 else f"{key} joined to another company")
    return frozenset(joined)


def _asked(night: DemoNight, system: str) -> frozenset[str]:
    """Records of `system` whose likeliest twin is put to a steward, where it is indeed their company."""
    asked = night.ask(
        "SELECT source_system_l, customer_id_l, source_system_r, customer_id_r FROM core.match_candidate "
        "WHERE status = 'review'"
    )
    return frozenset(
        key
        for sl, cl, sr, cr in asked
        if night.companies[sl, cl] == night.companies[sr, cr]
        for source, key in ((sl, cl), (sr, cr))
        if source == system
    )


def _alone(night: DemoNight, system: str) -> frozenset[str]:
    """Records of `system` whose company has no other record: nothing to compare a name with."""
    records = Counter(night.companies.values())
    return frozenset(
        key
        for (source, key), company in night.companies.items()
        if source == system and records[company] == 1
    )


def _matched_despite_spelling(night: DemoNight, system: str) -> frozenset[str]:
    """Of the planted misspelt names only: other records are matched too, and are no false alarm."""
    records = night.ask("SELECT source_system, customer_id, customer_code FROM core.customer_xref")
    carriers = Counter(code for _, _, code in records)
    matched = frozenset(key for source, key, code in records if source == system and carriers[code] > 1)
    return matched & night.planted[f"misspelt_name_{system}"]


FINDERS: dict[str, Finder] = {
    "missing_due_date": _rule("invoice_due_date_from_terms"),
    "due_before_issue": _rule("invoice_due_before_issue"),
    "negative_amount": _rule("invoice_amount_negative"),
    "unknown_currency": _rule("invoice_currency_unknown"),
    "currency_slip": _rule("invoice_currency_differs_from_order"),
    "orphan_invoice": _rule("invoice_customer_unknown"),
    "orphan_application": _rule("application_document_unknown"),
    "other_date_format_due_date": _rule("invoice_date_unreadable"),
    "other_date_format_order_date": _rule("order_date_unreadable"),
    "duplicated_document_row": _rule("invoice_repeated"),
    "wrong_registration_no_erp": _rule("customer_registration_check_digit"),
    "wrong_registration_no_crm": _rule("customer_registration_check_digit", "crm"),
    "mended_due_date": _shown(
        "released from quarantine",
        "SELECT _row_key FROM quarantine.released WHERE rule_id = 'invoice_due_date_missing'",
    ),
    "duplicated_file": _shown(
        "landing: duplicate file, nothing landed",
        "SELECT 'bank/' || source_file FROM ops.landing WHERE status = 'duplicate' AND rows_landed = 0",
    ),
    "late_arriving_payment": _shown(
        "ledger: known after its value date",
        "SELECT substr(document_id, strpos(document_id, ':') + 1) FROM core.ledger_entry "
        "WHERE entry_kind = 'receipt' AND known_at > effective_date",
    ),
    "late_recorded_document": _shown(
        "written after its document date",
        "SELECT invoice_id FROM staging.landed_invoices "
        "WHERE try_cast(updated_at AS DATE) > try_cast(issue_date AS DATE)",
    ),
    "reversed_payment": _shown(
        "ledger: receipt_reversal",
        "SELECT substr(document_id, strpos(document_id, ':') + 1) FROM core.ledger_entry "
        "WHERE entry_kind = 'receipt_reversal'",
    ),
    "unapplied_payment": _shown(
        "ledger: receipt not used up",
        "SELECT substr(document_id, strpos(document_id, ':') + 1) FROM core.ledger_entry "
        "WHERE document_kind = 'receipt' GROUP BY document_id HAVING sum(amount) <> 0",
    ),
    "duplicate_customer_erp": (
        "one customer code with an older number of the ERP",
        partial(_joined, system="erp", with_system="erp"),
    ),
    "duplicate_customer_across_systems": (
        "one customer code with a number of the ERP",
        partial(_joined, system="crm", with_system="erp"),
    ),
    "misspelt_name_erp": (
        "one customer code with the right spelling",
        partial(_matched_despite_spelling, system="erp"),
    ),
    "misspelt_name_crm": (
        "one customer code with the right spelling",
        partial(_matched_despite_spelling, system="crm"),
    ),
}

# Kinds found by matching, and the system whose records they are: what the model is unsure of, a steward is asked.
_IDENTITY = {
    "duplicate_customer_erp": "erp",
    "duplicate_customer_across_systems": "crm",
    "misspelt_name_erp": "erp",
    "misspelt_name_crm": "crm",
}


def lines(home: Path) -> list[Line]:
    """One line a planted kind. Raises KeyError where the demo plants a kind that nobody looks for."""
    night = DemoNight(home)
    report = []
    for kind, planted in sorted(night.planted.items()):
        where, hits = FINDERS[kind]
        system = _IDENTITY.get(kind)
        alone = _alone(night, system) if system and kind.startswith("misspelt_name_") else frozenset()
        asked = _asked(night, system) if system else frozenset()
        report.append(Line(kind, where, planted, planted & alone, hits(night), asked))
    return report


def main() -> None:
    """Print the table."""
    home = Path(sys.argv[1] if len(sys.argv) > 1 else ".trade-credit")
    if not (home / "demo" / "manifest.json").is_file():
        sys.exit(
            f"{home} is no demo home: it has no demo/manifest.json. Run a night with the demo company first."
        )
    print(
        f"{'kind':35}{'found by':50}{'planted':>8}{'unknowable':>11}{'found':>7}{'asked':>7}{'missed':>7}{'beyond':>7}"
    )
    for line in lines(home):
        print(
            f"{line.kind:35}{line.found_by:50}{len(line.planted):8}{len(line.unknowable):11}"
            f"{len(line.found):7}{len(line.asked):7}{len(line.missed):7}{len(line.beyond):7}"
        )
        for label, keys in (("missed", line.missed), ("beyond", line.beyond)):
            if keys:
                print(f"    {label}: {', '.join(sorted(keys)[:5])}{' ...' if len(keys) > 5 else ''}")


if __name__ == "__main__":
    main()
