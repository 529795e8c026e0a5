"""A customer without a ledger is scored on what is publicly known of it, and changes nothing for the others."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from models_ml.features import KNOWN_WITHOUT_LEDGER, NAMES, NO_LEDGER
from models_ml.learn_and_score import score_night
from models_ml.train import LearnSettings, expert_model
from tests.factories import fetch, insert_rows, make_warehouse, run_dbt, seeded_policy
from tests.unit.dbt.test_features import AS_OF, FEATURES, Company


def _company(*, prospects: bool) -> Company:
    company = Company()
    company.customer("OLD", registration_no="R0", industry_code="4711")
    for month in range(1, 13):
        company.bill(f"o{month}", "OLD", f"2025-{month:02}-03", f"2025-{month:02}-25", 1000)
        company.pay(f"o{month}", "OLD", f"2025-{month:02}-28", 1000)
    company.bill("open", "OLD", "2026-03-01", "2026-03-31", 500)
    company.add(
        "bureau_reports", report_id="b0", registration_no="R0", report_date="2025-06-01", risk_class=2
    )
    for name in ("financial_statements", "legal_events", "disputes", "collection_actions"):
        company.tables[name] = []
    company.add("credit_limits", customer_id="OLD", valid_from="2025-01-01", currency="USD", amount="4000.00")
    for number, code in enumerate(["STATED", "RATED", "BANKRUPT", "SUED", "LATER", "UNKNOWN"], start=1):
        company.customer(
            code, registration_no=f"r-{number}", industry_code="4711", customer_since="2020-01-01"
        )
    company.add(
        "credit_limits", customer_id="STATED", valid_from="2025-01-01", currency="USD", amount="900.00"
    )
    if prospects:
        for number, published in [(1, "2025-06-30"), (5, "2026-04-01")]:
            company.add("financial_statements", registration_no=f"R{number}", period_end="2024-12-31",
                        published_at=published, currency="USD", total_assets="1000.00", current_assets="500.00",
                        current_liabilities="300.00", total_liabilities="600.00", retained_earnings="100.00",
                        equity="400.00", revenue="2000.00", ebit="90.00")  # fmt: skip
        company.add(
            "bureau_reports", report_id="b2", registration_no="R2", report_date="2026-01-10", risk_class=4
        )
        for number, kind in [(3, "insolvency"), (4, "judgment")]:
            company.add("legal_events", event_id=f"l{number}", registration_no=f"R{number}",
                        event_date="2026-02-01", published_at="2026-02-03", kind=kind)  # fmt: skip
    return company


def _features(path: Path, *, prospects: bool) -> Path:
    company = _company(prospects=prospects)
    codes = [row["customer_id"] for row in company.tables["customers"]]
    make_warehouse(path, company.tables, as_of=AS_OF, xref={("erp", code): code for code in codes})
    run_dbt(path, select=FEATURES, as_of=AS_OF, command="run")
    return path


@pytest.fixture(scope="module")
def without_prospects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _features(tmp_path_factory.mktemp("without") / "warehouse.duckdb", prospects=False)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The night of AS_OF from features to limits, scored by the expert table of policy."""
    path = _features(tmp_path_factory.mktemp("with") / "warehouse.duckdb", prospects=True)
    day = date.fromisoformat(AS_OF)
    with duckdb.connect(str(path)) as con:
        current, prior = (
            con.execute(f"from features.{table} where cutoff_date = ? order by customer_code", [day]).df()
            for table in ("customer_cutoff", "customer_cutoff_prior")
        )
    policy = seeded_policy(as_of=day)
    night = score_night(
        current, prior, as_of=day, model=expert_model(LearnSettings(), policy), role="expert", policy=policy,
        settings=LearnSettings(),
    )  # fmt: skip
    with duckdb.connect(str(path)) as con:
        for table, frame in (("ml.customer_score", night.scores), ("ml.score_reason", night.reasons)):
            known = frame.astype(object).where(frame.notna(), None)
            insert_rows(con, table, known.to_dict("records"))
    run_dbt(path, select="path:seeds", as_of=AS_OF, command="seed")
    run_dbt(
        path, select=["+limit_recommendation", "score_reason"], exclude=["tag:staging", *FEATURES[:1]],
        as_of=AS_OF, command="run",
    )  # fmt: skip
    return path


