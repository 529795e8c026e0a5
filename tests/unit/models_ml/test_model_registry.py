"""Models as files: exact, atomic, and a champion that can be promoted, rolled back and asked for as of a
date."""

import os
import signal
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest
from conftest import AS_OF

from models_ml import registry
from models_ml.model import predict_pd
from models_ml.registry import RegistryError
from models_ml.train import LearnSettings, expert_model

D1, D2, D3 = date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)


@pytest.fixture
def models(outcome):
    return {m.kind: m for m in outcome.candidates}


def test_a_saved_model_is_read_back_whole_and_predicts_the_same(tmp_path, models, policy, training):
    frame = training[training["cutoff_date"] == pd.Timestamp(AS_OF)]
    for model in models.values():
        registry.save(tmp_path, model)
        read = registry.load(tmp_path, model.model_id)
        assert read == model
        np.testing.assert_array_equal(
            predict_pd(read, frame, policy.score_rules), predict_pd(model, frame, policy.score_rules)
        )


def test_the_folder_holds_plain_files_and_no_pickle(tmp_path, models):
    folder = registry.save(tmp_path, models["xgboost"])
    assert sorted(p.name for p in folder.iterdir()) == [
        "calibrator.json", "features.json", "metrics.json", "model.json", "model.ubj", "model_card.md",
        "walked_pd.f64",
    ]  # fmt: skip
    card = (folder / "model_card.md").read_text()
    assert models["xgboost"].facts["test_from"] in card
    assert "| auc |" in card


def test_a_run_killed_before_the_rename_leaves_no_model_and_the_champion_as_it_was(
    tmp_path, models, monkeypatch
):
    registry.save(tmp_path, models["scorecard"])
    registry.promote(tmp_path, models["scorecard"].model_id, as_of=D1, role="champion", reason="first")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.save(tmp_path, models["xgboost"])
    assert registry.find(tmp_path, models["xgboost"].model_id) is None
    registry.save(tmp_path, models["xgboost"])
    assert registry.find(tmp_path, models["xgboost"].model_id) == models["xgboost"]

    before = (tmp_path / "champion.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.promote(tmp_path, models["xgboost"].model_id, as_of=D2, role="champion", reason="better")
    assert (tmp_path / "champion.json").read_bytes() == before
    assert registry.current(tmp_path).model == models["scorecard"]


def test_saving_and_promoting_killed_at_any_change_leaves_the_old_champion_or_the_new_one(tmp_path, models):
    registry.save(tmp_path, models["scorecard"])
    registry.promote(tmp_path, models["scorecard"].model_id, as_of=D1, role="provisional", reason="ranks")
    new = models["xgboost"]

    def save_and_promote(killed_at: int) -> int:
        """The signal a process dies of at that change of a file, 0 where it comes to its end."""
        child = os.fork()
        if child == 0:
            seen = 0

            def watch(event, _arguments):
                nonlocal seen
                if event in {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}:
                    seen += 1
                    if seen == killed_at:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)
            registry.save(tmp_path, new)
            registry.promote(tmp_path, new.model_id, as_of=D2, role="champion", reason="better")
            os._exit(0)
        return os.WTERMSIG(os.waitpid(child, 0)[1])

    changes = 0
    while save_and_promote(changes + 1) == signal.SIGKILL:
        changes += 1
        assert registry.current(tmp_path).model in (models["scorecard"], new)
    assert changes > 10
    assert registry.current(tmp_path).model == new


def test_saving_again_changes_nothing(tmp_path, models):
    folder = registry.save(tmp_path, models["xgboost"])
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    registry.save(tmp_path, models["xgboost"])
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.fixture
def promoted(tmp_path, models):
    for model in models.values():
        registry.save(tmp_path, model)
    registry.promote(tmp_path, models["expert"].model_id, as_of=D1, role="expert", reason="too few events")
    registry.promote(tmp_path, models["scorecard"].model_id, as_of=D2, role="provisional", reason="ranks")
    registry.promote(tmp_path, models["xgboost"].model_id, as_of=D3, role="champion", reason="passes")
    return tmp_path


