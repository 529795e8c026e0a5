"""From a model's margin (log-odds) to a probability of default, by a monotone map stored as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibrator:
    """A non-decreasing map from margin to PD.

    kind 'sigmoid': PD = 1 / (1 + exp(-(slope * margin + intercept))), slope >= 0.
    kind 'isotonic': straight lines between (knots_margin, knots_pd), flat beyond the ends.
    kind 'horizon': PD = 1 - (1 - sigmoid(margin)) ** exponent, for a table that states PDs of another
    horizon.
    """

    kind: str
    slope: float = 1.0
    intercept: float = 0.0
    exponent: float = 1.0
    knots_margin: tuple[float, ...] = ()
    knots_pd: tuple[float, ...] = ()
    cases: int = 0
    events: int = 0

    def __call__(self, margin: Floats) -> Floats:
        import numpy as np
        from scipy.special import expit

        values = np.asarray(margin, dtype="float64")
        if self.kind == "sigmoid":
            return np.asarray(expit(self.slope * values + self.intercept))
        if self.kind == "isotonic":
            return np.asarray(np.interp(values, self.knots_margin, self.knots_pd))
        if self.kind == "horizon":
            return np.asarray(1.0 - (1.0 - expit(values)) ** self.exponent)
        raise ValueError(f"Unknown calibrator kind {self.kind!r}; valid are sigmoid, isotonic, horizon")

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "slope": self.slope,
            "intercept": self.intercept,
            "exponent": self.exponent,
            "knots_margin": list(self.knots_margin),
            "knots_pd": list(self.knots_pd),
            "cases": self.cases,
            "events": self.events,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibrator:
        values = dict(data)
        values["knots_margin"] = tuple(values["knots_margin"])
        values["knots_pd"] = tuple(values["knots_pd"])
        return cls(**values)


def calibrate(margin: Floats, event: Floats, *, cases: int, sigmoid_below: int) -> Calibrator:
    """Fit the map on a period the model did not learn from.

    margin, event: shape (n,), event 0 or 1. cases: independent cases among the rows (customers; a customer at
    several cut-offs is one). Below `sigmoid_below` cases the two-parameter sigmoid is used, else isotonic.
    """
    import numpy as np

    margins, events = np.asarray(margin, dtype="float64"), np.asarray(event, dtype="float64")
    if not 0 < events.sum() < len(events):
        raise ValueError(
            f"Calibration needs both outcomes; of {len(events)} rows {int(events.sum())} are events"
        )
    if cases < sigmoid_below:
        slope, intercept = _fit_sigmoid(margins, events)
        return Calibrator("sigmoid", slope, intercept, cases=cases, events=int(events.sum()))
    knots_margin, knots_pd = _fit_isotonic(margins, events)
    return Calibrator(
        "isotonic", knots_margin=knots_margin, knots_pd=knots_pd, cases=cases, events=int(events.sum())
    )


def _fit_sigmoid(margin: Floats, event: Floats) -> tuple[float, float]:
    """Maximum likelihood by Newton steps (Platt 1999, without target smoothing: the mean PD then meets the
    rate).

    A ridge too small to move a well-posed fit keeps perfectly separated outcomes finite. A slope below zero
    would turn the order round: it is held at zero, and everybody gets the base rate.
    """
    import numpy as np
    from scipy.special import expit

    rate = event.mean()
    base = float(np.log(rate / (1 - rate)))
    beta = np.array([0.0, base])
    design = np.column_stack([margin, np.ones_like(margin)])
    ridge = np.diag([1e-3, 0.0])
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (event - p) - ridge @ beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    return (float(beta[0]), float(beta[1])) if beta[0] > 0 else (0.0, base)


def _fit_isotonic(margin: Floats, event: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Isotonic regression with each pooled block placed at its mean margin and joined by straight lines
    (centred isotonic regression, Oron and Flournoy 2017): the order within a block is kept.

    A first block without events or a last block of events only gets the Jeffreys mean (D + 1/2) / (N + 1):
    a rate of exactly 0 or 1 is a finding of a small sample, not a probability.
    """
    import numpy as np

    order = np.argsort(margin, kind="stable")
    x, first = np.unique(margin[order], return_index=True)
    sums = np.add.reduceat(event[order], first)
    counts = np.diff(np.append(first, len(order))).astype("float64")
    blocks: list[list[float]] = []  # events, cases, cases * margin
    for xi, si, ni in zip(x, sums, counts, strict=True):
        blocks.append([float(si), float(ni), float(ni * xi)])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots_margin = [b[2] / b[1] for b in blocks]
    knots_pd = [b[0] / b[1] for b in blocks]
    for i in (0, -1):
        if knots_pd[i] in (0.0, 1.0):
            knots_pd[i] = (blocks[i][0] + 0.5) / (blocks[i][1] + 1)
    knots = _meet_rate(margin, float(event.mean()), np.array(knots_margin), np.maximum.accumulate(knots_pd))
    return tuple(knots_margin), tuple(float(p) for p in knots)


def _meet_rate(margin: Floats, rate: float, knots_margin: Floats, knots_pd: Floats) -> Floats:
    """Shift all knots by one amount in log-odds so that the mean PD is the observed rate: straight lines over
    blocks of unequal size miss it by a few percent."""
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    def excess(shift: float) -> float:
        return float(np.interp(margin, knots_margin, expit(logit(knots_pd) + shift)).mean()) - rate

    return np.asarray(expit(logit(knots_pd) + brentq(excess, -20.0, 20.0, xtol=1e-12)))
