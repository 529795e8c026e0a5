"""Metrics against scikit-learn, scipy and hand-worked figures; intervals that know a customer from a row."""

import numpy as np
import pandas as pd
import pytest
from conftest import AS_OF
from scipy import stats
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve

from models_ml.evaluate import (
    COLUMNS,
    Sample,
    binomial_p,
    grade_ranks,
    grade_table,
    holm,
    jeffreys_p,
    judge,
    metric_rows,
)
from models_ml.policy import Grade


def _frame(n=800, seed=2, decimals=2, copies=1):
    rng = np.random.default_rng(seed)
    risk = np.round(1 / (1 + np.exp(-rng.normal(-2, 1.3, size=n))), decimals)
    frame = pd.DataFrame(
        {
            "customer_code": [f"C{i:06d}" for i in range(n)],
            "cutoff_date": pd.Timestamp("2024-12-31"),
            "is_event": (rng.random(n) < risk).astype(int),
            "amount_at_stake_reporting": np.round(rng.lognormal(8, 1, size=n), 2),
            "segment": rng.choice(["large", "small"], size=n),
        }
    )
    return pd.concat([frame] * copies, ignore_index=True), np.tile(risk, copies)


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_ranking_and_brier_agree_with_scikit_learn_ties_included(decimals):
    frame, risk = _frame(decimals=decimals)
    event = frame["is_event"].to_numpy()
    got = judge({"m": risk}, Sample.of(frame), pd_scores=frozenset({"m"}), resamples=2, seed=1)["m"].values

    false_rate, true_rate, _ = roc_curve(event, risk, drop_intermediate=False)
    assert got["auc"] == pytest.approx(roc_auc_score(event, risk))
    assert got["gini"] == pytest.approx(2 * roc_auc_score(event, risk) - 1)
    assert got["ks"] == pytest.approx(np.max(true_rate - false_rate))
    assert got["pr_auc"] == pytest.approx(average_precision_score(event, risk))
    if risk.min() > 0 and risk.max() < 1:
        assert got["log_loss"] == pytest.approx(log_loss(event, risk))
    assert got["brier"] == pytest.approx(brier_score_loss(event, risk))
    assert got["calibration_ratio"] == pytest.approx(risk.mean() / event.mean())


def test_top_decile_by_hand():
    # 20 rows, two in the riskiest tenth. Events: rows 0, 1, 10, 19 with amounts 100, 50, 30, 20.
    event = np.zeros(20, dtype=int)
    event[[0, 1, 10, 19]] = 1
    amount = np.full(20, 7.0)
    amount[[0, 1, 10, 19]] = [100, 50, 30, 20]
    frame = pd.DataFrame(
        {
            "customer_code": [f"C{i:02d}" for i in range(20)],
            "cutoff_date": pd.Timestamp("2024-12-31"),
            "is_event": event,
            "amount_at_stake_reporting": amount,
            "segment": "all",
        }
    )
    score = np.linspace(1, 0, 20)
    got = judge({"m": score}, Sample.of(frame), pd_scores=frozenset(), resamples=1, seed=1)["m"].values
    assert got["top_decile_event_share"] == pytest.approx(2 / 4)
    assert got["top_decile_lift"] == pytest.approx(5.0)
    assert got["top_decile_amount_share"] == pytest.approx(150 / 200)
    assert "brier" not in got


def test_a_score_that_says_nothing_catches_a_tenth():
    frame, _ = _frame()
    got = judge({"m": np.zeros(800)}, Sample.of(frame), pd_scores=frozenset(), resamples=1, seed=1)[
        "m"
    ].values
    assert got["auc"] == pytest.approx(0.5)
    assert got["top_decile_lift"] == pytest.approx(1.0)
    assert got["ks"] == pytest.approx(0.0)


