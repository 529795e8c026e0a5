"""A learned (or stated) model as plain data, and what every part asks of it: margin, PD, contributions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from models_ml.calibrate import Calibrator
from models_ml.features import BY_NAME, FrameMismatch, matrix
from models_ml.monitor import Distribution
from models_ml.scorecard import Scorecard

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import ScoreRules

    Floats = NDArray[np.float64]

XGBOOST, SCORECARD, EXPERT = "xgboost", "scorecard", "expert"
CHAMPION, PROVISIONAL = "champion", "provisional"
# Below this, waiting for a second thread costs more than it brings. Threads do not change a result.
_ROWS_FOR_ALL_CORES = 20_000


@dataclass(frozen=True)
class Reference:
    """What the model was made on: distributions of PD and features at the last cut-off it learned from, and the
    median of each feature among rows without an event. Empty for the expert table."""

    score: Distribution | None = None
    features: dict[str, Distribution] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """One model. features: the inputs in order. booster: XGBoost's own UBJ bytes where kind is 'xgboost';
    scorecard: the table of bands of the two other kinds. facts: how it came about (dates ISO, counts,
    settings); metrics: its evaluation as rows of ml.model_metric without date, as plain values. walked_pd: what its
    recipe, carried out before them, said of the judged rows (little-endian float64, by cut-off and customer)."""

    model_id: str
    kind: str
    horizon_months: int
    features: tuple[str, ...]
    calibrator: Calibrator
    booster: bytes | None = None
    scorecard: Scorecard | None = None
    reference: Reference = field(default_factory=Reference)
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[dict[str, Any], ...] = ()
    walked_pd: bytes = b""


@dataclass(frozen=True)
class Champion:
    """The model that scores unless a challenger passes the gates. role: champion, provisional or expert."""

    model: Model
    role: str
    as_of: date


def margin(model: Model, frame: pd.DataFrame) -> Floats:
    """Log-odds before calibration, shape (rows,). Raises FrameMismatch where an input column is missing."""
    import numpy as np

    _check_inputs(model, frame)
    if model.scorecard is not None:
        return model.scorecard.margin(frame)
    return np.asarray(
        _booster(model, len(frame)).predict(_dmatrix(model, frame), output_margin=True), dtype="float64"
    )


def predict_pd(model: Model, frame: pd.DataFrame, rules: ScoreRules) -> Floats:
    """Probability of the event within the model's horizon, within the policy's floor and cap, shape
    (rows,)."""
    return bounded(model.calibrator(margin(model, frame)), rules)


def walked_pd(model: Model) -> Floats:
    """What the model's recipe said of the judged rows, shape (rows of Split.test,)."""
    import numpy as np

    return np.frombuffer(model.walked_pd, dtype="<f8").astype("float64")


def bounded(pd_values: Floats, rules: ScoreRules) -> Floats:
    """PDs between the policy's floor and cap, none of them made equal.

    A PD below twice the floor lies half as far above the floor as it was above zero, and so near the cap, seen from
    one: cut off at the bound, the safest and the riskiest customers could not be told apart.
    """
    import numpy as np

    p = np.asarray(pd_values, dtype="float64")
    above = np.where(p < 2 * rules.pd_floor, rules.pd_floor + p / 2, p)
    room = 1.0 - rules.pd_cap
    rest = 1.0 - above
    return np.asarray(np.where(rest < 2 * room, rules.pd_cap - rest / 2, above))


def contributions(model: Model, frame: pd.DataFrame) -> tuple[Floats, Floats]:
    """What each input adds to the margin: (rows, len(model.features)) and the base (rows,); they sum to the
    margin.

    XGBoost: exact TreeSHAP contributions. Scorecard and expert table: the log-odds of the band. All are in
    log-odds before calibration: calibration is monotone, so sign and order hold, but it is not additive.
    """
    import numpy as np

    _check_inputs(model, frame)
    if model.scorecard is not None:
        return model.scorecard.contributions(frame), np.full(len(frame), model.scorecard.intercept)
    shap = _booster(model, len(frame)).predict(_dmatrix(model, frame), pred_contribs=True)
    return shap[:, :-1].astype("float64"), shap[:, -1].astype("float64")


def directions(names: tuple[str, ...]) -> tuple[int, ...]:
    """Monotone direction of each named feature."""
    return tuple(BY_NAME[n].direction for n in names)


def _check_inputs(model: Model, frame: pd.DataFrame) -> None:
    missing = tuple(n for n in model.features if n not in frame.columns)
    if missing:
        raise FrameMismatch(f"input of model {model.model_id}", missing, ())


def _threads(rows: int) -> int:
    """XGBoost's thread count: one for few rows, 0 (every core) for many."""
    return 0 if rows >= _ROWS_FOR_ALL_CORES else 1


def _booster(model: Model, rows: int) -> Any:
    import xgboost

    if model.booster is None:
        raise ValueError(
            f"Model {model.model_id} of kind {model.kind} carries neither a booster nor a scorecard"
        )
    booster = xgboost.Booster(params={"nthread": _threads(rows)})
    booster.load_model(bytearray(model.booster))
    return booster


def _dmatrix(model: Model, frame: pd.DataFrame) -> Any:
    import xgboost

    x = matrix(frame, model.features)
    return xgboost.DMatrix(x.to_numpy(), feature_names=list(model.features), nthread=_threads(len(frame)))
