"""What users of the demo company rely on: the same world every time, and books that balance."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from demo import DemoError, advance
from demo.erp import ERP_TABLES
from orchestration.sources.contract import CONTRACT

FIRST = date(2026, 10, 30)
NEXT = date(2026, 11, 4)
SIZE = {"customers": 200, "months": 14, "seed": 7}
Rows = list[dict[str, Any]]


def erp(folder: Path, table: str) -> Rows:
    connection = sqlite3.connect(folder / "erp.sqlite")
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY entry_no")]
    finally:
        connection.close()


def everything(folder: Path) -> dict[str, str]:
    """A digest of every file, and of the content of every ERP table."""
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "erp.sqlite"
    }
    for table in ERP_TABLES:
        files[table] = hashlib.sha256(json.dumps(erp(folder, table)).encode()).hexdigest()
    return files


def csv_rows(path: Path, delimiter: str = ",") -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def receipts(folder: Path) -> dict[str, dict[str, Any]]:
    """The latest row of each receipt over all bank files but repeated ones."""
    latest: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "bank").glob("payments_*.csv")):
        if "_resend" not in path.name:
            latest.update({row["payment_id"]: row for row in csv_rows(path)})
    return latest


def json_rows(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    advance(folder, day=FIRST, **SIZE)
    return folder


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company that lived from the first night to NEXT in two steps."""
    folder = tmp_path_factory.mktemp("nights")
    advance(folder, day=FIRST, **SIZE)
    advance(folder, day=NEXT - timedelta(days=2), **SIZE)
    advance(folder, day=NEXT, **SIZE)
    return folder