def test_repeating_every_customer_at_four_cut_offs_does_not_narrow_the_interval():
    once, risk = _frame(n=300)
    often, risk_often = _frame(n=300, copies=4)
    one = judge({"m": risk}, Sample.of(once), pd_scores=frozenset(), resamples=400, seed=1)["m"]
    four = judge({"m": risk_often}, Sample.of(often), pd_scores=frozenset(), resamples=400, seed=1)["m"]
    assert four.values["auc"] == pytest.approx(one.values["auc"])
    assert four.interval("auc") == pytest.approx(one.interval("auc"))


def test_the_interval_is_near_the_one_theory_gives():
    # DeLong's standard error is near Hanley and McNeil's formula for a smooth score.
    frame, risk = _frame(n=1500, decimals=12)
    judged = judge({"m": risk}, Sample.of(frame), pd_scores=frozenset(), resamples=500, seed=4)["m"]
    auc, events = judged.values["auc"], int(frame["is_event"].sum())
    others = len(frame) - events
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = np.sqrt(
        (auc * (1 - auc) + (events - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)) / (events * others)
    )
    low, high = judged.interval("auc")
    assert (high - low) == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert low < auc < high


def test_the_same_seed_gives_the_same_intervals():
    frame, risk = _frame()
    sample = Sample.of(frame)
    runs = [
        judge({"m": risk}, sample, pd_scores=frozenset({"m"}), resamples=50, seed=9)["m"] for _ in range(2)
    ]
    for metric, values in runs[0].resampled.items():
        np.testing.assert_array_equal(values, runs[1].resampled[metric])


def test_jeffreys_and_binomial_against_their_definitions():
    assert jeffreys_p(3, 100, 0.01) == pytest.approx(stats.beta.cdf(0.01, 3.5, 97.5))
    # P(X >= 2 | 3, 1/2) = 4/8; nobody can default less than never.
    assert binomial_p(2, 3, 0.5) == pytest.approx(0.5)
    assert binomial_p(0, 50, 0.2) == pytest.approx(1.0)


def test_holm_by_hand():
    # Sorted .01 .02 .04 -> 3*.01, 2*.02, max(.04, .04).
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_a_pd_on_a_bound_belongs_to_the_safer_grade():
    grades = (Grade("R01", 1, 0.001), Grade("R02", 2, 0.05), Grade("R03", 3, 1.0))
    ranks = grade_ranks(np.array([0.0005, 0.001, 0.0010001, 0.05, 0.051, 1.0]), grades)
    assert ranks.tolist() == [1, 1, 2, 2, 3, 3]


def test_grade_table_holds_pds_against_the_long_run_rate_and_counts_overlapping_outcomes_once():
    # One grade. 24 cut-offs a month apart fill two horizons of twelve: of 24 x 10 rows with 24 events, 20 cases and 2
    # events stand alone.
    frame = pd.DataFrame(
        {
            "customer_code": np.tile([f"C{i}" for i in range(10)], 24),
            "cutoff_date": np.repeat(pd.date_range("2023-01-31", periods=24, freq="ME"), 10),
            "is_event": np.tile([1] + [0] * 9, 24),
            "amount_at_stake_reporting": 1.0,
            "segment": "x",
        }
    )
    grades = (Grade("low", 1, 0.1), Grade("high", 2, 1.0))
    table = grade_table(np.full(240, 0.05), Sample.of(frame), grades, horizon_months=12).set_index("grade")
    assert table.index.tolist() == ["low"]
    assert table.loc["low", ["cases", "events", "event_rate"]].tolist() == [240, 24, 0.1]
    assert table.loc["low", ["independent_cases", "independent_events"]].tolist() == pytest.approx([20, 2])
    assert table.loc["low", "jeffreys_p"] == pytest.approx(stats.beta.cdf(0.05, 2.5, 18.5))
    assert table.loc["low", "binomial_p"] == pytest.approx(stats.binom.sf(1, 20, 0.05))


