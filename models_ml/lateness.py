"""When will an open document be paid? A hazard for each day after its due date, learned from all that is known so far.

A document that is not paid is known not to have been paid so far: it counts in every day it has survived and in none
after (right censoring; discrete-time hazards, Singer and Willett 1993). Leaving such documents out, or taking them for
paid on the day, makes customers look more punctual than they are. From the hazards follow the chance of being late, the
day of payment with an interval, and how much comes in each week.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import LatenessRules

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WEEKS = 13
QUANTILES = (0.1, 0.5, 0.9)
# Upper ends of the bins, in days after the due date: single days where most is paid, wider ones behind them. What lies
# behind the last is "later", and no day is given for it.
_ENDS = (*range(-12, 21), 23, 26, 30, 37, 45, 60, 90)
_LATER = 10_000
# Higher means later, whatever else is known.
_DELAYS = (
    "days_late_mean", "late_share", "very_late_share", "recent_days_late_mean", "recent_very_late_share",
    "overdue_count", "last_1_days_late", "last_2_days_late", "last_3_days_late",
)  # fmt: skip
_OTHERS = (
    "days_late_spread", "paid_count", "recent_paid_count", "days_since_payment", "amount", "amount_ratio",
    "terms_days", "days_to_due",
)  # fmt: skip
_WEEKDAYS = tuple(f"weekday_{day}_share" for day in range(1, 6))
COLUMNS = (
    "document_id", "legal_entity", "currency", "due_date", "asked_on", "paid_on", "paid_known_on",
    *_DELAYS, *_OTHERS, *_WEEKDAYS,
)  # fmt: skip
_PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 6,
    "eta": 0.1,
    "min_child_weight": 20,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "lambda": 3.0,
    "max_bin": 128,
    "seed": 20_261,
    # One thread: the same sums in the same order wherever it runs.
    "nthread": 1,
}
_ROUNDS = 100
# A level that follows what came never moves the odds by more than this factor.
_LEVEL_FACTOR_MAX = 2.0


@dataclass(frozen=True)
class Record:
    """What forecasts made on `checked_on` said of documents then open, against what came.

    documents: asked about; paid: of them, paid by now, on which days are judged; unpaid: still open, whose day is not
    known yet. late_known, late: whose lateness is known by now (paid, or past late_days), and how many were late.
    expected_late: sum of their probabilities. errors in days, of the median against the day of payment; None where
    there is nothing to judge. The baselines are the customer's own mean days late and its own share of late payments.
    """

    checked_on: date
    documents: int
    paid: int
    unpaid: int
    late_known: int
    late: int
    expected_late: float
    mean_absolute_error_days: float | None
    median_absolute_error_days: float | None
    baseline_mean_absolute_error_days: float | None
    auc: float | None
    baseline_auc: float | None


@dataclass(frozen=True)
class Forecast:
    """Tonight's forecasts.

    documents: one row each, with late_probability, paid_on_p10, paid_on_p50 and paid_on_p90 (NaT where later than 90
    days after the due date) and week_1_share to week_13_share, the share expected in each week from the night on.
    record: the check behind them, None where too little had been known on the check day. refusal: why there are no
    forecasts, None where there are.
    """

    documents: pd.DataFrame
    record: Record | None
    refusal: str | None = None


def forecast_payments(questions: pd.DataFrame, *, as_of: date, rules: LatenessRules) -> Forecast:
    """Forecast every document asked about tonight, and judge the same way of forecasting on the check day.

    questions: features.invoice_question. Raises KeyError where a column of COLUMNS is missing.
    """
    import pandas as pd

    tonight = questions[questions["purpose"] == "tonight"].reset_index(drop=True)
    learned = questions[questions["purpose"] == "learn"]
    paid = int(learned["paid_on"].notna().sum())
    if paid < rules.cleared_documents_min:
        told = f"{paid:,} paid documents are known, at least {rules.cleared_documents_min:,.0f} are needed"
        return Forecast(_forecasts(tonight, None, rules.late_days), None, told)
    record, level = _checked(questions, rules)
    model = HazardModel.learn(learned, known_to=as_of)
    documents = _forecasts(tonight, model, rules.late_days, level=level)
    return Forecast(documents.assign(asked_on=pd.Timestamp(as_of)), record)


@dataclass(frozen=True)
class HazardModel:
    """The hazard of each bin, as boosted trees over what was known when a document was asked about."""

    booster: Any

    @classmethod
    def learn(cls, rows: pd.DataFrame, *, known_to: date) -> HazardModel:
        """Learn from `rows` what was known on `known_to`: a payment after it has not happened yet.

        Rows asked about after `known_to` must not be among them.
        """
        import numpy as np
        import xgboost

        rows = rows.sort_values("document_id", kind="stable", ignore_index=True)
        late, is_paid = _so_far(rows, known_to)
        first = _bin(1 - _days_to_due(rows))
        # A document not paid has survived the bins that lie wholly behind it.
        ends = _ends()
        last = np.where(is_paid, _bin(late), np.searchsorted(ends, late, side="right") - 1)
        used = last >= first
        x, row, bins = _expanded(rows[used], first[used], last[used])
        happened = (bins == last[used][row]) & is_paid[used][row]
        data = xgboost.DMatrix(x, label=happened.astype("float32"), nthread=1)
        return cls(xgboost.train(_PARAMETERS | {"monotone_constraints": _monotone()}, data, _ROUNDS))

    def survival(self, rows: pd.DataFrame) -> Floats:
        """Chance of not being paid by the end of each bin, of documents open when asked about: (rows, bins)."""
        import numpy as np
        import xgboost

        ends = _ends()
        first = _bin(1 - _days_to_due(rows))
        x, row, bins = _expanded(rows, first, np.full(len(rows), len(ends) - 1))
        hazard = np.zeros((len(rows), len(ends)))
        if len(rows):
            hazard[row, bins] = self.booster.predict(xgboost.DMatrix(x, nthread=1))
        return np.asarray(np.cumprod(1.0 - hazard, axis=1))


def late_probability(survival: Floats, rows: pd.DataFrame, late_days: float) -> Floats:
    """Chance of being paid more than `late_days` after the due date, shape (rows,): 1 where that is so already."""
    import numpy as np

    chance = survival[:, int(_bin(np.array([late_days]))[0])]
    return np.where(-_days_to_due(rows) >= late_days, 1.0, chance)


def days_late_quantile(survival: Floats, rows: pd.DataFrame, quantile: float) -> Floats:
    """Days after the due date by which a document is paid with this chance, shape (rows,), after the day it was asked
    about: NaN where it is later than the last bin that has an end."""
    import numpy as np

    ends = _ends()[:-1].astype("float64")
    reached = survival[:, :-1] <= 1.0 - quantile
    at = np.argmax(reached, axis=1)
    before = np.where(at > 0, np.take_along_axis(survival, np.maximum(at - 1, 0)[:, None], 1)[:, 0], 1.0)
    here = np.take_along_axis(survival, at[:, None], 1)[:, 0]
    start = np.maximum(np.where(at > 0, ends[np.maximum(at - 1, 0)], ends[0]), -_days_to_due(rows))
    inside = np.divide(before - (1.0 - quantile), before - here, out=np.ones_like(here), where=before > here)
    days = np.maximum(np.ceil(start + inside * (ends[at] - start)), 1.0 - _days_to_due(rows))
    return np.where(reached.any(axis=1), days, np.nan)


def _forecasts(
    rows: pd.DataFrame, model: HazardModel | None, late_days: float, *, level: float = 0.0
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd
    from scipy.special import expit, logit

    told = rows[["document_id", "legal_entity", "currency", "due_date", "asked_on"]].copy()
    due = pd.to_datetime(rows["due_date"])
    names = [f"week_{week}_share" for week in range(1, WEEKS + 1)]
    if model is None or not len(rows):
        for name in ("late_probability", *names):
            told[name] = np.nan
        for quantile in QUANTILES:
            told[f"paid_on_p{quantile * 100:.0f}"] = pd.NaT
        return told
    survival = model.survival(rows)
    chance = late_probability(survival, rows, late_days)
    with np.errstate(divide="ignore"):
        told["late_probability"] = np.where(chance < 1.0, expit(logit(chance) + level), 1.0)
    for quantile in QUANTILES:
        days = pd.to_timedelta(days_late_quantile(survival, rows, quantile), unit="D")
        told[f"paid_on_p{quantile * 100:.0f}"] = due + pd.Series(days, index=rows.index)
    # Paid by a day so many days after the due date: straight lines between the ends of bins.
    since = -_days_to_due(rows).astype("float64")
    bounds = [_paid_by(survival, since, since + 7 * week) for week in range(WEEKS + 1)]
    for week, name in enumerate(names):
        told[name] = bounds[week + 1] - bounds[week]
    return told


def _checked(questions: pd.DataFrame, rules: LatenessRules) -> tuple[Record | None, float]:
    """The record of forecasts made on the check day, and the shift in log-odds that would have met what came."""
    import numpy as np
    import pandas as pd
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from sklearn.metrics import roc_auc_score

    asked = questions[questions["purpose"] == "check"].reset_index(drop=True)
    if asked.empty:
        return None, 0.0
    day = pd.Timestamp(asked["asked_on"].iloc[0])
    learned = questions[(questions["purpose"] == "learn") & (pd.to_datetime(questions["asked_on"]) < day)]
    if int((pd.to_datetime(learned["paid_known_on"]) <= day).sum()) < rules.cleared_documents_min:
        return None, 0.0
    survival = HazardModel.learn(learned, known_to=day.date()).survival(asked)
    now = pd.to_datetime(questions.loc[questions["purpose"] == "tonight", "asked_on"]).max()
    paid = pd.to_datetime(asked["paid_on"])
    due = pd.to_datetime(asked["due_date"])
    days_late = (paid - due).dt.days.to_numpy(dtype="float64")
    is_paid = paid.notna().to_numpy()
    open_days = ((now if pd.notna(now) else day) - due).dt.days.to_numpy(dtype="float64")

    median = days_late_quantile(survival, asked, 0.5)
    judged = is_paid & np.isfinite(median)
    errors = np.abs(median[judged] - days_late[judged])
    own = asked["days_late_mean"].to_numpy(dtype="float64")[judged]
    own = np.abs(np.where(np.isfinite(own), own, 0.0) - days_late[judged])

    chance = late_probability(survival, asked, rules.late_days)
    known = (is_paid | (open_days > rules.late_days)) & (chance < 1.0)
    late = np.where(is_paid, days_late > rules.late_days, True)[known]
    both = 0 < late.sum() < len(late)
    share = np.nan_to_num(asked["very_late_share"].to_numpy(dtype="float64")[known])
    record = Record(
        checked_on=day.date(),
        documents=len(asked),
        paid=int(is_paid.sum()),
        unpaid=int((~is_paid).sum()),
        late_known=int(known.sum()),
        late=int(late.sum()),
        expected_late=float(chance[known].sum()),
        mean_absolute_error_days=float(errors.mean()) if len(errors) else None,
        median_absolute_error_days=float(np.median(errors)) if len(errors) else None,
        baseline_mean_absolute_error_days=float(own.mean()) if len(own) else None,
        auc=float(roc_auc_score(late, chance[known])) if both else None,
        baseline_auc=float(roc_auc_score(late, share)) if both else None,
    )
    if record.late < rules.check_late_min or not both:
        return record, 0.0
    odds = logit(np.clip(chance[known], 1e-9, 1 - 1e-9))
    level = brentq(lambda shift: float(expit(odds + shift).sum()) - record.late, -20.0, 20.0)
    bound = float(np.log(_LEVEL_FACTOR_MAX))
    return record, float(np.clip(level, -bound, bound))


def _so_far(rows: pd.DataFrame, known_to: date) -> tuple[Ints, NDArray[np.bool_]]:
    """Days after the due date at which each was paid, or until which it was not, and whether it was: as known then."""
    import numpy as np
    import pandas as pd

    due, paid = pd.to_datetime(rows["due_date"]), pd.to_datetime(rows["paid_on"])
    until = pd.Timestamp(known_to)
    is_paid = (pd.to_datetime(rows["paid_known_on"]) <= until).to_numpy()
    seen = paid.where(is_paid, until)
    return np.asarray((seen - due).dt.days, dtype="int64"), is_paid


def _expanded(rows: pd.DataFrame, first: Ints, last: Ints) -> tuple[Floats, Ints, Ints]:
    """One row a document and bin from `first` to `last`: the features, the document's position, and the bin."""
    import numpy as np
    import pandas as pd

    count = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(len(rows)), count)
    begins = np.cumsum(count) - count
    bins = first[row] + np.arange(count.sum()) - np.repeat(begins, count)
    known = rows[[*_DELAYS, *_OTHERS]].to_numpy(dtype="float64")[row]
    days = np.minimum(_ends()[bins], _ENDS[-1] + 5)
    day = pd.to_datetime(rows["due_date"]).to_numpy().astype("datetime64[D]")[row] + days.astype(
        "timedelta64[D]"
    )
    weekday = (day.astype("int64") + 3) % 7  # 1970-01-01 was a Thursday
    shares = rows[list(_WEEKDAYS)].to_numpy(dtype="float64")[row]
    of_weekday = np.where(weekday < 5, shares[np.arange(len(row)), np.minimum(weekday, 4)], 0.0)
    of_month = pd.DatetimeIndex(day).day.to_numpy(dtype="float64")
    own = known[:, _DELAYS.index("days_late_mean")]
    latest = known[:, _DELAYS.index("last_1_days_late")]
    columns = [known, bins, days, weekday, of_month, of_weekday, days - own, days - latest]
    return np.column_stack(columns), row, bins


