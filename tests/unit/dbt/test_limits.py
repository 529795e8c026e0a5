"""Limit recommendations worked by hand: each part, the part that binds, and the rule that decides."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import fetch, run_dbt, seeded_policy
from tests.unit.dbt.planted import plant, replant

AS_OF = "2026-10-31"
# What the figures below are worked with, whatever values policy starts from.
WORKED_WITH = [
    (3, "payment_record_months"),
    (1, "need_headroom"),
    (0.85, "grade_factor_R07"),
    (0.65, "grade_factor_R08"),
    (0.40, "grade_factor_R09"),
    (0.20, "grade_factor_R10"),
]
SEVERITY = {"auto_approve": 0, "review": 1, "decline": 2}


def _scored(code: str, grade_rank: int, depth: str = "A", status: str = "scored") -> dict[str, Any]:
    return {
        "customer_code": code,
        "customer_name": f"Firm {code}",
        "score_status": status,
        "status_reason": None if status == "scored" else "Only one month of history",
        "grade": f"R{grade_rank:02d}" if status == "scored" else None,
        "grade_rank": grade_rank if status == "scored" else None,
        "data_depth": depth,
    }


def _facts(
    code: str,
    *,
    sales: int,
    recent: int,
    months: int = 24,
    paid: int | None = None,
    equity: int | None = None,
    revenue: int | None = None,
) -> dict[str, Any]:
    return {
        "customer_code": code,
        "cutoff_date": AS_OF,
        "is_as_of": True,
        "months_of_history": months,
        "sales_12m_amount_reporting": sales,
        "sales_3m_amount_reporting": recent,
        "paid_12m_amount_reporting": paid,
        "equity_amount_reporting": equity,
        "revenue_amount_reporting": revenue,
    }


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Recommendation by customer. Sales of 365,000 a year make the need 1,000 a day."""
    sales = {"sales": 365000, "recent": 91250}
    customers: dict[str, tuple[dict[str, Any], dict[str, int] | None]] = {
        # need 365,000 x (30 + 15) / 365 = 45,000; capacity 10 % of 800,000 or 5 % of 3,000,000, times 1.2
        "need": (_scored("need", 4), {**sales, "equity": 800000, "revenue": 3000000}),
        # turnover bounds the capacity: 10 % of 800,000 or 5 % of 400,000; grade 8 grants 0.65 of it
        "turnover": (_scored("turnover", 8), {**sales, "equity": 800000, "revenue": 400000}),
        # no statement: paid 120,000 a year = 10,000 a month, three months of it; grade 6 grants all
        "record": (_scored("record", 6, "B"), {**sales, "paid": 120000}),
        # half a year: 60,000 in 6 months are 120,000 a year; paid 30,000 in 6 months = 5,000 a month
        "young": (_scored("young", 6, "C"), {"months": 6, "sales": 60000, "recent": 30000, "paid": 30000}),
        # the last quarter times four is 2,920,000; the growth cap stops at 1.5 x 365,000 = 547,500
        "growth": (_scored("growth", 1), {"sales": 365000, "recent": 730000, "equity": 9000000}),
        # need 4,000,000 x 45 / 365 = 493,151 is over the cap of small businesses
        "capped": (_scored("capped", 5), {"sales": 4000000, "recent": 1000000, "equity": 9000000}),
        "tiny": (_scored("tiny", 7), {**sales, "equity": 11000}),
        "bankrupt": (_scored("bankrupt", 12, status="in_default"), {**sales, "paid": 120000}),
        "unknown": (_scored("unknown", 0, status="not_scored"), {**sales, "paid": 120000}),
        "prospect": (_scored("prospect", 3), None),
        "risky": (_scored("risky", 10), {**sales, "paid": 120000}),
        "thin": (_scored("thin", 5, "D"), {**sales, "paid": 120000}),
        "cut": (_scored("cut", 6, "B"), {**sales, "paid": 120000}),
        "trimmed": (_scored("trimmed", 6, "B"), {**sales, "paid": 120000}),
        "warned": (_scored("warned", 1), {**sales, "equity": 800000}),
        "aged": (_scored("aged", 1), {**sales, "equity": 800000}),
        "residue": (_scored("residue", 1), {**sales, "equity": 800000}),
        "exposed": (_scored("exposed", 1), {**sales, "equity": 800000}),
    }
    current = {"cut": 40000, "trimmed": 39999}
    path = plant(
        tmp_path_factory.mktemp("limits") / "warehouse.duckdb",
        {
            "mart.customer_score": [score for score, _ in customers.values()],
            "features.customer_cutoff": [
                _facts(code, **facts) for code, (_, facts) in customers.items() if facts
            ],
            "mart.dim_customer": [
                {
                    "customer_code": code,
                    "segment": "small business" if code == "capped" else "mid-market",
                    "payment_terms_days": None if code == "record" else 30,
                }
                for code in customers
            ],
            "mart.fct_exposure": [
                {
                    "customer_code": code,
                    "exposure_reporting": 45001 if code == "exposed" else 10000,
                    "net_exposure_reporting": 30000,
                    "insured_reporting": 20000,
                    "credit_limit_reporting": current.get(code),
                }
                for code in customers
            ],
            "mart.warning": [
                {"customer_code": code, "rule_id": "legal_notice", "state": state, "severity": severity}
                for code, state, severity in (
                    ("warned", "open", "red"),
                    ("need", "resolved", "red"),
                    ("need", "open", "amber"),
                )
            ],
            "mart.fct_ar_aging": [
                {
                    "as_of_date": AS_OF,
                    "customer_code": code,
                    "open_amount_reporting": 10000,
                    "overdue_61_90_amount_reporting": amount,
                    "overdue_91_plus_amount_reporting": 0,
                }
                for code, amount in (("aged", 501), ("residue", 500))
            ],
        },
        policy=["limit_rule", "decision_rule"],
        as_of=AS_OF,
    )
    with duckdb.connect(str(path)) as con:
        con.executemany("update policy.limit_rule set value = ? where rule_id = ?", WORKED_WITH)
    run_dbt(path, select="limit_recommendation", as_of=AS_OF, command="run")
    rows = fetch(Path(path), "select * from mart.limit_recommendation")
    return {row["customer_code"]: row for row in rows}


