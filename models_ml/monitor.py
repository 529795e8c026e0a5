"""Has the population moved since the model was made: stability of scores (PSI) and of features (CSI)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from models_ml.features import matrix

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import Gates

    Floats = NDArray[np.float64]

BINS = 10
COLUMNS = (
    "as_of_date", "model_id", "metric", "feature", "value", "convention_bound", "chi_squared_bound",
    "reference_count", "current_count", "bin_count", "is_within_convention", "is_within_chi_squared",
)  # fmt: skip


@dataclass(frozen=True)
class Distribution:
    """Counts by bin of a reference sample: bin i is edges[i-1] <= value < edges[i]; the last count is NaN."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def count(self, values: Floats) -> NDArray[np.int64]:
        import numpy as np

        v = np.asarray(values, dtype="float64")
        known = ~np.isnan(v)
        index = np.searchsorted(
            np.asarray(self.edges, dtype="float32"), v[known].astype("float32"), side="right"
        )
        return np.append(np.bincount(index, minlength=len(self.edges) + 1), (~known).sum()).astype("int64")

    def to_json(self) -> dict[str, Any]:
        return {"edges": list(self.edges), "counts": list(self.counts)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Distribution:
        return cls(tuple(data["edges"]), tuple(data["counts"]))


def distribution(values: Floats, *, bins: int = BINS) -> Distribution:
    """Bins at the quantiles of `values` (fewer where values repeat) and the counts in them."""
    import numpy as np

    v = np.asarray(values, dtype="float64")
    known = v[~np.isnan(v)]
    edges: tuple[float, ...] = ()
    if len(known):
        cut = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="higher"))
        edges = tuple(float(e) for e in cut if e > known.min())
    counted = Distribution(edges, ()).count(v)
    return Distribution(edges, tuple(int(c) for c in counted))


def psi(reference_counts: Sequence[float], current_counts: Sequence[float]) -> float:
    """Population stability index sum((q - p) ln(q / p)) over bins; p, q shares of reference and current.

    An empty bin counts as half a case, or a single empty bin would make the index infinite. Bins empty on
    both sides say nothing.
    """
    import numpy as np

    reference = np.asarray(reference_counts, dtype="float64")
    current = np.asarray(current_counts, dtype="float64")
    if reference.shape != current.shape:
        raise ValueError(f"Bins differ: reference has {reference.shape[0]}, current {current.shape[0]}")
    if reference.sum() == 0 or current.sum() == 0:
        raise ValueError("The stability index needs at least one case on each side")
    used = (reference > 0) | (current > 0)
    p = np.maximum(reference[used], 0.5) / reference.sum()
    q = np.maximum(current[used], 0.5) / current.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_bound(reference_count: int, current_count: int, bin_count: int, confidence: float) -> float:
    """Value the index stays under by chance alone: (1/n + 1/m) * chi-squared quantile at B - 1 degrees of
    freedom (Yurdakul 2018)."""
    from scipy.stats import chi2

    if bin_count < 2:
        return 0.0
    return float((1 / reference_count + 1 / current_count) * chi2.ppf(confidence, bin_count - 1))


def stability(
    *,
    as_of: date,
    model_id: str,
    reference_score: Distribution,
    reference_features: dict[str, Distribution],
    current_score: Floats,
    current: pd.DataFrame,
    gates: Gates,
) -> pd.DataFrame:
    """Rows of mart.model_monitoring: one PSI of the PD and one CSI a feature, each beside both bounds.

    Reference: one row a customer of the calibration period. Current: the customers scored on `as_of`.
    """
    import pandas as pd

    rows = [_row("psi", "pd", reference_score, current_score, gates)]
    x = matrix(current, reference_features)
    rows += [
        _row("csi", name, reference, x[name].to_numpy(dtype="float64"), gates)
        for name, reference in reference_features.items()
    ]
    frame = pd.DataFrame(rows)
    frame.insert(0, "as_of_date", as_of)
    frame.insert(1, "model_id", model_id)
    return frame[list(COLUMNS)]


def _row(metric: str, feature: str, reference: Distribution, values: Floats, gates: Gates) -> dict[str, Any]:
    current = reference.count(values)
    bins = sum(1 for a, b in zip(reference.counts, current, strict=True) if a or b)
    value = psi(reference.counts, [float(c) for c in current])
    bound = psi_bound(reference.total, int(current.sum()), bins, gates.psi_confidence)
    return {
        "metric": metric,
        "feature": feature,
        "value": value,
        "convention_bound": gates.psi_max,
        "chi_squared_bound": bound,
        "reference_count": reference.total,
        "current_count": int(current.sum()),
        "bin_count": bins,
        "is_within_convention": value < gates.psi_max,
        "is_within_chi_squared": value < bound or value == 0.0,
    }
