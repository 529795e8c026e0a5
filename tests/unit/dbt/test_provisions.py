"""The provision matrix: its published worked figure, and own loss rates once they were observed long enough."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, make_warehouse, run_dbt
from tests.unit.dbt.planted import plant

AS_OF = "2026-10-31"


@pytest.fixture(scope="module")
def provisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    balances = dict(
        zip(("current", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_91_plus"),
            (15000, 7500, 4000, 2500, 1000), strict=True)
    )  # fmt: skip
    path = plant(
        tmp_path_factory.mktemp("provisions") / "warehouse.duckdb",
        {
            "mart.dim_customer": [
                {"customer_code": "C1", "segment": "enterprise"},
                {"customer_code": "C2", "segment": None},
            ],
            "mart.fct_ar_aging": [
                {
                    "as_of_date": day,
                    "customer_code": code,
                    **{f"{bucket}_amount_reporting": amount * share for bucket, amount in balances.items()},
                }
                for day, code, share in [(AS_OF, "C1", 1), (AS_OF, "C2", 2), ("2026-10-30", "C1", 7)]
            ],
            "mart.roll_rate": [],
        },
        policy=["provision_factor", "provision_setting"],
        as_of=AS_OF,
    )
    run_dbt(path, select="provision_matrix", as_of=AS_OF, command="run")
    return path


def test_published_worked_figure(provisions: Path) -> None:
    """15,000/7,500/4,000/2,500/1,000 at 0.3/1.6/3.6/6.6/10.6 % is 580."""
    rows = fetch(
        provisions, "select * from mart.provision_matrix where segment = 'enterprise' order by bucket_rank"
    )
    assert [row["expected_credit_loss_reporting"] for row in rows] == [45, 120, 144, 165, 106]
    assert sum(row["expected_credit_loss_reporting"] for row in rows) == Decimal("580.00")


def test_customers_without_a_segment_are_provided_for(provisions: Path) -> None:
    rows = fetch(
        provisions,
        "select segment, sum(expected_credit_loss_reporting) as loss, min(loss_rate_source) as source "
        "from mart.provision_matrix group by segment order by segment",
    )
    assert [(row["segment"], row["loss"], row["source"]) for row in rows] == [
        ("enterprise", Decimal("580.00"), "policy_all_segments"),
        ("not stated", Decimal("1160.00"), "policy_all_segments"),
    ]


# Each month from July 2025 to October 2026 one invoice of 100 is issued. Month-end by month-end it is current, then in
# 1-30, 31-60, 61-90 and 91+. Of the 100 in 1-30 at a month-end 40 are paid before the next; of the 60 in 91+ 30 are
# paid and 30 written off before the next.
FIRST_MONTH = 2025 * 12 + 6
MONTHS = 16


def _month_start(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _company_that_loses_thirty_of_a_hundred() -> dict[str, list[dict[str, Any]]]:
    invoices, payments, applications = [], [], []
    for number in range(FIRST_MONTH, FIRST_MONTH + MONTHS):
        name = f"I-{_month_start(number):%Y-%m}"
        invoices.append(
            {
                "invoice_id": name,
                "document_type": "invoice",
                "customer_id": "c",
                "legal_entity": "US",
                "issue_date": _month_start(number),
                "due_date": _month_start(number + 1) + timedelta(days=9),
                "currency": "USD",
                "amount": "100.00",
            }
        )
        for kind, months_later, amount in [
            ("cash", 2, "40.00"),
            ("cash", 5, "30.00"),
            ("write_off", 5, "30.00"),
        ]:
            on = _month_start(number + months_later) + timedelta(days=14)
            receipt = f"P-{name}-{months_later}" if kind == "cash" else None
            if receipt:
                payments.append(
                    {
                        "payment_id": receipt,
                        "customer_id": "c",
                        "legal_entity": "US",
                        "received_date": on,
                        "currency": "USD",
                        "amount": amount,
                    }
                )
            applications.append(
                {
                    "application_id": f"{kind}-{name}-{months_later}",
                    "kind": kind,
                    "from_document_id": receipt,
                    "invoice_id": name,
                    "applied_date": on,
                    "currency": "USD",
                    "amount": amount,
                }
            )
    return {
        "customers": [{"customer_id": "c", "legal_name": "Company c", "segment": "enterprise"}],
        "invoices": invoices,
        "payments": payments,
        "payment_applications": applications,
    }


def _provided_on(as_of: str, path: Path) -> list[dict[str, Any]]:
    make_warehouse(path, _company_that_loses_thirty_of_a_hundred(), as_of=as_of)
    run_dbt(path, select="+provision_matrix", exclude="resource_type:test", as_of=as_of)
    return fetch(path, "select * from mart.provision_matrix order by bucket_rank")


def test_own_loss_rates_count_from_the_twelfth_month_pair(tmp_path: Path) -> None:
    """91+ first holds anything on 30 November 2025: twelve month-ends up to 31 October 2026 are followed by another.

    Of 100 in current all roll to 1-30, 60 of them on to 91+, and of the 60 half are lost: 1 x .6 x 1 x 1 x .5 = .3,
    and .5 from 31-60 on. Nothing was issued in November: 0, 100, 60, 60 and 60 are open, four times 30 lost.
    """
    rows = _provided_on("2026-11-30", tmp_path / "warehouse.duckdb")
    assert [row["balance_reporting"] for row in rows] == [0, 100, 60, 60, 60]
    assert [row["loss_rate"] for row in rows] == [
        Decimal(rate) for rate in ("0.3", "0.3", "0.5", "0.5", "0.5")
    ]
    assert sum(row["expected_credit_loss_reporting"] for row in rows) == Decimal("120.00")
    assert {(row["loss_rate_basis"], row["months_observed"], row["months_required"]) for row in rows} == {
        ("own", 12, 12)
    }


def test_eleven_month_pairs_leave_the_rates_of_policy_whatever_came_later(tmp_path: Path) -> None:
    """A month earlier the same books, whose later rows nobody knew, show 11 pairs.

    100 x .003 + 100 x .016 + 60 x (.036 + .066 + .106) = 14.38.
    """
    rows = _provided_on("2026-10-31", tmp_path / "warehouse.duckdb")
    assert sum(row["expected_credit_loss_reporting"] for row in rows) == Decimal("14.38")
    assert {(row["loss_rate_basis"], row["months_observed"]) for row in rows} == {("policy", 11)}
    assert [row["observed_loss_rate"] for row in rows] == [
        Decimal(rate) for rate in ("0.3", "0.3", "0.5", "0.5", "0.5")
    ]
