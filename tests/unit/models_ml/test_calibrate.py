"""Calibration meets the long-run rate, ranks customers as the margin does, and survives storage."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from models_ml.calibrate import Calibrator, calibrate
from models_ml.model import bounded


def _sample(n, seed=1, slope=1.0):
    rng = np.random.default_rng(seed)
    margin = rng.normal(-2.5, 1.5, size=n)
    event = (rng.random(n) < 1 / (1 + np.exp(-(slope * margin + 0.4)))).astype(float)
    return margin, event


@pytest.mark.parametrize(("events", "kind"), [(499, "sigmoid"), (500, "rising")])
def test_the_number_of_events_decides_the_map(events, kind):
    margin, event = _sample(3000)
    assert calibrate(margin, event, events=events, isotonic_from=500).kind == kind


def _thirteen_safe_without_an_event():
    """A first block of 13 without an event, then 40 blocks whose rates lie below (0 + 1/2) / (13 + 1): what once lifted
    nine customers in ten to one PD."""
    margin, event = _sample(2000, seed=4)
    rank = np.argsort(np.argsort(margin))
    event = np.where(rank < 13, 0.0, (rank % 60 == 0) * 1.0)
    event[rank > 1900] = (rank[rank > 1900] % 4 == 0) * 1.0
    event[rank == 13] = 1.0
    return margin, event


SAMPLES = {
    "as drawn": _sample(3000),
    "few": _sample(60, seed=3),
    "backwards": (-_sample(2000)[0], _sample(2000)[1]),
    "separated": (np.linspace(-4, 4, 50), (np.arange(50) >= 30).astype(float)),
    "safe block": _thirteen_safe_without_an_event(),
    "one event": (np.linspace(-4, 4, 50), (np.arange(50) == 20).astype(float)),
    "far apart": (np.array([-300.0, -30.0, -2.0, -1.0, 0.0, 30.0, 300.0]), np.array([0.0, 0, 1, 0, 0, 1, 1])),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("events", [10, 5000])
def test_pds_rank_exactly_as_margins_do(name, events, policy):
    margin, event = SAMPLES[name]
    calibrator = calibrate(margin, event, events=events, isotonic_from=500)
    pds = calibrator(margin)
    within = np.abs(margin) < 30  # beyond it, double precision itself knows one PD only
    assert roc_auc_score(event, pds) == pytest.approx(roc_auc_score(event, margin), abs=1e-12)
    published = bounded(pds, policy.score_rules)
    for values in (pds[within], published[within]):
        assert len(np.unique(values)) == len(np.unique(margin[within]))
        np.testing.assert_array_equal(np.argsort(values), np.argsort(margin[within]))
    assert published.min() >= policy.score_rules.pd_floor
    assert published.max() <= policy.score_rules.pd_cap


def test_the_expert_map_ranks_exactly_as_its_margin_does():
    margin = np.linspace(-9, 3, 500)
    assert (np.diff(Calibrator("horizon", exponent=3 / 12)(margin)) > 0).all()


def test_pds_near_the_bounds_are_drawn_half_way_and_others_left_alone(policy):
    rules = replace(policy.score_rules, pd_floor=0.001, pd_cap=0.98)
    given = np.array([0.0, 0.001, 0.002, 0.5, 0.96, 0.98, 1.0])
    assert bounded(given, rules) == pytest.approx([0.001, 0.0015, 0.002, 0.5, 0.96, 0.97, 0.98])


@pytest.mark.parametrize("events", [10, 5000])
def test_mean_pd_meets_the_observed_rate_and_no_pd_is_a_certainty(events):
    margin, event = _sample(5000)
    calibrator = calibrate(margin, event, events=events, isotonic_from=500)
    assert calibrator(margin).mean() == pytest.approx(event.mean(), rel=1e-3)
    grid = calibrator(np.linspace(-20, 20, 2001))
    assert (np.diff(grid) > 0).all()
    assert 0 < grid.min() < grid.max() < 1


@pytest.mark.parametrize("events", [10, 5000])
def test_the_level_is_the_weighted_rate(events):
    # Two years: 900 rows with 90 events, 100 rows with 2. Each year counts alike: the long-run rate is 6 %.
    margin, _ = _sample(1000)
    event = np.zeros(1000)
    event[:90] = event[900:902] = 1.0
    weight = np.where(np.arange(1000) < 900, 1 / 900, 1 / 100)
    calibrator = calibrate(margin, event, events=events, isotonic_from=500, weight=weight)
    assert np.average(calibrator(margin), weights=weight) == pytest.approx(0.06, rel=1e-6)


def test_sigmoid_finds_the_line_it_was_drawn_from():
    margin, event = _sample(200_000, slope=0.7)
    calibrator = calibrate(margin, event, events=100, isotonic_from=500)
    assert calibrator.slope == pytest.approx(0.7, abs=0.03)
    assert calibrator.intercept == pytest.approx(0.4, abs=0.06)


def test_a_margin_that_ranks_backwards_gives_nearly_everybody_the_base_rate():
    margin, event = _sample(2000)
    calibrator = calibrate(-margin, event, events=100, isotonic_from=500)
    assert calibrator(np.array([0.0, 5.0])) == pytest.approx([event.mean()] * 2, rel=0.04)
    assert calibrator(-margin).mean() == pytest.approx(event.mean(), rel=1e-9)


def test_isotonic_by_hand():
    # Ordered outcomes 0 1 0 1 1: the middle two pool, and so do the last two. Blocks at 1, 2.5 and 4.5.
    margin = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    event = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    calibrator = calibrate(margin, event, events=5, isotonic_from=1)
    assert calibrator.knots_margin == pytest.approx((1.0, 2.5, 4.5))
    # The ends have seen one outcome only: they lie on the fitted line through the middle block's even odds.
    odds = logit(np.array(calibrator.knots_pd))
    assert np.diff(odds) == pytest.approx(calibrator.slope * np.array([1.5, 2.0]))
    # All moved by one amount until the mean is 3 in 5; beyond the ends the line goes on.
    assert calibrator(margin).mean() == pytest.approx(0.6)
    assert calibrator(np.array([7.0])) == pytest.approx(expit(odds[2] + calibrator.slope * 2.5))


def test_one_outcome_only_cannot_be_calibrated():
    with pytest.raises(ValueError, match="needs both outcomes; of 3 rows 0 are events"):
        calibrate(np.zeros(3), np.zeros(3), events=0, isotonic_from=10)


def test_horizon_map_compounds_survival():
    # 2 % in 12 months is 1 - 0.98 ** (1/4) in 3.
    calibrator = Calibrator("horizon", exponent=3 / 12)
    assert calibrator(np.array([np.log(0.02 / 0.98)])) == pytest.approx([1 - 0.98**0.25])


@pytest.mark.parametrize("events", [10, 5000])
def test_json_round_trip_is_exact(events):
    calibrator = calibrate(*_sample(3000), events=events, isotonic_from=500)
    assert Calibrator.from_json(json.loads(json.dumps(calibrator.to_json()))) == calibrator
