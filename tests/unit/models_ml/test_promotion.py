"""The publication gate: who scores, as what, and the reason a reader is given."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models_ml.evaluate import Judged
from models_ml.promotion import Contender, decide


def contender(
    name, *, kind="xgboost", auc=0.85, spread=0.02, brier=0.05, ratio=1.0, jeffreys=0.5, psi=0.005, seed=0
) -> Contender:
    draws = np.random.default_rng(seed).normal(0, spread / 1.96, size=2000)
    return Contender(
        name,
        kind,
        Judged(
            {"auc": auc, "brier": brier, "calibration_ratio": ratio},
            {"auc": auc + draws},
        ),
        pd.DataFrame({"jeffreys_p_holm": [jeffreys, 1.0]}),
        psi,
        0.02,
    )


EXPERT = contender("expert-1", kind="expert", auc=0.7, brier=0.09)


@pytest.fixture
def gates(policy):
    return policy.gates


def test_first_night_a_model_that_passes_every_gate_becomes_champion(gates):
    decision = decide([contender("x"), contender("s", kind="scorecard")], EXPERT, None, None, 0.75, gates)
    assert (decision.decision, decision.model_id, decision.role) == ("first_champion", "x", "champion")
    assert all(c.passed for c in decision.checks)


def test_first_night_the_scorecard_follows_where_boosting_fails(gates):
    decision = decide(
        [contender("x", ratio=1.2), contender("s", kind="scorecard", auc=0.82)],
        EXPERT,
        None,
        None,
        0.75,
        gates,
    )
    assert (decision.model_id, decision.role) == ("s", "champion")
    assert [c.gate for c in decision.failed("x")] == ["calibration_ratio"]


@pytest.mark.parametrize(
    ("flaw", "gate"),
    [
        ({"ratio": 0.929}, "calibration_ratio is 0.929, required 0.93 to 1.07"),
        ({"ratio": 1.071}, "calibration_ratio is 1.071, required 0.93 to 1.07"),
        ({"jeffreys": 0.049}, "jeffreys_p_holm is 0.049, required at least 0.05"),
        ({"psi": 0.021}, "psi is 0.021, required below 0.02 (chi-squared)"),
    ],
)
def test_first_night_one_failed_gate_makes_it_provisional_and_says_which(gates, flaw, gate):
    decision = decide([contender("x", **flaw)], EXPERT, None, None, 0.75, gates)
    assert (decision.decision, decision.role) == ("provisional", "provisional")
    assert gate in decision.reason


@pytest.mark.parametrize(("ratio", "role"), [(0.93, "champion"), (1.07, "champion")])
def test_the_bounds_of_calibration_themselves_pass(gates, ratio, role):
    assert decide([contender("x", ratio=ratio)], EXPERT, None, None, 0.75, gates).role == role


def test_first_night_a_model_below_the_naive_rule_leaves_the_expert_table(gates):
    decision = decide([contender("x", auc=0.74)], EXPERT, None, None, 0.75, gates)
    assert (decision.decision, decision.model_id, decision.role) == ("expert", "expert-1", "expert")
    assert "auc is 0.74, required at least 0.75 (naive rule)" in decision.reason


def test_first_night_ranking_that_may_be_chance_leaves_the_expert_table(gates):
    assert decide([contender("x", auc=0.6, spread=0.15)], EXPERT, None, None, 0.55, gates).role == "expert"


def test_first_night_a_model_worse_than_the_expert_table_does_not_score_provisionally(gates):
    decision = decide([contender("x", ratio=1.5, brier=0.10)], EXPERT, None, None, 0.75, gates)
    assert decision.role == "expert"


def test_of_two_provisional_models_the_lower_brier_score_wins(gates):
    two = [contender("x", ratio=1.2, brier=0.06), contender("s", kind="scorecard", ratio=1.2, brier=0.055)]
    assert decide(two, EXPERT, None, None, 0.75, gates).model_id == "s"


@pytest.mark.parametrize(
    ("auc", "decision"), [(0.852, "promote"), (0.849, "promote"), (0.80, "keep_champion")]
)
def test_a_challenger_may_be_no_worse_than_the_champion_by_the_paired_bound(gates, auc, decision):
    # The same draws for both: their difference is exact, as paired resamples nearly are.
    champion = contender("c", auc=0.85)
    result = decide([contender("x", auc=auc)], EXPERT, champion, "champion", 0.75, gates)
    assert result.decision == decision
    assert result.model_id == ("x" if decision == "promote" else "c")


def test_the_champion_stays_where_a_better_ranking_challenger_is_badly_calibrated(gates):
    champion = contender("c", auc=0.80)
    result = decide([contender("x", auc=0.9, ratio=1.3)], EXPERT, champion, "champion", 0.75, gates)
    assert (result.decision, result.model_id, result.role) == ("keep_champion", "c", "champion")
    assert "x: calibration_ratio is 1.3" in result.reason


def test_unchanged_data_change_nothing_even_where_another_candidate_would_pass(gates):
    scoring = contender("x", ratio=1.2)
    other = contender("s", kind="scorecard")
    for role in ("champion", "provisional"):
        result = decide([scoring, other], EXPERT, scoring, role, 0.75, gates)
        assert (result.decision, result.model_id, result.role) == ("unchanged", "x", role)


def test_a_provisional_model_gives_way_to_one_that_passes_every_gate(gates):
    provisional = contender("p", auc=0.9, ratio=1.3, brier=0.04)
    result = decide([contender("x", auc=0.85)], EXPERT, provisional, "provisional", 0.75, gates)
    assert (result.decision, result.model_id, result.role) == ("first_champion", "x", "champion")


@pytest.mark.parametrize(
    ("auc", "brier", "stays"), [(0.86, 0.045, False), (0.86, 0.055, True), (0.80, 0.045, True)]
)
def test_a_provisional_model_gives_way_to_a_better_provisional_one_only(gates, auc, brier, stays):
    provisional = contender("p", auc=0.85, ratio=1.3, brier=0.05)
    challenger = contender("x", auc=auc, brier=brier, ratio=1.2)
    result = decide([challenger], EXPERT, provisional, "provisional", 0.75, gates)
    assert (result.model_id, result.role) == ("p" if stays else "x", "provisional")


def test_a_rolled_back_model_is_not_promoted_again(gates):
    champion = contender("c", auc=0.80)
    result = decide([contender("x")], EXPERT, champion, "champion", 0.75, gates, barred=frozenset({"x"}))
    assert result.model_id == "c"
    assert result.reason == ("No challenger passes every gate. x was rolled back by command and is not asked")


def test_gates_come_from_policy(gates):
    loose = replace(gates, calibration_ratio_max=1.5)
    assert decide([contender("x", ratio=1.4)], EXPERT, None, None, 0.75, loose).role == "champion"
