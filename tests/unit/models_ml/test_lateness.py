"""When open documents will be paid: what is not paid yet is neither left out nor taken for paid."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from models_ml.lateness import (
    COLUMNS,
    WEEKS,
    HazardModel,
    days_late_quantile,
    forecast_payments,
    late_probability,
)
from models_ml.policy import LatenessRules

AS_OF = date(2026, 6, 30)
RULES = LatenessRules(15, 300, 10_000, 60, 10)


def _documents(count: int, *, seed: int = 1, days: int = 300) -> pd.DataFrame:
    """Documents asked about on the day before they fall due, paid a geometric number of days later: slow customers with
    a chance of 4 % a day, quick ones of 15 %. What is paid after AS_OF is not known."""
    rng = np.random.default_rng(seed)
    slow = rng.random(count) < 0.5
    days_late = rng.geometric(np.where(slow, 0.04, 0.15))
    due = pd.Timestamp(AS_OF) - pd.to_timedelta(rng.integers(0, days, count), unit="D")
    paid = due + pd.to_timedelta(days_late, unit="D")
    frame = pd.DataFrame(
        {
            "purpose": "learn",
            "document_id": [f"d{number:05d}" for number in range(count)],
            "legal_entity": "E1",
            "currency": "USD",
            "due_date": due,
            "asked_on": due - pd.Timedelta(days=1),
            "true_paid_on": paid,
            "paid_on": paid.where(paid <= pd.Timestamp(AS_OF)),
            "paid_known_on": paid.where(paid <= pd.Timestamp(AS_OF)),
            "days_to_due": 1,
            "terms_days": 30,
            "days_late_mean": np.where(slow, 25.0, 6.7),
        }
    )
    for column in COLUMNS:
        if column not in frame:
            frame[column] = 0.2 if "weekday" in column else 1.0
    return frame


@pytest.fixture(scope="module")
def recent() -> pd.DataFrame:
    """Documents of the last 40 days before AS_OF alone: of many the payment is not known yet."""
    return _documents(6000, days=40)


def _mean_late_probability(rows: pd.DataFrame, asked: pd.DataFrame) -> float:
    survival = HazardModel.learn(rows, known_to=AS_OF).survival(asked)
    return float(late_probability(survival, asked, 15).mean())


def test_what_is_not_paid_yet_is_neither_left_out_nor_taken_for_paid(recent: pd.DataFrame) -> None:
    asked = recent.head(1500)
    truth = float(((recent["true_paid_on"] - recent["due_date"]).dt.days > 15).mean())
    known = recent["paid_on"].notna()
    left_out = _mean_late_probability(recent[known], asked)
    taken_for_paid = _mean_late_probability(
        recent.assign(
            paid_on=recent["paid_on"].fillna(pd.Timestamp(AS_OF)),
            paid_known_on=recent["paid_known_on"].fillna(pd.Timestamp(AS_OF)),
        ),
        asked,
    )
    ours = _mean_late_probability(recent, asked)
    assert ours == pytest.approx(truth, abs=0.03)
    assert left_out < truth - 0.10
    assert taken_for_paid < truth - 0.05


def test_slow_payers_are_expected_later_and_the_days_are_right(recent: pd.DataFrame) -> None:
    survival = HazardModel.learn(_documents(6000), known_to=AS_OF).survival(recent)
    slow = (recent["days_late_mean"] > 20).to_numpy()
    median = days_late_quantile(survival, recent, 0.5)
    # The medians of geometric days are log(0.5)/log(0.96) = 17.0 and log(0.5)/log(0.85) = 4.3.
    assert np.median(median[slow]) == pytest.approx(17, abs=2)
    assert np.median(median[~slow]) == pytest.approx(5, abs=1)
    assert (days_late_quantile(survival, recent, 0.1) <= median).all()


def test_of_a_document_past_due_only_what_is_left_is_asked() -> None:
    model = HazardModel.learn(_documents(4000), known_to=AS_OF)
    rows = _documents(3).assign(days_to_due=[-10, -15, -200])
    survival = model.survival(rows)
    assert late_probability(survival, rows, 15)[1:].tolist() == [1.0, 1.0], "late already"
    assert (days_late_quantile(survival, rows, 0.1)[:2] > [10, 15]).all(), (
        "not paid before it was asked about"
    )
    assert np.isnan(days_late_quantile(survival, rows, 0.5)[2]), "later than any day that can be given"


def _questions() -> pd.DataFrame:
    learned = _documents(2000)
    open_now = learned[learned["paid_on"].isna()].assign(purpose="tonight", asked_on=pd.Timestamp(AS_OF))
    open_now = open_now.assign(days_to_due=(open_now["due_date"] - open_now["asked_on"]).dt.days)
    day = pd.Timestamp(AS_OF) - pd.Timedelta(days=60)
    was_open = (learned["true_paid_on"] > day) & (learned["due_date"] <= day + pd.Timedelta(days=10))
    check = learned[was_open].assign(purpose="check", asked_on=day)
    check = check.assign(days_to_due=(check["due_date"] - day).dt.days)
    return pd.concat([learned, open_now, check], ignore_index=True)


def test_the_shares_of_the_weeks_and_what_comes_later_are_the_whole() -> None:
    forecast = forecast_payments(_questions(), as_of=AS_OF, rules=RULES)
    shares = forecast.documents[[f"week_{week}_share" for week in range(1, WEEKS + 1)]]
    assert (shares >= 0).all(axis=None)
    assert shares.sum(axis=1).between(0, 1 + 1e-9).all()
    early = forecast.documents["paid_on_p10"].dropna()
    assert (early > pd.Timestamp(AS_OF)).all(), "nothing open is expected in the past"


def test_the_record_says_what_forecasts_were_worth_and_what_is_not_known_yet() -> None:
    questions = _questions()
    record = forecast_payments(questions, as_of=AS_OF, rules=RULES).record
    assert record is not None
    check = questions[questions["purpose"] == "check"]
    assert (record.documents, record.paid) == (len(check), int(check["paid_on"].notna().sum()))
    assert record.unpaid == record.documents - record.paid
    assert record.auc is not None
    assert record.auc > 0.6
    assert record.expected_late / record.late == pytest.approx(1, abs=0.25)


def test_the_same_documents_give_the_same_forecasts_in_any_order() -> None:
    questions = _questions()
    first = forecast_payments(questions, as_of=AS_OF, rules=RULES).documents
    second = forecast_payments(questions.sample(frac=1, random_state=3), as_of=AS_OF, rules=RULES).documents
    pd.testing.assert_frame_equal(
        first.sort_values("document_id", ignore_index=True),
        second.sort_values("document_id", ignore_index=True),
    )


def test_too_few_paid_documents_are_no_forecast_and_say_how_many_are_needed() -> None:
    forecast = forecast_payments(_questions(), as_of=AS_OF, rules=LatenessRules(15, 5000, 1, 60, 10))
    assert "at least 5,000 are needed" in str(forecast.refusal)
    assert forecast.documents["late_probability"].isna().all()
    assert forecast.documents["paid_on_p50"].isna().all()
