"""A seeded population of customers over monthly cut-offs, shaped like features.customer_cutoff and its
labels."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from models_ml.features import FEATURES

_SCALE = {
    "days": 20.0,
    "share": 0.25,
    "ratio": 1.0,
    "count": 2.0,
    "level": 1.0,
    "class": 1.0,
    "classes": 0.7,
    "points": 80.0,
    "index": 1.5,
    "months": 20.0,
}
_CENTRE = {
    "days": 10.0,
    "share": 0.3,
    "ratio": 1.0,
    "count": 1.0,
    "level": 1.0,
    "class": 3.0,
    "classes": 0.0,
    "points": 500.0,
    "index": 2.5,
    "months": 40.0,
}
SIGNED = {"days_beyond_terms_change", "utilisation_change_60d", "sales_trend_6m", "bureau_class_change_6m"}


def cutoffs(first: str, count: int) -> list[date]:
    """`count` month-ends from `first` on."""
    return [d.date() for d in pd.date_range(first, periods=count, freq="ME")]


def population(
    *,
    customers: int = 600,
    first_cutoff: str = "2023-01-31",
    cutoff_count: int = 24,
    horizon_months: int = 12,
    as_of: date = date(2025, 12, 31),
    event_rate: float = 0.06,
    seed: int = 7,
    strength: float = 1.3,
    missing_share: float = 0.15,
) -> pd.DataFrame:
    """Training frame: features.customer_cutoff joined with features.customer_label.

    Each customer has a hidden health that wanders; every feature follows it in the direction the registry
    states, and events are drawn from it. Labels are known where the horizon ended by as_of.
    """
    rng = np.random.default_rng(seed)
    dates = cutoffs(first_cutoff, cutoff_count)
    steps = rng.normal(0, 0.25, size=(customers, cutoff_count)).cumsum(axis=1)
    risk = rng.normal(0, 1, size=(customers, 1)) + steps - steps.mean()
    n = customers * cutoff_count
    frame: dict[str, object] = {
        "customer_code": np.repeat([f"C{i:06d}" for i in range(1, customers + 1)], cutoff_count),
        "cutoff_date": pd.to_datetime(np.tile(np.array(dates, dtype="datetime64[D]"), customers)),
    }
    flat = risk.ravel()
    for number, feature in enumerate(FEATURES):
        weight = 0.7 * feature.direction if number % 3 else 0.25 * feature.direction
        value = _CENTRE[feature.unit] + _SCALE[feature.unit] * (weight * flat + 0.7 * rng.normal(size=n))
        if feature.name not in SIGNED and feature.unit != "index":
            value = np.maximum(value, 0.0)
        if feature.unit in ("count", "level", "class", "classes"):
            value = np.round(value)
        value = value.astype("float64")
        value[rng.random(n) < missing_share] = np.nan
        frame[feature.name] = value
    data = pd.DataFrame(frame)
    data["is_in_default_at_cutoff"] = flat > np.quantile(flat, 0.985)
    data["months_of_history"] = np.tile(np.arange(6, 6 + cutoff_count), customers)
    data["has_financials"] = rng.random(n) < 0.6
    data["has_bureau"] = rng.random(n) < 0.6
    data["open_amount_reporting"] = 1_000.0
    data["sales_12m_amount_reporting"] = 12_000.0
    data["segment"] = np.repeat(rng.choice(["large", "mid", "small"], size=customers), cutoff_count)

    intercept = np.log(event_rate / (1 - event_rate)) - 0.5
    probability = 1 / (1 + np.exp(-(intercept + strength * flat)))
    data["horizon_end_date"] = data["cutoff_date"] + pd.offsets.MonthEnd(horizon_months)
    data["label_known"] = data["horizon_end_date"] <= pd.Timestamp(as_of)
    event = (rng.random(n) < probability).astype("float64")
    data["is_event"] = pd.Series(event).where(data["label_known"]).astype("Int64")
    data["amount_at_stake_reporting"] = np.round(rng.lognormal(9, 1.2, size=n), 2)
    return data
