"""How good a recipe is on cut-offs it had not seen: ranking, calibration, grades and lift, with 95 % intervals.

A customer appears at several cut-offs, and the outcomes of neighbouring cut-offs overlap, so every interval resamples
customers and, independently, blocks of cut-offs (the product of both counts weighs a row; Owen 2007). All models are
judged on the same resamples; a difference between two of them is therefore paired.
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
_CELLS_AT_ONCE = 2_000_000
SEGMENT_EVENTS_MIN = 10
# Resamples rank by this many bands of the score: an interval does not feel the difference, the time does.
_BANDS = 500
# Log-loss takes no PD for surer than this: one certainty that proves wrong would make it infinite.
_SURE = 1e-15


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


class _Ranking:
    """Metrics of one score over many weightings of the same rows at once."""

    def __init__(self, score: Floats, sample: Sample, is_pd: bool) -> None:
        import numpy as np

        self.order = np.argsort(-score, kind="stable")
        ordered = score[self.order]
        self.starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))
        wanted = np.linspace(0, len(ordered), min(_BANDS, len(ordered)) + 1)[:-1].astype("int64")
        self.band_starts = np.unique(self.starts[np.searchsorted(self.starts, wanted, side="right") - 1])
        self.event = sample.event
        self.amount = sample.event * sample.amount
        self.pd = np.asarray(score, dtype="float64") if is_pd else None

    def metrics(self, weights: Floats, *, exact: bool = False) -> dict[str, Floats]:
        """weights: (resamples, rows), counts of each row. Returns (resamples,) arrays by metric name.

        Rows with equal scores form one group and share what falls on it in proportion; where `exact` is not asked
        for, neighbouring scores share a group too.
        """
        import numpy as np

        starts = self.starts if exact else self.band_starts
        w = weights[:, self.order]
        total = np.add.reduceat(w, starts, axis=1)
        happened = np.flatnonzero(self.event[self.order])
        group = np.searchsorted(starts, happened, side="right") - 1
        hits, lost = np.zeros_like(total), np.zeros_like(total)
        if len(happened):
            first = np.flatnonzero(np.append(True, np.diff(group) != 0))
            hit_weights = w[:, happened]
            hits[:, group[first]] = np.add.reduceat(hit_weights, first, axis=1)
            lost[:, group[first]] = np.add.reduceat(
                hit_weights * self.amount[self.order][happened], first, axis=1
            )
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
            mean_pd = weights @ self.pd / n
            rate = positives / n
            surprise = -np.log(np.maximum(np.where(self.event > 0, self.pd, 1.0 - self.pd), _SURE))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = mean_pd / rate
            result |= {
                "brier": weights @ (self.pd - self.event) ** 2 / n,
                "log_loss": weights @ surprise / n,
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
    scores: Mapping[str, Floats],
    sample: Sample,
    *,
    pd_scores: frozenset[str],
    resamples: int,
    seed: int,
    horizon_months: int = 1,
) -> dict[str, Judged]:
    """Judge every score on the same rows and the same bootstrap resamples of customers and cut-offs.

    scores: (n,) by name, higher is riskier; those named in `pd_scores` are probabilities, strictly between 0 and 1,
    and get the PD metrics. horizon_months: how many monthly cut-offs share a part of their outcomes.
    """
    import numpy as np

    rankings = {
        name: _Ranking(np.asarray(s, dtype="float64"), sample, name in pd_scores)
        for name, s in scores.items()
    }
    ones = np.ones((1, len(sample.event)))
    exact = {
        name: {m: float(v[0]) for m, v in r.metrics(ones, exact=True).items()} for name, r in rankings.items()
    }
    parts: dict[str, list[dict[str, Floats]]] = {name: [] for name in scores}
    for weights in _resampled_weights(sample, resamples, seed, horizon_months):
        for name, ranking in rankings.items():
            parts[name].append(ranking.metrics(weights))
    return {
        name: Judged(exact[name], {m: np.concatenate([p[m] for p in parts[name]]) for m in exact[name]})
        for name in scores
    }


def _resampled_weights(sample: Sample, resamples: int, seed: int, horizon_months: int) -> Any:
    """Yield (block, n) counts: each resample draws as many customers as there are, with all of their rows, and as many
    cut-offs as there are, in runs of neighbours (the last one followed by the first) as long as a horizon, at most
    half of them: cut-offs whose outcomes overlap come and go together."""
    import numpy as np

    customers = int(sample.customer.max()) + 1
    distinct, period = np.unique(sample.cutoff, return_inverse=True)
    periods = len(distinct)
    run = max(1, min(horizon_months, (periods + 1) // 2))
    rng = np.random.default_rng(seed)
    block = max(1, min(resamples, _CELLS_AT_ONCE // max(len(sample.customer), customers)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        counts = _draw_counts(rng.integers(0, customers, size=(size, customers)), customers)
        starts = rng.integers(0, periods, size=(size, -(-periods // run)))
        drawn = (starts[:, :, None] + np.arange(run)) % periods
        period_counts = _draw_counts(drawn.reshape(size, -1)[:, :periods], periods)
        yield counts[:, sample.customer] * period_counts[:, period]


def _draw_counts(drawn: Ints, distinct: int) -> Floats:
    """How often each of `distinct` numbers was drawn, by row: (rows, distinct)."""
    import numpy as np

    flat = (drawn + distinct * np.arange(len(drawn))[:, None]).ravel()
    return np.bincount(flat, minlength=len(drawn) * distinct).reshape(len(drawn), distinct).astype("float64")


def jeffreys_p(defaults: float, cases: float, pd_value: float) -> float:
    """P(true rate <= PD) under a Beta(D + 1/2, N - D + 1/2) posterior: below 5 % the PD is too low.

    ECB, Instructions for reporting the validation results of internal models (February 2019), predictive ability, "PD
    back-testing using a Jeffreys test", p. 20-21: one-sided, by grade; the null hypothesis is a PD
    that is not too low.
    D and N may be averages over years, as a long-run rate is.
    """
    from scipy.stats import beta

    return float(beta.cdf(pd_value, defaults + 0.5, cases - defaults + 0.5))


def binomial_p(defaults: float, cases: float, pd_value: float) -> float:
    """P(X >= D) for X ~ Binomial(N, PD): small where there are more defaults than the PD allows. Continued to D and N
    that are averages by the incomplete beta function, which is the sum at whole numbers."""
    from scipy.stats import beta

    return float(beta.cdf(pd_value, defaults, cases - defaults + 1)) if defaults > 0 else 1.0


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


def grade_table(
    pd_values: Floats, sample: Sample, grades: tuple[Grade, ...], *, horizon_months: int = 12
) -> pd.DataFrame:
    """Calibration by grade against its long-run rate: grade, cases, events (rows of all cut-offs), independent_cases,
    independent_events, mean_pd, event_rate, jeffreys_p, jeffreys_p_holm, binomial_p, binomial_p_holm. Grades without
    a case are left out.

    Outcomes of cut-offs a month apart are largely the same outcomes, so the tests take the cases and events of an
    average cut-off, times the whole horizons that the cut-offs (a month apart) fill without overlapping.
    """
    import numpy as np
    import pandas as pd

    p, event = np.asarray(pd_values, dtype="float64"), sample.event
    cutoffs = len(np.unique(sample.cutoff))
    independent = max(1, cutoffs // max(1, horizon_months)) / cutoffs
    ranks = grade_ranks(p, grades)
    rows = []
    for grade in grades:
        inside = ranks == grade.grade_rank
        if inside.any():
            cases, defaults, mean_pd = int(inside.sum()), int(event[inside].sum()), float(p[inside].mean())
            n, d = cases * independent, defaults * independent
            tests = (jeffreys_p(d, n, mean_pd), binomial_p(d, n, mean_pd))
            rows.append((grade.grade, cases, defaults, n, d, mean_pd, defaults / cases, *tests))
    table = pd.DataFrame(
        rows,
        columns=[
            "grade", "cases", "events", "independent_cases", "independent_events", "mean_pd", "event_rate",
            "jeffreys_p", "binomial_p",
        ],
    )  # fmt: skip
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
    horizon_months: int = 12,
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
        table = grade_table(pd_values, sample, grades, horizon_months=horizon_months)
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
                horizon_months=horizon_months,
            )["pd"]
            rows += [
                row(m, f"segment {name}", own.values[m], *own.interval(m), len(part.event), events)
                for m in wanted
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
