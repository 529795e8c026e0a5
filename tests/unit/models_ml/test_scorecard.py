"""Bands hold their lower edge, follow the direction of risk, and the expert table multiplies odds as
written."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import AS_OF

from models_ml.features import BY_NAME
from models_ml.labels import Split, split
from models_ml.model import predict_pd
from models_ml.scorecard import Scorecard, expert_table, fit_scorecard
from models_ml.train import LearnSettings, expert_model


@pytest.fixture(scope="module")
def fitted(training, policy) -> tuple[Scorecard, pd.DataFrame]:
    periods = split(training, as_of=AS_OF, gates=policy.gates, rules=policy.score_rules)
    assert isinstance(periods, Split)
    frame = periods.train.frame
    names = tuple(n for n in BY_NAME if n in frame)
    return fit_scorecard(frame, frame["is_event"].to_numpy(dtype=float), names), frame


def test_bands_follow_the_direction_of_risk(fitted):
    scorecard, _ = fitted
    assert len(scorecard.features) >= 4
    for feature in scorecard.features:
        steps = np.diff(feature.log_odds)
        direction = BY_NAME[feature.name].direction
        assert (steps * direction >= 0).all() if direction else (steps >= 0).all() or (steps <= 0).all()


def test_mean_pd_of_the_training_rows_meets_their_rate(fitted):
    scorecard, frame = fitted
    pd_values = 1 / (1 + np.exp(-scorecard.margin(frame)))
    assert pd_values.mean() == pytest.approx(frame["is_event"].mean(), rel=0.03)


def test_json_round_trip_is_exact(fitted):
    scorecard, _ = fitted
    assert Scorecard.from_json(json.loads(json.dumps(scorecard.to_json()))) == scorecard


def test_noise_gives_no_bands_and_the_base_rate(training):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"altman_z2": rng.normal(size=4000), "equity_ratio": rng.normal(size=4000)})
    event = (rng.random(4000) < 0.1).astype(float)
    scorecard = fit_scorecard(frame, event, ("altman_z2", "equity_ratio"))
    assert scorecard.features == ()
    assert 1 / (1 + np.exp(-scorecard.margin(frame)[0])) == pytest.approx(event.mean())


@pytest.mark.parametrize(
    ("oldest", "late", "bureau", "legal", "multiplier"),
    [
        (0.0, 0.05, np.nan, 0.0, 0.6 * 0.5 * 1 * 1),
        (30.0, 0.1, 3.0, 0.0, 1.5 * 0.8 * 1 * 1),
        (31.0, 0.6, 5.0, 1.0, 4 * 2.5 * 4 * 5),
        (91.0, 0.3, 1.0, np.nan, 25 * 1.4 * 0.4 * 1),
        (np.nan, np.nan, np.nan, np.nan, 1 * 1.3 * 1 * 1),
    ],
)
def test_expert_pd_is_base_odds_times_the_multipliers(policy, oldest, late, bureau, legal, multiplier):
    frame = pd.DataFrame(
        {
            "oldest_days_past_due": [oldest],
            "late_share_6m": [late],
            "bureau_risk_class": [bureau],
            "legal_notice_count_24m": [legal],
        }
    )
    odds = 0.02 / 0.98 * multiplier
    expected = odds / (1 + odds)
    assert 1 / (1 + np.exp(-expert_table(policy).margin(frame))) == pytest.approx([expected])
    model = expert_model(LearnSettings(horizon_months=3), policy)
    assert predict_pd(model, frame, policy.score_rules) == pytest.approx([1 - (1 - expected) ** 0.25])
