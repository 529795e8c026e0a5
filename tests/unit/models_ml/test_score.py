"""Points, grades and data depth as published; a score or a stated reason for every customer."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from conftest import AS_OF
from population import population

from models_ml.features import LABEL_COLUMNS, NAMES
from models_ml.score import COLUMNS, data_depth, points, score
from models_ml.train import LearnSettings, expert_model


def current(customers=6) -> pd.DataFrame:
    frame = population(customers=customers, first_cutoff="2025-12-31", cutoff_count=1)
    frame = frame.drop(columns=[c for c in LABEL_COLUMNS if c in frame])
    return frame.assign(
        is_in_default_at_cutoff=False, months_of_history=24, has_financials=True, has_bureau=True
    )


@pytest.mark.parametrize(
    ("odds", "expected"), [(50, 600.0), (100, 620.0), (25, 580.0), (1, 487.1229), (200, 640.0)]
)
def test_points_are_600_at_50_to_1_and_20_double_the_odds(policy, odds, expected):
    pd_value = 1 / (1 + odds)
    assert points(np.array([pd_value]), policy.scale) == pytest.approx([expected], abs=1e-3)


@pytest.mark.parametrize(
    ("months", "paid", "financials", "bureau", "depth"),
    [
        (12, 3, True, True, "A"),
        (11, 3, True, True, "B"),
        (12, 2, True, True, "B"),
        (12, 3, False, True, "B"),
        (12, 3, False, False, "C"),
        (2, np.nan, True, False, "C"),
        (11, 30, False, False, "D"),
    ],
)
def test_data_depth_counts_what_is_known(policy, months, paid, financials, bureau, depth):
    frame = pd.DataFrame(
        {
            "months_of_history": [months],
            "paid_invoice_count_12m": [paid],
            "has_financials": [financials],
            "has_bureau": [bureau],
        }
    )
    assert data_depth(frame, policy.score_rules).tolist() == [depth]


def test_every_customer_has_a_score_or_a_reason(policy):
    frame = current()
    frame.loc[1, "is_in_default_at_cutoff"] = True
    frame.loc[2, ["months_of_history", "has_financials", "has_bureau"]] = [2, False, False]
    frame.loc[3, ["months_of_history", "has_financials", "has_bureau"]] = [0, False, True]
    model = expert_model(LearnSettings(), policy)

    rows = score(frame, as_of=AS_OF, model=model, role="expert", policy=policy, target="91 days past due")
    by_code = rows.set_index("customer_code")

    assert list(rows.columns) == list(COLUMNS)
    assert by_code["score_status"].tolist() == [
        "scored",
        "in_default",
        "not_scored",
        "scored",
        "scored",
        "scored",
    ]
    default = by_code.loc["C000002"]
    assert (default["pd"], default["grade"]) == (1.0, "R12")
    assert pd.isna(default["points"])
    assert pd.isna(default["model_id"])
    assert "91 days past due" in default["status_reason"]
    unknown = by_code.loc["C000003"]
    assert np.isnan(unknown["pd"])
    assert pd.isna(unknown["grade"])
    assert unknown["status_reason"].startswith("Ledger history of 2 months, at least 3 are needed")
    assert by_code.loc["C000004", "model_kind"] == "expert"
    assert "expert policy table" in by_code.loc["C000004", "status_reason"]
    assert (rows["expires_on"] == date(2026, 2, 4)).all()


@pytest.mark.parametrize(
    ("sales", "open_amount", "surge", "status"),
    [
        (0.0, 0.0, np.nan, "not_scored"),
        (0.0, 0.0, 0.0, "not_scored"),
        (0.01, 0.0, np.nan, "scored"),
        (0.0, 0.01, np.nan, "scored"),
        (0.0, 0.0, 0.5, "scored"),
        (np.nan, 0.0, np.nan, "scored"),
        (0.0, np.nan, np.nan, "scored"),
    ],
)
def test_a_customer_with_nothing_at_stake_is_dormant_and_what_is_not_known_is_no_sign_of_it(
    policy, sales, open_amount, surge, status
):
    frame = current(2)
    frame[["sales_12m_amount_reporting", "open_amount_reporting", "order_surge_ratio"]] = [
        sales,
        open_amount,
        surge,
    ]
    frame.loc[1, "is_in_default_at_cutoff"] = True
    rows = score(
        frame, as_of=AS_OF, model=expert_model(LearnSettings(), policy), role="expert", policy=policy
    )
    assert rows["score_status"].tolist() == [status, "in_default"], "a default lasts, dormant or not"
    assert rows["status_reason"].iloc[0].startswith("Dormant: nothing is open") == (status == "not_scored")


def test_pd_stays_within_floor_and_cap(policy):
    frame = current(2)
    frame[["oldest_days_past_due", "late_share_6m", "bureau_risk_class", "legal_notice_count_24m"]] = [
        [0.0, 0.0, 1.0, 0.0],
        [400.0, 1.0, 5.0, 9.0],
    ]
    model = expert_model(LearnSettings(horizon_months=1), policy)
    rows = score(frame, as_of=AS_OF, model=model, role="expert", policy=policy)
    assert policy.score_rules.pd_floor <= rows["pd"].min() < 2 * policy.score_rules.pd_floor
    assert rows["pd"].max() <= policy.score_rules.pd_cap
    assert rows["points"].tolist() == [round(float(p)) for p in points(rows["pd"].to_numpy(), policy.scale)]


def test_rows_come_out_by_customer_whatever_order_they_came_in(policy):
    frame = current(5)
    model = expert_model(LearnSettings(), policy)
    one = score(frame, as_of=AS_OF, model=model, role="expert", policy=policy)
    two = score(frame.iloc[::-1], as_of=AS_OF, model=model, role="expert", policy=policy)
    pd.testing.assert_frame_equal(one, two)


def test_a_prospect_is_scored_on_its_public_record_alone(policy):
    public = {"bureau_risk_class", "altman_z2", "equity_ratio", "current_ratio", "legal_notice_count_24m"}
    frame = current(3)
    frame["months_of_history"] = frame["months_of_history"].astype("float64")
    prospects = frame["customer_code"] != "C000001"
    frame.loc[prospects, [n for n in NAMES if n not in public]] = np.nan
    frame.loc[prospects, "months_of_history"] = np.nan
    frame["bureau_risk_class"] = [1.0, 1.0, 5.0]
    frame["has_financials"] = [True, False, True]
    model = expert_model(LearnSettings(), policy)
    rows = score(frame, as_of=AS_OF, model=model, role="expert", policy=policy).set_index("customer_code")
    assert rows["score_status"].tolist() == ["scored"] * 3
    assert rows["data_depth"].tolist()[1:] == ["C", "B"], "a bureau report; a bureau report and a statement"
    assert rows.loc["C000003", "pd"] > rows.loc["C000002", "pd"], "risk class 5 against 1"
