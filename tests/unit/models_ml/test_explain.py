"""Reasons are facts a credit manager can check, they point the way they say, and contributions add up."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import AS_OF
from scipy.special import logit

from models_ml.calibrate import Calibrator
from models_ml.explain import COLUMNS, display, explain, published_contributions
from models_ml.features import BY_NAME, LABEL_COLUMNS, NAMES
from models_ml.model import Model, Reference, contributions, margin, predict_pd
from models_ml.scorecard import BandedFeature, Scorecard
from tests.factories import seeded_policy


def table_model(*bands: BandedFeature, medians: dict[str, float] | None = None) -> Model:
    card = Scorecard(-3.0, bands)
    return Model(
        "scorecard-test", "scorecard", 12, card.names, Calibrator("sigmoid"), scorecard=card,
        reference=Reference(medians=medians or {}),
    )  # fmt: skip


DELAY = BandedFeature("days_beyond_terms_3m", (15.0,), (-0.5, 1.0), 0.1)
HEALTH = BandedFeature("altman_z2", (2.0,), (0.8, -0.4), 0.05)
ORDERS = BandedFeature("sales_trend_6m", (0.0,), (0.3, -0.3), 0.0)


RULES = seeded_policy(as_of=AS_OF).score_rules


def reasons(model, now, before=None, since="2026-04-30", reasons_max=4, months=24.0):
    """The reasons alone, without the two rows that close the account."""
    return account(model, now, before, since, reasons_max, months).query(
        "reason_code not in ('OTHER', 'BASE')"
    )


def account(model, now, before=None, since="2026-04-30", reasons_max=4, months=24.0):
    current = pd.DataFrame(
        {"customer_code": ["C000001"], "months_of_history": [months], **{k: [v] for k, v in now.items()}}
    )
    prior = pd.DataFrame(columns=["customer_code", "prior_cutoff_date", *now])
    if before is not None:
        prior = pd.DataFrame(
            {
                "customer_code": ["C000001"],
                "prior_cutoff_date": [pd.Timestamp(since)],
                **{k: [v] for k, v in before.items()},
            }
        )
    return explain(current, prior, as_of=AS_OF, model=model, reasons_max=reasons_max, rules=RULES)


def only_text(model, now, before=None):
    rows = reasons(model, now, before)
    return rows["reason_text"].iloc[0]


def test_a_rise_is_told_with_both_values_and_the_month():
    rows = reasons(
        table_model(DELAY, medians={"days_beyond_terms_3m": 6.0}),
        {"days_beyond_terms_3m": 24.2},
        {"days_beyond_terms_3m": 9.4},
    )
    row = rows.iloc[0]
    assert list(rows.columns) == list(COLUMNS)
    assert row["reason_text"] == "Days beyond terms rose from 9 to 24 since April 2026"
    assert (row["direction"], row["reason_code"], row["unit"]) == ("raises", "PAYMENT_DELAY", "days")
    assert row["contribution_log_odds"] == pytest.approx(1.0)
    assert (row["feature_value"], row["prior_value"]) == (24.2, 9.4)
    # Log-odds -3 + 1 are a PD of 11.92 %; at 6 days the band is worth -0.5: -3.5, a PD of 2.93 %.
    assert row["improvement_text"] == (
        "Paying invoices by their due date for three months would lower the risk: at 6, the median of customers that "
        "did not default, the probability of default would be 2.93% instead of 11.92%"
    )


def test_an_improvement_that_changes_nothing_on_the_model_is_not_told():
    # 16 and 20 days lie in one band.
    rows = reasons(table_model(DELAY, medians={"days_beyond_terms_3m": 16.0}), {"days_beyond_terms_3m": 20.0})
    assert rows["direction"].tolist() == ["raises"]
    assert rows["improvement_text"].tolist() == [None]


def test_nobody_is_told_to_become_what_it_already_betters():
    steep = BandedFeature("days_beyond_terms_3m", (15.0,), (0.6, 1.0), 0.1)
    rows = reasons(table_model(steep, medians={"days_beyond_terms_3m": 14.0}), {"days_beyond_terms_3m": 5.0})
    assert rows["direction"].tolist() == ["raises"]
    assert rows["improvement_text"].tolist() == [None]


def test_the_account_of_a_score_adds_up_by_hand():
    """Margin -3 + 1.0 + 0.8 - 0.3, of which two are told. The map doubles log-odds and adds 0.5: the starting point is
    2 x -3 + 0.5, each part counts twice, and the PD's log-odds are 2 x -1.5 + 0.5 = -2.5."""
    model = replace(table_model(DELAY, HEALTH, ORDERS), calibrator=Calibrator("sigmoid", 2.0, 0.5))
    now = {"days_beyond_terms_3m": 24.0, "altman_z2": 1.0, "sales_trend_6m": 0.2}
    rows = account(model, now, reasons_max=2)
    assert rows["reason_rank"].tolist() == [1, 2, 3, 4]
    assert rows["reason_code"].tolist() == ["PAYMENT_DELAY", "FINANCIAL_HEALTH", "OTHER", "BASE"]
    assert rows["contribution_log_odds"].tolist() == pytest.approx([2.0, 1.6, -0.6, -5.5])
    assert rows["direction"].tolist() == ["raises", "raises", "lowers", "lowers"]
    assert rows["reason_text"].tolist()[2:] == [
        "All other facts taken together (1)", "The starting point of every score, before anything is known",
    ]  # fmt: skip
    current = pd.DataFrame({k: [v] for k, v in now.items()})
    assert logit(predict_pd(model, current, RULES)) == pytest.approx([rows["contribution_log_odds"].sum()])


