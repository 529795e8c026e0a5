"""Features and labels: nothing that was not known moves them, and their figures worked by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, make_warehouse, run_dbt

FEATURES = ["+customer_cutoff", "+customer_cutoff_prior", "+customer_label"]
AS_OF = "2026-03-31"


class Company:
    """Contract rows of a small company, written event by event."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("customers", "invoices", "payments", "payment_applications")
        }

    def add(self, table: str, **row: Any) -> None:
        self.tables.setdefault(table, []).append(row)

    def customer(self, customer: str, **row: Any) -> None:
        self.add("customers", customer_id=customer, legal_name=f"Firm {customer}", **row)

    def bill(
        self, number: str, customer: str, issued: str, due: str, amount: int | Decimal, **row: Any
    ) -> None:
        self.add(
            "invoices", invoice_id=number, document_type="invoice", customer_id=customer, legal_entity="E1",
            issue_date=issued, due_date=due, currency="USD", amount=f"{Decimal(amount):.2f}", **row,
        )  # fmt: skip

    def pay(self, invoice: str, customer: str, day: str, amount: int | Decimal, **row: Any) -> None:
        number = f"{invoice}-{day}"
        self.add(
            "payments", payment_id=number, customer_id=customer, legal_entity="E1", received_date=day,
            currency="USD", amount=f"{Decimal(amount):.2f}", method="wire", **row,
        )  # fmt: skip
        self.apply(invoice, "cash", day, amount, source=number, **row)

    def apply(
        self, invoice: str, kind: str, day: str, amount: int, source: str | None = None, **row: Any
    ) -> None:
        self.add(
            "payment_applications", application_id=f"{invoice}-{kind}-{day}", kind=kind,
            from_document_id=source, invoice_id=invoice, applied_date=day, currency="USD",
            amount=f"{Decimal(amount):.2f}", **row,
        )  # fmt: skip

    def build(self, path: Path, as_of: str, codes: Iterable[str]) -> Path:
        """The features of this company on `as_of`; each customer number is its customer code."""
        make_warehouse(path, self.tables, as_of=as_of, xref={("erp", code): code for code in codes})
        run_dbt(path, select=FEATURES, as_of=as_of, command="run")
        return path


def _known_in_august() -> Company:
    company = Company()
    company.customer("OLD", industry_code="4711")
    company.customer("P", industry_code="4711", registration_no="R1")
    company.bill("old", "OLD", "2024-01-02", "2024-02-01", 700)
    company.pay("old", "OLD", "2024-02-20", 700)
    company.bill("p1", "P", "2024-03-01", "2024-03-31", 900)
    company.pay("p1", "P", "2024-04-10", 900)
    company.bill("p2", "P", "2025-06-01", "2025-06-30", 1000)
    company.bill("p3", "P", "2025-08-01", "2025-08-31", 400)
    company.add("credit_limits", customer_id="P", valid_from="2024-01-01", currency="USD", amount="4000.00")
    company.add(
        "bureau_reports", report_id="b1", registration_no="R1", report_date="2025-05-05", risk_class=2
    )
    company.add("disputes", dispute_id="d1", customer_id="P", opened_date="2025-08-03", currency="USD",
                amount="100.00")  # fmt: skip
    company.tables["legal_events"] = []
    company.add("collection_actions", action_id="c1", customer_id="P", invoice_id="p2",
                action_date="2025-08-01", promise_date="2025-08-10", currency="USD",
                promise_amount="500.00")  # fmt: skip
    company.add("financial_statements", registration_no="R1", period_end="2024-12-31",
                published_at="2025-06-30", currency="USD", total_assets="1000.00",
                current_assets="500.00", current_liabilities="300.00",
                total_liabilities="600.00", retained_earnings="100.00", equity="400.00", revenue="2000.00",
                ebit="90.00")  # fmt: skip
    return company


