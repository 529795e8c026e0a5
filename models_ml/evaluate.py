"""How good a model is on cut-offs it never saw: ranking, calibration, grades and lift, with 95 % intervals.

A customer appears at several cut-offs, so every interval resamples customers, not rows. All models are judged
on the same resamples; a difference between two of them is therefore paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import Grade

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

COLUMNS = (
    "as_of_date", "model_id", "model_kind", "sample", "metric", "segment", "value", "lower_95", "upper_95",
    "row_count", "event_count",
)  # fmt: skip
TOP_SHARE = 0.10
_CELLS_AT_ONCE = 4_000_000
SEGMENT_EVENTS_MIN = 10


@dataclass(frozen=True)
class Sample:
    """Outcomes of the judged rows. customer: integer code of the customer; amount: amount at stake; all
    (n,)."""

    customer: Ints
    event: Floats
    amount: Floats
    segment: NDArray[np.object_]
    cutoff: NDArray[Any]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Sample:
        """From labelled rows (customer_code, cutoff_date, is_event, amount_at_stake_reporting, segment)."""
        import numpy as np
        import pandas as pd

        codes, _ = pd.factorize(frame["customer_code"], sort=True)
        amount = pd.to_numeric(frame["amount_at_stake_reporting"]).fillna(0).to_numpy(dtype="float64")
        segment = frame["segment"].astype("object").where(frame["segment"].notna(), "not available")
        return cls(
            codes.astype("int64"),
            frame["is_event"].to_numpy(dtype="float64"),
            np.maximum(amount, 0.0),
            segment.to_numpy(),
            pd.to_datetime(frame["cutoff_date"]).to_numpy(),
        )

    def rows(self, keep: NDArray[Any]) -> Sample:
        return Sample(
            self.customer[keep], self.event[keep], self.amount[keep], self.segment[keep], self.cutoff[keep]
        )

    def latest_by_customer(self) -> Ints:
        """Positions of each customer's last cut-off: rows that are independent of one another."""
        import numpy as np

        order = np.lexsort((self.cutoff, self.customer))
        last = np.append(np.diff(self.customer[order]) != 0, True)
        return np.sort(order[last])


class _Ranking:
    """Metrics of one score over many weightings of the same rows at once."""

    def __init__(self, score: Floats, sample: Sample, is_pd: bool) -> None:
        import numpy as np

        self.order = np.argsort(-score, kind="stable")
        ordered = score[self.order]
        self.starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))
        self.event = sample.event[self.order]
        self.amount = (sample.event * sample.amount)[self.order]
        self.pd = ordered if is_pd else None

    def metrics(self, weights: Floats) -> dict[str, Floats]:
        """weights: (resamples, rows), counts of each row. Returns (resamples,) arrays by metric name.

        Rows with equal scores form one group and share what falls on it in proportion.
        """
        import numpy as np

        w = weights[:, self.order]
        total = np.add.reduceat(w, self.starts, axis=1)
        hits = np.add.reduceat(w * self.event, self.starts, axis=1)
        lost = np.add.reduceat(w * self.amount, self.starts, axis=1)
        cum_total, cum_hits, cum_lost = (np.cumsum(a, axis=1) for a in (total, hits, lost))
        n, positives, amount = cum_total[:, -1], cum_hits[:, -1], cum_lost[:, -1]
        negatives = n - positives
        with np.errstate(divide="ignore", invalid="ignore"):
            misses, cum_misses = total - hits, cum_total - cum_hits
            auc = (misses * (cum_hits - hits / 2)).sum(axis=1) / (positives * negatives)
            ks = np.abs(cum_hits / positives[:, None] - cum_misses / negatives[:, None]).max(axis=1)
            precision = np.where(cum_total > 0, cum_hits / cum_total, 0.0)
            pr_auc = (hits * precision).sum(axis=1) / positives
            caught = self._top(total, cum_total, hits, cum_hits, n) / positives
            saved = self._top(total, cum_total, lost, cum_lost, n) / amount
        result = {
            "auc": auc,
            "gini": 2 * auc - 1,
            "ks": ks,
            "pr_auc": pr_auc,
            "top_decile_event_share": caught,
            "top_decile_lift": caught / TOP_SHARE,
            "top_decile_amount_share": saved,
            "top_decile_amount_lift": saved / TOP_SHARE,
        }
        if self.pd is not None:
            mean_pd = w @ self.pd / n
            rate = positives / n
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = mean_pd / rate
            result |= {
                "brier": (w * (self.pd - self.event) ** 2).sum(axis=1) / n,
                "mean_pd": mean_pd,
                "event_rate": rate,
                "calibration_ratio": np.where(np.isfinite(ratio), ratio, np.nan),
            }
        return result

    @staticmethod
    def _top(total: Floats, cum_total: Floats, part: Floats, cum_part: Floats, n: Floats) -> Floats:
        """Of `part`, what lies in the riskiest TOP_SHARE of the weight."""
        import numpy as np

        edge = TOP_SHARE * n
        at = (cum_total < edge[:, None]).sum(axis=1)
        rows = np.arange(len(n))
        group = np.maximum(total[rows, at], 1e-300)
        within = (edge - (cum_total[rows, at] - total[rows, at])) / group
        return np.asarray(cum_part[rows, at] - part[rows, at] + within * part[rows, at])


