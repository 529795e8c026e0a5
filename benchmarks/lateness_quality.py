"""How good forecasts of payments are, on real invoices: nights of the past through the real command, against what came.

    python -m benchmarks.lateness_quality [--as-of DATE ...]

Each night knows what was known on its day. Judged are the invoices then open that fell due within 30 days after it, on
whether they were paid more than 15 days late and on the day they were paid. Beside it, on the same invoices and the
same features: logistic regression and scikit-learn's histogram booster, learned from invoices paid by the night, and
the customer's own history (share of very late payments; mean days late).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "examples" / "b2b_invoices.yml"
CLOSED = ROOT.parent / "shared" / "data" / "b2b_invoices" / "closed_invoices.csv"
DAYS = (date(2019, 8, 31), date(2019, 9, 30), date(2019, 10, 31))
LATE_DAYS, WITHIN_DAYS = 15, 30
_RESAMPLES = 500
_NO_FEATURES = {
    "purpose", "document_id", "customer_code", "legal_entity", "currency", "issue_date", "due_date", "asked_on",
    "paid_on", "paid_known_on",
}  # fmt: skip


def main() -> None:
    """Print one table a night and one of all nights together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--as-of", type=date.fromisoformat, nargs="+", default=list(DAYS))
    arguments = parser.parse_args()
    if not CLOSED.exists():
        sys.exit(f"The real invoices are not there: {CLOSED}")
    judged = []
    for as_of in arguments.as_of:
        with tempfile.TemporaryDirectory() as home:
            seconds = _run_night(Path(home), as_of)
            night = _judge(Path(home) / "warehouse.duckdb", as_of)
        print(f"\nnight of {as_of}: {len(night):,} invoices, {seconds:.0f} CPU s for the whole night")
        _print(night)
        judged.append(night)
    if len(judged) > 1:
        print(f"\nall nights: {sum(map(len, judged)):,} invoices")
        _print(pd.concat(judged, ignore_index=True))


def _run_night(home: Path, as_of: date) -> float:
    before = os.times()
    subprocess.run(
        [
            Path(sys.executable).with_name("trade-credit"),
            "run",
            "--config",
            CONFIG,
            "--as-of",
            as_of.isoformat(),
        ],
        env={**os.environ, "TRADE_CREDIT_HOME": str(home)},
        check=True,
        capture_output=True,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _judge(warehouse: Path, as_of: date) -> pd.DataFrame:
    """The invoices judged: what came (days_late), the forecast, and what the others say of them."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        questions = connection.execute("from features.invoice_question").df()
        forecast = connection.execute(
            "select document_id, late_probability, paid_on_p50 from ml.invoice_forecast"
        ).df()
        # What came is in the export that the night itself reads, behind its day.
        came = connection.execute(
            "select source_system || '|' || invoice_id as document_id, cast(cleared_date as date) as came_on "
            "from raw.invoices where cleared_date is not null"
        ).df()
    asked = (
        questions[questions["purpose"] == "tonight"]
        .merge(forecast, on="document_id")
        .merge(came, on="document_id")
    )
    asked = asked[asked["days_to_due"].between(1, WITHIN_DAYS)].reset_index(drop=True)
    asked["days_late"] = (pd.to_datetime(asked["came_on"]) - pd.to_datetime(asked["due_date"])).dt.days
    asked["is_late"] = asked["days_late"] > LATE_DAYS
    asked["forecast_days_late"] = (
        pd.to_datetime(asked["paid_on_p50"]) - pd.to_datetime(asked["due_date"])
    ).dt.days

    learned = questions[(questions["purpose"] == "learn") & questions["paid_on"].notna()]
    features = [name for name in questions if name not in _NO_FEATURES]
    was_late = (pd.to_datetime(learned["paid_on"]) - pd.to_datetime(learned["due_date"])).dt.days > LATE_DAYS
    for name, model in (
        ("logistic", make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))),
        ("histogram_booster", HistGradientBoostingClassifier(random_state=1)),
    ):
        model.fit(learned[features].astype("float64"), was_late)
        asked[name] = model.predict_proba(asked[features].astype("float64"))[:, 1]
    asked["own_history"] = asked["very_late_share"].fillna(0.0)
    asked["own_days_late"] = asked["days_late_mean"].fillna(0.0)
    return asked


def _print(rows: pd.DataFrame) -> None:
    late = rows["is_late"].to_numpy()
    print(f"  {'':20} {'AUC > 15 days late':>30} {'level':>24}    {int(late.sum())} late")
    for name, column in (
        ("this pipeline", "late_probability"),
        ("logistic regression", "logistic"),
        ("histogram booster", "histogram_booster"),
        ("own history", "own_history"),
    ):
        chance = rows[column].to_numpy()
        auc = _interval(lambda at, chance=chance: roc_auc_score(late[at], chance[at]), len(rows))
        level = _interval(lambda at, chance=chance: chance[at].sum() / max(late[at].sum(), 1), len(rows))
        print(f"  {name:20} {auc:>30} {level:>24}")
    print(f"  {'':20} {'mean absolute error, days':>30} {'median':>24}")
    for name, column in (("this pipeline", "forecast_days_late"), ("own mean", "own_days_late")):
        known = rows[column].notna().to_numpy()
        error = np.abs(rows[column].to_numpy(dtype="float64") - rows["days_late"].to_numpy(dtype="float64"))[
            known
        ]
        mean = _interval(lambda at, error=error: error[at].mean(), len(error))
        print(f"  {name:20} {mean:>30} {np.median(error):>24.1f}")


def _interval(figure: Callable[[np.ndarray], float], rows: int) -> str:
    """The figure over all rows with its 95 % interval over resamples of rows, seeded."""
    random = np.random.default_rng(1)
    drawn = [figure(random.integers(0, rows, rows)) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{figure(np.arange(rows)):.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