@pytest.fixture(scope="module")
def planted(first_night: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((first_night / "manifest.json").read_text(encoding="utf-8"))
    return content


def keys(planted: dict[str, Any], kind: str) -> set[str]:
    return set(planted["planted"][kind]["keys"])


def test_the_same_values_give_the_same_bytes(first_night: Path, tmp_path: Path) -> None:
    advance(tmp_path, day=FIRST, **SIZE)
    assert everything(tmp_path) == everything(first_night)


def test_another_seed_gives_another_company(first_night: Path, tmp_path: Path) -> None:
    advance(tmp_path, day=FIRST, customers=200, months=14, seed=8)
    assert erp(tmp_path, "customers") != erp(first_night, "customers")


def test_days_lived_one_by_one_end_where_a_jump_ends(nights: Path, tmp_path: Path) -> None:
    advance(tmp_path, day=NEXT, first_day=FIRST, **SIZE)
    assert everything(tmp_path) == everything(nights)


def test_a_second_call_for_the_same_day_changes_nothing(nights: Path) -> None:
    before = everything(nights)
    modified = (nights / "erp.sqlite").stat().st_mtime_ns
    summary = advance(nights, day=NEXT, **SIZE)
    assert sum(summary.rows_written.values()) == 0
    assert summary.files_written == ()
    assert everything(nights) == before
    assert (nights / "erp.sqlite").stat().st_mtime_ns == modified


def test_a_later_day_touches_only_rows_updated_since(first_night: Path, nights: Path) -> None:
    for table in ERP_TABLES:
        old = {row["entry_no"]: row for row in erp(first_night, table)}
        new = {row["entry_no"]: row for row in erp(nights, table)}
        assert old.keys() <= new.keys(), table
        touched = [row for entry, row in new.items() if old.get(entry) != row]
        assert all(FIRST.isoformat() < row["updated_at"][:10] <= NEXT.isoformat() for row in touched), table
        if table in ("invoices", "orders", "payment_applications", "gl_balances", "fx_rates"):
            assert touched, table


def test_earlier_files_never_change(first_night: Path, nights: Path) -> None:
    for path in [*(first_night / "bank").iterdir(), *(first_night / "crm").iterdir()]:
        assert (nights / path.relative_to(first_night)).read_bytes() == path.read_bytes()


def test_nothing_is_shown_before_it_happens(first_night: Path) -> None:
    for table in ERP_TABLES:
        assert max(row["updated_at"] for row in erp(first_night, table))[:10] <= FIRST.isoformat()
    for path in (first_night / "bureau").iterdir():
        assert max(row["updated_at"] for row in json_rows(path))[:10] <= FIRST.isoformat()


class Killed(Exception):
    pass


@pytest.mark.parametrize("survivors", [0, 3])
def test_a_killed_call_is_made_good_by_the_next(
    nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survivors: int
) -> None:
    """Killed after the ERP was written and `survivors` of the files were moved into place."""
    move = os.replace

    for day in (FIRST, NEXT):
        moved: list[str] = []

        def die(source: Path, target: Path, moved: list[str] = moved) -> None:
            if len(moved) == survivors:
                raise Killed
            moved.append(target.name)
            move(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", die)
            with pytest.raises(Killed):
                advance(tmp_path, day=day, **SIZE)
        advance(tmp_path, day=day, **SIZE)
    assert everything(tmp_path) == everything(nights)


def signed(row: dict[str, Any]) -> Decimal:
    amount = Decimal(row["amount"])
    return -amount if row["document_type"] == "credit_memo" else amount


def booked(folder: Path) -> Iterator[tuple[str, str, str, Decimal]]:
    """(entity, currency, posting day, amount) of all that moves the control account."""
    entity_of: dict[str, str] = {}
    for row in erp(folder, "invoices"):
        if row["invoice_id"] not in entity_of:
            entity_of[row["invoice_id"]] = row["legal_entity"]
            yield row["legal_entity"], row["currency"], row["updated_at"][:10], signed(row)
    for row in receipts(folder).values():
        amount = Decimal(row["amount"])
        yield row["legal_entity"], row["currency"], row["updated_at"][:10], -amount
        if row["reversed_at"]:
            yield row["legal_entity"], row["currency"], row["reversed_at"], amount
    for row in erp(folder, "payment_applications"):
        if row["kind"] in ("discount", "write_off"):
            yield entity_of[row["invoice_id"]], row["currency"], row["applied_date"], -Decimal(row["amount"])


def test_control_account_equals_what_the_erp_booked_on_every_closing_day(first_night: Path) -> None:
    movements = defaultdict(list)
    for entity, currency, day, amount in booked(first_night):
        movements[entity, currency].append((day, amount))
    balances = erp(first_night, "gl_balances")
    assert {row["balance_date"] for row in balances} >= {"2026-09-30", FIRST.isoformat()}
    wrong = [
        row
        for row in balances
        if Decimal(row["balance"])
        != sum(
            (
                amount
                for day, amount in movements[row["legal_entity"], row["currency"]]
                if day <= row["balance_date"]
            ),
            Decimal(0),
        )
    ]
    assert wrong == []


def test_no_document_and_no_receipt_is_applied_beyond_its_amount(first_night: Path) -> None:
    amounts = {row["invoice_id"]: Decimal(row["amount"]) for row in erp(first_night, "invoices")}
    paid_in = {row["payment_id"]: Decimal(row["amount"]) for row in receipts(first_night).values()}
    for row in erp(first_night, "payment_applications"):
        value = Decimal(row["amount"])
        assert (value < 0) == (row["kind"] == "reversal")
        if row["invoice_id"] in amounts:
            amounts[row["invoice_id"]] -= value
        if row["kind"] in ("cash", "reversal"):
            paid_in[row["from_document_id"]] -= value
        elif row["kind"] == "credit_memo":
            amounts[row["from_document_id"]] -= value
    negative = {key for key, rest in amounts.items() if rest < 0}
    manifest = json.loads((first_night / "manifest.json").read_text(encoding="utf-8"))
    assert negative == keys(manifest, "negative_amount")
    assert min(paid_in.values()) == 0


def test_a_bounced_receipt_ends_with_nothing_applied(first_night: Path) -> None:
    bounced = {key for key, row in receipts(first_night).items() if row["reversed_at"]}
    rest: Counter[str] = Counter()
    for row in erp(first_night, "payment_applications"):
        if row["from_document_id"] in bounced:
            rest[row["from_document_id"]] += int(Decimal(row["amount"]) * 100)
    assert bounced
    assert set(rest.values()) <= {0}


def test_manifest_names_exactly_the_documents_that_are_wrong(
    first_night: Path, planted: dict[str, Any]
) -> None:
    invoices = erp(first_night, "invoices")
    customers = {row["customer_id"] for row in erp(first_night, "customers")}

    def found(wrong: Any) -> set[str]:
        return {row["invoice_id"] for row in invoices if wrong(row)}

    assert keys(planted, "missing_due_date") == found(lambda row: row["due_date"] is None)
    assert keys(planted, "negative_amount") == found(lambda row: row["amount"].startswith("-"))
    assert keys(planted, "unknown_currency") == found(
        lambda row: row["currency"] not in ("USD", "EUR", "GBP")
    )
    assert keys(planted, "orphan_invoice") == found(lambda row: row["customer_id"] not in customers)
    assert keys(planted, "other_date_format_due_date") == found(lambda row: "/" in (row["due_date"] or ""))
    assert keys(planted, "due_before_issue") == found(
        lambda row: "-" in (row["due_date"] or "") and row["due_date"] < row["issue_date"]
    )
    repeated = {key for key, count in Counter(row["invoice_id"] for row in invoices).items() if count == 2}
    assert keys(planted, "duplicated_document_row") == repeated
    orders = {row["order_id"]: row for row in erp(first_night, "orders")}
    assert keys(planted, "other_date_format_order_date") == {
        key for key, row in orders.items() if "/" in row["order_date"]
    }
    slipped = {
        row["invoice_id"]
        for row in invoices
        if row["document_type"] == "invoice"
        and row["currency"] in ("USD", "EUR", "GBP")
        and row["currency"] != orders[row["order_id"]]["currency"]
    }
    assert keys(planted, "currency_slip") == slipped
    applied = {row["invoice_id"] for row in erp(first_night, "payment_applications")}
    for kind in (
        "missing_due_date",
        "negative_amount",
        "unknown_currency",
        "orphan_invoice",
        "due_before_issue",
    ):
        assert not keys(planted, kind) & applied


def test_manifest_names_exactly_the_receipts_and_applications_that_are_odd(
    first_night: Path, planted: dict[str, Any]
) -> None:
    bank = receipts(first_night)
    assert keys(planted, "late_arriving_payment") == {
        key for key, row in bank.items() if row["updated_at"][:10] > row["received_date"]
    }
    assert keys(planted, "reversed_payment") == {key for key, row in bank.items() if row["reversed_at"]}
    documents = {row["invoice_id"] for row in erp(first_night, "invoices")}
    applications = erp(first_night, "payment_applications")
    assert keys(planted, "orphan_application") == {
        row["application_id"] for row in applications if row["invoice_id"] not in documents
    }
    for copy in planted["planted"]["duplicated_file"]["keys"]:
        path = first_night / copy
        assert path.read_bytes() == path.with_name(path.name.replace("_resend", "")).read_bytes()
    assert planted["planted"]["duplicated_file"]["count"] == 1
    assert all(entry["count"] == len(entry["keys"]) for entry in planted["planted"].values())


def test_manifest_knows_which_records_are_one_company(first_night: Path, planted: dict[str, Any]) -> None:
    own = planted["identity"]["erp"]
    assert set(own) == {row["customer_id"] for row in erp(first_night, "customers")}
    assert len(set(own.values())) == 200
    assert len(own) - 200 == planted["planted"]["duplicate_customer_erp"]["count"] > 0
    crm = csv_rows(first_night / "crm" / f"customers_{FIRST}.csv", ";")
    assert set(planted["identity"]["crm"]) == {row["Account No"] for row in crm}
    numbered = sum(1 for row in crm if row["Tax ID"]) / len(crm)
    assert 0.5 < numbered < 0.7


def test_mistakes_stay_far_below_any_sane_threshold(first_night: Path, planted: dict[str, Any]) -> None:
    rows = len(erp(first_night, "invoices"))
    kinds = ("missing_due_date", "negative_amount", "unknown_currency", "orphan_invoice", "due_before_issue")
    assert 0.001 < sum(planted["planted"][kind]["count"] for kind in kinds) / rows < 0.015


def test_defaults_are_a_few_percent_a_year(tmp_path: Path) -> None:
    advance(tmp_path, day=FIRST, customers=1500, months=14, seed=7)
    defaults = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["defaults"].values()
    since = (FIRST - timedelta(days=365)).isoformat()
    in_year = sum(1 for entry in defaults if since < entry["default_date"] <= FIRST.isoformat())
    assert 0.025 < in_year / 1500 < 0.075


def test_source_columns_hold_the_contract_and_no_hidden_truth(first_night: Path) -> None:
    extra = {"created_at"}
    shown: dict[str, set[str]] = {table: set(columns) for table, columns in ERP_TABLES.items()}
    shown["payments"] = set(next(iter(receipts(first_night).values())))
    for path in (first_night / "bureau").iterdir():
        shown[path.stem] = set(json_rows(path)[0])
    for table, columns in shown.items():
        assert columns - extra <= set(CONTRACT[table].field_names), table
        assert set(CONTRACT[table].required_fields) <= columns, table
    crm = csv_rows(first_night / "crm" / f"customers_{FIRST}.csv", ";")
    hidden = ("health", "stress", "default", "sudden", "truth")
    assert not [name for name in crm[0] if any(word in name.lower() for word in hidden)]


def test_statements_balance_to_the_cent(first_night: Path) -> None:
    rows = json_rows(first_night / "bureau" / "financial_statements.jsonl")
    assert rows
    for row in rows:
        assert Decimal(row["total_assets"]) == Decimal(row["total_liabilities"]) + Decimal(row["equity"])
        days = (date.fromisoformat(row["published_at"]) - date.fromisoformat(row["period_end"])).days
        assert 90 <= days <= 270


def test_lines_add_up_to_their_invoice(first_night: Path) -> None:
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in erp(first_night, "invoice_lines"):
        totals[row["invoice_id"]] += Decimal(row["amount"])
    amounts = {row["invoice_id"]: Decimal(row["amount"]) for row in erp(first_night, "invoices")}
    assert totals
    assert {key: amounts[key] for key in totals} == dict(totals)


def test_going_back_is_refused_with_both_days_named(nights: Path) -> None:
    with pytest.raises(DemoError, match=f"already stands at {NEXT}.*back to {FIRST}"):
        advance(nights, day=FIRST, **SIZE)


def test_other_values_for_the_same_folder_are_refused(nights: Path) -> None:
    with pytest.raises(DemoError, match=r"customers is 200, asked for 300; seed is 7, asked for 9"):
        advance(nights, day=NEXT, customers=300, months=14, seed=9)


def test_impossible_values_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"customers is 0.*months is 1.*seed is -1"):
        advance(tmp_path, day=FIRST, customers=0, months=1, seed=-1)
    assert list(tmp_path.iterdir()) == []


def test_the_company_does_not_live_for_ever(nights: Path) -> None:
    with pytest.raises(DemoError, match="lives until 2028-10-30"):
        advance(nights, day=date(2029, 1, 1), **SIZE)


def test_blocks_of_companies_join_into_one_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from demo import companies, world

    monkeypatch.setattr(world, "BLOCK_SIZE", 50)
    monkeypatch.setattr(companies, "BLOCK_SIZE", 50)
    advance(tmp_path, day=FIRST, customers=120, months=8, seed=7)
    customers = erp(tmp_path, "customers")
    assert len({row["customer_id"] for row in customers}) == len(customers) >= 120
    numbers = [row["registration_no"] for row in customers if row["registration_no"]]
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    distinct = {
        manifest["identity"]["erp"][row["customer_id"]] for row in customers if row["registration_no"]
    }
    assert len(set(numbers)) >= len(distinct)
    movements: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entity, currency, _, amount in booked(tmp_path):
        movements[entity, currency] += amount
    last = [row for row in erp(tmp_path, "gl_balances") if row["balance_date"] == FIRST.isoformat()]
    assert last
    for row in last:
        assert Decimal(row["balance"]) == movements[row["legal_entity"], row["currency"]]