def test_need_binds_where_the_customer_could_carry_more(limits: dict[str, dict[str, Any]]) -> None:
    row = limits["need"]
    assert row["need_reporting"] == Decimal("45000.00")
    assert row["capacity_reporting"] == Decimal("80000.00")
    assert row["grade_factor"] == Decimal("1.2000")
    assert row["graded_capacity_reporting"] == Decimal("96000.00")
    assert (row["binding_part"], row["recommended_limit_reporting"]) == ("need", Decimal("45000.00"))


def test_the_lesser_of_equity_and_turnover_bounds_capacity(limits: dict[str, dict[str, Any]]) -> None:
    row = limits["turnover"]
    assert row["capacity_basis"] == "financials"
    assert row["capacity_reporting"] == Decimal("20000.00")
    assert (row["binding_part"], row["recommended_limit_reporting"]) == ("capacity", Decimal("13000.00"))


def test_without_a_statement_the_payment_record_carries_the_limit(limits: dict[str, dict[str, Any]]) -> None:
    row = limits["record"]
    assert row["capacity_basis"] == "payment_record"
    assert row["terms_days"] == 30, "no agreed terms: the default of policy"
    assert row["recommended_limit_reporting"] == Decimal("30000.00")


def test_a_short_history_is_stretched_to_a_year(limits: dict[str, dict[str, Any]]) -> None:
    row = limits["young"]
    assert row["forecast_sales_reporting"] == Decimal("120000.00")
    assert row["need_reporting"] == Decimal("14794.52")
    assert row["capacity_reporting"] == Decimal("15000.00")
    assert row["recommended_limit_reporting"] == Decimal("14000.00"), "rounded down to the step of 1,000"


def test_growth_is_believed_up_to_the_growth_cap(limits: dict[str, dict[str, Any]]) -> None:
    assert limits["growth"]["forecast_sales_reporting"] == Decimal("547500.00")


def test_the_cap_of_the_segment_binds(limits: dict[str, dict[str, Any]]) -> None:
    row = limits["capped"]
    assert (row["binding_part"], row["recommended_limit_reporting"]) == ("policy_cap", Decimal("100000.00"))


def test_a_limit_below_the_minimum_is_no_limit(limits: dict[str, dict[str, Any]]) -> None:
    row = limits["tiny"]
    assert row["graded_capacity_reporting"] == Decimal("935.00")
    assert row["recommended_limit_reporting"] == Decimal("0.00")


def test_the_insured_part_stands_apart(limits: dict[str, dict[str, Any]]) -> None:
    assert limits["need"]["insured_reporting"] == Decimal("20000.00")
    assert limits["need"]["recommended_limit_reporting"] == limits["need"]["need_reporting"]