def test_a_score_without_a_reason_is_accounted_for_too():
    silent = BandedFeature("altman_z2", (2.0,), (0.019, -0.019), 0.0)
    rows = account(table_model(silent), {"altman_z2": 1.0})
    assert rows["reason_code"].tolist() == ["OTHER", "BASE"]
    assert rows["contribution_log_odds"].tolist() == pytest.approx([0.019, -3.0])


def test_every_published_score_is_accounted_for_whatever_the_model(outcome, training):
    frame = training[training["cutoff_date"] == pd.Timestamp(AS_OF)].sort_values("customer_code")
    rising = Calibrator("rising", 0.8, knots_margin=(-4.0, -3.0, -1.0), knots_pd=(0.0001, 0.02, 0.4))
    models = [*outcome.candidates, replace(outcome.candidates[0], calibrator=rising)]
    for model in models:
        rows = explain(frame, frame.head(0).assign(prior_cutoff_date=pd.NaT), as_of=AS_OF, model=model,
                       reasons_max=4, rules=RULES)  # fmt: skip
        total = rows.groupby("customer_code")["contribution_log_odds"].sum().to_numpy()
        np.testing.assert_allclose(total, logit(predict_pd(model, frame, RULES)), atol=2e-4)
        parts, _ = contributions(model, frame)
        shares, _ = published_contributions(model, frame, RULES)
        assert (np.sign(shares) == np.sign(parts)).all()


def test_what_is_said_to_improve_a_score_does_so_on_the_model(outcome, training):
    model = next(m for m in outcome.candidates if m.kind == "xgboost")
    frame = training[training["cutoff_date"] == pd.Timestamp(AS_OF)].sort_values("customer_code")
    rows = explain(frame, frame.head(0).assign(prior_cutoff_date=pd.NaT), as_of=AS_OF, model=model,
                   reasons_max=4, rules=RULES)  # fmt: skip
    said = rows[rows["improvement_text"].notna()]
    assert len(said) > 100
    by_code = frame.set_index("customer_code", drop=False)
    for row in said.sample(40, random_state=2).to_dict("records"):
        now = by_code.loc[[row["customer_code"]]]
        then = now.assign(**{row["feature"]: model.reference.medians[row["feature"]]})
        before, after = (float(predict_pd(model, f, RULES)[0]) for f in (now, then))
        assert after < before
        assert f"would be {after:.2%} instead of {before:.2%}" in row["improvement_text"]


def test_a_fall_of_a_safe_ratio_raises_risk_and_says_so():
    rows = reasons(table_model(HEALTH), {"altman_z2": 1.234}, {"altman_z2": 2.6})
    assert rows["reason_text"].iloc[0] == "Altman Z'' fell from 2.60 to 1.23 since April 2026"
    assert rows["direction"].iloc[0] == "raises"


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        # Better than before, but still risky: the movement would speak against the direction.
        (20.0, 30.0, "Days beyond terms are 20 (30 in April 2026)"),
        (20.0, 20.3, "Days beyond terms are 20, unchanged since April 2026"),
        (20.0, None, "Days beyond terms are 20"),
        (20.0, np.nan, "Days beyond terms are 20"),
        (5.0, 12.0, "Days beyond terms fell from 12 to 5 since April 2026"),
        (12.0, 5.0, "Days beyond terms are 12 (5 in April 2026)"),
        (np.nan, 12.0, "No payment is known in the last 3 months"),
    ],
)
def test_the_text_never_speaks_against_its_direction(now, before, text):
    earlier = None if before is None else {"days_beyond_terms_3m": before}
    assert only_text(table_model(DELAY), {"days_beyond_terms_3m": now}, earlier) == text


def test_what_lowers_risk_carries_no_advice():
    rows = reasons(table_model(DELAY), {"days_beyond_terms_3m": 5.0})
    assert rows["direction"].iloc[0] == "lowers"
    assert rows["improvement_text"].iloc[0] is None


