"""Calibration meets the observed rate, never turns the order of two customers, and survives storage."""

import json

import numpy as np
import pytest

from models_ml.calibrate import Calibrator, calibrate


def _sample(n, seed=1, slope=1.0):
    rng = np.random.default_rng(seed)
    margin = rng.normal(-2.5, 1.5, size=n)
    event = (rng.random(n) < 1 / (1 + np.exp(-(slope * margin + 0.4)))).astype(float)
    return margin, event


@pytest.mark.parametrize(("cases", "kind"), [(999, "sigmoid"), (1000, "isotonic")])
def test_the_number_of_cases_decides_the_map(cases, kind):
    margin, event = _sample(3000)
    assert calibrate(margin, event, cases=cases, sigmoid_below=1000).kind == kind


@pytest.mark.parametrize("cases", [500, 5000])
def test_mean_pd_meets_the_observed_rate_and_order_is_kept(cases):
    margin, event = _sample(5000)
    calibrator = calibrate(margin, event, cases=cases, sigmoid_below=1000)
    pd_values = calibrator(margin)
    assert pd_values.mean() == pytest.approx(event.mean(), rel=1e-3)
    grid = calibrator(np.linspace(-20, 20, 2001))
    assert (np.diff(grid) >= 0).all()
    assert grid.min() > 0
    assert grid.max() < 1


def test_sigmoid_finds_the_line_it_was_drawn_from():
    margin, event = _sample(200_000, slope=0.7)
    calibrator = calibrate(margin, event, cases=100, sigmoid_below=1000)
    assert calibrator.slope == pytest.approx(0.7, abs=0.03)
    assert calibrator.intercept == pytest.approx(0.4, abs=0.06)


def test_a_margin_that_ranks_backwards_gives_everybody_the_base_rate():
    margin, event = _sample(2000)
    calibrator = calibrate(-margin, event, cases=100, sigmoid_below=1000)
    assert calibrator(np.array([-5.0, 5.0])) == pytest.approx([event.mean()] * 2)


def test_isotonic_by_hand():
    # Ordered outcomes 0 0 0 1 0: the last two pool. Blocks (0 of 3) at mean margin 2 and (1 of 2) at 4.5.
    margin = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    event = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    calibrator = calibrate(margin, event, cases=5, sigmoid_below=1)
    assert calibrator.knots_margin == pytest.approx((2.0, 4.5))
    # The block without an event gets (0 + 1/2) / (3 + 1); then both move together until the mean is 1 in 5.
    odds = np.array(calibrator.knots_pd) / (1 - np.array(calibrator.knots_pd))
    assert odds[1] / odds[0] == pytest.approx((0.5 / 0.5) / (0.125 / 0.875))
    low, high = calibrator.knots_pd
    between = [low, low, low + (high - low) * 0.4, low + (high - low) * 0.8, high]
    assert calibrator(margin) == pytest.approx(between)
    assert sum(between) == pytest.approx(1.0)


def test_one_outcome_only_cannot_be_calibrated():
    with pytest.raises(ValueError, match="needs both outcomes; of 3 rows 0 are events"):
        calibrate(np.zeros(3), np.zeros(3), cases=3, sigmoid_below=10)


def test_horizon_map_compounds_survival():
    # 2 % in 12 months is 1 - 0.98 ** (1/4) in 3.
    calibrator = Calibrator("horizon", exponent=3 / 12)
    assert calibrator(np.array([np.log(0.02 / 0.98)])) == pytest.approx([1 - 0.98**0.25])


@pytest.mark.parametrize("cases", [500, 5000])
def test_json_round_trip_is_exact(cases):
    calibrator = calibrate(*_sample(3000), cases=cases, sigmoid_below=1000)
    assert Calibrator.from_json(json.loads(json.dumps(calibrator.to_json()))) == calibrator