@dataclass(frozen=True)
class Judged:
    """Metrics of one score: value on the sample itself and on each resample (same resamples for every
    score)."""

    values: dict[str, float]
    resampled: dict[str, Floats]

    def interval(self, metric: str) -> tuple[float, float]:
        return interval(self.resampled[metric])


def interval(values: Floats) -> tuple[float, float]:
    """2.5 % and 97.5 % quantiles of the resamples in which the metric is defined; NaN where it never is."""
    import numpy as np

    defined = values[np.isfinite(values)]
    if not len(defined):
        return float("nan"), float("nan")
    lower, upper = np.quantile(defined, [0.025, 0.975])
    return float(lower), float(upper)


def judge(
    scores: Mapping[str, Floats], sample: Sample, *, pd_scores: frozenset[str], resamples: int, seed: int
) -> dict[str, Judged]:
    """Judge every score on the same rows and the same bootstrap resamples of customers.

    scores: (n,) by name, higher is riskier; those named in `pd_scores` are probabilities and get the PD
    metrics.
    """
    import numpy as np

    rankings = {
        name: _Ranking(np.asarray(s, dtype="float64"), sample, name in pd_scores)
        for name, s in scores.items()
    }
    ones = np.ones((1, len(sample.event)))
    exact = {name: {m: float(v[0]) for m, v in r.metrics(ones).items()} for name, r in rankings.items()}
    parts: dict[str, list[dict[str, Floats]]] = {name: [] for name in scores}
    for weights in _resampled_weights(sample.customer, resamples, seed):
        for name, ranking in rankings.items():
            parts[name].append(ranking.metrics(weights))
    return {
        name: Judged(exact[name], {m: np.concatenate([p[m] for p in parts[name]]) for m in exact[name]})
        for name in scores
    }


