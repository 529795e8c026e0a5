"""The two calls of a night: `learn` decides which model scores, `score_night` scores every customer with
reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from models_ml.evaluate import COLUMNS as METRIC_COLUMNS
from models_ml.evaluate import Judged, Sample, grade_table, judge, metric_rows
from models_ml.explain import COLUMNS as REASON_COLUMNS
from models_ml.explain import explain
from models_ml.features import check_frame
from models_ml.labels import ELIGIBLE, Refusal, Split, population, split
from models_ml.model import EXPERT, SCORECARD, XGBOOST, Champion, Model, predict_pd, walked_pd
from models_ml.monitor import COLUMNS as MONITORING_COLUMNS
from models_ml.monitor import psi, stability
from models_ml.promotion import FALL_BACK_EXPERT, KEEP, Contender, Decision, decide
from models_ml.score import SCORED, score
from models_ml.train import LearnSettings, data_fingerprint, expert_model, make, model_id, naive_scores

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import Policy

    Floats = NDArray[np.float64]

RUN_COLUMNS = (
    "as_of_date", "model_id", "model_kind", "is_champion", "is_published", "decision", "decision_reason",
    "train_from", "train_to", "calibration_from", "calibration_to", "test_from", "test_to", "train_rows",
    "train_events", "test_rows", "test_events", "data_fingerprint", "policy_version", "horizon_months",
    "metrics", "walk_learned_to",
)  # fmt: skip
WALKED_COLUMNS = ("customer_code", "cutoff_date", "pd", "model_id", "model_kind")
_PERIODS = ("train_", "calibration_", "test_")
# Metrics of the whole test sample that mart.model_run shows without a join.
_HEADLINE = (
    "auc",
    "gini",
    "ks",
    "pr_auc",
    "brier",
    "log_loss",
    "calibration_ratio",
    "top_decile_event_share",
    "top_decile_lift",
)


@dataclass(frozen=True)
class LearnOutcome:
    """What a night's learning found.

    published, role: the model that scores tonight and as what (champion, provisional, expert). walked: PDs of past
    cut-offs (WALKED_COLUMNS), each by the recipe of `published` as carried out before it; empty where there are none.
    candidates: every model made tonight, the expert table included; save them all, then promote `published`.
    metrics: rows of ml.model_metric, empty where nothing could be judged. runs: rows of ml.model_run.
    refusal: why no model was trained, None where one was. split: the periods used.
    """

    published: Model
    role: str
    decision: Decision
    candidates: tuple[Model, ...]
    metrics: pd.DataFrame
    runs: pd.DataFrame
    walked: pd.DataFrame
    refusal: Refusal | None = None
    split: Split | None = None


@dataclass(frozen=True)
class NightScores:
    """Rows of ml.customer_score, ml.score_reason and mart.model_monitoring (empty for the expert table)."""

    scores: pd.DataFrame
    reasons: pd.DataFrame
    monitoring: pd.DataFrame


def learn(
    training: pd.DataFrame,
    *,
    as_of: date,
    settings: LearnSettings,
    policy: Policy,
    champion: Champion | None = None,
    stored: Callable[[str], Model | None] | None = None,
    barred: frozenset[str] = frozenset(),
) -> LearnOutcome:
    """Train the candidates, judge them beside champion and baselines, decide who scores.

    training: features.customer_cutoff joined with features.customer_label on (customer_code, cutoff_date), in
    any row order. champion: registry.champion_before(as_of). stored: looks a model up by id (registry.find);
    a candidate made from the same data, settings and policy is then not trained again. barred: ids that no
    night may promote (registry.barred).
    Raises FrameMismatch. Too few events is not an error: the outcome carries the Refusal and the fallback.
    """
    import pandas as pd

    check_frame(training, labelled=True, what="training frame")
    expert = expert_model(settings, policy)
    incumbent, set_aside = _usable(champion, training, as_of, settings)
    periods = split(training, as_of=as_of, gates=policy.gates, rules=policy.score_rules)
    if isinstance(periods, Refusal):
        return _without_training(periods, training, expert, incumbent, set_aside, as_of, settings, policy)

    fingerprint = data_fingerprint(periods)
    candidates: list[Model] = []
    for kind in (XGBOOST, SCORECARD) if periods.has_cases_for_boosting else (SCORECARD,):
        known = stored(model_id(kind, fingerprint, settings, policy)) if stored else None
        candidates.append(known or make(kind, periods, settings, policy, fingerprint))

    test = periods.test.frame
    sample = Sample.of(test)
    judged_models = {m.model_id: m for m in [*candidates, expert]}
    pds = {m.model_id: walked_pd(m) for m in candidates}
    pds[expert.model_id] = predict_pd(expert, test, policy.score_rules)
    if incumbent is not None and incumbent.model.model_id not in pds:
        # What scores learned from the judged rows. Its recipe, made again before them, is judged in its place.
        model = incumbent.model
        same = [m for m in candidates if m.kind == model.kind]
        judged_models[model.model_id] = model
        pds[model.model_id] = pds[same[0].model_id] if same else predict_pd(model, test, policy.score_rules)
    naive = naive_scores(test)
    judged = judge(
        pds | naive,
        sample,
        pd_scores=frozenset(pds),
        resamples=policy.gates.bootstrap_samples,
        seed=settings.seed,
        horizon_months=settings.horizon_months,
    )
    tonight = training[pd.to_datetime(training["cutoff_date"]) == pd.Timestamp(as_of)]
    contenders = {
        name: Contender(
            name,
            m.kind,
            judged[name],
            grade_table(pds[name], sample, policy.grades, horizon_months=settings.horizon_months),
            _psi_tonight(m, tonight, policy)
            if incumbent is not None and m is judged_models.get(incumbent.model.model_id)
            else 0.0,
        )
        for name, m in judged_models.items()
    }
    decision = decide(
        [contenders[m.model_id] for m in candidates],
        contenders[expert.model_id],
        contenders[incumbent.model.model_id] if incumbent else None,
        incumbent.role if incumbent else None,
        max(judged[name].values["auc"] for name in naive),
        policy.gates,
        barred=barred,
    )
    decision = _with_note(decision, set_aside)
    if not periods.has_cases_for_boosting:
        decision = _with_note(
            decision,
            f"Boosting was not trained: {periods.train.events} customers with an event, at least "
            f"{policy.gates.train_events_min} are needed",
        )

    metrics = pd.concat(
        [
            _metrics(as_of, judged_models, judged, pds, sample, policy, settings),
            _gate_rows(as_of, decision, {n: m.kind for n, m in judged_models.items()}, sample),
        ],
        ignore_index=True,
    )
    finished = [_with_metrics(m, metrics) for m in candidates]
    by_id = {m.model_id: m for m in [*finished, expert]} | (
        {incumbent.model.model_id: incumbent.model} if incumbent else {}
    )
    return LearnOutcome(
        by_id[decision.model_id],
        decision.role,
        decision,
        (*finished, expert),
        metrics,
        _runs(as_of, list(by_id.values()), decision, judged, policy),
        _walked(by_id[decision.model_id], test, pds[decision.model_id]),
        split=periods,
    )


def score_night(
    current: pd.DataFrame,
    prior: pd.DataFrame,
    *,
    as_of: date,
    model: Model,
    role: str,
    policy: Policy,
    settings: LearnSettings,
) -> NightScores:
    """Score every customer of `current` (features.customer_cutoff at as_of) and say why.

    prior: features.customer_cutoff_prior for the same customers. Raises FrameMismatch.
    """
    import pandas as pd

    check_frame(current)
    target = (
        f"more than {settings.default_amount:g} and {settings.default_share * 100:g} % of what it owes is "
        f"{settings.target_days_past_due} days past due, or a write-off or insolvency is known; "
        f"it ends {settings.probation_months} months after the cause"
    )
    scores = score(current, as_of=as_of, model=model, role=role, policy=policy, target=target)
    scored = scores[scores["score_status"] == SCORED]
    rows = current[current["customer_code"].isin(scored["customer_code"])].sort_values(
        "customer_code", kind="stable", ignore_index=True
    )
    reasons = pd.DataFrame(columns=list(REASON_COLUMNS))
    monitoring = pd.DataFrame(columns=list(MONITORING_COLUMNS))
    if len(rows):
        rules = policy.score_rules
        reasons = explain(rows, prior, as_of=as_of, model=model, reasons_max=rules.reasons_max, rules=rules)
        # Models learn from customers with a ledger, so drift is measured on these; prospects would look like drift.
        learned_kind = rows["months_of_history"].notna().to_numpy(dtype=bool)
        if model.reference.score is not None and learned_kind.any():
            monitoring = stability(
                as_of=as_of,
                model_id=model.model_id,
                reference_score=model.reference.score,
                reference_features=model.reference.features,
                current_score=scored["pd"].to_numpy(dtype="float64")[learned_kind],
                current=rows[learned_kind],
                gates=policy.gates,
            )
    return NightScores(scores, reasons, monitoring)


def _usable(
    champion: Champion | None, training: pd.DataFrame, as_of: date, settings: LearnSettings
) -> tuple[Champion | None, str]:
    """The champion if it is a learned model that can score this night, else None and why it was set aside."""
    if champion is None or champion.model.kind == EXPERT:
        return None, ""
    model = champion.model
    missing = [n for n in model.features if n not in training.columns]
    if model.facts.get("target") != settings.target:
        why = f"it predicts {model.facts.get('target')}, this run asks for {settings.target}"
    elif missing:
        why = f"its features {', '.join(missing)} are no longer delivered"
    elif date.fromisoformat(model.facts["outcomes_to"]) > as_of:
        why = f"it knows outcomes up to {model.facts['outcomes_to']}, after {as_of.isoformat()}"
    else:
        return champion, ""
    return None, f"Champion {model.model_id} was set aside: {why}"


def _without_training(
    refusal: Refusal,
    training: pd.DataFrame,
    expert: Model,
    incumbent: Champion | None,
    set_aside: str,
    as_of: date,
    settings: LearnSettings,
    policy: Policy,
) -> LearnOutcome:
    import pandas as pd

    if incumbent is not None:
        model, role = incumbent.model, incumbent.role
        decision = Decision(KEEP, model.model_id, model.kind, role, f"{refusal.message} The champion scores")
    else:
        model, role = expert, EXPERT
        decision = Decision(
            FALL_BACK_EXPERT,
            expert.model_id,
            expert.kind,
            EXPERT,
            f"{refusal.message} The expert table scores",
        )
    decision = _with_note(decision, set_aside)
    models = [expert] if model is expert else [model, expert]
    return LearnOutcome(
        model,
        role,
        decision,
        (expert,),
        pd.DataFrame(columns=list(METRIC_COLUMNS)),
        _runs(as_of, models, decision, {}, policy),
        _walked_by_table(expert, training, as_of, policy)
        if model is expert
        else pd.DataFrame(columns=list(WALKED_COLUMNS)),
        refusal=refusal,
    )


def _with_note(decision: Decision, note: str) -> Decision:
    return replace(decision, reason=f"{decision.reason}. {note}") if note else decision


def _psi_tonight(model: Model, tonight: pd.DataFrame, policy: Policy) -> float:
    """Stability of the PDs of customers with a ledger, tonight against what the model was made on; 0 where there is
    nobody to compare."""
    learned_kind = (population(tonight, policy.score_rules) == ELIGIBLE) & tonight[
        "months_of_history"
    ].notna()
    rows = tonight[learned_kind.to_numpy(dtype=bool)]
    reference = model.reference.score
    if reference is None or rows.empty:
        return 0.0
    counts = reference.count(predict_pd(model, rows, policy.score_rules))
    return psi(reference.counts, [float(c) for c in counts])


def _gate_rows(as_of: date, decision: Decision, kinds: dict[str, str], sample: Sample) -> pd.DataFrame:
    """What each gate measured, whether it was passed, and its power, as rows of ml.model_metric."""
    import numpy as np
    import pandas as pd

    counts = (len(sample.event), int(sample.event.sum()))
    rows = [
        (as_of, c.model_id, kinds[c.model_id], "test", metric, "all", value, np.nan, np.nan, *counts)
        for c in decision.checks
        for metric, value in (
            (f"gate_{c.gate}", c.value),
            (f"gate_{c.gate}_is_passed", float(c.passed)),
            (f"gate_{c.gate}_passes_right_model", c.passes_right),
            (f"gate_{c.gate}_refuses_30_percent_too_low", c.refuses_wrong),
        )
        if value == value
    ]
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS)).drop_duplicates(["model_id", "metric"])


def _metrics(
    as_of: date,
    models: dict[str, Model],
    judged: dict[str, Judged],
    pds: dict[str, Floats],
    sample: Sample,
    policy: Policy,
    settings: LearnSettings,
) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for name in judged:
        model = models.get(name)
        tables.append(
            metric_rows(
                as_of=as_of,
                model_id=name,
                model_kind=model.kind if model else "naive",
                judged=judged[name],
                sample=sample,
                pd_values=pds.get(name),
                grades=policy.grades,
                resamples=min(200, policy.gates.bootstrap_samples),
                seed=settings.seed,
                horizon_months=settings.horizon_months,
            )
        )
    return pd.concat(tables, ignore_index=True)


def _with_metrics(model: Model, metrics: pd.DataFrame) -> Model:
    own = metrics[metrics["model_id"] == model.model_id].drop(
        columns=["as_of_date", "model_id", "model_kind"]
    )
    rows = tuple({str(k): _plain(v) for k, v in row.items()} for row in own.to_dict("records"))
    return replace(model, metrics=rows)


def _plain(value: Any) -> Any:
    """JSON's own types, with None for NaN (NaN is not JSON)."""
    import numpy as np

    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else float(value)
    return int(value) if isinstance(value, (int, np.integer)) else value


