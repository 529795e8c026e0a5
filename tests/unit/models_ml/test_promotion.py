"""The publication gate: who scores, as what, and the reason a reader is given."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models_ml.evaluate import Judged, Sample, grade_table, judge
from models_ml.promotion import Contender, decide


def contender(
    name, *, kind="xgboost", auc=0.85, spread=0.02, brier=0.05, log_loss=0.15, ratio=1.0, half_width=0.1,
    jeffreys=0.5, psi=0.005, seed=0,
) -> Contender:  # fmt: skip
    """A model whose recipe was measured so: AUC and the log of the calibration ratio with normal resamples of that
    half width."""
    draws = np.random.default_rng(seed).normal(0, 1 / 1.96, size=2000)
    draws -= draws.mean()
    return Contender(
        name,
        kind,
        Judged(
            {"auc": auc, "brier": brier, "log_loss": log_loss, "calibration_ratio": ratio},
            {"auc": auc + spread * draws, "calibration_ratio": ratio * np.exp(half_width * draws)},
        ),
        pd.DataFrame(
            {
                "events": [9, 30],
                "mean_pd": [0.01, 0.1],
                "independent_cases": [900.0, 300.0],
                "jeffreys_p_holm": [jeffreys, 1.0],
            }
        ),
        psi,
    )


EXPERT = contender("expert-1", kind="expert", auc=0.7, brier=0.09, log_loss=0.2)


@pytest.fixture
def gates(policy):
    return policy.gates


def test_first_night_a_model_that_passes_every_gate_becomes_champion(gates):
    decision = decide([contender("x"), contender("s", kind="scorecard")], EXPERT, None, None, 0.75, gates)
    assert (decision.decision, decision.model_id, decision.role) == ("first_champion", "x", "champion")
    assert all(c.passed for c in decision.checks)


def test_first_night_the_scorecard_follows_where_boosting_fails(gates):
    decision = decide(
        [contender("x", ratio=1.5), contender("s", kind="scorecard", auc=0.82)],
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
        (
            {"ratio": 0.7},
            "calibration_ratio is 0.7, required its 95 % interval (0.635 to 0.773) to touch 0.8 to 1.25",
        ),
        (
            {"ratio": 1.43},
            "calibration_ratio is 1.43, required its 95 % interval (1.3 to 1.58) to touch 0.8 to 1.25",
        ),
        ({"jeffreys": 0.049}, "jeffreys_p_holm is 0.049, required at least 0.05"),
        ({"log_loss": 0.201}, "log_loss is 0.201, required at most 0.2 (expert-1)"),
    ],
)
def test_first_night_one_failed_gate_makes_it_provisional_and_says_which(gates, flaw, gate):
    decision = decide([contender("x", **flaw)], EXPERT, None, None, 0.75, gates)
    assert (decision.decision, decision.role) == ("provisional", "provisional")
    assert gate in decision.reason


@pytest.mark.parametrize(("ratio", "half_width"), [(0.75, 0.1), (0.7, 0.2), (1.35, 0.1), (1.6, 0.3)])
def test_calibration_is_refused_on_evidence_only(gates, ratio, half_width):
    made = contender("x", ratio=ratio, half_width=half_width)
    assert decide([made], EXPERT, None, None, 0.75, gates).role == "champion"


def test_stability_is_no_gate_of_a_challenger(gates):
    assert decide([contender("x", psi=0.9)], EXPERT, None, None, 0.75, gates).role == "champion"


def test_first_night_a_model_below_the_naive_rule_leaves_the_expert_table(gates):
    decision = decide([contender("x", auc=0.74)], EXPERT, None, None, 0.75, gates)
    assert (decision.decision, decision.model_id, decision.role) == ("expert", "expert-1", "expert")
    assert "auc is 0.74, required at least 0.75 (naive rule)" in decision.reason


def test_first_night_ranking_that_may_be_chance_leaves_the_expert_table(gates):
    assert decide([contender("x", auc=0.6, spread=0.15)], EXPERT, None, None, 0.55, gates).role == "expert"


def test_first_night_a_model_worse_than_the_expert_table_does_not_score_provisionally(gates):
    decision = decide([contender("x", ratio=1.9, brier=0.10)], EXPERT, None, None, 0.75, gates)
    assert decision.role == "expert"


def test_of_two_provisional_models_the_lower_brier_score_wins(gates):
    two = [contender("x", ratio=1.5, brier=0.06), contender("s", kind="scorecard", ratio=1.5, brier=0.055)]
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
    result = decide([contender("x", auc=0.9, ratio=1.5)], EXPERT, champion, "champion", 0.75, gates)
    assert (result.decision, result.model_id, result.role) == ("keep_champion", "c", "champion")
    assert "x: calibration_ratio is 1.5" in result.reason


def test_unchanged_data_change_nothing_even_where_another_candidate_would_pass(gates):
    scoring = contender("x", ratio=1.2)
    other = contender("s", kind="scorecard")
    for role in ("champion", "provisional"):
        result = decide([scoring, other], EXPERT, scoring, role, 0.75, gates)
        assert (result.decision, result.model_id, result.role) == ("unchanged", "x", role)


def test_a_provisional_model_gives_way_to_one_that_passes_every_gate(gates):
    provisional = contender("p", auc=0.9, ratio=1.5, brier=0.04)
    result = decide([contender("x", auc=0.85)], EXPERT, provisional, "provisional", 0.75, gates)
    assert (result.decision, result.model_id, result.role) == ("first_champion", "x", "champion")


@pytest.mark.parametrize(
    ("auc", "brier", "stays"), [(0.86, 0.045, False), (0.86, 0.055, True), (0.80, 0.045, True)]
)
def test_a_provisional_model_gives_way_to_a_better_provisional_one_only(gates, auc, brier, stays):
    provisional = contender("p", auc=0.85, ratio=1.5, brier=0.05)
    challenger = contender("x", auc=auc, brier=brier, ratio=1.5)
    result = decide([challenger], EXPERT, provisional, "provisional", 0.75, gates)
    assert (result.model_id, result.role) == ("p" if stays else "x", "provisional")


def test_a_rolled_back_model_is_not_promoted_again(gates):
    champion = contender("c", auc=0.80)
    result = decide([contender("x")], EXPERT, champion, "champion", 0.75, gates, barred=frozenset({"x"}))
    assert result.model_id == "c"
    assert result.reason == ("No challenger passes every gate. x was rolled back by command and is not asked")


def test_gates_come_from_policy(gates):
    loose = replace(gates, calibration_ratio_max=1.5)
    assert decide([contender("x", ratio=1.6)], EXPERT, None, None, 0.75, loose).role == "champion"


def test_a_challenger_with_a_higher_log_loss_than_the_champion_does_not_replace_it(gates):
    champion = contender("c", log_loss=0.15)
    result = decide([contender("x", auc=0.9, log_loss=0.151)], EXPERT, champion, "champion", 0.75, gates)
    assert result.model_id == "c"
    assert "x: log_loss is 0.151, required at most 0.15 (c)" in result.reason


def test_a_model_of_the_champion_s_own_recipe_follows_it_with_what_has_matured_since(gates):
    result = decide([contender("x")], EXPERT, contender("c"), "champion", 0.75, gates)
    assert (result.decision, result.model_id, result.role) == ("promote", "x", "champion")


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ({"psi": 0.25}, "psi is 0.25, required below 0.25"),
        ({"ratio": 0.5}, "calibration_ratio is 0.5"),
        ({"jeffreys": 0.001}, "jeffreys_p_holm is 0.001"),
    ],
)
@pytest.mark.parametrize("is_unchanged", [True, False])
def test_what_is_asked_of_a_challenger_binds_the_champion_in_use(gates, flaw, said, is_unchanged):
    champion = contender("c", **flaw)
    tonight = [champion] if is_unchanged else [contender("x", auc=0.7)]
    result = decide(tonight, EXPERT, champion, "champion", 0.75, gates)
    assert (result.decision, result.model_id, result.role) == ("demote_champion", "c", "provisional")
    assert "Champion c scores on provisionally" in result.reason
    assert said in result.reason


def test_each_gate_states_its_power(gates):
    """With an interval of log ratio of +-0.10, a right model passes always; one at 0.70 is refused where
    its estimate lies below ln 0.80 - 0.10: P(Z < (ln 0.8 - ln 0.7 - 0.1) / (0.1 / 1.96)) = P(Z < 0.657) = 74 %."""
    decision = decide([contender("x")], EXPERT, None, None, 0.75, gates)
    assert (
        "calibration_ratio passes 100% of right models and refuses 74% of those 30 % too low"
        in decision.reason
    )
    jeffreys = next(c for c in decision.checks if c.gate == "jeffreys_p_holm")
    assert jeffreys.passes_right > 0.94
    assert 0.3 < jeffreys.refuses_wrong < 1
    assert jeffreys.power in decision.reason


def _pass_rate(gates, grades, *, events, ratio, trials, cutoffs):
    """How often a model passes whose PDs are `ratio` times the true probabilities."""
    rng = np.random.default_rng(11)
    customers = round(events / 0.06)
    passed = 0
    for trial in range(trials):
        odds = rng.normal(-3.4, 1.2, size=(customers, 1)) + rng.normal(0, 0.2, size=(customers, cutoffs))
        truth = 1 / (1 + np.exp(-odds))
        # A customer's outcomes at neighbouring cut-offs are largely one outcome: one draw serves them all.
        event = rng.random((customers, 1)) < truth
        frame = pd.DataFrame(
            {
                "customer_code": np.repeat([f"C{i:06d}" for i in range(customers)], cutoffs),
                "cutoff_date": np.tile(pd.date_range("2024-01-31", periods=cutoffs, freq="ME"), customers),
                "is_event": event.ravel().astype(int),
                "amount_at_stake_reporting": 1.0,
                "segment": "all",
            }
        )
        sample, pds = Sample.of(frame), np.minimum(truth * ratio, 0.99).ravel()
        flat = np.full(len(frame), event.mean())
        judged = judge(
            {"x": pds, "e": flat}, sample, pd_scores=frozenset({"x", "e"}), resamples=150, seed=trial,
            horizon_months=12,
        )  # fmt: skip
        table = grade_table(pds, sample, grades, horizon_months=12)
        x = Contender("x", "xgboost", judged["x"], table)
        expert = Contender("e", "expert", judged["e"], table)
        passed += decide([x], expert, None, None, 0.5, gates).role == "champion"
    return passed / trials


@pytest.mark.parametrize("cutoffs", [1, 6])
def test_a_perfect_model_passes_at_seventy_events(gates, policy, cutoffs):
    assert _pass_rate(gates, policy.grades, events=70, ratio=1.0, trials=100, cutoffs=cutoffs) >= 0.95


@pytest.mark.parametrize("ratio", [0.7, 1 / 0.7])
def test_a_model_thirty_percent_off_fails_when_events_suffice(gates, policy, ratio):
    assert _pass_rate(gates, policy.grades, events=1200, ratio=ratio, trials=15, cutoffs=2) <= 0.1
