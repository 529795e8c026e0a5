"""A table of bands: log-odds by band of each feature. Carries the points scorecard and the expert policy
table.

The scorecard is binned weight of evidence with monotone bands and a logistic regression on top (Siddiqi
2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models_ml.features import BY_NAME, matrix

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import Policy

    Floats = NDArray[np.float64]

PREBINS = 20
BAND_SHARE_MIN = 0.05
INFORMATION_VALUE_MIN = 0.02
CORRELATION_MAX = 0.75
FEATURES_MAX = 12


@dataclass(frozen=True)
class BandedFeature:
    """Band i holds edges[i-1] <= value < edges[i]; log_odds has one entry a band, missing_log_odds is for
    NaN."""

    name: str
    edges: tuple[float, ...]
    log_odds: tuple[float, ...]
    missing_log_odds: float

    def contribution(self, values: Floats) -> Floats:
        import numpy as np

        # Edges are compared in float32 as the values are: 0.7 must fall into the band that starts at 0.7.
        index = np.searchsorted(
            np.asarray(self.edges, dtype="float32"), values.astype("float32"), side="right"
        )
        return np.where(np.isnan(values), self.missing_log_odds, np.asarray(self.log_odds)[index])


@dataclass(frozen=True)
class Scorecard:
    """Log-odds of the event = intercept + the log-odds of the band each feature falls into."""

    intercept: float
    features: tuple[BandedFeature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    def contributions(self, frame: pd.DataFrame) -> Floats:
        """Log-odds by row and feature, shape (rows, len(features))."""
        import numpy as np

        x = matrix(frame, self.names)
        columns = [f.contribution(x[f.name].to_numpy()) for f in self.features]
        return np.column_stack(columns) if columns else np.zeros((len(frame), 0))

    def margin(self, frame: pd.DataFrame) -> Floats:
        """Log-odds of the event, shape (rows,)."""
        import numpy as np

        return np.asarray(self.intercept + self.contributions(frame).sum(axis=1))

    def to_json(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept,
            "features": [
                {
                    "name": f.name,
                    "edges": list(f.edges),
                    "log_odds": list(f.log_odds),
                    "missing_log_odds": f.missing_log_odds,
                }
                for f in self.features
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Scorecard:
        return cls(
            float(data["intercept"]),
            tuple(
                BandedFeature(
                    f["name"], tuple(f["edges"]), tuple(f["log_odds"]), float(f["missing_log_odds"])
                )
                for f in data["features"]
            ),
        )


def expert_table(policy: Policy) -> Scorecard:
    """The policy's expert table as log-odds: base odds times one multiplier a feature."""
    import math

    base = policy.score_rules.expert_base_pd
    features = []
    for name in dict.fromkeys(b.feature for b in policy.expert):
        own = [b for b in policy.expert if b.feature == name]
        valued = sorted(
            (b for b in own if not b.is_missing_band), key=lambda b: -math.inf if b.lower is None else b.lower
        )
        missing = next(b for b in own if b.is_missing_band)
        features.append(
            BandedFeature(
                name,
                tuple(b.lower for b in valued if b.lower is not None),
                tuple(math.log(b.odds_multiplier) for b in valued),
                math.log(missing.odds_multiplier),
            )
        )
    return Scorecard(math.log(base / (1 - base)), tuple(features))


def fit_scorecard(frame: pd.DataFrame, event: Floats, names: tuple[str, ...]) -> Scorecard:
    """Fit bands and weights on the training period; `event` is 0 or 1, shape (rows,).

    Features enter by information value, unless they say what a stronger one already says. A weight that would
    turn a feature against its own bands is dropped and the rest refitted, so risk stays monotone in each
    feature.
    """
    import numpy as np

    x = matrix(frame, names)
    candidates: list[tuple[float, BandedFeature, Floats]] = []
    for name in names:
        banded, information_value = _bands(name, x[name].to_numpy(dtype="float64"), event)
        if banded is not None and information_value >= INFORMATION_VALUE_MIN:
            woe = banded.contribution(x[name].to_numpy(dtype="float64"))
            candidates.append((information_value, banded, woe))
    candidates.sort(key=lambda c: (-c[0], c[1].name))

    chosen: list[tuple[BandedFeature, Floats]] = []
    for _, banded, woe in candidates:
        repeats = any(abs(float(np.corrcoef(woe, other)[0, 1])) > CORRELATION_MAX for _, other in chosen)
        if not repeats and len(chosen) < FEATURES_MAX:
            chosen.append((banded, woe))
    return _weigh(chosen, event)


