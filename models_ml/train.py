"""Make a model by a recipe (monotone XGBoost or the points scorecard, calibrated), and walk the recipe through time.

The model that is used learns from every cut-off whose outcome is known. What it is worth is told by the same recipe
made again at earlier days (labels.Step). The number of trees and the calibration both come from folds of customers,
so that no model is asked about a customer it learned from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from models_ml.calibrate import Calibrator, calibrate
from models_ml.features import FEATURES, NAMES, matrix
from models_ml.labels import Split
from models_ml.model import EXPERT, SCORECARD, XGBOOST, Model, Reference, bounded, directions
from models_ml.monitor import distribution
from models_ml.scorecard import Scorecard, expert_table, fit_scorecard

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import Policy, ScoreRules

    Floats = NDArray[np.float64]

KNOWN_SHARE_MIN = 0.02
ROUNDS_WITHOUT_EVIDENCE = 50
# Number of the way models are made and judged, part of their identity: raise it when either changes.
RECIPE = 2
# One thread: trees on a training frame are built in milliseconds, and a second thread that has to wait for a
# busy core costs more than it brings. It also leaves no doubt about the order in which sums are formed.
TRAINING_THREADS = 1

TREE_PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "max_depth": 4,
    "max_bin": 64,
    "eta": 0.08,
    "min_child_weight": 4,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "lambda": 5.0,
}


@dataclass(frozen=True)
class LearnSettings:
    """What is predicted and how it is learned. The values before `seed` state the label frame's definition;
    they are part of a model's identity, so a model of another target is never compared or used."""

    horizon_months: int = 12
    target_days_past_due: int = 91
    default_amount: float = 500
    default_share: float = 0.01
    probation_months: int = 3
    seed: int = 20_261
    folds: int = 3
    max_rounds: int = 400
    early_stopping_rounds: int = 25

    @property
    def target(self) -> str:
        materiality = f"{self.default_amount:g}+{self.default_share:g}"
        return f"{self.horizon_months}m/{self.target_days_past_due}d/{materiality}/{self.probation_months}m"


def data_fingerprint(split: Split) -> str:
    """SHA-256 over the keys, features and outcome of every row used and over the steps it is judged by, in float32
    and in fixed order."""
    import numpy as np
    import pandas as pd

    digest = hashlib.sha256()
    frame = split.train.frame
    digest.update(np.ascontiguousarray(matrix(frame, NAMES).to_numpy()).tobytes())
    digest.update(frame["is_event"].to_numpy(dtype="int8").tobytes())
    days = pd.to_datetime(frame["cutoff_date"]).to_numpy().astype("datetime64[D]").astype("int64")
    digest.update(days.tobytes())
    digest.update("\n".join(frame["customer_code"].astype(str)).encode())
    digest.update(repr(split.steps).encode())
    return digest.hexdigest()


def model_id(kind: str, fingerprint: str, settings: LearnSettings, policy: Policy) -> str:
    """Name of the model that this data, these settings and this policy give: known before it is trained."""
    import xgboost

    identity = {
        "kind": kind,
        "recipe": RECIPE,
        "data": fingerprint,
        "settings": asdict(settings),
        "parameters": TREE_PARAMETERS,
        "policy": policy.fingerprint,
        "xgboost": xgboost.__version__,
        "features": [asdict(f) for f in FEATURES],
    }
    return f"{kind}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"


def expert_model(settings: LearnSettings, policy: Policy) -> Model:
    """The policy's expert table as a model, its PDs brought to the horizon of the settings."""
    table = expert_table(policy)
    rules = policy.score_rules
    identity = json.dumps({"policy": policy.fingerprint, "target": settings.target}, sort_keys=True)
    return Model(
        f"{EXPERT}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}",
        EXPERT,
        settings.horizon_months,
        table.names,
        Calibrator("horizon", exponent=settings.horizon_months / rules.expert_horizon_months),
        scorecard=table,
        facts={"target": settings.target, "policy_version": policy.version},
    )


def usable_features(frame: pd.DataFrame) -> tuple[str, ...]:
    """Features with at least two values and a value in 2 % of the rows learned from; what is not available stays
    out."""
    x = matrix(frame, NAMES)
    known = x.notna().mean()
    return tuple(n for n in NAMES if known[n] >= KNOWN_SHARE_MIN and x[n].nunique() > 1)