def _runs(
    as_of: date, models: list[Model], decision: Decision, judged: dict[str, Judged], policy: Policy
) -> pd.DataFrame:
    import json

    import pandas as pd

    rows = []
    for model in models:
        published = model.model_id == decision.model_id
        failed = "; ".join(str(c) for c in decision.failed(model.model_id))
        facts = model.facts
        values = judged[model.model_id].values if model.model_id in judged else {}
        rows.append(
            {
                "as_of_date": as_of,
                "model_id": model.model_id,
                "model_kind": model.kind,
                "is_champion": published and decision.role == "champion",
                "is_published": published,
                "decision": decision.decision if published else "not_published",
                "decision_reason": decision.reason if published else failed or "Another model scores",
                **{
                    c: _day(facts.get(c))
                    for c in RUN_COLUMNS
                    if c.startswith(_PERIODS) and c.endswith(("_from", "_to"))
                },
                **{c: facts.get(c) for c in RUN_COLUMNS if c.endswith(("_rows", "_events"))},
                "data_fingerprint": facts.get("data_fingerprint"),
                "policy_version": policy.version,
                "horizon_months": model.horizon_months,
                "metrics": json.dumps(
                    {m: _plain(values[m]) for m in _HEADLINE if m in values}, sort_keys=True
                ),
                "walk_learned_to": _day(facts.get("walk_learned_to")),
            }
        )
    frame = pd.DataFrame(rows)[list(RUN_COLUMNS)]
    counts = [c for c in RUN_COLUMNS if c.endswith(("_rows", "_events"))]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def _walked_by_table(expert: Model, training: pd.DataFrame, as_of: date, policy: Policy) -> pd.DataFrame:
    """The expert table learned from nothing, so it can be asked about every past cut-off."""
    import pandas as pd

    past = training[pd.to_datetime(training["cutoff_date"]) < pd.Timestamp(as_of)]
    past = past[(population(past, policy.score_rules) == ELIGIBLE).to_numpy(dtype=bool)]
    past = past.assign(cutoff_date=pd.to_datetime(past["cutoff_date"]))
    return _walked(expert, past, predict_pd(expert, past, policy.score_rules))


def _walked(model: Model, test: pd.DataFrame, pds: Floats) -> pd.DataFrame:
    frame = test[["customer_code", "cutoff_date"]].assign(
        pd=pds, model_id=model.model_id, model_kind=model.kind
    )
    return frame.assign(cutoff_date=frame["cutoff_date"].dt.date)[list(WALKED_COLUMNS)]


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None
