"""The feature registry names its columns once, and a frame that differs is refused with every difference."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from population import population

from models_ml.features import FEATURES, LABEL_COLUMNS, NAMES, FrameMismatch, check_frame, matrix


def test_names_are_unique_and_directions_valid():
    assert len(set(NAMES)) == len(NAMES) == 37
    assert {f.direction for f in FEATURES} == {-1, 0, 1}
    assert all(f.label and f.missing and f.reason_code and f.description for f in FEATURES)


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


def test_the_registry_and_the_tables_of_the_engine_name_the_same_columns():
    folder = Path(__file__).parents[3] / "dbt_project" / "models" / "features"
    columns = {
        table: [
            column["name"]
            for model in yaml.safe_load((folder / f"{table}.yml").read_text())["models"]
            if model["name"] == table
            for column in model["columns"]
        ]
        for table in ("customer_cutoff", "customer_label", "customer_cutoff_prior")
    }
    check_frame(pd.DataFrame(columns=columns["customer_cutoff"]))
    both = list(dict.fromkeys(columns["customer_cutoff"] + columns["customer_label"]))
    check_frame(pd.DataFrame(columns=both), labelled=True)
    assert set(NAMES) | {"prior_cutoff_date"} <= set(columns["customer_cutoff_prior"])