@dataclass(frozen=True)
class Fitted:
    """A recipe carried out on some cut-offs. out_of_fold: for each row learned from, the margin of a model that did
    not know its customer, shape (n,)."""

    names: tuple[str, ...]
    calibrator: Calibrator
    out_of_fold: Floats
    booster: Any = None
    scorecard: Scorecard | None = None
    tree_count: int | None = None

    def pds(self, frame: pd.DataFrame, rules: ScoreRules) -> Floats:
        """PD of each row, as a model made of this would give it."""
        if self.scorecard is not None:
            return bounded(self.calibrator(self.scorecard.margin(frame)), rules)
        return bounded(self.calibrator(_margins(self.booster, frame, self.names)), rules)


def make(kind: str, split: Split, settings: LearnSettings, policy: Policy, fingerprint: str) -> Model:
    """The model of `kind` ('xgboost' or 'scorecard') that is used: learned from every row of the split, and carrying
    what its recipe said of the judged rows on the walk. Metrics are added by the evaluation."""
    walked = walk_forward(kind, split, settings, policy)
    fitted = _fit(kind, split.train.frame, settings, policy)
    facts = _facts(split, settings, policy, fingerprint)
    if fitted.tree_count is not None:
        facts["tree_count"] = fitted.tree_count
    return Model(
        model_id(kind, fingerprint, settings, policy),
        kind,
        settings.horizon_months,
        fitted.names,
        fitted.calibrator,
        None if fitted.booster is None else bytes(fitted.booster.save_raw("ubj")),
        fitted.scorecard,
        reference=_reference(fitted, split.train.frame, policy),
        facts=facts,
        walked_pd=walked.astype("<f8").tobytes(),
    )


def walk_forward(kind: str, split: Split, settings: LearnSettings, policy: Policy) -> Floats:
    """PD of every row of split.test, in its order, each from the recipe as carried out before it: shape (n,)."""
    import numpy as np
    import pandas as pd

    known, judged = split.train.frame, split.test.frame
    pds = np.full(len(judged), np.nan)
    for step in split.steps:
        learn = (known["cutoff_date"] <= pd.Timestamp(step.learn_to)).to_numpy()
        inside = (
            judged["cutoff_date"]
            .between(pd.Timestamp(step.judge_from), pd.Timestamp(step.judge_to))
            .to_numpy()
        )
        fitted = _fit(kind, known[learn].reset_index(drop=True), settings, policy)
        pds[inside] = fitted.pds(judged[inside], policy.score_rules)
    return pds


def _fit(kind: str, frame: pd.DataFrame, settings: LearnSettings, policy: Policy) -> Fitted:
    """Carry out the recipe on the rows of `frame`.

    The level is the long-run rate: every cut-off counts alike, however many customers it has, so the mean PD is the
    mean of the cut-offs' event rates.
    """
    import numpy as np

    names = usable_features(frame)
    event = frame["is_event"].to_numpy(dtype="float64")
    fold_of = _fold(frame, settings)
    out_of_fold = np.zeros(len(frame))
    booster, scorecard, tree_count = None, None, None

    if kind == XGBOOST:
        rounds: list[int] = []
        for fold in range(settings.folds):
            inside = fold_of == fold
            fitted, best = _boost(frame, event, ~inside, inside, names, settings)
            rounds += [best] if best else []
            out_of_fold[inside] = _margins(fitted, frame[inside], names)
        tree_count = int(np.median(rounds)) if rounds else ROUNDS_WITHOUT_EVIDENCE
        everyone = np.ones(len(frame), dtype=bool)
        booster, _ = _boost(frame, event, everyone, None, names, settings, rounds=tree_count)
    elif kind == SCORECARD:
        for fold in range(settings.folds):
            inside = fold_of == fold
            part = fit_scorecard(frame[~inside], event[~inside], names)
            out_of_fold[inside] = part.margin(frame[inside])
        scorecard = fit_scorecard(frame, event, names)
        names = scorecard.names
    else:
        raise ValueError(f"Cannot fit a model of kind {kind!r}; valid are {XGBOOST}, {SCORECARD}")

    rows_of_cutoff = frame.groupby("cutoff_date")["is_event"].transform("size").to_numpy(dtype="float64")
    calibrator = calibrate(
        out_of_fold,
        event,
        events=int(frame.loc[frame["is_event"] == 1, "customer_code"].nunique()),
        isotonic_from=policy.gates.isotonic_events_min,
        weight=1.0 / rows_of_cutoff,
    )
    return Fitted(names, calibrator, out_of_fold, booster, scorecard, tree_count)


