"""The policy reader takes the rows in force, and names every problem of the seeds at once."""

from datetime import date

import pandas as pd
import pytest

from models_ml.policy import TABLES, PolicyError, read_match_rules, read_policy
from orchestration.policy import policy_keys
from tests.factories import POLICY_SEEDS, seeded_policy

AS_OF = date(2026, 1, 31)


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    return {t: pd.read_csv(POLICY_SEEDS / f"{t}.csv") for t in TABLES}


def test_the_seeds_hold_the_agreed_scale():
    policy = seeded_policy(as_of=AS_OF)
    bounds = [g.pd_upper * 100 for g in policy.grades]
    assert bounds == pytest.approx([0.10, 0.15, 0.25, 0.50, 0.75, 1.75, 2.5, 5, 10, 20, 30, 100])
    assert policy.scale.factor == pytest.approx(28.8539, abs=1e-4)
    assert policy.scale.offset == pytest.approx(487.123, abs=1e-3)


def test_a_later_version_holds_from_its_first_day(tables):
    later = tables["score_scale"].assign(version=2, valid_from="2026-02-01", base_points=700)
    tables["score_scale"] = pd.concat([tables["score_scale"], later])

    before = read_policy(tables, keys=policy_keys(), as_of=date(2026, 1, 31))
    after = read_policy(tables, keys=policy_keys(), as_of=date(2026, 2, 1))

    assert (before.scale.base_points, after.scale.base_points) == (600, 700)
    assert before.version == "1"
    assert "score_scale 2" in after.version
    assert before.fingerprint != after.fingerprint


def test_every_problem_is_named_at_once(tables):
    gates = tables["model_gate"]
    tables["model_gate"] = gates[gates["gate"] != "psi_max"]
    tables["rating_scale"] = tables["rating_scale"].assign(pd_upper=lambda t: t["pd_upper"] * 100)
    expert = tables["expert_pd"]
    tables["expert_pd"] = expert[~((expert["feature"] == "oldest_days_past_due") & (expert["band"] == 3))]

    with pytest.raises(PolicyError) as caught:
        read_policy(tables, keys=policy_keys(), as_of=AS_OF)

    text = str(caught.value)
    assert "model_gate: no value for psi_max" in text
    assert "rating_scale: the last pd_upper is 100" in text
    assert "bands of oldest_days_past_due must lie end to end" in text
    assert len(caught.value.problems) == 3


def test_a_multiplier_against_the_direction_of_risk_is_refused(tables):
    expert = tables["expert_pd"].copy()
    worst = (expert["feature"] == "oldest_days_past_due") & (expert["band"] == 5)
    expert.loc[worst, "odds_multiplier"] = 0.1
    tables["expert_pd"] = expert
    with pytest.raises(PolicyError, match="oldest_days_past_due run against its direction"):
        read_policy(tables, keys=policy_keys(), as_of=AS_OF)


def test_a_policy_that_is_not_yet_valid_is_refused(tables):
    with pytest.raises(PolicyError, match=r"no row is valid on 1999-12-31"):
        read_policy(tables, keys=policy_keys(), as_of=date(1999, 12, 31))


@pytest.fixture
def match_rules() -> pd.DataFrame:
    return pd.read_csv(POLICY_SEEDS / "match_rule.csv")


def test_a_stricter_matching_rule_holds_from_its_first_day(match_rules):
    stricter = match_rules.assign(version=2, valid_from="2026-02-01").replace({"value": {0.95: 0.97}})
    rules = pd.concat([match_rules, stricter])
    assert read_match_rules(rules, keys=policy_keys(), as_of=AS_OF).merge_probability == 0.95
    assert read_match_rules(rules, keys=policy_keys(), as_of=date(2026, 2, 1)).merge_probability == 0.97


@pytest.mark.parametrize(
    ("rule", "value", "told"),
    [
        ("merge_probability", 1.5, "merge_probability is 1.5; a probability between 0 and 1 is valid"),
        ("keep_probability", 0.96, "review_probability <= keep_probability <= merge_probability must hold"),
        ("max_block_size", 60.5, "max_block_size is 60.5, a whole number is needed"),
        ("review_probability", None, "no value for review_probability"),
    ],
)
def test_a_matching_rule_that_cannot_be_is_named(match_rules, rule, value, told):
    if value is None:
        match_rules = match_rules[match_rules["rule"] != rule]
    else:
        match_rules.loc[match_rules["rule"] == rule, "value"] = value
    with pytest.raises(PolicyError, match="match_rule: ") as caught:
        read_match_rules(match_rules, keys=policy_keys(), as_of=AS_OF)
    assert told in str(caught.value)


def test_matching_rules_that_are_not_yet_valid_are_refused(match_rules):
    with pytest.raises(PolicyError, match=r"match_rule: no row is valid on 1999-12-31"):
        read_match_rules(match_rules, keys=policy_keys(), as_of=date(1999, 12, 31))
