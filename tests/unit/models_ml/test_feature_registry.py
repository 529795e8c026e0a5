"""The feature registry names its columns once, and a frame that differs is refused with every difference."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from population import population

from models_ml.features import (
    FEATURES,
    KNOWN_WITHOUT_LEDGER,
    LABEL_COLUMNS,
    NAMES,
    FrameMismatch,
    check_frame,
    matrix,
)


def test_names_are_unique_and_directions_valid():
    assert len(set(NAMES)) == len(NAMES) == 37
    assert {f.direction for f in FEATURES} == {-1, 0, 1}
    assert all(f.label and f.missing and f.reason_code for f in FEATURES)


def test_missing_and_unknown_columns_are_reported_together():
    frame = population(customers=3, cutoff_count=2)
    broken = frame.drop(columns=["altman_z2", "has_bureau"]).assign(colour=1.0, shape=2.0)

    with pytest.raises(FrameMismatch) as caught:
        check_frame(broken, labelled=True)

    assert caught.value.missing == ("has_bureau", "altman_z2")
    assert caught.value.unexpected == ("colour", "shape")
    assert "altman_z2" in str(caught.value)
    assert "colour" in str(caught.value)


def test_a_labelled_frame_needs_its_labels_and_a_scoring_frame_does_not():
    frame = population(customers=3, cutoff_count=2)
    check_frame(frame, labelled=True)
    unlabelled = frame.drop(columns=[c for c in LABEL_COLUMNS if c in frame])
    check_frame(unlabelled)
    with pytest.raises(FrameMismatch):
        check_frame(unlabelled, labelled=True)


def test_text_in_a_numeric_feature_is_an_error_not_a_missing_value():
    frame = pd.DataFrame({"altman_z2": ["2.5", "good"]})
    with pytest.raises(ValueError, match="good"):
        matrix(frame, ["altman_z2"])


def _columns(table: str) -> dict[str, dict[str, Any]]:
    """The columns of a table of features by name, as its .yml describes them."""
    path = Path(__file__).parents[3] / "dbt_project" / "models" / "features" / f"{table}.yml"
    (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    return {column["name"]: column for column in model["columns"]}


def test_the_registry_and_the_tables_of_the_engine_name_the_same_columns():
    cutoff, label = _columns("customer_cutoff"), _columns("customer_label")
    check_frame(pd.DataFrame(columns=list(cutoff)))
    check_frame(pd.DataFrame(columns=list({**cutoff, **label})), labelled=True)


def test_the_registry_says_of_every_feature_what_the_catalogue_of_metrics_says():
    directions = {"lower_is_better": +1, "higher_is_better": -1, "neither": 0}
    catalogue = {
        name: column["config"]["meta"]["metric"]
        for name, column in _columns("customer_cutoff").items()
        if column.get("config", {}).get("meta", {}).get("metric", {}).get("is_feature")
    }
    assert {
        name: (metric["unit"], directions[metric["direction"]]) for name, metric in catalogue.items()
    } == {feature.name: (feature.unit, feature.direction) for feature in FEATURES}
    assert tuple(catalogue) == NAMES, "the order is that of the columns"
    without = {name for name, metric in catalogue.items() if metric.get("known_without_ledger")}
    assert without == KNOWN_WITHOUT_LEDGER