def _learnt_later(company: Company) -> Company:
    """Events after August, and events of August that became known only in September."""
    late = {"_loaded_at": "2025-09-20"}
    company.pay("p2", "P", "2025-08-09", 1000, **late)
    company.bill("p4", "P", "2025-08-15", "2025-08-20", 5000, **late)
    company.pay("p3", "P", "2025-09-30", 400)
    company.bill("old2", "OLD", "2025-09-02", "2025-10-01", 800)
    company.apply("old2", "write_off", "2025-12-01", 800)
    company.add(
        "credit_limits", customer_id="P", valid_from="2025-08-20", currency="USD", amount="1.00", **late
    )
    company.add(
        "bureau_reports", report_id="b2", registration_no="R1", report_date="2025-08-15", risk_class=5, **late
    )
    company.add("disputes", dispute_id="d2", customer_id="P", opened_date="2025-08-04", currency="USD",
                amount="300.00", **late)  # fmt: skip
    company.add("legal_events", event_id="l1", registration_no="R1", event_date="2025-08-01",
                published_at="2025-09-02", kind="insolvency")  # fmt: skip
    company.add("collection_actions", action_id="c2", customer_id="P", action_date="2025-08-02",
                dunning_level=4, promise_date="2025-08-05", currency="USD", promise_amount="9.00",
                **late)  # fmt: skip
    company.add("financial_statements", registration_no="R1", period_end="2025-06-30",
                published_at="2025-09-15", currency="USD", total_assets="1000.00",
                current_assets="1.00", current_liabilities="900.00",
                total_liabilities="990.00", retained_earnings="-500.00", equity="10.00", revenue="1.00",
                ebit="-400.00")  # fmt: skip
    return company


def test_what_was_not_known_at_a_cut_off_never_moves_its_features(tmp_path: Path) -> None:
    """The features of August, computed in August and seven months later with everything learnt since."""
    codes = ["OLD", "P"]
    then = _known_in_august().build(tmp_path / "then" / "warehouse.duckdb", "2025-08-31", codes)
    later = _learnt_later(_known_in_august()).build(tmp_path / "later" / "warehouse.duckdb", AS_OF, codes)
    query = (
        "select * exclude (is_as_of) from features.customer_cutoff "
        "where cutoff_date <= '2025-08-31' order by all"
    )
    before = fetch(then, query)
    assert len({row["cutoff_date"] for row in before}) == 14, "month-ends from July 2024 to August 2025"
    assert fetch(later, query) == before
    shares = {
        row["customer_code"]: row["disputes_open_share"]
        for row in before
        if row["cutoff_date"] == date(2025, 8, 31)
    }
    # P disputes 100 of the 1,400 it has open; OLD has nothing open that could be disputed.
    assert shares == {"OLD": None, "P": pytest.approx(100 / 1400)}

    # The same facts do move the cut-off at which they are known, so the comparison above could have failed.
    moved = fetch(
        later,
        "select * from features.customer_cutoff where customer_code = 'P' and cutoff_date = '2025-09-30'",
    )[0]
    august = next(
        row for row in before if row["customer_code"] == "P" and str(row["cutoff_date"]) == "2025-08-31"
    )
    assert (august["oldest_days_past_due"], august["broken_promises_90d"]) == (62, 1)
    # p4, due 20 August; the promise of c1 was kept by the payment of 9 August, that of c2 was not.
    assert (moved["oldest_days_past_due"], moved["broken_promises_90d"]) == (41, 1)
    assert (august["bureau_risk_class"], moved["bureau_risk_class"]) == (2, 5)
    assert (august["legal_notice_count_24m"], moved["legal_notice_count_24m"]) == (0, 1)
    assert (august["is_in_default_at_cutoff"], moved["is_in_default_at_cutoff"]) == (False, True)
    assert (august["statement_age_months"], moved["statement_age_months"]) == (8, 3)
    assert (august["disputes_count_6m"], moved["disputes_count_6m"]) == (1, 2)


