"""The rules that ship: each catches the row made for it and lets the sound neighbour pass.

All spoiled rows lie in one warehouse and the gate runs once; each case then looks at its own rule. A rule of the
catalogue that no case here spoils fails a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from gate_warehouse import AS_OF, SOUND, Warehouse

from quality.catalog import read_list
from quality.runner import GateReport

TONIGHT = {"loaded": AS_OF, "first_load": False}

# rule id -> (table, changes to a sound row): the key of the spoiled row is the rule id, so that it finds
# itself.
SPOILED: dict[str, tuple[str, dict[str, Any]]] = {
    "customer_name_missing": ("customers", {"legal_name": " "}),
    "customer_name_placeholder": ("customers", {"legal_name": "CUSTOMER_NAME_PLACEHOLDER "}),
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
        {"from_document_id": "payment_amount_decimals"},
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
    "application_exceeds_credit": (
        "payment_applications",
        {"kind": "credit_memo", "from_document_id": "CM1", "amount": "1190.01"},
    ),
    "customer_number_missing": ("customers", {"customer_id": None}),
    "customer_updated_at_unreadable": ("customers", {"updated_at": "20.10.2026"}),
    "invoice_updated_at_unreadable": ("invoices", {"updated_at": "2026-10-25 8:00"}),
    "invoice_currency_differs_from_order": (
        "invoices",
        {"order_id": "O1", "currency": "EUR", "issue_date": "2026-10-30"},
    ),
    "payment_amount_unreadable": ("payments", {"amount": "USD 500"}),
    "payment_updated_at_unreadable": ("payments", {"updated_at": "yesterday"}),
    "application_date_unreadable": ("payment_applications", {"applied_date": "2026-10-32"}),
    "application_amount_unreadable": ("payment_applications", {"amount": "5e2"}),
    "application_updated_at_unreadable": ("payment_applications", {"updated_at": "now"}),
    "application_amount_decimals": ("payment_applications", {"amount": "0.001"}),
    "application_currency_unknown": ("payment_applications", {"currency": "US$"}),
    "application_credit_quarantined": (
        "payment_applications",
        {"kind": "credit_memo", "from_document_id": "M1"},
    ),
    "application_dated_after_delivery": ("payment_applications", {"applied_date": "2026-11-02"} | TONIGHT),
    "application_from_amount_decimals": ("payment_applications", {"from_amount": "1.005"}),
    "order_amount_decimals": ("orders", {"amount": "1190.001"}),
    "gl_balance_decimals": ("gl_balances", {"balance": "690.001"}),
    "limit_amount_decimals": ("credit_limits", {"insured_amount": "0.001"}),
    "order_value_missing": ("orders", {"delivered_amount": None}),
    "order_date_unreadable": ("orders", {"order_date": "24/10/2026"}),
    "order_ship_date_unreadable": ("orders", {"requested_ship_date": "2026-W45"}),
    "order_amount_unreadable": ("orders", {"invoiced_amount": "600,00"}),
    "order_hold_unreadable": ("orders", {"credit_hold": "X"}),
    "order_updated_at_unreadable": ("orders", {"updated_at": "2026-10-24 25:00:00"}),
    "order_amount_negative": ("orders", {"invoiced_amount": "-0.01"}),
    "order_status_unknown": ("orders", {"status": "shipped"}),
    "order_currency_unknown": ("orders", {"currency": "EURO"}),
    "order_customer_unknown": ("orders", {"customer_id": "C999"}),
    "order_customer_quarantined": ("orders", {"customer_id": "customer_name_missing"}),
    "order_rate_missing": ("orders", {"currency": "GBP"}),
    "order_delivered_exceeds_ordered": ("orders", {"delivered_amount": "1190.01"}),
    "order_invoiced_exceeds_delivered": ("orders", {"invoiced_amount": "600.01"}),
    "order_shipped_before_ordered": ("orders", {"requested_ship_date": "2026-10-23"}),
    "order_dated_after_delivery": ("orders", {"order_date": "2026-11-02"} | TONIGHT),
    "limit_value_missing": ("credit_limits", {"amount": None}),
    "limit_date_unreadable": ("credit_limits", {"valid_to": "31.12.2026"}),
    "limit_amount_unreadable": ("credit_limits", {"amount": "5k"}),
    "limit_insured_amount_unreadable": ("credit_limits", {"insured_amount": "half"}),
    "limit_updated_at_unreadable": ("credit_limits", {"updated_at": "2026"}),
    "limit_amount_negative": ("credit_limits", {"insured_amount": "-1"}),
    "limit_currency_unknown": ("credit_limits", {"currency": "ABC"}),
    "limit_customer_unknown": ("credit_limits", {"customer_id": "C999"}),
    "limit_customer_quarantined": ("credit_limits", {"customer_id": "customer_name_missing"}),
    "limit_ends_before_start": ("credit_limits", {"valid_to": "2019-12-31"}),
    "limit_insured_exceeds_limit": ("credit_limits", {"insured_amount": "5000.01"}),
    "limit_approver_missing": ("credit_limits", {"approved_by": " "}),
    "request_value_missing": ("credit_requests", {"requested_at": None}),
    "request_time_unreadable": ("credit_requests", {"decided_at": "20.10.2026 11:30"}),
    "request_amount_unreadable": ("credit_requests", {"amount": "5 000"}),
    "request_updated_at_unreadable": ("credit_requests", {"updated_at": "x"}),
    "request_amount_negative": ("credit_requests", {"amount": "-5000.00"}),
    "request_currency_unknown": ("credit_requests", {"currency": "usd"}),
    "request_decision_unknown": ("credit_requests", {"decision": "maybe"}),
    "request_customer_unknown": ("credit_requests", {"customer_id": "C999"}),
    "request_customer_quarantined": ("credit_requests", {"customer_id": "customer_name_missing"}),
    "request_decided_before_asked": ("credit_requests", {"decided_at": "2026-10-20 08:59:59"}),
    "request_decision_incomplete": ("credit_requests", {"decided_at": None}),
    "request_dated_after_delivery": (
        "credit_requests",
        {"requested_at": "2026-11-02 09:00:00", "decided_at": None, "decision": None} | TONIGHT,
    ),
    "dispute_value_missing": ("disputes", {"opened_date": None}),
    "dispute_date_unreadable": ("disputes", {"closed_date": "open"}),
    "dispute_amount_unreadable": ("disputes", {"amount": "all"}),
    "dispute_updated_at_unreadable": ("disputes", {"updated_at": "2026/10/27 08:00:00"}),
    "dispute_amount_negative": ("disputes", {"amount": "-1"}),
    "dispute_currency_unknown": ("disputes", {"currency": "XX"}),
    "dispute_customer_unknown": ("disputes", {"customer_id": "C999"}),
    "dispute_customer_quarantined": ("disputes", {"customer_id": "customer_name_missing"}),
    "dispute_document_unknown": ("disputes", {"invoice_id": "I999"}),
    "dispute_closed_before_opened": ("disputes", {"closed_date": "2026-10-26"}),
    "dispute_exceeds_document": ("disputes", {"amount": "1190.01"}),
    "dispute_dated_after_delivery": (
        "disputes",
        {"opened_date": "2026-11-02", "closed_date": None} | TONIGHT,
    ),
    "collection_value_missing": ("collection_actions", {"action_date": ""}),
    "collection_date_unreadable": ("collection_actions", {"promise_date": "soon"}),
    "collection_level_unreadable": ("collection_actions", {"dunning_level": "1.5"}),
    "collection_level_out_of_range": ("collection_actions", {"dunning_level": "6"}),
    "collection_promise_unreadable": ("collection_actions", {"promise_amount": "690.00 USD"}),
    "collection_updated_at_unreadable": ("collection_actions", {"updated_at": "-"}),
    "collection_promise_incomplete": ("collection_actions", {"promise_amount": None}),
    "collection_promise_before_action": ("collection_actions", {"promise_date": "2026-10-27"}),
    "collection_currency_unknown": ("collection_actions", {"currency": "DOL"}),
    "collection_customer_unknown": ("collection_actions", {"customer_id": "C999"}),
    "collection_customer_quarantined": ("collection_actions", {"customer_id": "customer_name_missing"}),
    "collection_document_unknown": ("collection_actions", {"invoice_id": "I999"}),
    "collection_dated_after_delivery": (
        "collection_actions",
        {"action_date": "2026-11-02", "promise_date": None} | TONIGHT,
    ),
    "statement_value_missing": ("financial_statements", {"published_at": None}),
    "statement_date_unreadable": ("financial_statements", {"published_at": "April 2026"}),
    "statement_item_unreadable": ("financial_statements", {"ebit": "(10)"}),
    "statement_audited_unreadable": ("financial_statements", {"audited": "yes"}),
    "statement_updated_at_unreadable": ("financial_statements", {"updated_at": "?"}),
    "statement_currency_unknown": ("financial_statements", {"currency": "DM"}),
    "statement_published_before_period_end": ("financial_statements", {"published_at": "1699-12-31"}),
    "statement_items_incomplete": ("financial_statements", {"revenue": None}),
    "statement_assets_not_positive": ("financial_statements", {"total_assets": "0"}),
    "statement_does_not_balance": ("financial_statements", {"equity": "389.99"}),
    "statement_part_exceeds_total": ("financial_statements", {"current_liabilities": "600.01"}),
    "bureau_value_missing": ("bureau_reports", {"registration_no": None}),
    "bureau_date_unreadable": ("bureau_reports", {"report_date": "2026-02-29"}),
    "bureau_score_unreadable": ("bureau_reports", {"score": "good"}),
    "bureau_class_out_of_range": ("bureau_reports", {"risk_class": "0"}),
    "bureau_limit_unreadable": ("bureau_reports", {"recommended_limit": "none"}),
    "bureau_limit_without_currency": ("bureau_reports", {"currency": None}),
    "bureau_updated_at_unreadable": ("bureau_reports", {"updated_at": "15-10-2026"}),
    "bureau_currency_unknown": ("bureau_reports", {"currency": "E"}),
    "bureau_company_unknown": ("bureau_reports", {"registration_no": "DE136695977"}),
    "bureau_dated_after_delivery": ("bureau_reports", {"report_date": "2026-11-02"} | TONIGHT),
    "legal_value_missing": ("legal_events", {"published_at": None}),
    "legal_date_unreadable": ("legal_events", {"event_date": "1 Sept"}),
    "legal_kind_unknown": ("legal_events", {"kind": "strike"}),
    "legal_amount_unreadable": ("legal_events", {"amount": "800.-"}),
    "legal_updated_at_unreadable": ("legal_events", {"updated_at": "0"}),
    "legal_currency_unknown": ("legal_events", {"currency": "eur"}),
    "legal_published_before_event": ("legal_events", {"published_at": "2026-08-31"}),
    "rate_value_missing": ("fx_rates", {"rate": None}),
    "rate_date_unreadable": ("fx_rates", {"rate_date": "30.10.2026"}),
    "rate_unreadable": ("fx_rates", {"rate": "1,08"}),
    "rate_updated_at_unreadable": ("fx_rates", {"updated_at": "16:00"}),
    "rate_not_positive": ("fx_rates", {"rate": "0"}),
    "rate_currency_unknown": ("fx_rates", {"currency": "BITCOIN"}),
    "gl_value_missing": ("gl_balances", {"balance": None}),
    "gl_date_unreadable": ("gl_balances", {"balance_date": "2026-11-31"}),
    "gl_balance_unreadable": ("gl_balances", {"balance": "690.00-"}),
    "gl_updated_at_unreadable": ("gl_balances", {"updated_at": "t"}),
    "gl_currency_unknown": ("gl_balances", {"currency": "USX"}),
    "gl_account_unknown": ("gl_balances", {"account": "1200"}),
    "cost_value_missing": ("credit_costs", {"amount": ""}),
    "cost_date_unreadable": ("credit_costs", {"cost_month": "2026-10"}),
    "cost_amount_unreadable": ("credit_costs", {"amount": "1.000,00"}),
    "cost_updated_at_unreadable": ("credit_costs", {"updated_at": "u"}),
    "cost_currency_unknown": ("credit_costs", {"currency": "USN1"}),
    "cost_kind_unknown": ("credit_costs", {"cost_kind": "travel"}),
    "cost_month_not_first_day": ("credit_costs", {"cost_month": "2026-10-02"}),
    "cost_negative": ("credit_costs", {"amount": "-0.01"}),
    "product_value_missing": ("products", {"product_class": None}),
    "product_name_missing": ("products", {"product_name": ""}),
    "product_updated_at_unreadable": ("products", {"updated_at": "p"}),
    "line_value_missing": ("invoice_lines", {"product_id": None}),
    "line_number_unreadable": ("invoice_lines", {"line_no": "1a"}),
    "line_amount_unreadable": ("invoice_lines", {"amount": "1190,00"}),
    "line_updated_at_unreadable": ("invoice_lines", {"updated_at": "l"}),
    "line_currency_unknown": ("invoice_lines", {"currency": "QQQ"}),
    "line_document_unknown": ("invoice_lines", {"invoice_id": "I999"}),
    "line_document_quarantined": ("invoice_lines", {"invoice_id": "invoice_due_date_missing"}),
    "line_product_unknown": ("invoice_lines", {"product_id": "W999"}),
    "lines_differ_from_document": ("invoice_lines", {"amount": "0.01"}),
    "survey_value_missing": ("surveys", {"score": None}),
    "survey_date_unreadable": ("surveys", {"survey_date": "2026-15-10"}),
    "survey_score_unreadable": ("surveys", {"score": "9.5"}),
    "survey_score_out_of_scale": ("surveys", {"score": "11"}),
    "survey_updated_at_unreadable": ("surveys", {"updated_at": "s"}),
    "survey_customer_unknown": ("surveys", {"customer_id": "C999"}),
    "survey_customer_quarantined": ("surveys", {"customer_id": "customer_name_missing"}),
}

# What an earlier row makes wrong about a later one: rule id -> (table, the earlier row, the later one, which is the
# one that fails).
SPOILED_BY_ANOTHER: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    **{
        rule_id: (table, {}, {})
        for rule_id, table in (
            ("customer_repeated", "customers"),
            ("invoice_repeated", "invoices"),
            ("payment_repeated", "payments"),
            ("application_repeated", "payment_applications"),
            ("order_repeated", "orders"),
            ("limit_repeated", "credit_limits"),
            ("request_repeated", "credit_requests"),
            ("dispute_repeated", "disputes"),
            ("collection_repeated", "collection_actions"),
            ("statement_repeated", "financial_statements"),
            ("bureau_repeated", "bureau_reports"),
            ("legal_repeated", "legal_events"),
            ("rate_repeated", "fx_rates"),
            ("gl_repeated", "gl_balances"),
            ("cost_repeated", "credit_costs"),
            ("product_repeated", "products"),
            ("line_repeated", "invoice_lines"),
            ("survey_repeated", "surveys"),
        )
    },
    "limit_periods_overlap": (
        "credit_limits",
        {"customer_id": "C2", "valid_from": "2026-07-01"},
        {"customer_id": "C2", "valid_from": "2026-01-01", "valid_to": "2026-07-01"},
    ),
    "rate_jump": (
        "fx_rates",
        {"rate_date": "2026-10-29", "currency": "JPY", "rate": "0.0060"},
        {"rate_date": "2026-10-30", "currency": "JPY", "rate": "0.0073"},
    ),
}

# Rules that judge a table as a whole, or a row by many others, have tests of their own below or in test_gate.
SPOILED_ELSEWHERE = {
    "invoice_due_date_from_terms",
    "invoice_number_reused",
    "customers_delivered",
    "invoices_delivered",
    "invoices_source_totals",
    "payments_source_totals",
    "customer_registration_shared",
    "customer_several_names",
    "customer_name_shared",
    "invoice_possibly_billed_twice",
    "invoice_amount_unusual",
    "invoice_currency_unusual",
    "customers_stale",
    "invoices_stale",
    "payments_stale",
    "orders_stale",
    "bureau_stale",
    "rates_stale",
    "gl_stale",
}

KEYS = {
    "customers": "customer_id",
    "invoices": "invoice_id",
    "payments": "payment_id",
    "payment_applications": "application_id",
    "orders": "order_id",
    "credit_requests": "request_id",
    "disputes": "dispute_id",
    "collection_actions": "action_id",
    "bureau_reports": "report_id",
    "legal_events": "event_id",
    "products": "product_id",
    "surveys": "survey_id",
    # Of keys of several columns, one that no rule judges by its form.
    "gl_balances": "legal_entity",
    "credit_costs": "legal_entity",
}
# What else a spoiled row needs so that it is spoiled in one way only, and stands alone under its key.
SETTING: dict[str, Callable[[int], dict[str, Any]]] = {
    "payment_applications": lambda _: {"invoice_id": "I2", "from_document_id": "P2"},
    "invoice_lines": lambda number: {"invoice_id": "I2", "line_no": str(number)},
    "credit_limits": lambda number: {"valid_from": (date(2020, 1, 1) + timedelta(number)).isoformat()},
    "financial_statements": lambda number: {"period_end": f"{1700 + number}-12-31"},
    "fx_rates": lambda number: {"currency": OTHER_CURRENCIES[number % len(OTHER_CURRENCIES)]},
}
OTHER_CURRENCIES = sorted(set(read_list("iso_4217")) - {"USD", "EUR", "GBP", "JPY"})
Spot = tuple[str, tuple[str, int]]


@dataclass
class Judged:
    """The warehouse after the gate, and where each spoiled row lies: rule id -> (table, (key, occurrence))."""

    warehouse: Warehouse
    report: GateReport
    spots: dict[str, Spot]
    sound: set[Spot]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    warehouse = Warehouse(tmp_path_factory.mktemp("rules") / "warehouse.duckdb")
    sound = {(table, warehouse.add(table)) for table in SOUND}
    # The sound receipt would be applied far beyond its amount by the many applications below: give each its
    # own.
    warehouse.add("payments", payment_id="P2", amount="1000000.00")
    warehouse.add("invoices", invoice_id="I2", amount="1000000.00", tax_amount=None)
    warehouse.add("invoices", invoice_id="M1", document_type="credit_memo", amount=None)
    warehouse.add("invoices", invoice_id="CM1", document_type="credit_memo")
    warehouse.add("customers", customer_id="C2", legal_name="Borvil Textiles Ltd")
    spots: dict[str, Spot] = {}
    rows = {rule_id: (table, [changes]) for rule_id, (table, changes) in SPOILED.items()} | {
        rule_id: (table, [earlier, later]) for rule_id, (table, earlier, later) in SPOILED_BY_ANOTHER.items()
    }
    for number, (rule_id, (table, changes)) in enumerate(rows.items(), start=2):
        own = SETTING[table](number) if table in SETTING else {}
        if table in KEYS:
            own |= {KEYS[table]: rule_id}
        for change in changes:
            spots[rule_id] = (table, warehouse.add(table, **(own | change)))
    yield Judged(warehouse, warehouse.gate(*SOUND), spots, sound)
    warehouse.con.close()


def test_every_rule_of_the_catalogue_has_a_row_that_breaks_it() -> None:
    cases = SPOILED.keys() | SPOILED_BY_ANOTHER.keys() | SPOILED_ELSEWHERE
    assert cases == {rule.id for rule in Warehouse.rules()}


@pytest.mark.parametrize("rule_id", [*SPOILED, *SPOILED_BY_ANOTHER])
def test_rule_catches_its_row_and_passes_the_sound_one(judged: Judged, rule_id: str) -> None:
    warehouse, (table, row) = judged.warehouse, judged.spots[rule_id]
    result = judged.report.result(rule_id)
    assert result.status == "failed"
    failing = {
        (table, (key, occurrence))
        for key, occurrence in warehouse.rows(
            f"SELECT _row_key, _occurrence FROM ops.dq_failing_row WHERE rule_id = '{rule_id}'"
        )
    }
    assert (table, row) in failing
    assert failing.isdisjoint(judged.sound)
    accepted = set(warehouse.rows(f"SELECT _row_key, _occurrence FROM staging.accepted_{table}"))
    kept = result.rule.severity != "quarantine"
    assert (row in accepted) == kept


def test_sound_rows_of_every_table_are_accepted(judged: Judged) -> None:
    for table, row in judged.sound:
        assert row in judged.warehouse.rows(f"SELECT _row_key, _occurrence FROM staging.accepted_{table}")


def test_failing_column_is_named(judged: Judged) -> None:
    assert judged.report.result("invoice_key_missing").sample_keys == (
        "erp|invoice_key_missing (legal_entity)",
    )


def test_quarantine_row_says_what_why_and_whose(judged: Judged) -> None:
    assert judged.warehouse.rows(
        "SELECT owner, amount, currency, original_values->>'due_date', first_quarantined_on "
        "FROM quarantine.invoices WHERE _row_key = 'invoice_due_date_missing'"
    ) == [("Accounts Receivable", "1190.00", "USD", "", AS_OF)]


def test_withheld_value_is_recorded_and_its_row_kept(judged: Judged) -> None:
    warehouse = judged.warehouse
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


def test_nothing_is_lost_rows_and_money(judged: Judged) -> None:
    warehouse, report = judged.warehouse, judged.report
    for table in report.tables:
        assert table.landed == table.accepted + table.quarantined, table.table
    for table in ("invoices", "payments", "payment_applications"):
        amount = "coalesce(sum(try_cast(amount AS DECIMAL(18, 3))), 0)"
        ((landed, accepted, quarantined),) = warehouse.rows(
            f"SELECT (SELECT {amount} FROM staging.landed_{table}), "
            f"(SELECT {amount} FROM staging.accepted_{table}), (SELECT {amount} FROM quarantine.{table})"
        )
        assert landed == accepted + quarantined


def test_what_is_accepted_can_be_cast(judged: Judged) -> None:
    assert judged.warehouse.rows(
        "SELECT count(*) > 0 FROM (SELECT cast(issue_date AS DATE), cast(due_date AS DATE), "
        "cast(amount AS DECIMAL(18, 2)), cast(tax_amount AS DECIMAL(18, 2)), cast(updated_at AS TIMESTAMP) "
        "FROM staging.accepted_invoices)"
    ) == [(True,)]


@pytest.mark.parametrize(
    ("terms", "held", "told"),
    [
        (None, "failed", "passed"),
        ("on receipt of goods", "failed", "passed"),
        ("2/10", "failed", "passed"),
        ("NET30", "passed", "failed"),
        ("net 45", "passed", "failed"),
        ("2/10 NET 30", "passed", "failed"),
        ("30 days", "passed", "failed"),
        ("14 Tage", "passed", "failed"),
        ("EOM", "passed", "failed"),
        ("30 EOM", "passed", "failed"),
    ],
)
def test_due_date_may_come_of_the_customers_terms(
    sound: Warehouse, terms: str | None, held: str, told: str
) -> None:
    sound.add("customers", customer_id="C2", payment_terms=terms)
    sound.add("invoices", invoice_id="I2", customer_id="C2", due_date=None)
    sound.add("invoices", invoice_id="CM2", customer_id="C2", document_type="credit_memo", due_date=None)
    ids = ("invoice_due_date_missing", "invoice_due_date_from_terms")
    only = tuple(rule for rule in Warehouse.rules() if rule.id in ids)
    report = sound.gate(rules=only)
    assert [report.result(rule_id).status for rule_id in ids] == [held, told]
    assert {report.result(rule_id).rows_failed for rule_id in ids} == {0, 1}


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ({"customer_id": "C9", "issue_date": "2025-08-09"}, "failed"),
        ({"legal_entity": "E9", "issue_date": "2025-08-09"}, "failed"),
        # A document moved to another customer, or dated anew, is still the same document.
        ({"customer_id": "C9", "issue_date": "2026-10-25"}, "passed"),
        ({"customer_id": "C1", "issue_date": "2026-10-24"}, "passed"),
    ],
)
def test_number_of_an_earlier_document_is_told(sound: Warehouse, before: dict[str, str], status: str) -> None:
    version = {
        "source_system": "erp", "_row_key": "I1", "_occurrence": 1, "_loaded_at": date(2026, 10, 1),
        "customer_id": "C1", "legal_entity": "E1", "document_type": "invoice", **before,
    }  # fmt: skip
    sound.con.execute(
        f"INSERT INTO raw.invoices ({', '.join(version)}) VALUES ({', '.join('?' * len(version))})",
        list(version.values()),
    )
    only = tuple(rule for rule in Warehouse.rules() if rule.id == "invoice_number_reused")
    assert sound.gate(rules=only).result("invoice_number_reused").status == status


@pytest.mark.parametrize(
    ("changes", "rule_id"),
    [
        # What a first load knows beyond the as-of date is not known yet, and no mistake.
        ({"issue_date": "2026-12-01", "due_date": "2026-12-31"}, "invoice_dated_after_delivery"),
        # A credit memo has no terms to respect.
        ({"document_type": "credit_memo", "due_date": "2026-10-01"}, "invoice_due_before_issue"),
        ({"amount": "1190.500"}, "invoice_amount_decimals"),
        ({"amount": "1.234", "currency": "KWD"}, "invoice_amount_decimals"),
        ({"amount": "100.00", "currency": "JPY"}, "invoice_amount_decimals"),
        ({"amount": "1.2345", "currency": "CLF"}, "invoice_amount_decimals"),
        # What is no currency has a rule of its own.
        ({"amount": "1.234", "currency": "XXD"}, "invoice_amount_decimals"),
        ({"currency": "EUR", "issue_date": "2026-10-30"}, "invoice_rate_missing"),
        ({"tax_amount": ""}, "invoice_tax_unreadable"),
        ({"due_date": "2026-10-25"}, "invoice_due_before_issue"),
    ],
)
def test_rows_that_only_look_wrong_pass(sound: Warehouse, changes: dict[str, Any], rule_id: str) -> None:
    sound.add("invoices", invoice_id="I2", **changes)
    only = tuple(rule for rule in Warehouse.rules() if rule.id == rule_id)
    assert sound.gate(rules=only).result(rule_id).status == "passed"


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("JPY", "100.50"), ("EUR", "1.234"), ("KWD", "1.2345"), ("UYW", "1.23456"), ("CLF", "-1.00001")],
)
def test_amount_has_no_more_decimals_than_its_currency(sound: Warehouse, currency: str, amount: str) -> None:
    sound.add("invoices", invoice_id="I2", amount=amount, currency=currency)
    only = tuple(rule for rule in Warehouse.rules() if rule.id == "invoice_amount_decimals")
    assert sound.gate(rules=only).result("invoice_amount_decimals").rows_failed == 1


def test_repeated_document_is_accepted_once(sound: Warehouse) -> None:
    sound.add("invoices")
    sound.add("invoices")
    report = sound.gate("invoices")
    assert report.result("invoice_repeated").rows_failed == 2
    assert sound.rows("SELECT _occurrence FROM staging.accepted_invoices") == [(1,)]
    assert report.result("invoice_repeated").sample_keys == ("erp|I1 #2", "erp|I1 #3")


@pytest.mark.parametrize(
    ("changes", "is_accepted"),
    [
        ({"due_date": "2026-11-30"}, True),
        ({"legal_entity": "E2"}, True),
        ({"legal_entity": "E2", "issue_date": "2026-10-02"}, True),
        # Another document of the same company under the same number is one of the two by mistake.
        ({"due_date": "2026-11-30", "issue_date": "2026-10-02"}, False),
        ({"amount": "1.00"}, False),
    ],
)
def test_instalments_and_other_companies_may_share_a_number(
    sound: Warehouse, changes: dict[str, Any], is_accepted: bool
) -> None:
    sound.add("invoices", **changes)
    only = tuple(rule for rule in Warehouse.rules() if rule.id == "invoice_repeated")
    assert sound.gate(rules=only).result("invoice_repeated").rows_failed == (0 if is_accepted else 1)


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


def test_currency_the_customer_hardly_uses_is_reported(sound: Warehouse) -> None:
    for number in range(2, 20):
        sound.add("invoices", invoice_id=f"I{number}")
    slipped = {"currency": "EUR", "issue_date": "2026-10-30"}
    sound.add("invoices", invoice_id="I20", **slipped)
    # The credit memo that cancels the slip is in its currency, as it must be.
    sound.add("invoices", invoice_id="M1", document_type="credit_memo", **slipped)
    assert sound.gate("invoices").result("invoice_currency_unusual").sample_keys == ("erp|I20",)
    # Two of twenty-one are no slip any more, but business.
    sound.add("invoices", invoice_id="I21", **slipped)
    sound.add("invoices", invoice_id="I22", **slipped)
    assert sound.gate("invoices").result("invoice_currency_unusual").status == "passed"


def test_credit_memo_or_quarantined_document_in_another_currency_than_its_order_is_no_slip(
    sound: Warehouse,
) -> None:
    sound.add("orders")
    sound.add("invoices", invoice_id="I2", order_id="O1")
    memo = {"document_type": "credit_memo", "currency": "EUR", "issue_date": "2026-10-30"}
    sound.add("invoices", invoice_id="M1", order_id="O1", **memo)
    # What is set aside already, here for a currency that does not exist, is not reported again.
    sound.add("invoices", invoice_id="I3", order_id="O1", currency="XXD")
    report = sound.gate("invoices", "orders")
    assert report.result("invoice_currency_differs_from_order").status == "passed"


@pytest.mark.parametrize("rule_id", ["customers_delivered", "invoices_delivered"])
def test_a_table_nothing_works_without_blocks_where_it_is_empty(warehouse: Warehouse, rule_id: str) -> None:
    only = tuple(rule for rule in Warehouse.rules() if rule.id == rule_id)
    assert len(warehouse.gate(rules=only).blocking) == 1
    warehouse.add(only[0].table)
    assert warehouse.gate(rules=only).blocking == ()


@pytest.mark.parametrize(
    ("rule_id", "amount"), [("invoices_source_totals", "1190.00"), ("payments_source_totals", "500.00")]
)
def test_a_cent_between_source_and_landing_blocks(sound: Warehouse, rule_id: str, amount: str) -> None:
    (rule,) = (rule for rule in Warehouse.rules() if rule.id == rule_id)
    sound.con.execute(
        "INSERT INTO ops.source_total (as_of_date, source_system, table_name, source_file, currency, row_count, "
        f"amount) VALUES (?, 'erp', '{rule.table}', '{rule.table}.csv', 'USD', 1, {amount})",
        [AS_OF],
    )
    assert sound.gate(rules=(rule,)).blocking == ()
    sound.con.execute("UPDATE ops.source_total SET amount = amount + 0.01")
    assert len(sound.gate(rules=(rule,)).blocking) == 1


@pytest.mark.parametrize(
    ("rule_id", "newest", "days"),
    [
        ("customers_stale", "2026-10-20", 31),
        ("invoices_stale", "2026-10-25", 7),
        ("payments_stale", "2026-10-28", 7),
        ("orders_stale", "2026-10-24", 7),
        ("bureau_stale", "2026-10-15", 92),
        ("rates_stale", "2026-10-30", 5),
        ("gl_stale", "2026-10-31", 35),
    ],
)
def test_a_source_that_stopped_is_a_warning_from_the_first_day_too_late(
    warehouse: Warehouse, rule_id: str, newest: str, days: int
) -> None:
    (rule,) = (rule for rule in Warehouse.rules() if rule.id == rule_id)
    warehouse.add(rule.table)
    last_day = date.fromisoformat(newest) + timedelta(days)
    assert warehouse.gate(rules=(rule,), as_of=last_day).result(rule_id).status == "passed"
    late = warehouse.gate(rules=(rule,), as_of=last_day + timedelta(1))
    assert (late.result(rule_id).status, late.blocking) == ("failed", ())


def test_stale_source_is_a_warning_by_as_of(sound: Warehouse) -> None:
    report = sound.gate("invoices", as_of=date(2026, 11, 2))
    assert report.result("invoices_stale").status == "failed"
    assert report.result("invoices_stale").sample_keys == (
        "erp: newest issue_date is 2026-10-25, 8 days before 2026-11-02",
    )
    assert report.result("invoices_stale").observed == "1 finding(s) in a table of 1 rows"
    assert report.blocking == ()
    assert sound.gate("invoices", as_of=date(2026, 11, 1)).result("invoices_stale").status == "passed"