def test_the_strongest_reasons_come_first_and_one_a_family():
    overdue = BandedFeature("overdue_share", (0.5,), (-0.2, 0.6), 0.0)
    oldest = BandedFeature("oldest_days_past_due", (30.0,), (-0.2, 0.9), 0.0)
    model = table_model(DELAY, HEALTH, overdue, oldest)
    now = {"days_beyond_terms_3m": 2.0, "altman_z2": 1.0, "overdue_share": 0.7, "oldest_days_past_due": 45.0}
    rows = reasons(model, now)
    assert rows["feature"].tolist() == ["oldest_days_past_due", "altman_z2", "days_beyond_terms_3m"]
    assert rows["reason_rank"].tolist() == [1, 2, 3]
    assert reasons(model, now, reasons_max=2)["feature"].tolist() == ["oldest_days_past_due", "altman_z2"]


def test_a_feature_without_expected_direction_is_told_by_its_level():
    rows = reasons(table_model(ORDERS), {"sales_trend_6m": -0.4}, {"sales_trend_6m": 0.2})
    assert rows["reason_text"].iloc[0] == (
        "The change of sales against the three months before is -40 % (20 % in April 2026)"
    )
    assert rows["improvement_text"].iloc[0] is None


def test_negligible_contributions_are_no_reason():
    silent = BandedFeature("altman_z2", (2.0,), (0.019, -0.019), 0.0)
    assert reasons(table_model(silent), {"altman_z2": 1.0}).empty


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4, "share", "40 %"),
        (24.5, "days", "24"),
        (-0.2, "days", "0"),
        (1234.0, "days", "1,234"),
        (2.0, "ratio", "2.00"),
    ],
)
def test_numbers_are_written_as_they_are_read(value, unit, text):
    assert display(np.array([value]), unit).tolist() == [text]


def test_contributions_add_up_to_the_margin_for_every_kind_of_model(outcome, training):
    frame = training[training["cutoff_date"] == pd.Timestamp(AS_OF)]
    assert {m.kind for m in outcome.candidates} == {"xgboost", "scorecard", "expert"}
    for model in outcome.candidates:
        parts, base = contributions(model, frame)
        assert parts.shape == (len(frame), len(model.features))
        np.testing.assert_allclose(parts.sum(axis=1) + base, margin(model, frame), atol=1e-4)


def test_reasons_of_boosting_carry_the_contribution_and_value_of_their_feature(outcome, training):
    model = next(m for m in outcome.candidates if m.kind == "xgboost")
    current = training[training["cutoff_date"] == pd.Timestamp(AS_OF)].drop(
        columns=[c for c in LABEL_COLUMNS if c in training]
    )
    prior = training[training["cutoff_date"] == pd.Timestamp("2025-06-30")][
        ["customer_code", "cutoff_date", *NAMES]
    ]
    prior = prior.rename(columns={"cutoff_date": "prior_cutoff_date"})
    rows = explain(current, prior, as_of=AS_OF, model=model, reasons_max=4, rules=RULES)
    rows = rows[~rows["reason_code"].isin(["OTHER", "BASE"])]

    parts, _ = published_contributions(model, current, RULES)
    at = {c: i for i, c in enumerate(current["customer_code"])}
    values, earlier = current.set_index("customer_code"), prior.set_index("customer_code")
    for row in rows.sample(60, random_state=1).to_dict("records"):
        column = model.features.index(row["feature"])
        assert row["contribution_log_odds"] == pytest.approx(parts[at[row["customer_code"]], column])
        np.testing.assert_equal(row["feature_value"], values.loc[row["customer_code"], row["feature"]])
        np.testing.assert_equal(row["prior_value"], earlier.loc[row["customer_code"], row["feature"]])
        assert row["unit"] == BY_NAME[row["feature"]].unit
    assert (
        rows.groupby("customer_code")["reason_code"].nunique().eq(rows.groupby("customer_code").size()).all()
    )
    sizes = rows.assign(size=rows["contribution_log_odds"].abs()).groupby("customer_code")["size"]
    assert sizes.apply(lambda s: s.is_monotonic_decreasing).all()


def test_a_prospect_is_told_that_its_payment_behaviour_is_not_known_and_what_its_statement_says():
    delay = BandedFeature("days_beyond_terms_3m", (15.0,), (-0.5, 1.0), 0.3)
    rows = reasons(
        table_model(delay, HEALTH, medians={"altman_z2": 2.7, "days_beyond_terms_3m": 3.0}),
        {"days_beyond_terms_3m": np.nan, "altman_z2": 1.5},
        months=np.nan,
    ).set_index("feature")
    unknown = rows.loc["days_beyond_terms_3m"]
    assert unknown["reason_text"] == "The customer has not been invoiced yet, so how it pays is not known"
    assert pd.isna(unknown["improvement_text"])
    assert rows.loc["altman_z2", "reason_text"] == "Altman Z'' is 1.50"
    assert rows.loc["altman_z2", "improvement_text"] is not None