def _monotone() -> str:
    """A hazard falls with each sign of delay."""
    return "(" + ",".join(["-1"] * len(_DELAYS) + ["0"] * (len(_OTHERS) + 7)) + ")"


def _paid_by(survival: Floats, since: Floats, days: Floats) -> Floats:
    """Chance of being paid by `days` after the due date, of each document that was open until `since`."""
    import numpy as np

    ends = _ends()[:-1].astype("float64")
    at = np.clip(np.searchsorted(ends, days, side="left"), 0, len(ends) - 1)
    before = np.maximum(at - 1, 0)
    low, high = np.maximum(ends[before], since), ends[at]
    share = np.where(days > low, np.clip((days - low) / np.maximum(high - low, 1.0), 0.0, 1.0), 0.0)
    lower = np.take_along_axis(survival, before[:, None], 1)[:, 0]
    upper = np.take_along_axis(survival, at[:, None], 1)[:, 0]
    return np.asarray(1.0 - (lower + share * (upper - lower)))


def _days_to_due(rows: pd.DataFrame) -> Ints:
    import numpy as np

    return np.asarray(rows["days_to_due"], dtype="int64")


def _bin(days: Any) -> Ints:
    """The bin that each number of days after the due date lies in."""
    import numpy as np

    return np.asarray(np.searchsorted(_ends()[:-1], days, side="left"), dtype="int64")


def _ends() -> Ints:
    import numpy as np

    return np.array([*_ENDS, _LATER], dtype="int64")