LABEL_CASES = {
    # customer: (due date, day paid in full or None)
    # Due 2024-11-01 is 91 days past due on 2025-01-31, the cut-off itself: before the window.
    "BEFORE": ("2024-11-01", None),
    "FIRST": ("2024-11-02", None),
    "LAST": ("2025-11-01", None),
    "AFTER": ("2025-11-02", None),
    # Due 2025-03-01 is 91 days past due on 2025-05-31.
    "PAID_91": ("2025-03-01", "2025-05-31"),
    "PAID_92": ("2025-03-01", "2025-06-01"),
}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    company = Company()
    for code in [
        *LABEL_CASES,
        "OVER_500",
        "AT_500",
        "OF_MUCH",
        "NETTED",
        "RESIDUE",
        "WRITTEN",
        "TAKEN_BACK",
        "BROKE",
        "G",
    ]:
        company.customer(code, industry_code=None if code == "G" else "4711", registration_no=f"R-{code}")
        company.bill(f"first-{code}", code, "2024-01-02", "2024-02-01", 100)
        company.pay(f"first-{code}", code, "2024-02-01", 100)
    for code, (due, paid) in LABEL_CASES.items():
        company.bill(f"i-{code}", code, due, due, 1000)
        if paid:
            company.pay(f"i-{code}", code, paid, 1000)
    # Of 1,000 falling due, 500.01 and 500 are still open 91 days later.
    for code, unpaid in (("OVER_500", "500.01"), ("AT_500", "500")):
        company.bill(f"i-{code}", code, "2025-02-01", "2025-03-01", 1000)
        company.pay(f"i-{code}", code, "2025-03-01", 1000 - Decimal(unpaid))
    # 600 past due are less than 1 % of 60,600 owed, which is not due before the horizon ends.
    company.bill("i-OF_MUCH", "OF_MUCH", "2025-02-01", "2025-03-01", 600)
    company.bill("j-OF_MUCH", "OF_MUCH", "2025-02-01", "2026-12-31", 60_000)
    # 1,000 are past due, and 700 that came in were never applied.
    company.bill("i-NETTED", "NETTED", "2025-02-01", "2025-03-01", 1000)
    company.add("payments", payment_id="p-NETTED", customer_id="NETTED", legal_entity="E1",
                received_date="2025-03-01", currency="USD", amount="700")  # fmt: skip
    # The bank kept 0.50, which was written off.
    company.bill("i-RESIDUE", "RESIDUE", "2025-02-01", "2025-03-01", 1000)
    company.pay("i-RESIDUE", "RESIDUE", "2025-03-01", Decimal("999.50"))
    company.apply("i-RESIDUE", "write_off", "2025-03-01", Decimal("0.50"))
    for code in ("WRITTEN", "TAKEN_BACK"):
        company.bill(f"i-{code}", code, "2025-02-01", "2025-03-01", 1000)
        company.apply(f"i-{code}", "write_off", "2025-03-10", 1000)
    company.apply("i-TAKEN_BACK", "reversal", "2025-03-12", -1000)
    company.pay("i-TAKEN_BACK", "TAKEN_BACK", "2025-03-20", 1000)
    company.add("legal_events", event_id="l1", registration_no="R-BROKE", event_date="2025-07-01",
                published_at="2025-07-05", kind="insolvency")  # fmt: skip
    _golden(company)
    codes = [row["customer_id"] for row in company.tables["customers"]]
    return company.build(tmp_path_factory.mktemp("features") / "warehouse.duckdb", AS_OF, codes)


def _golden(company: Company) -> None:
    """Customer G, whose features at 2025-06-30 are worked by hand below."""
    company.bill("g1", "G", "2024-11-01", "2024-12-01", 2000)
    company.pay("g1", "G", "2024-12-21", 2000)
    company.bill("g2", "G", "2025-03-11", "2025-04-10", 1000)
    company.pay("g2", "G", "2025-04-20", 1000)
    company.bill("g3", "G", "2025-04-10", "2025-05-10", 3000)
    company.pay("g3", "G", "2025-05-05", 3000)
    company.bill("g4", "G", "2025-05-01", "2025-05-31", 800)
    company.pay("g4", "G", "2025-06-10", 300)
    company.bill("g5", "G", "2025-06-15", "2025-07-15", 1500)
    company.add("credit_limits", customer_id="G", valid_from="2025-01-01", currency="USD", amount="4000.00")
    for number, (acted, promised, amount) in enumerate(
        [
            ("2025-06-01", "2025-06-15", 300),  # kept: 300 applied on 10 June
            ("2025-06-11", "2025-06-20", 500),  # broken: nothing came after 11 June
            ("2025-06-11", "2025-06-30", 500),  # its day is not over at the cut-off
        ]
    ):
        company.add("collection_actions", action_id=f"a{number}", customer_id="G", invoice_id="g4",
                    action_date=acted, dunning_level=2, promise_date=promised, currency="USD",
                    promise_amount=f"{Decimal(amount):.2f}")  # fmt: skip


