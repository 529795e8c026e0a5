"""The provision matrix against its published worked figure."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.factories import fetch, run_dbt
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