def _weigh(chosen: list[tuple[BandedFeature, Floats]], event: Floats) -> Scorecard:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    while chosen:
        model = LogisticRegression(C=10.0, solver="newton-cholesky", max_iter=100, tol=1e-8)
        model.fit(np.column_stack([woe for _, woe in chosen]), event)
        weights = model.coef_[0]
        if (weights > 0).all():
            features = tuple(
                BandedFeature(
                    b.name,
                    b.edges,
                    tuple(float(w * v) for v in b.log_odds),
                    float(w * b.missing_log_odds),
                )
                for (b, _), w in zip(chosen, weights, strict=True)
            )
            return Scorecard(float(model.intercept_[0]), features)
        worst = int(np.argmin(weights))
        chosen = chosen[:worst] + chosen[worst + 1 :]
    rate = float(np.mean(event))
    return Scorecard(float(np.log(rate / (1 - rate))), ())


def _bands(name: str, values: Floats, event: Floats) -> tuple[BandedFeature | None, float]:
    """Monotone bands of one feature with their weight of evidence, and its information value."""
    import numpy as np

    known = ~np.isnan(values)
    v, e = values[known], event[known]
    if known.mean() < BAND_SHARE_MIN or len(np.unique(v)) < 2:
        return None, 0.0
    quantiles = np.unique(np.quantile(v, np.arange(1, PREBINS) / PREBINS, method="higher"))
    edges = quantiles[quantiles > v.min()]
    index = np.searchsorted(edges, v, side="right")
    counts = np.bincount(index, minlength=len(edges) + 1).astype("float64")
    events = np.bincount(index, weights=e, minlength=len(edges) + 1).astype("float64")
    edges, counts, events = _merge_small(edges, counts, events, BAND_SHARE_MIN * len(values))

    direction = BY_NAME[name].direction or _trend(counts, events)
    edges, counts, events = _pool(edges, counts, events, direction)
    if len(counts) < 2:
        return None, 0.0

    total_events = event.sum()
    total_others = len(event) - total_events
    all_events = np.append(events, event[~known].sum())
    all_others = np.append(counts - events, (~known).sum() - event[~known].sum())
    woe = np.log(((all_events + 0.5) / (total_events + 0.5)) / ((all_others + 0.5) / (total_others + 0.5)))
    if (~known).sum() < BAND_SHARE_MIN * len(values):
        woe[-1] = 0.0  # too few cases without a value to say anything about them
    # The half case added to each side can turn two almost equal bands; the order of the rates holds.
    ordered = (np.maximum if direction > 0 else np.minimum).accumulate(woe[:-1])
    information = ((all_events / total_events) - (all_others / total_others)) * np.append(ordered, woe[-1])
    banded = BandedFeature(
        name, tuple(float(x) for x in edges), tuple(float(x) for x in ordered), float(woe[-1])
    )
    return banded, float(information.sum())


def _trend(counts: Floats, events: Floats) -> int:
    """The direction an unconstrained feature shows: sign of the weighted correlation of band and rate."""
    import numpy as np

    position = np.arange(len(counts), dtype="float64")
    rate = events / counts
    centred = (position - np.average(position, weights=counts)) * (rate - np.average(rate, weights=counts))
    return 1 if float((counts * centred).sum()) >= 0 else -1


def _merge_small(
    edges: Floats, counts: Floats, events: Floats, least: float
) -> tuple[Floats, Floats, Floats]:
    """Join each band with fewer than `least` rows to its smaller neighbour."""
    import numpy as np

    while len(counts) > 1 and counts.min() < least:
        i = int(np.argmin(counts))
        left = i > 0 and (i == len(counts) - 1 or counts[i - 1] <= counts[i + 1])
        edges, counts, events = _join(edges, counts, events, i - 1 if left else i)
    return edges, counts, events


def _pool(edges: Floats, counts: Floats, events: Floats, direction: int) -> tuple[Floats, Floats, Floats]:
    """Pool adjacent bands until the event rate rises (direction +1) or falls (-1) strictly from band to
    band."""
    i = 0
    while i < len(counts) - 1:
        rises = direction * (events[i + 1] / counts[i + 1] - events[i] / counts[i]) > 0
        if rises:
            i += 1
        else:
            edges, counts, events = _join(edges, counts, events, i)
            i = max(0, i - 1)
    return edges, counts, events


def _join(edges: Floats, counts: Floats, events: Floats, i: int) -> tuple[Floats, Floats, Floats]:
    """Join band i with band i + 1."""
    import numpy as np

    def merged(a: Floats) -> Floats:
        return np.concatenate([a[:i], [a[i] + a[i + 1]], a[i + 2 :]])

    return np.delete(edges, i), merged(counts), merged(events)
