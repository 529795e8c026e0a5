"""From a model's margin (log-odds) to a probability of default, by a strictly rising map stored as plain numbers.

No map ever makes two margins one PD or turns their order: what a model ranks, its PDs rank alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# A fitted slope below this (the margin says nothing, or the contrary) is held here: nearly everybody then has the
# base rate, and the ranking is still the model's.
SLOPE_MIN = 0.01


@dataclass(frozen=True)
class Calibrator:
    """A strictly rising map from margin to PD.

    kind 'sigmoid': log-odds = slope * margin + intercept, slope > 0.
    kind 'rising': straight lines in log-odds between (knots_margin, knots_pd), of `slope` beyond the ends; fitted by
    isotonic regression.
    kind 'horizon': PD = 1 - (1 - sigmoid(margin)) ** exponent, for a table that states PDs of another
    horizon.
    kind 'isotonic': straight lines in PD between the knots, flat beyond the ends. Models saved earlier carry it; none
    is fitted any more, for what is flat ranks nobody.
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
        from scipy.special import expit, log_expit

        if self.kind == "horizon":
            survives = log_expit(-np.asarray(margin, dtype="float64"))  # log of 1 - sigmoid
            return np.asarray(-np.expm1(self.exponent * survives))
        if self.kind == "isotonic":
            return np.asarray(np.interp(margin, self.knots_margin, self.knots_pd))
        return np.asarray(expit(self.log_odds(margin)))

    def log_odds(self, margin: Floats) -> Floats:
        """Log-odds of the PD; of the two kinds that are fitted."""
        import numpy as np

        values = np.asarray(margin, dtype="float64")
        if self.kind == "sigmoid":
            return np.asarray(self.slope * values + self.intercept)
        if self.kind == "rising":
            return self._between_knots(values)
        raise ValueError(
            f"Unknown calibrator kind {self.kind!r}; valid are sigmoid, rising, isotonic, horizon"
        )

    def _between_knots(self, values: Floats) -> Floats:
        import numpy as np
        from scipy.special import logit

        knots = np.asarray(self.knots_margin, dtype="float64")
        inside = np.interp(values, knots, logit(np.asarray(self.knots_pd, dtype="float64")))
        return np.asarray(inside + self.slope * (values - np.clip(values, knots[0], knots[-1])))

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


def calibrate(
    margin: Floats, event: Floats, *, events: int, isotonic_from: int, weight: Floats | None = None
) -> Calibrator:
    """Fit the map on margins given to customers the model did not learn from.

    margin, event: shape (n,), event 0 or 1. events: independent events among the rows (customers with an event; a
    customer at several cut-offs is one). Below `isotonic_from` of them the two-parameter sigmoid is used, else
    isotonic regression: each of its blocks needs events of its own. weight: of each row, shape (n,), default 1; the
    weighted mean PD is the weighted event rate.
    """
    import numpy as np

    margins, outcomes = np.asarray(margin, dtype="float64"), np.asarray(event, dtype="float64")
    weights = np.ones_like(margins) if weight is None else np.asarray(weight, dtype="float64")
    if not 0 < outcomes.sum() < len(outcomes):
        raise ValueError(
            f"Calibration needs both outcomes; of {len(outcomes)} rows {int(outcomes.sum())} are events"
        )
    weights = weights / weights.mean()
    slope, intercept = _fit_sigmoid(margins, outcomes, weights)
    if events < isotonic_from:
        return Calibrator("sigmoid", slope, intercept, cases=len(margins), events=events)
    knots_margin, knots_pd = _fit_isotonic(margins, outcomes, weights, slope)
    fitted = Calibrator(
        "rising", slope, knots_margin=knots_margin, knots_pd=knots_pd, cases=len(margins), events=events
    )
    rate = float(np.average(outcomes, weights=weights))
    return shifted(fitted, _shift_to(fitted, margins, weights, rate))


def shifted(calibrator: Calibrator, shift: float) -> Calibrator:
    """The same map with `shift` added to every log-odds."""
    import numpy as np
    from scipy.special import expit, logit

    knots = expit(logit(np.asarray(calibrator.knots_pd, dtype="float64")) + shift)
    return replace(
        calibrator, intercept=calibrator.intercept + shift, knots_pd=tuple(float(p) for p in knots)
    )


def _shift_to(calibrator: Calibrator, margin: Floats, weight: Floats, rate: float) -> float:
    """The shift in log-odds with which the mean PD is the rate: straight lines over blocks of unequal size miss it
    by a few percent."""
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import expit

    log_odds = calibrator.log_odds(margin)
    return float(
        brentq(
            lambda b: float(np.average(expit(log_odds + b), weights=weight)) - rate, -50.0, 50.0, xtol=1e-12
        )
    )


def _fit_sigmoid(margin: Floats, event: Floats, weight: Floats) -> tuple[float, float]:
    """Maximum likelihood by Newton steps (Platt 1999, without target smoothing: the mean PD then meets the
    rate).

    A margin is log-odds already, so the slope is drawn towards 1, with the weight of a case or so: too little to move
    a well-posed fit, enough to keep separated outcomes finite. A slope that would turn the order round, or level it, is
    held at SLOPE_MIN and the intercept fitted alone.
    """
    import numpy as np
    from scipy.special import expit

    rate = np.average(event, weights=weight)
    base = float(np.log(rate / (1 - rate)))
    beta = np.array([0.0, base])
    design = np.column_stack([margin, np.ones_like(margin)])
    ridge = np.diag([1.0, 0.0])
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (weight * (event - p)) - ridge @ (beta - np.array([1.0, 0.0]))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    if beta[0] >= SLOPE_MIN:
        return float(beta[0]), float(beta[1])
    flat = Calibrator("sigmoid", SLOPE_MIN, base)
    return SLOPE_MIN, base + _shift_to(flat, margin, weight, float(rate))


def _fit_isotonic(
    margin: Floats, event: Floats, weight: Floats, slope: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Isotonic regression with each pooled block placed at its mean margin and joined by straight lines
    (centred isotonic regression, Oron and Flournoy 2017): the order within a block is kept.

    A first block without events or a last block of events only lies on the line of `slope` through its neighbour: a
    rate of exactly 0 or 1 is a finding of a small sample, and how small must not lift or lower the others.
    """
    import numpy as np
    from scipy.special import expit, logit

    order = np.argsort(margin, kind="stable")
    x, first = np.unique(margin[order], return_index=True)
    sums = np.add.reduceat((weight * event)[order], first)
    counts = np.add.reduceat(weight[order], first)
    blocks: list[list[float]] = []  # events, cases, cases * margin
    for xi, si, ni in zip(x, sums, counts, strict=True):
        blocks.append([float(si), float(ni), float(ni * xi)])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots = [b[2] / b[1] for b in blocks]
    rates = np.array([b[0] / b[1] for b in blocks])
    for edge, neighbour in ((0, 1), (-1, -2)):
        if rates[edge] not in (0.0, 1.0):
            continue
        if len(rates) > 1 and 0 < rates[neighbour] < 1:
            odds = logit(rates[neighbour]) + slope * (knots[edge] - knots[neighbour])
        else:  # nothing but certainties to lean on
            odds = logit((blocks[edge][0] + 0.5) / (blocks[edge][1] + 1))
        rates[edge] = expit(odds)
    return tuple(knots), tuple(float(p) for p in rates)