def test_a_night_starts_from_the_champion_before_its_date(promoted, models):
    assert registry.champion_before(promoted, D1) is None
    assert registry.champion_before(promoted, D2).model == models["expert"]
    assert registry.champion_before(promoted, D3).role == "provisional"
    assert registry.current(promoted).model == models["xgboost"]


def test_a_night_scores_with_what_it_promoted_and_an_earlier_date_with_what_held_then(promoted, models):
    assert registry.champion_at(promoted, date(2025, 12, 31)) is None
    assert registry.champion_at(promoted, D1).model == models["expert"]
    assert registry.champion_at(promoted, date(2026, 3, 30)).model == models["scorecard"]
    assert registry.champion_at(promoted, D3).model == models["xgboost"]


def test_a_rerun_that_decides_otherwise_takes_its_promotion_back(promoted, models):
    registry.promote(promoted, models["scorecard"].model_id, as_of=D3, role="provisional", reason="kept")
    assert registry.champion_at(promoted, D3).model == models["scorecard"]
    assert [e.as_of for e in registry.history(promoted)] == [D1, D2]


def test_repeating_a_night_leaves_the_file_as_it_was(promoted, models):
    before = (promoted / "champion.json").read_bytes()
    registry.promote(promoted, models["xgboost"].model_id, as_of=D3, role="champion", reason="passes")
    assert (promoted / "champion.json").read_bytes() == before


def test_a_night_that_keeps_the_champion_adds_nothing(promoted, models):
    before = registry.history(promoted)
    registry.promote(
        promoted, models["xgboost"].model_id, as_of=date(2026, 4, 1), role="champion", reason="kept"
    )
    assert registry.history(promoted) == before


def test_rollback_returns_to_the_model_before_and_bars_the_other(promoted, models):
    back = registry.rollback(promoted, as_of=D3, reason="complaints")
    assert back.model == models["scorecard"]
    assert back.role == "provisional"
    assert registry.current(promoted).model == models["scorecard"]
    assert registry.champion_before(promoted, D3).model == models["scorecard"]
    assert registry.barred(promoted) == {models["xgboost"].model_id}

    registry.promote(
        promoted,
        models["xgboost"].model_id,
        as_of=D3,
        role="champion",
        reason="cleared",
        action=registry.BY_COMMAND,
    )
    assert registry.barred(promoted) == frozenset()
    assert registry.current(promoted).model == models["xgboost"]


def test_rollback_without_an_earlier_model_is_refused(tmp_path, models):
    with pytest.raises(RegistryError, match="no champion to roll back from"):
        registry.rollback(tmp_path, as_of=D1, reason="x")
    registry.save(tmp_path, models["expert"])
    registry.promote(tmp_path, models["expert"].model_id, as_of=D1, role="expert", reason="first")
    with pytest.raises(RegistryError, match="no other model before"):
        registry.rollback(tmp_path, as_of=D2, reason="x")


def test_unknown_and_hostile_ids_are_refused(promoted):
    with pytest.raises(RegistryError, match="it holds expert-"):
        registry.load(promoted, "xgboost-000000000000")
    for name in ("../elsewhere", "/etc", "", ".aside-x"):
        with pytest.raises(RegistryError, match="is not a model id"):
            registry.load(promoted, name)
    with pytest.raises(RegistryError):
        registry.promote(promoted, "xgboost-000000000000", as_of=D3, role="champion", reason="x")


def test_a_damaged_model_says_how_to_mend_it(tmp_path, models):
    folder = registry.save(tmp_path, models["xgboost"])
    (folder / "calibrator.json").write_text("{")
    with pytest.raises(RegistryError, match="remove its folder and run again"):
        registry.load(tmp_path, models["xgboost"].model_id)


def test_another_policy_or_target_gives_another_expert_model(policy):
    ids = {expert_model(LearnSettings(horizon_months=h), policy).model_id for h in (3, 12)}
    assert len(ids) == 2