def test_features_worked_by_hand(company: Path) -> None:
    row = fetch(
        company,
        "select * from features.customer_cutoff where customer_code = 'G' and cutoff_date = '2025-06-30'",
    )[0]
    # April to June: 1,000 paid 10 days late, 3,000 on time, 300 paid 10 days late.
    assert row["days_beyond_terms_3m"] == pytest.approx((1000 * 10 + 300 * 10) / 4300)
    # The 12 months before: 2,000 paid 20 days late.
    assert row["days_beyond_terms_12m_prior"] == 20
    assert row["days_beyond_terms_change"] == pytest.approx(13000 / 4300 - 20)
    assert row["days_beyond_terms_spread_12m"] == 0
    assert row["late_share_6m"] == pytest.approx(1300 / 4300)
    # Open: 500 of g4, 30 days past due, and 1,500 of g5, not yet due.
    assert row["open_amount_reporting"] == 2000
    assert row["overdue_share"] == 0.25
    assert row["oldest_days_past_due"] == 30
    assert row["max_days_past_due_6m"] == 30
    assert row["overdue_91_plus_share"] == 0
    # Sales of April to June: g3, g4, g5 = 5,300; of January to March: g2 = 1,000.
    assert row["open_to_sales_ratio"] == pytest.approx(2000 / 5300)
    assert row["sales_trend_6m"] == pytest.approx(4.3)
    assert row["receivables_utilisation_share"] == 0.5
    # Sixty days before, on 1 May: g3 and g4 were open, 3,800 of 4,000.
    assert row["utilisation_change_60d"] == pytest.approx(0.5 - 0.95)
    assert row["broken_promises_90d"] == 1
    assert row["dunning_level_max_6m"] == 2
    assert row["days_since_last_payment"] == 20
    # g1, g2 and g3 were settled within a year; the first invoice before it.
    assert row["paid_invoice_count_12m"] == 3
    assert row["tenure_months"] == 17
    assert row["is_in_default_at_cutoff"] is False


def test_what_no_source_delivers_is_not_available(company: Path) -> None:
    """This company delivers no orders, disputes, bureau reports or statements, and G has no sector."""
    row = fetch(
        company,
        "select * from features.customer_cutoff where customer_code = 'G' and cutoff_date = '2025-06-30'",
    )[0]
    for name in (
        "order_surge_ratio", "disputes_open_share", "disputes_count_6m", "bureau_risk_class", "altman_z2",
        "sector_late_share_6m", "group_late_share_6m",
    ):  # fmt: skip
        assert row[name] is None, name
    assert (row["has_bureau"], row["has_financials"]) == (False, False)
    # Notices are delivered, and there is none about G: that is a zero.
    assert row["legal_notice_count_24m"] == 0


def test_prior_values_are_those_of_half_a_year_before(company: Path) -> None:
    row = fetch(
        company,
        "select * from features.customer_cutoff_prior "
        "where customer_code = 'G' and cutoff_date = '2025-12-31'",
    )[0]
    assert str(row["prior_cutoff_date"]) == "2025-06-30"
    assert row["overdue_share"] == 0.25


@pytest.mark.parametrize(
    ("customer", "is_event", "kind"),
    [
        ("BEFORE", 0, None),
        ("FIRST", 1, "past_due"),
        ("LAST", 1, "past_due"),
        ("AFTER", 0, None),
        ("PAID_91", 0, None),
        ("PAID_92", 1, "past_due"),
        ("OVER_500", 1, "past_due"),
        ("AT_500", 0, None),
        ("OF_MUCH", 0, None),
        ("NETTED", 0, None),
        ("RESIDUE", 0, None),
        ("WRITTEN", 1, "write_off"),
        ("TAKEN_BACK", 0, None),
        ("BROKE", 1, "insolvency"),
    ],
)
def test_label_of_the_year_after_january_2025(
    company: Path, customer: str, is_event: int, kind: str | None
) -> None:
    row = fetch(
        company,
        "select * from features.customer_label "
        f"where cutoff_date = '2025-01-31' and customer_code = '{customer}'",
    )[0]
    assert str(row["horizon_end_date"]) == "2026-01-31"
    assert (row["is_event"], row["event_kind"]) == (is_event, kind)


def test_a_label_is_known_once_the_whole_horizon_has_passed(company: Path) -> None:
    rows = fetch(
        company,
        "select cutoff_date, label_known, is_event from features.customer_label "
        "where customer_code = 'FIRST' and cutoff_date in ('2025-03-31', '2025-04-30') order by 1",
    )
    assert [(row["label_known"], row["is_event"]) for row in rows] == [(True, 0), (False, None)]


def test_a_customer_91_days_past_due_is_in_default_at_the_cut_off(company: Path) -> None:
    rows = fetch(
        company,
        "select cutoff_date, is_in_default_at_cutoff from features.customer_cutoff "
        "where customer_code = 'BEFORE' and cutoff_date in ('2024-12-31', '2025-01-31') order by 1",
    )
    assert [row["is_in_default_at_cutoff"] for row in rows] == [False, True]
