"""A feature that the model learned without and that speaks tonight is found; one that only wavers is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models_ml.labels import ELIGIBLE, population
from tests.factories import fetch, run_dbt, seeded_policy
from tests.unit.dbt.planted import plant

AS_OF = "2026-10-31"
CUTOFFS = ("2025-07-31", "2025-08-31", "2025-09-30", "2025-10-31")
CUSTOMERS = 100


def _row(cutoff: str, code: str, **features: Any) -> dict[str, Any]:
    return {
        "customer_code": code,
        "cutoff_date": cutoff,
        "is_as_of": cutoff == AS_OF,
        "months_of_history": 24,
        "is_in_default_at_cutoff": False,
        "has_financials": False,
        "has_bureau": False,
        "open_amount_reporting": 10,
        "sales_12m_amount_reporting": 100,
        "broken_promises_90d": 0,
        **features,
    }


def _cutoff(cutoff: str, *, disputed: int, scored_by_bureau: int, promising: int) -> list[dict[str, Any]]:
    """A hundred customers; disputes are dead while nobody has any, although they are known of everybody."""
    return [
        _row(
            cutoff,
            f"C{number}",
            disputes_open_share=0.5 if number < disputed else 0.0,
            bureau_score=500 if number < scored_by_bureau else None,
            broken_promises_90d=1 if number < promising else 0,
        )
        for number in range(CUSTOMERS)
    ]


# Who is not learned from or scored is not counted: in default, dormant, a prospect, too new without a file.
OUTSIDE = [
    _row(AS_OF, "defaulted", is_in_default_at_cutoff=True, disputes_open_share=1),
    _row(AS_OF, "dormant", open_amount_reporting=0, sales_12m_amount_reporting=0),
    _row(AS_OF, "prospect", months_of_history=None, has_financials=True),
    _row(AS_OF, "new", months_of_history=1),
]
INSIDE = [
    _row(AS_OF, "new_with_file", months_of_history=1, has_bureau=True, bureau_score=1),
    _row(AS_OF, "ordering", open_amount_reporting=0, sales_12m_amount_reporting=0, order_surge_ratio=1),
    _row(AS_OF, "amounts_unknown", open_amount_reporting=None, sales_12m_amount_reporting=None),
]
EVERYBODY = [
    *(row for cutoff in CUTOFFS for row in _cutoff(cutoff, disputed=0, scored_by_bureau=60, promising=0)),
    # Nobody broke a promise, then 10, 20 and 30 did: 25 tonight is what such months explain.
    *_cutoff(AS_OF, disputed=10, scored_by_bureau=20, promising=25),
    *OUTSIDE,
    *INSIDE,
]
for place, cutoff in enumerate(CUTOFFS):
    for row in EVERYBODY:
        if row["cutoff_date"] == cutoff and int(row["customer_code"][1:]) < 10 * place:
            row["broken_promises_90d"] = 1


def _published(path: Path, model_kind: str, learned: bool) -> None:
    import duckdb

    with duckdb.connect(str(path)) as con:
        con.execute("delete from ml.model_run")
        con.execute(
            "insert into ml.model_run (as_of_date, model_id, model_kind, is_published, train_from, train_to) "
            "values (?, ?, ?, true, ?, ?)",
            [AS_OF, model_kind, model_kind, *((CUTOFFS[0], CUTOFFS[-1]) if learned else (None, None))],
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = plant(
        tmp_path_factory.mktemp("availability") / "warehouse.duckdb",
        {"features.customer_cutoff": EVERYBODY},
        policy=["score_rule", "model_gate"],
        as_of=AS_OF,
    )
    _published(path, "xgboost", learned=True)
    run_dbt(path, select=["availability", "feature_availability"], as_of=AS_OF, command="run")
    return path


def tonight(path: Path, feature: str) -> dict[str, Any]:
    (row,) = fetch(path, f"select * from mart.feature_availability where is_as_of and feature = '{feature}'")
    return row


def test_a_feature_dead_in_training_and_alive_tonight_is_found(world: Path) -> None:
    disputes = tonight(world, "disputes_open_share")
    assert disputes["learned_nonzero_share"] == 0
    assert disputes["nonzero_share"] == pytest.approx(10 / 103)
    assert disputes["nonzero_change_max"] == 0.02
    assert disputes["is_as_learned"] is False


def test_a_feature_that_fell_away_is_found(world: Path) -> None:
    """60 of 100 at each cut-off, 21 of 103 tonight; sampling explains 4 x sqrt(.6 x .4 / 103) = .193 of the .396."""
    bureau = tonight(world, "bureau_score")
    assert bureau["available_share"] == pytest.approx(21 / 103)
    assert bureau["available_change_max"] == pytest.approx(4 * (0.6 * 0.4 / 103) ** 0.5)
    assert bureau["is_as_learned"] is False


def test_what_the_months_learned_from_explain_is_no_finding(world: Path) -> None:
    """0, 10, 20, 30 of 100: mean .15, variance .05 / 3; 25 of 103 lies .093 off, .6 is explained."""
    promises = tonight(world, "broken_promises_90d")
    assert promises["learned_nonzero_share"] == pytest.approx(0.15)
    assert promises["nonzero_change_max"] == pytest.approx(4 * (0.05 / 3 * 1.25 + 0.15 * 0.85 / 103) ** 0.5)
    assert promises["is_as_learned"] is True


def test_every_past_cutoff_is_shown_and_says_whether_it_was_learned_from(world: Path) -> None:
    rows = fetch(
        world,
        "select cutoff_date, is_learned_from, nonzero_share, is_as_learned from mart.feature_availability "
        "where feature = 'broken_promises_90d' and not is_as_of order by cutoff_date",
    )
    assert [row["nonzero_share"] for row in rows] == [0, 0.1, 0.2, 0.3]
    assert {(row["is_learned_from"], row["is_as_learned"]) for row in rows} == {(True, None)}


def test_the_customers_counted_are_those_that_models_learn_from_and_score(world: Path) -> None:
    everybody = fetch(world, f"select * from features.customer_cutoff where cutoff_date = '{AS_OF}'")
    frame = pd.DataFrame(everybody)
    rules = seeded_policy(as_of=pd.Timestamp(AS_OF).date()).score_rules
    counted = (population(frame, rules) == ELIGIBLE) & frame["months_of_history"].notna()
    assert tonight(world, "overdue_share")["customer_count"] == counted.sum() == CUSTOMERS + len(INSIDE)


def test_the_expert_table_learned_from_nothing(world: Path) -> None:
    _published(world, "expert", learned=False)
    run_dbt(world, select="feature_availability", as_of=AS_OF, command="run")
    row = tonight(world, "disputes_open_share")
    assert (row["learned_nonzero_share"], row["nonzero_change_max"], row["is_as_learned"]) == (
        None,
        None,
        None,
    )