def naive_scores(frame: pd.DataFrame) -> dict[str, Floats]:
    """Two rules that need no model: anything overdue for more than 30 days (0 or 1), and days beyond terms of
    the last 3 months. Higher is riskier; a value that is not available counts as no sign of risk."""
    import numpy as np

    x = matrix(frame, ("oldest_days_past_due", "days_beyond_terms_3m")).astype("float64")
    return {
        "naive-overdue-30": (x["oldest_days_past_due"] > 30).to_numpy(dtype="float64"),
        "naive-days-beyond-terms": np.nan_to_num(x["days_beyond_terms_3m"].to_numpy(), nan=0.0),
    }


def _fold(frame: pd.DataFrame, settings: LearnSettings) -> NDArray[np.int64]:
    """Fold of each row by a hash of its customer: all cut-offs of a customer fall into one fold, on every
    run."""
    import pandas as pd

    codes = frame["customer_code"].astype("object").to_numpy()
    return (pd.util.hash_array(codes) % settings.folds).astype("int64")


def _boost(
    frame: pd.DataFrame,
    event: Floats,
    learn: NDArray[np.bool_],
    stop: NDArray[np.bool_] | None,
    names: tuple[str, ...],
    settings: LearnSettings,
    *,
    rounds: int | None = None,
) -> tuple[Any, int]:
    """Boost on the rows of `learn`; where `stop` rows hold an event, stop when they no longer get better.

    Returns the booster and the number of rounds found, 0 where it was not sought.
    """
    import xgboost

    x = matrix(frame, names).to_numpy()
    parameters = TREE_PARAMETERS | {
        "seed": settings.seed,
        "nthread": TRAINING_THREADS,
        "monotone_constraints": "(" + ",".join(str(d) for d in directions(names)) + ")",
    }

    def data(rows: NDArray[np.bool_]) -> Any:
        return xgboost.DMatrix(
            x[rows], label=event[rows], feature_names=list(names), nthread=TRAINING_THREADS
        )

    may_stop = stop is not None and event[stop].any() and event[learn].any()
    if stop is None or not may_stop:
        return xgboost.train(parameters, data(learn), rounds or ROUNDS_WITHOUT_EVIDENCE), 0
    booster = xgboost.train(
        parameters,
        data(learn),
        settings.max_rounds,
        evals=[(data(stop), "held")],
        early_stopping_rounds=settings.early_stopping_rounds,
        verbose_eval=False,
    )
    best = int(booster.best_iteration) + 1
    return booster[:best], best


def _margins(booster: Any, frame: pd.DataFrame, names: tuple[str, ...]) -> Floats:
    import numpy as np
    import xgboost

    x = xgboost.DMatrix(matrix(frame, names).to_numpy(), feature_names=list(names), nthread=TRAINING_THREADS)
    return np.asarray(booster.predict(x, output_margin=True), dtype="float64")


def _reference(fitted: Fitted, frame: pd.DataFrame, policy: Policy) -> Reference:
    """What the last cut-off learned from looked like, with the PDs of models that did not know its customers, and the
    medians of all rows without an event."""
    latest = (frame["cutoff_date"] == frame["cutoff_date"].max()).to_numpy()
    x = matrix(frame[latest], fitted.names)
    good = matrix(frame[frame["is_event"] == 0], fitted.names)
    return Reference(
        distribution(bounded(fitted.calibrator(fitted.out_of_fold[latest]), policy.score_rules)),
        {n: distribution(x[n].to_numpy(dtype="float64")) for n in fitted.names},
        {str(n): float(v) for n, v in good.median().items() if v == v},
    )


def _facts(split: Split, settings: LearnSettings, policy: Policy, fingerprint: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "target": settings.target,
        "settings": asdict(settings),
        "data_fingerprint": fingerprint,
        "policy_version": policy.version,
        "outcomes_to": split.train.frame["horizon_end_date"].max().date().isoformat(),
        "walk_forward_models": len(split.steps),
        "walk_learned_to": split.steps[0].learn_to.isoformat(),
    }
    for name, period in (("train", split.train), ("calibration", split.train), ("test", split.test)):
        facts |= {
            f"{name}_from": period.start.isoformat(),
            f"{name}_to": period.end.isoformat(),
            f"{name}_rows": period.rows,
            f"{name}_events": period.events,
        }
    return facts