def test_a_single_year_is_one_case_a_customer():
    frame = pd.DataFrame(
        {
            "customer_code": ["A", "B", "C", "D"],
            "cutoff_date": pd.Timestamp("2024-12-31"),
            "is_event": [1, 0, 0, 0],
            "amount_at_stake_reporting": 1.0,
            "segment": "x",
        }
    )
    grades = (Grade("low", 1, 0.1), Grade("high", 2, 1.0))
    table = grade_table(np.array([0.05, 0.05, 0.2, 0.3]), Sample.of(frame), grades).set_index("grade")
    assert table.loc["low", ["cases", "events", "independent_cases"]].tolist() == [2, 1, 2]
    assert table.loc["high", ["cases", "events", "mean_pd"]].tolist() == [2, 0, 0.25]


def test_a_rate_that_moves_from_year_to_year_widens_the_interval():
    """500 customers at 24 cut-offs with a rate of 2 % in the first year and 10 % in the second, drawn afresh
    each month, so that customers tell nothing: what is left is the period."""
    rng = np.random.default_rng(5)
    cutoffs = pd.date_range("2023-01-31", periods=24, freq="ME")
    rates = np.repeat([0.02, 0.10], 12)

    def width(rate):
        frame = pd.DataFrame(
            {
                "customer_code": np.tile([f"C{i}" for i in range(500)], 24),
                "cutoff_date": np.repeat(cutoffs, 500),
                "is_event": (rng.random(24 * 500) < np.repeat(rate, 500)).astype(int),
                "amount_at_stake_reporting": 1.0,
                "segment": "x",
            }
        )
        judged = judge(
            {"m": np.full(len(frame), 0.06)}, Sample.of(frame), pd_scores=frozenset({"m"}), resamples=300,
            seed=1, horizon_months=12,
        )["m"]  # fmt: skip
        low, high = judged.interval("calibration_ratio")
        return high - low

    assert width(rates) > 3 * width(np.full(24, 0.06))


def test_an_understated_grade_fails_and_a_fair_one_passes():
    n = 400
    frame = pd.DataFrame(
        {
            "customer_code": [f"C{i}" for i in range(2 * n)],
            "cutoff_date": pd.Timestamp("2024-12-31"),
            "is_event": [1] * 40 + [0] * (n - 40) + [1] * 40 + [0] * (n - 40),
            "amount_at_stake_reporting": 1.0,
            "segment": "x",
        }
    )
    pd_values = np.array([0.03] * n + [0.10] * n)
    grades = (Grade("understated", 1, 0.05), Grade("fair", 2, 1.0))
    table = grade_table(pd_values, Sample.of(frame), grades).set_index("grade")
    assert table.loc["understated", "jeffreys_p_holm"] < 0.001
    assert table.loc["fair", "jeffreys_p_holm"] > 0.3


def test_metric_rows_have_the_table_s_columns_and_name_small_segments_without_ranking_them():
    frame, risk = _frame()
    frame.loc[:4, "segment"] = "tiny"
    sample = Sample.of(frame)
    judged = judge({"m": risk}, sample, pd_scores=frozenset({"m"}), resamples=20, seed=1)["m"]
    rows = metric_rows(
        as_of=AS_OF,
        model_id="m",
        model_kind="xgboost",
        judged=judged,
        sample=sample,
        pd_values=risk,
        grades=(Grade("low", 1, 0.1), Grade("high", 2, 1.0)),
        resamples=20,
        seed=1,
    )
    assert list(rows.columns) == list(COLUMNS)
    assert set(rows.loc[rows["segment"] == "segment tiny", "metric"]) == {"event_rate", "mean_pd"}
    assert "auc" in set(rows.loc[rows["segment"] == "segment large", "metric"])
    assert (
        rows.loc[rows["segment"].str.startswith("grade"), "row_count"]
        .groupby(rows["metric"])
        .sum()
        .eq(800)
        .all()
    )
