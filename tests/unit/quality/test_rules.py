"""The rules that ship: each catches the row made for it and lets the sound neighbour pass.

All spoiled rows lie in one warehouse and the gate runs once; each case then looks at its own rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from gate_warehouse import AS_OF, Warehouse

from quality.runner import GateReport

TONIGHT = {"loaded": AS_OF, "first_load": False}

# rule id -> (table, changes to a sound row): the key of the spoiled row is the rule id, so that it finds
# itself.
SPOILED: dict[str, tuple[str, dict[str, Any]]] = {
    "customer_name_missing": ("customers", {"legal_name": " "}),
    "customer_since_unreadable": ("customers", {"customer_since": "29.02.2024"}),
    "customer_registration_missing": ("customers", {"registration_no": None}),
    "customer_registration_kind_unknown": ("customers", {"registration_kind": "TAXID"}),
    "customer_registration_check_digit": ("customers", {"registration_no": "DE136695975"}),
    "customer_country_unknown": ("customers", {"country": "UK"}),
    "customer_payment_terms_unknown": ("customers", {"payment_terms": "NAA8"}),
    "customer_email_malformed": ("customers", {"email": "ap at nordwind"}),
    "customer_parent_unknown": ("customers", {"parent_customer_id": "C999"}),
    "customer_own_parent": ("customers", {"parent_customer_id": "customer_own_parent"}),
    "invoice_key_missing": ("invoices", {"legal_entity": None}),
    "invoice_issue_date_missing": ("invoices", {"issue_date": None}),
    "invoice_due_date_missing": ("invoices", {"due_date": ""}),
    "invoice_currency_missing": ("invoices", {"currency": None}),
    "invoice_amount_missing": ("invoices", {"amount": None}),
    "invoice_date_unreadable": ("invoices", {"due_date": "2026-13-24"}),
    "invoice_amount_unreadable": ("invoices", {"amount": "1.190,00"}),
    "invoice_tax_unreadable": ("invoices", {"tax_amount": "n/a"}),
    "invoice_type_unknown": ("invoices", {"document_type": "RV"}),
    "invoice_amount_negative": ("invoices", {"amount": "-0.01"}),
    "invoice_amount_zero": ("invoices", {"amount": "0.00", "tax_amount": None}),
    "invoice_amount_decimals": ("invoices", {"amount": "1190.001"}),
    "invoice_tax_exceeds_amount": ("invoices", {"tax_amount": "1190.01"}),
    "invoice_due_before_issue": ("invoices", {"due_date": "2026-10-24"}),
    "invoice_terms_implausible": ("invoices", {"due_date": "2027-11-24"}),
    "invoice_date_implausible": ("invoices", {"issue_date": "1926-10-25"}),
    "invoice_dated_after_delivery": (
        "invoices",
        {"issue_date": "2026-11-02", "due_date": "2026-12-02"} | TONIGHT,
    ),
    "invoice_cleared_before_issue": ("invoices", {"cleared_date": "2026-10-24"}),
    "invoice_currency_unknown": ("invoices", {"currency": "XXD"}),
    "invoice_rate_missing": ("invoices", {"currency": "GBP"}),
    "invoice_customer_unknown": ("invoices", {"customer_id": "C999"}),
    "invoice_customer_quarantined": ("invoices", {"customer_id": "customer_name_missing"}),
    "invoice_order_unknown": ("invoices", {"order_id": "O999"}),
    "payment_value_missing": ("payments", {"received_date": None}),
    "payment_date_unreadable": ("payments", {"reversed_at": "31.10.2026"}),
    "payment_amount_negative": ("payments", {"amount": "-500.00"}),
    "payment_amount_zero": ("payments", {"amount": "0"}),
    "payment_amount_decimals": ("payments", {"amount": "499.999"}),
    "payment_currency_unknown": ("payments", {"currency": "USDT"}),
    "payment_method_unknown": ("payments", {"method": "barter"}),
    "payment_rate_missing": ("payments", {"currency": "GBP"}),
    "payment_customer_unknown": ("payments", {"customer_id": "C999"}),
    "payment_customer_quarantined": ("payments", {"customer_id": "customer_name_missing"}),
    "payment_dated_after_delivery": ("payments", {"received_date": "2026-11-05"} | TONIGHT),
    "payment_reversed_before_received": ("payments", {"reversed_at": "2026-10-27"}),
    "application_value_missing": ("payment_applications", {"kind": None}),
    "application_source_missing": ("payment_applications", {"from_document_id": None}),
    "application_kind_unknown": ("payment_applications", {"kind": "gift"}),
    "application_sign_wrong": ("payment_applications", {"kind": "reversal", "amount": "500.00"}),
    "application_amount_zero": ("payment_applications", {"amount": "0.00"}),
    "application_document_unknown": ("payment_applications", {"invoice_id": "I999"}),
    "application_document_quarantined": ("payment_applications", {"invoice_id": "invoice_due_date_missing"}),
    "application_receipt_unknown": ("payment_applications", {"from_document_id": "P999"}),
    "application_receipt_quarantined": (
        "payment_applications",
        {"from_document_id": "payment_amount_negative"},
    ),
    "application_credit_unknown": ("payment_applications", {"kind": "credit_memo", "from_document_id": "I1"}),
    "application_currency_differs": ("payment_applications", {"currency": "EUR"}),
    "application_before_document": ("payment_applications", {"applied_date": "2026-10-24"}),
    "application_exceeds_document": (
        "payment_applications",
        {"invoice_id": "invoice_amount_zero", "amount": "0.01"},
    ),
    "application_exceeds_receipt": (
        "payment_applications",
        {"from_document_id": "payment_amount_zero", "amount": "0.01"},
    ),
}
KEYS = {
    "customers": "customer_id",
    "invoices": "invoice_id",
    "payments": "payment_id",
    "payment_applications": "application_id",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, GateReport]]:
    warehouse = Warehouse(tmp_path_factory.mktemp("rules") / "warehouse.duckdb")
    for table in ("customers", "invoices", "payments", "payment_applications", "fx_rates"):
        warehouse.add(table)
    # The sound receipt would be applied far beyond its amount by the many applications below: give each its
    # own.
    warehouse.add("payments", payment_id="P2", amount="1000000.00")
    warehouse.add("invoices", invoice_id="I2", amount="1000000.00", tax_amount=None)
    for rule_id, (table, changes) in SPOILED.items():
        row = {KEYS[table]: rule_id} | changes
        if table == "payment_applications":
            row = {"invoice_id": "I2", "from_document_id": "P2"} | row
        warehouse.add(table, **row)
    yield warehouse, warehouse.gate("customers", "invoices", "payments", "payment_applications", "fx_rates")
    warehouse.con.close()


@pytest.mark.parametrize("rule_id", SPOILED)
def test_rule_catches_its_row_and_passes_the_sound_one(
    judged: tuple[Warehouse, GateReport], rule_id: str
) -> None:
    warehouse, report = judged
    table = SPOILED[rule_id][0]
    result = report.result(rule_id)
    assert result.status == "failed"
    failing = {
        key
        for (key,) in warehouse.rows(f"SELECT _row_key FROM ops.dq_failing_row WHERE rule_id = '{rule_id}'")
    }
    assert rule_id in failing
    assert failing.isdisjoint({"C1", "I1", "P1", "A1"})
    accepted = {key for (key,) in warehouse.rows(f"SELECT _row_key FROM staging.accepted_{table}")}
    kept = result.rule.severity != "quarantine"
    assert (rule_id in accepted) == kept


def test_failing_column_is_named(judged: tuple[Warehouse, GateReport]) -> None:
    assert judged[1].result("invoice_key_missing").sample_keys == ("erp|invoice_key_missing (legal_entity)",)


def test_quarantine_row_says_what_why_and_whose(judged: tuple[Warehouse, GateReport]) -> None:
    assert judged[0].rows(
        "SELECT owner, amount, currency, original_values->>'due_date', first_quarantined_on "
        "FROM quarantine.invoices WHERE _row_key = 'invoice_due_date_missing'"
    ) == [("Accounts Receivable", "1190.00", "USD", "", AS_OF)]


def test_withheld_value_is_recorded_and_its_row_kept(judged: tuple[Warehouse, GateReport]) -> None:
    warehouse, _ = judged
    assert warehouse.rows(
        "SELECT customer_since, legal_name FROM staging.accepted_customers "
        "WHERE customer_id = 'customer_since_unreadable'"
    ) == [(None, "Nordwind Maschinenbau GmbH")]
    assert warehouse.rows(
        "SELECT customer_since FROM staging.accepted_customers WHERE customer_id = 'C1'"
    ) == [("2024-02-29",)]
    assert warehouse.rows(
        "SELECT column_name, original_value, owner FROM quarantine.withheld_value "
        "WHERE _row_key = 'customer_since_unreadable'"
    ) == [("customer_since", "29.02.2024", "Master Data")]


def test_nothing_is_lost_rows_and_money(judged: tuple[Warehouse, GateReport]) -> None:
    warehouse, report = judged
    for table in report.tables:
        assert table.landed == table.accepted + table.quarantined, table.table
    for table in ("invoices", "payments", "payment_applications"):
        amount = "coalesce(sum(try_cast(amount AS DECIMAL(18, 3))), 0)"
        ((landed, accepted, quarantined),) = warehouse.rows(
            f"SELECT (SELECT {amount} FROM staging.landed_{table}), "
            f"(SELECT {amount} FROM staging.accepted_{table}), (SELECT {amount} FROM quarantine.{table})"
        )
        assert landed == accepted + quarantined


def test_what_is_accepted_can_be_cast(judged: tuple[Warehouse, GateReport]) -> None:
    assert judged[0].rows(
        "SELECT count(*) > 0 FROM (SELECT cast(issue_date AS DATE), cast(due_date AS DATE), "
        "cast(amount AS DECIMAL(18, 2)), cast(tax_amount AS DECIMAL(18, 2)), cast(updated_at AS TIMESTAMP) "
        "FROM staging.accepted_invoices)"
    ) == [(True,)]


@pytest.mark.parametrize(
    ("changes", "rule_id"),
    [
        # What a first load knows beyond the as-of date is not known yet, and no mistake.
        ({"issue_date": "2026-12-01", "due_date": "2026-12-31"}, "invoice_dated_after_delivery"),
        # A credit memo has no terms to respect.
        ({"document_type": "credit_memo", "due_date": "2026-10-01"}, "invoice_due_before_issue"),
        ({"amount": "1190.500"}, "invoice_amount_decimals"),
        ({"currency": "EUR", "issue_date": "2026-10-30"}, "invoice_rate_missing"),
        ({"tax_amount": ""}, "invoice_tax_unreadable"),
        ({"due_date": "2026-10-25"}, "invoice_due_before_issue"),
    ],
)
def test_rows_that_only_look_wrong_pass(sound: Warehouse, changes: dict[str, Any], rule_id: str) -> None:
    sound.add("invoices", invoice_id="I2", **changes)
    only = tuple(rule for rule in Warehouse.rules() if rule.id == rule_id)
    assert sound.gate(rules=only).result(rule_id).status == "passed"


def test_repeated_document_is_accepted_once(sound: Warehouse) -> None:
    sound.add("invoices")
    sound.add("invoices")
    report = sound.gate("invoices")
    assert report.result("invoice_repeated").rows_failed == 2
    assert sound.rows("SELECT _occurrence FROM staging.accepted_invoices") == [(1,)]
    assert report.result("invoice_repeated").sample_keys == ("erp|I1 #2", "erp|I1 #3")


def test_names_of_one_number_and_numbers_of_one_name_are_reported(sound: Warehouse) -> None:
    sound.add("customers", customer_id="C2", legal_name="nordwind  maschinenbau gmbh")
    sound.add("customers", customer_id="C3", legal_name="WAL-MAR inc", registration_no="DE136695977")
    sound.con.execute(
        "INSERT INTO ops.repair VALUES ('erp', 'customers', 'C3', 1, 'legal_name', 'most_frequent', "
        "'WAL-MAR corp', 'WAL-MAR inc', 'written so on 1 of 3 rows')"
    )
    report = sound.gate("customers")
    assert report.result("customer_several_names").sample_keys == ("erp|C3",)
    assert report.result("customer_name_shared").sample_keys == ("erp|C1", "erp|C2")
    assert report.result("customer_registration_shared").sample_keys == ("erp|C1", "erp|C2")
    assert sound.rows("SELECT count(*) FROM staging.accepted_customers") == [(3,)]


def test_same_billing_under_two_numbers_is_reported(sound: Warehouse) -> None:
    sound.add("invoices", invoice_id="I2")
    sound.add("invoices", invoice_id="I3", amount="1190.01")
    assert sound.gate("invoices").result("invoice_possibly_billed_twice").sample_keys == ("erp|I1", "erp|I2")


def test_amount_far_above_the_customers_usual_is_reported(sound: Warehouse) -> None:
    for number in range(2, 8):
        sound.add("invoices", invoice_id=f"I{number}", amount=f"{1000 + number}.00")
    sound.add("invoices", invoice_id="I8", amount="119000.00")
    sound.add("invoices", invoice_id="I9", amount="100000.00")
    assert sound.gate("invoices").result("invoice_amount_unusual").sample_keys == ("erp|I8",)


def test_stale_source_is_a_warning_by_as_of(sound: Warehouse) -> None:
    report = sound.gate("invoices", as_of=date(2026, 11, 2))
    assert report.result("invoices_stale").status == "failed"
    assert report.result("invoices_stale").sample_keys == (
        "erp: newest issue_date is 2026-10-25, 8 days before 2026-11-02",
    )
    assert report.result("invoices_stale").observed == "1 finding(s) in a table of 1 rows"
    assert report.blocking == ()
    assert sound.gate("invoices", as_of=date(2026, 11, 1)).result("invoices_stale").status == "passed"