def test_a_missing_part_gives_a_reason_and_no_limit(limits: dict[str, dict[str, Any]]) -> None:
    assert limits["unknown"]["recommended_limit_reporting"] is None
    assert limits["unknown"]["not_available_reason"] == "Only one month of history"
    assert limits["prospect"]["recommendation_status"] == "not_available"
    assert limits["prospect"]["not_available_reason"] == "There are no sales to forecast the need from"


@pytest.mark.parametrize(
    ("customer", "decision", "rule"),
    [
        ("need", "auto_approve", "auto_best"),
        ("record", "auto_approve", "auto_good"),
        ("turnover", "auto_approve", "auto_fair"),
        ("risky", "review", "grade_reviewed"),
        ("thin", "review", "thin_data"),
        ("bankrupt", "decline", "in_default"),
        ("unknown", "review", "no_score"),
        ("cut", "review", "large_cut"),
        ("trimmed", "auto_approve", "auto_good"),
        ("tiny", "review", "zero_limit"),
        ("warned", "review", "red_warning"),
        ("aged", "review", "overdue_61_plus"),
        ("residue", "auto_approve", "auto_best"),
        ("exposed", "review", "exposure_above_limit"),
    ],
)
def test_the_first_rule_that_holds_decides(
    limits: dict[str, dict[str, Any]], customer: str, decision: str, rule: str
) -> None:
    assert (limits[customer]["decision"], limits[customer]["decision_rule"]) == (decision, rule)


@pytest.fixture(scope="module")
def empty_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(
        tmp_path_factory.mktemp("monotone") / "warehouse.duckdb",
        {"mart.warning": [], "mart.fct_ar_aging": []},
        policy=["limit_rule", "decision_rule"],
        as_of=AS_OF,
    )


_AMOUNT = st.integers(0, 3_000_000)
_CUSTOMER = st.fixed_dictionaries(
    {
        "sales": _AMOUNT,
        "recent": st.integers(0, 1_500_000),
        "months": st.integers(1, 36),
        "paid": st.none() | _AMOUNT,
        "equity": st.none() | st.integers(-500_000, 3_000_000),
        "revenue": st.none() | _AMOUNT,
        "depth": st.sampled_from("ABCD"),
        "exposure": st.none() | st.integers(0, 500_000),
        "limit": st.none() | st.integers(0, 500_000),
        "segment": st.sampled_from(["small business", "mid-market", "enterprise", None]),
        "pds": st.lists(st.floats(0.0005, 0.99), min_size=2, max_size=8).map(sorted),
    }
)


@settings(max_examples=5, deadline=None, database=None, derandomize=True)
@given(st.lists(_CUSTOMER, min_size=20, max_size=40))
def test_a_worse_pd_never_gives_a_higher_limit_or_a_milder_decision(
    empty_book: Path, customers: list[dict[str, Any]]
) -> None:
    """Each customer is judged once a PD, all else alike, by the policy as it is shipped."""
    grades = seeded_policy(as_of=date.fromisoformat(AS_OF)).grades
    scores, facts, masters, exposures = [], [], [], []
    for number, customer in enumerate(customers):
        for place, pd in enumerate(customer["pds"]):
            code = f"{number:02d}|{place}"
            rank = next(g.grade_rank for g in grades if pd <= g.pd_upper)
            scores.append(_scored(code, rank, customer["depth"]) | {"pd": pd})
            amounts = ("sales", "recent", "months", "paid", "equity", "revenue")
            facts.append(_facts(code, **{name: customer[name] for name in amounts}))
            masters.append({"customer_code": code, "segment": customer["segment"], "payment_terms_days": 30})
            exposures.append(
                {
                    "customer_code": code,
                    "exposure_reporting": customer["exposure"],
                    "credit_limit_reporting": customer["limit"],
                }
            )
    replant(
        empty_book,
        {
            "mart.customer_score": scores,
            "features.customer_cutoff": facts,
            "mart.dim_customer": masters,
            "mart.fct_exposure": exposures,
        },
    )
    run_dbt(empty_book, select="limit_recommendation", as_of=AS_OF, command="run")
    judged = {
        row["customer_code"]: row for row in fetch(empty_book, "select * from mart.limit_recommendation")
    }
    for number, customer in enumerate(customers):
        rows = [judged[f"{number:02d}|{place}"] for place in range(len(customer["pds"]))]
        limits = [row["recommended_limit_reporting"] for row in rows]
        known = [limit for limit in limits if limit is not None]
        assert len(known) in (0, len(limits))
        assert known == sorted(known, reverse=True), (customer, limits)
        decisions = [SEVERITY[row["decision"]] for row in rows]
        assert decisions == sorted(decisions), (customer, decisions)
