"""Who may be learned from, and the walk forward through time by which a model is judged.

Every cut-off whose outcome is known is learned from by the model that is used. It is judged by the same recipe, made
again as it would have been made at earlier days: each step learns from cut-offs whose horizon had ended and is asked
about later ones. No label window of a row that was learned from reaches into the cut-offs it is judged on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from models_ml.policy import Gates, ScoreRules

ELIGIBLE = "eligible"
IN_DEFAULT = "in_default"
TOO_LITTLE_HISTORY = "too_little_history"
DORMANT = "dormant"
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
class Step:
    """One model of the walk: it learns from cut-offs up to `learn_to` and is judged on `judge_from` to
    `judge_to`."""

    learn_to: date
    judge_from: date
    judge_to: date


@dataclass(frozen=True)
class Split:
    """What is learned from and how it is judged.

    train: every learnable row, for the model that is used. test: the part of it that the steps are judged on, pooled.
    excluded: rows left out, counted by reason. has_cases_for_boosting: the first step's events reach the policy's
    train_events_min (otherwise only the scorecard may be fitted).
    """

    train: Period
    test: Period
    steps: tuple[Step, ...]
    excluded: dict[str, int] = field(default_factory=dict)
    has_cases_for_boosting: bool = True


def population(frame: pd.DataFrame, rules: ScoreRules) -> pd.Series:
    """Why each row of features.customer_cutoff is or is not scored: eligible, in_default, dormant or
    too_little_history.

    The same rule decides at training and at scoring. A customer with a ledger is dormant where nothing is at stake:
    nothing open, nothing sold in 12 months, no order in the last month. A customer with a financial statement or a
    bureau report needs no ledger history.
    """
    import numpy as np
    import pandas as pd

    in_default = frame["is_in_default_at_cutoff"].fillna(False).to_numpy(dtype=bool)
    months = pd.to_numeric(frame["months_of_history"]).fillna(0).to_numpy(dtype="float64")
    has_file = frame["has_financials"].fillna(False).to_numpy(dtype=bool) | frame["has_bureau"].fillna(
        False
    ).to_numpy(dtype=bool)
    short = (months < rules.history_months_min) & ~has_file

    def amount(column: str) -> Any:
        return pd.to_numeric(frame[column]).to_numpy(dtype="float64", na_value=np.nan)

    # An amount that is not known is no sign of anything; a prospect has none at all.
    dormant = (amount("sales_12m_amount_reporting") == 0) & (amount("open_amount_reporting") == 0)
    dormant &= ~(amount("order_surge_ratio") > 0)
    status = np.select([in_default, dormant, short], [IN_DEFAULT, DORMANT, TOO_LITTLE_HISTORY], ELIGIBLE)
    return pd.Series(status, index=frame.index, name="population")


def split(frame: pd.DataFrame, *, as_of: date, gates: Gates, rules: ScoreRules) -> Split | Refusal:
    """Lay the steps through the labelled cut-offs, or say why there is too little.

    frame: features.customer_cutoff joined with features.customer_label, one row a customer and cut-off. Used
    are rows whose label is known, whose horizon ends by `as_of` and whose customer could have been scored
    then.

    Judged are all cut-offs from the first one before which enough events had matured to learn from: as many as
    boosting needs where the rest still holds test_events_min events, else as many as the scorecard needs. They are
    shared out among at most walk_forward_models_max models, in order of time.
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
    if len(cutoffs) < 2:
        return Refusal(
            "matured cut-offs",
            len(cutoffs),
            2,
            "Learning and judging need one each, and of no more is the outcome known by "
            f"{as_of.isoformat()}.",
        )

    horizon_end = used.groupby("cutoff_date")["horizon_end_date"].max()
    learnable = {c: [e for e in cutoffs if horizon_end[e] <= c] for c in cutoffs}
    last = learnable[cutoffs[-1]]
    if not last:
        return Refusal(
            "cut-offs to learn from",
            0,
            1,
            f"Their horizon must end by the last cut-off to judge on, {cutoffs[-1].date()}: a longer history or a "
            "shorter horizon is needed.",
        )
    best = _period(used, last)
    refusal = Refusal(
        "customers with an event to learn from",
        best.events,
        gates.scorecard_events_min,
        f"Looked for in the cut-offs from {best.start} to {best.end}, whose horizon ends by the last cut-off to judge "
        "on.",
    )
    for events_min in (gates.train_events_min, gates.scorecard_events_min):
        first = next((c for c in cutoffs if _can_be_learned(used, learnable[c], events_min)), None)
        if first is None:
            continue
        judged = [c for c in cutoffs if c >= first]
        test = _period(used, judged)
        if test.events >= gates.test_events_min and _has_both_outcomes(test):
            return Split(
                _period(used, cutoffs),
                test,
                _steps(judged, learnable, gates.walk_forward_models_max),
                excluded,
                _period(used, learnable[first]).events >= gates.train_events_min,
            )
        refusal = Refusal(
            "customers with an event to judge a model on",
            test.events,
            gates.test_events_min,
            f"Looked for in the matured cut-offs from {test.start} to {test.end}.",
        )
    return refusal


def _can_be_learned(used: pd.DataFrame, cutoffs: list[pd.Timestamp], events_min: int) -> bool:
    if not cutoffs:
        return False
    period = _period(used, cutoffs)
    return period.events >= events_min and _has_both_outcomes(period)


def _steps(
    judged: list[pd.Timestamp], learnable: dict[pd.Timestamp, list[pd.Timestamp]], models_max: int
) -> tuple[Step, ...]:
    import numpy as np

    parts = np.array_split(np.arange(len(judged)), min(models_max, len(judged)))
    return tuple(
        Step(learnable[judged[part[0]]][-1].date(), judged[part[0]].date(), judged[part[-1]].date())
        for part in parts
    )


def _has_both_outcomes(period: Period) -> bool:
    return bool(period.frame["is_event"].nunique() == 2)


def _period(used: pd.DataFrame, cutoffs: list[pd.Timestamp]) -> Period:
    import pandas as pd

    frame = used[used["cutoff_date"].isin(cutoffs)].reset_index(drop=True)
    events = int(frame.loc[frame["is_event"] == 1, "customer_code"].nunique())
    return Period(
        frame, pd.Timestamp(cutoffs[0]).date(), pd.Timestamp(cutoffs[-1]).date(), len(frame), events
    )
