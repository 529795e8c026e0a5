"""Stability indices by hand, with empty bins and missing values counted."""

import numpy as np
import pytest

from models_ml.monitor import distribution, psi, psi_bound


def test_psi_by_hand():
    # p = .5 .3 .2, q = .4 .3 .3: (-.1) ln .8 + 0 + .1 ln 1.5 = 0.0223144 + 0.0405465
    assert psi([50, 30, 20], [40, 30, 30]) == pytest.approx(0.0628609, abs=1e-7)


def test_equal_shares_have_no_index_whatever_the_size():
    assert psi([5, 3, 2], [500, 300, 200]) == 0.0


def test_an_empty_bin_counts_half_a_case():
    # q of the empty bin is 0.5 / 100.
    expected = (1.0 - 0.5) * np.log(1.0 / 0.5) + (0.005 - 0.5) * np.log(0.005 / 0.5)
    assert psi([50, 50], [100, 0]) == pytest.approx(expected)


def test_chi_squared_bound_by_hand():
    # chi-squared 95 % at 9 degrees of freedom is 16.919.
    assert psi_bound(1000, 500, 10, 0.95) == pytest.approx((1 / 1000 + 1 / 500) * 16.919, rel=1e-4)


def test_samples_of_one_population_stay_below_the_bound_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    below = 0
    for _ in range(200):
        reference = distribution(rng.normal(size=800))
        current = reference.count(rng.normal(size=600))
        below += psi(reference.counts, current) < psi_bound(800, 600, 10, 0.95)
    assert 0.88 <= below / 200 <= 0.99


def test_missing_values_are_a_bin_of_their_own():
    reference = distribution(np.array([1.0, 2.0, 3.0, np.nan]), bins=2)
    assert reference.counts[-1] == 1
    assert reference.count(np.full(4, np.nan)).tolist() == [0] * (len(reference.counts) - 1) + [4]


def test_a_constant_feature_has_one_bin_and_no_drift():
    reference = distribution(np.zeros(50))
    assert psi(reference.counts, reference.count(np.zeros(30))) == 0.0


def test_different_bins_are_an_error():
    with pytest.raises(ValueError, match="reference has 2, current 3"):
        psi([1, 2], [1, 2, 3])
