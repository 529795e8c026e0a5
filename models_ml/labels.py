"""Who may be learned from, and the out-of-time split into training, calibration and test cut-offs.

The order of time is train <= calibration, then an embargo of one horizon, then test: no label window of a row
that was learned from reaches into the test period.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from models_ml.policy import Gates, ScoreRules

ELIGIBLE = "eligible"
IN_DEFAULT = "in_default"
TOO_LITTLE_HISTORY = "too_little_history"
NOT_MATURED = "not_matured"


@dataclass(frozen=True)
class Refusal:
    """Too little is known to train or to judge a model. A customer counts as one event, however many cut-offs
    see it.

    have, need: counts of `what`; detail: where they were looked for.
    """

    what: str
    have: int
    need: int
    detail: str

    @property
    def message(self) -> str:
        return f"Not trained: {self.have} {self.what}, at least {self.need} are needed. {self.detail}"


@dataclass(frozen=True)
class Period:
    """Labelled rows of consecutive cut-offs, ordered by cut-off and customer. events: customers with an
    event."""

    frame: pd.DataFrame
    start: date
    end: date
    rows: int
    events: int


@dataclass(frozen=True)
class Split:
    """Three periods that share no cut-off. excluded: rows left out, counted by reason;
    has_cases_for_boosting: the training events reach the policy's train_events_min (otherwise only the
    scorecard may be fitted)."""

    train: Period
    calibration: Period
    test: Period
    excluded: dict[str, int] = field(default_factory=dict)
    has_cases_for_boosting: bool = True


def population(frame: pd.DataFrame, rules: ScoreRules) -> pd.Series:
    """Why each row of features.customer_cutoff is or is not scored: eligible, in_default or
    too_little_history.

    The same rule decides at training and at scoring. A customer with a financial statement or a bureau report
    needs no ledger history.
    """
    import numpy as np
    import pandas as pd

    in_default = frame["is_in_default_at_cutoff"].fillna(False).to_numpy(dtype=bool)
    months = pd.to_numeric(frame["months_of_history"]).fillna(0).to_numpy(dtype="float64")
    has_file = frame["has_financials"].fillna(False).to_numpy(dtype=bool) | frame["has_bureau"].fillna(
        False
    ).to_numpy(dtype=bool)
    short = (months < rules.history_months_min) & ~has_file
    status = np.where(in_default, IN_DEFAULT, np.where(short, TOO_LITTLE_HISTORY, ELIGIBLE))
    return pd.Series(status, index=frame.index, name="population")


def split(frame: pd.DataFrame, *, as_of: date, gates: Gates, rules: ScoreRules) -> Split | Refusal:
    """Split labelled cut-offs by time, or say why there is too little.

    frame: features.customer_cutoff joined with features.customer_label, one row a customer and cut-off. Used
    are rows whose label is known, whose horizon ends by `as_of` and whose customer could have been scored
    then.

    Test: the shortest run of last matured cut-offs that holds test_events_min events. Before it, only
    cut-offs whose horizon ends by the first test cut-off; of these the last ones calibrate (the shortest run
    with test_events_min events, at most half of them), the rest trains.
    """
    import pandas as pd

    rows = frame.assign(
        cutoff_date=pd.to_datetime(frame["cutoff_date"]),
        horizon_end_date=pd.to_datetime(frame["horizon_end_date"]),
    )
    matured = rows["label_known"].fillna(False).to_numpy(dtype=bool) & (
        rows["horizon_end_date"] <= pd.Timestamp(as_of)
    ).to_numpy(dtype=bool)
    matured &= rows["is_event"].notna().to_numpy(dtype=bool)
    status = population(rows, rules).where(matured, NOT_MATURED)
    excluded = {str(k): int(v) for k, v in status[status != ELIGIBLE].value_counts().sort_index().items()}
    used = rows[(status == ELIGIBLE).to_numpy()].sort_values(
        ["cutoff_date", "customer_code"], kind="stable", ignore_index=True
    )
    used = used.assign(is_event=used["is_event"].astype("int64"))
    cutoffs = sorted(used["cutoff_date"].unique())
    if len(cutoffs) < 3:
        return Refusal(
            "matured cut-offs",
            len(cutoffs),
            3,
            "Training, calibration and test need one each, and of no more is the outcome known by "
            f"{as_of.isoformat()}.",
        )

    horizon_end = used.groupby("cutoff_date")["horizon_end_date"].max()
    best: Refusal | None = None
    for size in range(1, len(cutoffs) - 1):
        first_test = cutoffs[-size]
        test = _period(used, cutoffs[-size:])
        if test.events < gates.test_events_min or not _has_both_outcomes(test):
            refusal = Refusal(
                "customers with an event to judge a model on",
                test.events,
                gates.test_events_min,
                f"Looked for in the last {size} matured cut-offs, from {test.start} to {test.end}.",
            )
            best = refusal if best is None or refusal.have > best.have else best
            continue
        before = [c for c in cutoffs if horizon_end[c] <= first_test]
        if len(before) < 2:
            return Refusal(
                "cut-offs to learn from",
                len(before),
                2,
                f"Their horizon must end by the first test cut-off, {test.start}: a longer history or a "
                "shorter horizon is needed.",
            )
        calibration = _calibration(used, before, gates.test_events_min)
        train_cutoffs = [c for c in before if pd.Timestamp(c) < pd.Timestamp(calibration.start)]
        train = _period(used, train_cutoffs)
        if train.events < gates.scorecard_events_min:
            return Refusal(
                "customers with an event to learn from",
                train.events,
                gates.scorecard_events_min,
                f"Looked for in the cut-offs from {train.start} to {train.end}, before the test period of "
                f"{test.start} and its embargo.",
            )
        if not _has_both_outcomes(calibration):
            return Refusal(
                "customers with an event to calibrate on",
                calibration.events,
                1,
                f"Looked for in the cut-offs from {calibration.start} to {calibration.end}.",
            )
        return Split(train, calibration, test, excluded, train.events >= gates.train_events_min)
    assert best is not None
    return best


def _has_both_outcomes(period: Period) -> bool:
    return bool(period.frame["is_event"].nunique() == 2)


def _calibration(used: pd.DataFrame, before: list[pd.Timestamp], events_min: int) -> Period:
    longest = max(1, len(before) // 2)
    for size in range(1, longest + 1):
        period = _period(used, before[-size:])
        if period.events >= events_min:
            return period
    return period


def _period(used: pd.DataFrame, cutoffs: list[pd.Timestamp]) -> Period:
    import pandas as pd

    frame = used[used["cutoff_date"].isin(cutoffs)].reset_index(drop=True)
    events = int(frame.loc[frame["is_event"] == 1, "customer_code"].nunique())
    return Period(
        frame, pd.Timestamp(cutoffs[0]).date(), pd.Timestamp(cutoffs[-1]).date(), len(frame), events
    )