def _resampled_weights(customer: Ints, resamples: int, seed: int) -> Any:
    """Yield (block, n) counts: each resample draws as many customers as there are, with all of their rows."""
    import numpy as np

    customers = int(customer.max()) + 1
    rng = np.random.default_rng(seed)
    block = max(1, min(resamples, _CELLS_AT_ONCE // max(len(customer), customers)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(0, customers, size=(size, customers))
        flat = (drawn + customers * np.arange(size)[:, None]).ravel()
        counts = np.bincount(flat, minlength=size * customers).reshape(size, customers)
        yield counts[:, customer].astype("float64")


def jeffreys_p(defaults: float, cases: float, pd_value: float) -> float:
    """P(true rate <= PD) under a Beta(D + 1/2, N - D + 1/2) posterior: below 5 % the PD is too low
    (ECB, Instructions for reporting the validation results of internal models, 2019)."""
    from scipy.stats import beta

    return float(beta.cdf(pd_value, defaults + 0.5, cases - defaults + 0.5))


def binomial_p(defaults: int, cases: int, pd_value: float) -> float:
    """P(X >= D) for X ~ Binomial(N, PD): small where there are more defaults than the PD allows."""
    from scipy.stats import binom

    return float(binom.sf(defaults - 1, cases, pd_value))


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: max over smaller ones of (m - rank) * p, at most 1."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def grade_ranks(pd_values: Floats, grades: tuple[Grade, ...]) -> Ints:
    """Rank (1 is safest) of the grade of each PD: the first whose upper bound is not exceeded."""
    import numpy as np

    uppers = np.array([g.pd_upper for g in grades])
    return np.minimum(np.searchsorted(uppers, pd_values, side="left"), len(grades) - 1).astype("int64") + 1


def grade_table(pd_values: Floats, sample: Sample, grades: tuple[Grade, ...]) -> pd.DataFrame:
    """Calibration by grade, each customer once (its latest cut-off): grade, cases, events, mean_pd,
    event_rate, jeffreys_p, jeffreys_p_holm, binomial_p, binomial_p_holm. Grades without a case are left
    out."""
    import numpy as np
    import pandas as pd

    latest = sample.latest_by_customer()
    p, event = np.asarray(pd_values)[latest], sample.event[latest]
    ranks = grade_ranks(p, grades)
    rows = []
    for grade in grades:
        inside = ranks == grade.grade_rank
        if inside.any():
            cases, defaults, mean_pd = int(inside.sum()), int(event[inside].sum()), float(p[inside].mean())
            tests = (jeffreys_p(defaults, cases, mean_pd), binomial_p(defaults, cases, mean_pd))
            rows.append((grade.grade, cases, defaults, mean_pd, defaults / cases, *tests))
    table = pd.DataFrame(
        rows, columns=["grade", "cases", "events", "mean_pd", "event_rate", "jeffreys_p", "binomial_p"]
    )
    table["jeffreys_p_holm"] = holm(table["jeffreys_p"].tolist())
    table["binomial_p_holm"] = holm(table["binomial_p"].tolist())
    return table


def metric_rows(
    *,
    as_of: date,
    model_id: str,
    model_kind: str,
    judged: Judged,
    sample: Sample,
    pd_values: Floats | None = None,
    grades: tuple[Grade, ...] = (),
    resamples: int = 0,
    seed: int = 0,
    sample_name: str = "test",
) -> pd.DataFrame:
    """Rows of ml.model_metric (COLUMNS) for one score: overall, and with `pd_values` by grade and by segment.

    segment is 'all', 'grade <grade>' or 'segment <segment>'. Segments with fewer than 10 events are left to
    event_rate and mean_pd: a ranking measure of a handful of events says nothing.
    """
    import numpy as np
    import pandas as pd

    def row(
        metric: str, segment: str, value: float, low: float, high: float, n: int, d: int
    ) -> tuple[Any, ...]:
        return (as_of, model_id, model_kind, sample_name, metric, segment, value, low, high, n, d)

    n, d = len(sample.event), int(sample.event.sum())
    rows = [
        row(metric, "all", value, *judged.interval(metric), n, d) for metric, value in judged.values.items()
    ]
    nan = float("nan")
    if pd_values is not None and grades:
        table = grade_table(pd_values, sample, grades)
        rows += [
            row(
                f"grade_{metric}",
                f"grade {g['grade']}",
                float(g[metric]),
                nan,
                nan,
                int(g["cases"]),
                int(g["events"]),
            )
            for g in table.to_dict("records")
            for metric in (
                "mean_pd",
                "event_rate",
                "jeffreys_p",
                "jeffreys_p_holm",
                "binomial_p",
                "binomial_p_holm",
            )
        ]
    if pd_values is not None:
        names = sorted({str(s) for s in sample.segment})
        for name in names if len(names) > 1 else ():
            inside = sample.segment == name
            part = sample.rows(inside)
            events = int(part.event.sum())
            wanted = ["event_rate", "mean_pd"]
            if SEGMENT_EVENTS_MIN <= events <= len(part.event) - SEGMENT_EVENTS_MIN:
                wanted += ["auc", "ks", "brier", "calibration_ratio", "top_decile_event_share"]
            codes, _ = pd.factorize(part.customer, sort=True)
            part = Sample(codes.astype("int64"), part.event, part.amount, part.segment, part.cutoff)
            own = judge(
                {"pd": np.asarray(pd_values)[inside]},
                part,
                pd_scores=frozenset({"pd"}),
                resamples=resamples,
                seed=seed,
            )["pd"]
            rows += [
                row(m, f"segment {name}", own.values[m], *own.interval(m), len(part.event), events)
                for m in wanted
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
