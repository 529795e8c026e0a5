"""A night of models from frame to scores: deterministic, monotone, honest where data are thin."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from conftest import AS_OF
from population import population
from sklearn.metrics import roc_auc_score

from models_ml.evaluate import COLUMNS as METRIC_COLUMNS
from models_ml.features import BY_NAME, LABEL_COLUMNS, NAMES, FrameMismatch
from models_ml.learn_and_score import RUN_COLUMNS, learn, score_night
from models_ml.model import Champion, margin, predict_pd, walked_pd
from models_ml.monitor import COLUMNS as MONITORING_COLUMNS
from models_ml.registry import model_files
from models_ml.train import LearnSettings


def night(training, model, role, policy, settings):
    current = training[training["cutoff_date"] == pd.Timestamp(AS_OF)]
    current = current.drop(columns=[c for c in LABEL_COLUMNS if c in current])
    prior = training[training["cutoff_date"] == pd.Timestamp("2025-06-30")][
        ["customer_code", "cutoff_date", *NAMES]
    ]
    prior = prior.assign(prior_cutoff_date=prior["cutoff_date"], cutoff_date=pd.Timestamp(AS_OF))
    return score_night(current, prior, as_of=AS_OF, model=model, role=role, policy=policy, settings=settings)


def test_the_same_rows_in_any_order_give_the_same_bytes_and_scores(outcome, training, policy, settings):
    again = learn(training.sample(frac=1.0, random_state=8), as_of=AS_OF, settings=settings, policy=policy)
    assert [model_files(m) for m in again.candidates] == [model_files(m) for m in outcome.candidates]
    pd.testing.assert_frame_equal(again.metrics, outcome.metrics)
    pd.testing.assert_frame_equal(again.runs, outcome.runs)
    one = night(training, outcome.published, outcome.role, policy, settings)
    two = night(training.iloc[::-1], again.published, again.role, policy, settings)
    pd.testing.assert_frame_equal(one.scores, two.scores)
    pd.testing.assert_frame_equal(one.reasons, two.reasons)
    pd.testing.assert_frame_equal(one.monitoring, two.monitoring)


def test_other_data_give_another_model(outcome, training, policy, settings):
    other = training.copy()
    train_row = other.index[other["cutoff_date"] == pd.Timestamp("2023-06-30")][3]
    other.loc[train_row, "altman_z2"] = 9.5
    again = learn(other, as_of=AS_OF, settings=settings, policy=policy)
    assert {m.model_id for m in again.candidates if m.kind != "expert"}.isdisjoint(
        m.model_id for m in outcome.candidates
    )


def test_learned_models_rank_customers_better_than_the_baselines(outcome):
    auc = outcome.metrics[(outcome.metrics["metric"] == "auc") & (outcome.metrics["segment"] == "all")]
    values = auc.set_index("model_kind")["value"]
    naive = values["naive"].max()
    assert values["xgboost"] > max(naive, values["expert"])
    assert values["scorecard"] > max(naive, values["expert"])
    bounded = auc[["lower_95", "value", "upper_95"]].to_numpy()
    assert (np.diff(bounded, axis=1) > 0).all()
    assert list(outcome.metrics.columns) == list(METRIC_COLUMNS)


def test_a_model_s_worth_is_what_its_recipe_said_before_the_outcomes_were_known(outcome, training, policy):
    """The model that is used has learned the judged rows and knows them too well; the walk did not."""
    boosted = next(m for m in outcome.candidates if m.kind == "xgboost")
    judged = outcome.split.test.frame
    event = judged["is_event"].to_numpy()
    auc = outcome.metrics.query("metric == 'auc' and segment == 'all' and model_id == @boosted.model_id")
    assert auc["value"].iloc[0] == pytest.approx(roc_auc_score(event, walked_pd(boosted)))
    assert auc["value"].iloc[0] < roc_auc_score(event, predict_pd(boosted, judged, policy.score_rules)) - 0.02
    assert date.fromisoformat(boosted.facts["train_to"]) == outcome.split.test.end


@pytest.mark.parametrize("kind", ["xgboost", "scorecard", "expert"])
def test_pds_rank_customers_exactly_as_the_margin_does(outcome, training, policy, kind):
    model = next(m for m in outcome.candidates if m.kind == kind)
    frame = training[training["label_known"]]
    event = frame["is_event"].astype(int).to_numpy()
    # The last digits of a sum of bands are noise of the order they were added in.
    pds, margins = predict_pd(model, frame, policy.score_rules).round(12), margin(model, frame).round(9)
    assert roc_auc_score(event, pds) == pytest.approx(roc_auc_score(event, margins), abs=1e-9)
    if kind != "expert":
        assert (
            outcome.split.train.rows
            == len(walked_pd(model))
            + (outcome.split.train.frame["cutoff_date"] < pd.Timestamp(outcome.split.test.start)).sum()
        )


def test_the_run_table_says_who_scores_and_why(outcome):
    runs = outcome.runs
    assert list(runs.columns) == list(RUN_COLUMNS)
    published = runs[runs["is_published"]]
    assert published["model_id"].tolist() == [outcome.published.model_id]
    assert published["decision_reason"].iloc[0]
    assert published["is_champion"].iloc[0] == (outcome.role == "champion")
    assert set(runs["model_kind"]) == {"xgboost", "scorecard", "expert"}


@pytest.mark.parametrize("kind", ["xgboost", "scorecard", "expert"])
def test_worse_payment_never_lowers_the_pd(outcome, training, policy, kind):
    model = next(m for m in outcome.candidates if m.kind == kind)
    frame = training[training["cutoff_date"] == pd.Timestamp(AS_OF)].head(60)
    names = [n for n in model.features if BY_NAME[n].direction]
    worse = [
        frame.assign(**{name: value})
        for name in names
        for value in np.linspace(training[name].min(), training[name].max(), 25)[:: BY_NAME[name].direction]
    ]
    pds = predict_pd(model, pd.concat(worse), policy.score_rules).reshape(len(names), 25, len(frame))
    for name, steps in zip(names, pds, strict=True):
        assert (np.diff(steps, axis=0) >= -1e-9).all(), name


def test_overdue_share_is_used_and_raises_the_pd_of_somebody(outcome, training, policy):
    model = next(m for m in outcome.candidates if m.kind == "xgboost")
    frame = training[training["cutoff_date"] == pd.Timestamp(AS_OF)]
    low = predict_pd(model, frame.assign(overdue_share=0.0), policy.score_rules)
    high = predict_pd(model, frame.assign(overdue_share=1.0), policy.score_rules)
    assert (high >= low).all()
    assert (high > low).mean() > 0.3


@pytest.mark.parametrize("kind", ["xgboost", "scorecard", "expert"])
def test_prospects_are_scored_by_the_model_of_the_others_and_leave_their_scores_and_drift_alone(
    outcome, training, policy, settings, kind
):
    model = next(m for m in outcome.candidates if m.kind == kind)
    public = ["bureau_risk_class", "bureau_score", "altman_z2", "equity_ratio", "current_ratio"]
    prospects = training[training["cutoff_date"] == pd.Timestamp(AS_OF)].head(40)
    prospects = prospects.assign(
        **dict.fromkeys([n for n in NAMES if n not in public], np.nan),
        customer_code=["P" + code for code in prospects["customer_code"]],
        months_of_history=np.nan,
        is_in_default_at_cutoff=False,
        has_bureau=True,
    )
    alone = night(training, model, "champion", policy, settings)
    together = night(pd.concat([training, prospects]), model, "champion", policy, settings)

    is_prospect = together.scores["customer_code"].str.startswith("P")
    scored = together.scores[is_prospect]
    assert len(scored) == 40
    assert (scored["score_status"] == "scored").all()
    assert set(scored["model_id"]) == {model.model_id}
    assert set(together.reasons["customer_code"]) >= set(scored["customer_code"])
    pd.testing.assert_frame_equal(together.scores[~is_prospect].reset_index(drop=True), alone.scores)
    pd.testing.assert_frame_equal(together.monitoring, alone.monitoring)


def test_too_few_events_fall_back_to_the_expert_table_and_every_score_says_so(training, policy, settings):
    thin = training.assign(is_event=training["is_event"].where(training["customer_code"] <= "C000030", 0))
    outcome = learn(thin, as_of=AS_OF, settings=settings, policy=policy)
    assert outcome.refusal is not None
    assert outcome.role == "expert"
    assert "customers with an event" in outcome.decision.reason
    assert outcome.runs["decision_reason"].str.contains("are needed").any()
    result = night(training, outcome.published, outcome.role, policy, settings)
    assert result.monitoring.empty
    assert list(result.monitoring.columns) == list(MONITORING_COLUMNS)
    scores = result.scores
    scored = scores[scores["score_status"] == "scored"]
    assert (scored["model_kind"] == "expert").all()
    assert scored["status_reason"].str.contains("expert policy table").all()


def test_too_few_events_leave_a_learned_champion_in_place(outcome, training, policy, settings):
    champion = Champion(outcome.published, "champion", date(2025, 11, 30))
    thin = training.assign(is_event=training["is_event"].where(training["customer_code"] <= "C000030", 0))
    # The champion's outcomes end before this night, so it may score it.
    later = learn(thin, as_of=AS_OF, settings=settings, policy=policy, champion=champion)
    assert later.published == outcome.published
    assert later.decision.decision == "keep_champion"


def test_between_the_two_minimums_only_the_scorecard_is_trained(training, policy, settings):
    strict = replace(policy, gates=replace(policy.gates, train_events_min=100_000))
    outcome = learn(training, as_of=AS_OF, settings=settings, policy=strict)
    assert {m.kind for m in outcome.candidates} == {"scorecard", "expert"}
    assert "Boosting was not trained" in outcome.decision.reason


def test_unchanged_data_are_not_trained_again_and_the_champion_stays(
    outcome, training, policy, settings, monkeypatch
):
    stored = {m.model_id: m for m in outcome.candidates}
    champion = Champion(stored[outcome.candidates[0].model_id], "champion", date(2025, 12, 30))

    def no_training(*_args, **_kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("models_ml.learn_and_score.make", no_training)
    again = learn(
        training, as_of=AS_OF, settings=settings, policy=policy, champion=champion, stored=stored.get
    )
    assert (again.decision.decision, again.role) == ("unchanged", "champion")
    assert again.published.model_id == champion.model.model_id
    measured = [m[~m["metric"].str.startswith("gate_")] for m in (again.metrics, outcome.metrics)]
    pd.testing.assert_frame_equal(*[m.reset_index(drop=True) for m in measured])


@pytest.mark.parametrize("case", ["target", "future"])
def test_a_champion_that_cannot_be_compared_is_set_aside_with_the_reason(
    outcome, training, policy, settings, case
):
    model = outcome.candidates[0]
    facts = {"target": "3m/30d/0.1"} if case == "target" else {"outcomes_to": "2026-06-30"}
    champion = Champion(
        replace(model, model_id="xgboost-old", facts=model.facts | facts), "champion", date(2025, 1, 1)
    )
    result = learn(training, as_of=AS_OF, settings=settings, policy=policy, champion=champion)
    assert result.published.model_id != "xgboost-old"
    assert "Champion xgboost-old was set aside" in result.decision.reason
    assert ("3m/30d/0.1" if case == "target" else "2026-06-30") in result.decision.reason


def test_a_bad_frame_is_refused_before_anything_is_trained(training, policy, settings):
    with pytest.raises(FrameMismatch, match="overdue_share"):
        learn(training.drop(columns=["overdue_share"]), as_of=AS_OF, settings=settings, policy=policy)


def test_no_outcome_after_as_of_changes_the_model(training, policy, settings):
    as_of = date(2025, 10, 31)
    seen = population(customers=500, first_cutoff="2023-06-30", cutoff_count=31, as_of=as_of)
    # The same customers, with labels that became known later: nothing may move.
    one = learn(seen, as_of=as_of, settings=settings, policy=policy)
    two = learn(training, as_of=as_of, settings=settings, policy=policy)
    assert [model_files(m) for m in one.candidates] == [model_files(m) for m in two.candidates]


def test_features_nobody_delivers_stay_out_of_the_model(training, policy, settings):
    bare = training.assign(bureau_score=np.nan, altman_z2=np.nan, dunning_level_max_6m=0.0)
    outcome = learn(bare, as_of=AS_OF, settings=settings, policy=policy)
    boosted = next(m for m in outcome.candidates if m.kind == "xgboost")
    assert {"bureau_score", "altman_z2", "dunning_level_max_6m"}.isdisjoint(boosted.features)


def test_monitoring_sees_a_feature_that_moved_and_only_that(outcome, training, policy, settings):
    model = next(m for m in outcome.candidates if m.kind == "xgboost")
    moved = training.assign(current_ratio=training["current_ratio"] * 0.2)
    rows = night(moved, model, "champion", policy, settings).monitoring.set_index("feature")
    assert rows.loc["current_ratio", "value"] > 0.25
    assert not rows.loc["current_ratio", "is_within_convention"]
    assert rows.drop(index=["current_ratio", "pd"])["is_within_convention"].all()
    assert rows.loc["pd", "metric"] == "psi"


def test_scores_of_a_shorter_horizon_carry_it(policy):
    frame = population(
        customers=400, first_cutoff="2019-03-31", cutoff_count=12, horizon_months=3,
        as_of=date(2020, 5, 22), event_rate=0.1,
    )  # fmt: skip
    settings = LearnSettings(horizon_months=3, target_days_past_due=30)
    outcome = learn(frame, as_of=date(2020, 5, 22), settings=settings, policy=policy)
    assert outcome.refusal is None
    current = frame[frame["cutoff_date"] == pd.Timestamp("2020-02-29")]
    current = current.drop(columns=[c for c in LABEL_COLUMNS if c in current])
    prior = pd.DataFrame(columns=["customer_code", "cutoff_date", "prior_cutoff_date", *NAMES])
    result = score_night(
        current, prior, as_of=date(2020, 5, 22), model=outcome.published, role=outcome.role, policy=policy,
        settings=settings,
    )  # fmt: skip
    assert (result.scores["horizon_months"] == 3).all()
    assert not result.reasons["reason_text"].str.contains(" since [A-Z]").any()