def _score(path: Path, code: str) -> dict[str, Any]:
    return fetch(path, f"select * from mart.customer_score where customer_code = '{code}'")[0]


def _cutoff(path: Path, code: str) -> dict[str, Any]:
    rows = fetch(path, f"select * from features.customer_cutoff where customer_code = '{code}'")
    assert [row["is_as_of"] for row in rows] == [True], "a prospect is followed on the as-of date alone"
    return rows[0]


def test_a_prospect_has_the_features_of_its_public_record_and_no_others(scored: Path) -> None:
    row = _cutoff(scored, "STATED")
    assert (row["has_financials"], row["has_bureau"], row["months_of_history"]) == (True, False, None)
    assert row["equity_ratio"] == pytest.approx(0.4)
    assert row["legal_notice_count_24m"] == 0, "legal events are delivered and none is about it"
    own = set(NAMES) - KNOWN_WITHOUT_LEDGER
    assert {name: row[name] for name in own} == dict.fromkeys(own), "not known, which is not zero"
    for column in ("sales_12m", "sales_3m", "paid_12m", "open", "exposure"):
        assert row[f"{column}_amount_reporting"] is None


def test_a_prospect_with_a_statement_or_a_bureau_report_is_scored_and_says_how_little_is_known(
    scored: Path,
) -> None:
    for code in ("STATED", "RATED"):
        row = _score(scored, code)
        assert (row["score_status"], row["data_depth"], row["has_valid_score"]) == ("scored", "C", True)
        assert 0 < row["pd"] < 1
        assert row["grade"] is not None
    assert _score(scored, "RATED")["pd"] > _score(scored, "OLD")["pd"], (
        "risk class 4 against class 2 and a record"
    )
    reasons = fetch(
        scored,
        "select feature, reason_text from mart.score_reason where customer_code = 'RATED' "
        "and reason_code not in ('OTHER', 'BASE')",
    )
    texts = {row["feature"]: row["reason_text"] for row in reasons}
    assert "bureau_risk_class" in texts
    unknown = {text for feature, text in texts.items() if feature not in KNOWN_WITHOUT_LEDGER}
    assert unknown == {NO_LEDGER}, "what is not known is said as that"


def test_a_prospect_that_is_insolvent_is_in_default(scored: Path) -> None:
    row = _score(scored, "BANKRUPT")
    assert (row["score_status"], row["pd"]) == ("in_default", 1.0)
    limit = fetch(scored, "select * from mart.limit_recommendation where customer_code = 'BANKRUPT'")[0]
    assert limit["recommended_limit_reporting"] == 0


def test_a_prospect_of_whom_too_little_is_known_is_not_scored_and_told_why(scored: Path) -> None:
    sued = _score(scored, "SUED")
    assert (sued["score_status"], sued["pd"]) == ("not_scored", None)
    assert sued["status_reason"].startswith("Ledger history of 0 months, at least 3 are needed")
    for code in ("UNKNOWN", "LATER"):
        row = _score(scored, code)
        assert (row["score_status"], row["pd"]) == ("not_scored", None), (
            "a statement of tomorrow is not known today"
        )
        assert row["status_reason"].startswith(
            "No receivable of this customer was ever booked, and no statement"
        )


def test_a_limit_for_a_prospect_needs_sales_to_forecast(scored: Path) -> None:
    row = fetch(scored, "select * from mart.limit_recommendation where customer_code = 'STATED'")[0]
    assert (row["recommendation_status"], row["recommended_limit_reporting"]) == ("not_available", None)
    assert row["not_available_reason"] == "There are no sales to forecast the need from"
    assert (row["capacity_basis"], row["need_reporting"]) == ("financials", None)
    assert row["capacity_reporting"] > 0


def test_prospects_change_nothing_for_customers_with_a_ledger(scored: Path, without_prospects: Path) -> None:
    for table in ("customer_cutoff", "customer_label"):
        own = f"select * from features.{table} where customer_code = 'OLD' order by cutoff_date"
        rows = fetch(scored, own)
        assert len(rows) > 3
        assert rows == fetch(without_prospects, own)
    learned_from = (
        "select distinct customer_code from features.customer_label where cutoff_date < date '2026-03-31'"
    )
    assert fetch(scored, learned_from) == [{"customer_code": "OLD"}]
