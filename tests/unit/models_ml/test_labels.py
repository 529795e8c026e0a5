"""The split keeps the future out of training, counts whom it leaves out, and refuses thin data with
numbers."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from conftest import AS_OF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from population import population

from models_ml.labels import Refusal, Split, split


def _split(frame, policy, as_of=AS_OF):
    return split(frame, as_of=as_of, gates=policy.gates, rules=policy.score_rules)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    horizon=st.integers(1, 14),
    cutoff_count=st.integers(3, 40),
    months_back=st.integers(0, 12),
    rate=st.floats(0.02, 0.3),
    seed=st.integers(0, 10_000),
)
def test_no_outcome_learned_from_reaches_the_test_period(
    policy, horizon, cutoff_count, months_back, rate, seed
):
    as_of = (pd.Timestamp(AS_OF) - pd.offsets.MonthEnd(months_back)).date()
    frame = population(
        customers=60,
        first_cutoff="2022-07-31",
        cutoff_count=cutoff_count,
        horizon_months=horizon,
        as_of=as_of,
        event_rate=rate,
        seed=seed,
    )
    low = replace(policy.gates, test_events_min=3, scorecard_events_min=3, train_events_min=6)
    result = split(frame, as_of=as_of, gates=low, rules=policy.score_rules)
    if isinstance(result, Refusal):
        assert result.have < result.need
        return
    known = result.train.frame
    assert result.steps[0].judge_from == result.test.start
    assert result.steps[-1].judge_to == result.test.end == result.train.end
    for step, following in zip(result.steps, result.steps[1:], strict=False):
        assert step.judge_to < following.judge_from
    for step in result.steps:
        learned = known[known["cutoff_date"] <= pd.Timestamp(step.learn_to)]
        assert (learned["horizon_end_date"] <= pd.Timestamp(step.judge_from)).all()
        assert learned["is_event"].nunique() == 2
    assert len(result.steps) <= low.walk_forward_models_max
    for period in (result.train, result.test):
        assert period.frame["label_known"].all()
        assert not period.frame["is_in_default_at_cutoff"].any()
        assert (period.frame["horizon_end_date"] <= pd.Timestamp(as_of)).all()


def test_every_matured_cut_off_is_learned_from_and_all_after_the_first_that_can_be_are_judged(policy):
    """30 cut-offs from January 2023, outcomes known to the end of 2025: 24 have matured. The first one before which
    a horizon has ended is January 2024, where one cut-off holds events enough."""
    frame = population(customers=600, first_cutoff="2023-01-31", cutoff_count=30, event_rate=0.2)
    result = _split(frame, policy)
    assert isinstance(result, Split)
    assert (result.train.start, result.train.end) == (date(2023, 1, 31), date(2024, 12, 31))
    assert (result.test.start, result.test.end) == (date(2024, 1, 31), date(2024, 12, 31))
    assert [(s.learn_to, s.judge_from, s.judge_to) for s in result.steps[:2]] == [
        (date(2023, 1, 31), date(2024, 1, 31), date(2024, 2, 29)),
        (date(2023, 3, 31), date(2024, 3, 31), date(2024, 4, 30)),
    ]
    assert len(result.steps) == 6


def test_a_label_said_to_be_known_is_not_used_before_its_horizon_has_ended(policy):
    frame = population(customers=300, first_cutoff="2023-01-31", cutoff_count=30)
    early = date(2025, 3, 31)
    result = _split(frame, policy, as_of=early)
    assert isinstance(result, Split)
    assert (result.test.frame["horizon_end_date"] <= pd.Timestamp(early)).all()


def test_who_is_left_out_is_counted_by_reason(policy):
    frame = population(customers=200, first_cutoff="2023-01-31", cutoff_count=30)
    frame["months_of_history"] = 24
    new = frame["customer_code"] == "C000001"
    frame.loc[new, "months_of_history"] = 1
    frame.loc[new, ["has_financials", "has_bureau"]] = False
    frame.loc[new, "is_in_default_at_cutoff"] = False

    result = _split(frame, policy)

    assert isinstance(result, Split)
    matured = frame["label_known"]
    assert result.excluded == {
        "in_default": int((frame["is_in_default_at_cutoff"] & matured).sum()),
        "not_matured": int((~matured).sum()),
        "too_little_history": int((new & matured).sum()),
    }
    assert "C000001" not in set(result.train.frame["customer_code"])


def test_eleven_months_of_invoices_with_a_three_month_horizon_can_be_split(policy):
    frame = population(
        customers=400,
        first_cutoff="2019-03-31",
        cutoff_count=12,
        horizon_months=3,
        as_of=date(2020, 5, 22),
        event_rate=0.1,
    )
    result = _split(frame, policy, as_of=date(2020, 5, 22))
    assert isinstance(result, Split)
    assert result.test.end == result.train.end == date(2020, 1, 31)
    assert result.train.start == date(2019, 3, 31)
    assert result.steps[0].learn_to <= date(2019, 10, 31)


def test_too_few_events_are_refused_with_how_many_there_are_and_how_many_are_needed(policy):
    frame = population(customers=500, first_cutoff="2023-01-31", cutoff_count=36)
    kept = frame["is_event"].fillna(0).eq(1) & frame["customer_code"].isin(
        [f"C{i:06d}" for i in range(1, 41)]
    )
    frame["is_event"] = kept.astype("Int64").where(frame["label_known"])

    result = _split(frame, policy)

    assert isinstance(result, Refusal)
    assert result.need == policy.gates.test_events_min == 20
    assert result.have < 20
    assert f"{result.have} customers with an event" in result.message
    assert "at least 20 are needed" in result.message


def test_a_history_shorter_than_the_horizon_is_refused_by_its_cut_offs(policy):
    frame = population(customers=100, first_cutoff="2025-06-30", cutoff_count=7)
    result = _split(frame, policy)
    assert isinstance(result, Refusal)
    assert result.message.startswith("Not trained: 0 matured cut-offs, at least 2 are needed")


def test_the_order_of_incoming_rows_does_not_matter(policy, training):
    shuffled = training.sample(frac=1.0, random_state=5)
    one, two = _split(training, policy), _split(shuffled, policy)
    assert isinstance(one, Split)
    assert isinstance(two, Split)
    pd.testing.assert_frame_equal(one.train.frame, two.train.frame)
    pd.testing.assert_frame_equal(one.test.frame, two.test.frame)


@pytest.mark.parametrize(("events_min", "boosting"), [(20, True), (10_000, False)])
def test_few_training_events_leave_only_the_scorecard(policy, training, events_min, boosting):
    gates = replace(policy.gates, train_events_min=events_min)
    result = split(training, as_of=AS_OF, gates=gates, rules=policy.score_rules)
    assert isinstance(result, Split)
    assert result.has_cases_for_boosting is boosting
