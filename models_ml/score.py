"""PD to points and grade, data depth, and a score or a stated reason for every customer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from models_ml.evaluate import grade_ranks
from models_ml.labels import DORMANT, ELIGIBLE, IN_DEFAULT, population
from models_ml.model import CHAMPION, EXPERT, PROVISIONAL, Model, predict_pd

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import Policy, ScoreRules, ScoreScale

    Floats = NDArray[np.float64]

SCORED, SCORE_IN_DEFAULT, NOT_SCORED = "scored", "in_default", "not_scored"
COLUMNS = (
    "as_of_date", "customer_code", "score_status", "status_reason", "pd", "horizon_months", "points", "grade",
    "data_depth", "model_id", "model_kind", "model_role", "policy_version", "expires_on",
)  # fmt: skip


def points(pd_values: Floats, scale: ScoreScale) -> Floats:
    """Points = offset + factor * ln((1 - pd) / pd), unrounded; pd strictly between 0 and 1."""
    import numpy as np

    p = np.asarray(pd_values, dtype="float64")
    return np.asarray(scale.offset + scale.factor * np.log((1 - p) / p))


def data_depth(frame: pd.DataFrame, rules: ScoreRules) -> pd.Series:
    """How much a score rests on: A has a payment record, financials and a bureau report; B two of them, C
    one, D none.

    A payment record is depth_history_months of ledger history with depth_paid_invoices_min invoices settled
    in 12 months.
    """
    import numpy as np
    import pandas as pd

    months = pd.to_numeric(frame["months_of_history"]).fillna(0).to_numpy(dtype="float64")
    paid = pd.to_numeric(frame["paid_invoice_count_12m"]).fillna(0).to_numpy(dtype="float64")
    record = (months >= rules.depth_history_months) & (paid >= rules.depth_paid_invoices_min)
    known = (
        record.astype("int64")
        + frame["has_financials"].fillna(False).to_numpy(dtype="int64")
        + frame["has_bureau"].fillna(False).to_numpy(dtype="int64")
    )
    return pd.Series(
        np.array(["D", "C", "B", "A"], dtype=object)[known], index=frame.index, name="data_depth"
    )


def score(
    frame: pd.DataFrame, *, as_of: date, model: Model, role: str, policy: Policy, target: str = ""
) -> pd.DataFrame:
    """Rows of ml.customer_score (COLUMNS), one a row of `frame`, ordered by customer_code.

    frame: features.customer_cutoff at as_of. Customers in default get PD 1 and the last grade, no model and
    no points (points are not defined at PD 1). Dormant customers and those with too little history get no PD
    but a reason.
    target: how default is defined, said in the reason of customers in default.
    """
    import numpy as np
    import pandas as pd

    ordered = frame.sort_values("customer_code", kind="stable", ignore_index=True)
    status = population(ordered, policy.score_rules)
    scored = (status == ELIGIBLE).to_numpy()
    defaulted = (status == IN_DEFAULT).to_numpy()

    probability = np.full(len(ordered), np.nan)
    if scored.any():
        probability[scored] = predict_pd(model, ordered[scored], policy.score_rules)
    probability[defaulted] = 1.0

    grade_names = np.array([g.grade for g in policy.grades], dtype=object)
    graded = scored | defaulted
    grade = np.full(len(ordered), None, dtype=object)
    grade[graded] = grade_names[grade_ranks(probability[graded], policy.grades) - 1]
    point = np.full(len(ordered), np.nan)
    point[scored] = np.rint(points(probability[scored], policy.scale))

    months = (
        pd.to_numeric(ordered["months_of_history"])
        .fillna(0)
        .astype("int64")
        .astype(str)
        .to_numpy(dtype=object)
    )
    short = (
        "Ledger history of "
        + months
        + f" months, at least {policy.score_rules.history_months_min} are needed "
        "where neither a financial statement nor a bureau report is known"
    )
    in_default_text = "In default on the as-of date" + (f": {target}" if target else "")
    by_model = {
        CHAMPION: f"Scored by {model.kind} model {model.model_id}",
        PROVISIONAL: f"Scored provisionally by {model.kind} model {model.model_id}: not every gate is passed",
        EXPERT: "Scored by the expert policy table; no learned model could be published",
    }[role]
    dormant_text = (
        "Dormant: nothing is open, nothing sold in the last 12 months, nothing ordered in the last month"
    )
    dormant = (status == DORMANT).to_numpy()
    reason = np.select([scored, defaulted, dormant], [by_model, in_default_text, dormant_text], short)

    def only_scored(value: str) -> NDArray[np.object_]:
        column = np.full(len(ordered), None, dtype=object)
        column[scored] = value
        return column

    return pd.DataFrame(
        {
            "as_of_date": as_of,
            "customer_code": ordered["customer_code"],
            "score_status": np.where(scored, SCORED, np.where(defaulted, SCORE_IN_DEFAULT, NOT_SCORED)),
            "status_reason": reason,
            "pd": probability,
            "horizon_months": model.horizon_months,
            "points": pd.Series(point).astype("Int64"),
            "grade": grade,
            "data_depth": data_depth(ordered, policy.score_rules),
            "model_id": only_scored(model.model_id),
            "model_kind": only_scored(model.kind),
            "model_role": only_scored(role),
            "policy_version": policy.version,
            "expires_on": as_of + timedelta(days=policy.gates.score_valid_days),
        }
    )[list(COLUMNS)]
