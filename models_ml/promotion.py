"""The publication gate: which model scores tonight, and why.

Without surprise, in this order:

1. Where tonight's data, settings and policy are those the scoring model was made from, it goes on scoring.
2. A champion stays unless a challenger passes every gate against it. Boosting is asked first, then the
scorecard. 3. Where there is no champion (first night, a provisional model, or only the expert table so far),
the first of
   boosting and scorecard that passes every gate becomes champion. In place of the comparison with a champion
   stand two absolute gates: the lower 95 % bound of AUC is above one half, and AUC is not below the better
   naive rule.
4. If neither does, but one ranks customers (both absolute gates) and has a lower Brier score than the expert
   table, it scores as `provisional`: better than the table, not good enough to be champion. Of two such, the
   one with the lower Brier score. A provisional model that scored before gives way only to one that is not
   worse in AUC by the policy's bound and has a lower Brier score than it.
5. Otherwise the model that scored goes on, or else the expert table scores, and every score says so.

A model that was rolled back by command is never promoted by a night again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models_ml.model import CHAMPION, EXPERT, PROVISIONAL

if TYPE_CHECKING:
    import pandas as pd

    from models_ml.evaluate import Judged
    from models_ml.policy import Gates

FIRST, PROMOTE, KEEP, UNCHANGED = "first_champion", "promote", "keep_champion", "unchanged"
FALL_BACK_PROVISIONAL, FALL_BACK_EXPERT = "provisional", "expert"


@dataclass(frozen=True)
class Contender:
    """A model with its evaluation on the test period. psi: of its PDs, test against calibration period, with
    the chi-squared bound; grades: evaluate.grade_table."""

    model_id: str
    kind: str
    judged: Judged
    grades: pd.DataFrame
    psi: float
    psi_chi_squared_bound: float


@dataclass(frozen=True)
class Check:
    """One gate, asked of one model. value is what was measured, requirement what it is held against."""

    model_id: str
    gate: str
    value: float
    requirement: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.gate} is {self.value:.4g}, required {self.requirement}"


@dataclass(frozen=True)
class Decision:
    """Whose scores are published: model_id, its role (champion, provisional, expert), what happened, and
    why."""

    decision: str
    model_id: str
    model_kind: str
    role: str
    reason: str
    checks: tuple[Check, ...] = ()

    def failed(self, model_id: str) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.model_id == model_id and not c.passed)


def decide(
    challengers: Sequence[Contender],
    expert: Contender,
    incumbent: Contender | None,
    incumbent_role: str | None,
    naive_auc: float,
    gates: Gates,
    *,
    barred: frozenset[str] = frozenset(),
) -> Decision:
    """Decide by the rule in the module's docstring.

    challengers: learned models of tonight, in the order they are asked. incumbent: the learned model that
    scored last, evaluated on the same rows and resamples; None where there is none. naive_auc: AUC of the
    better naive rule. barred: ids of models that were rolled back.
    """
    if incumbent is not None and any(c.model_id == incumbent.model_id for c in challengers):
        reason = "The training data, settings and policy are those the scoring model was made from"
        return Decision(UNCHANGED, incumbent.model_id, incumbent.kind, incumbent_role or PROVISIONAL, reason)
    champion = incumbent if incumbent_role == CHAMPION else None
    asked = [c for c in challengers if c.model_id not in barred]
    left_out = [
        f"{c.model_id} was rolled back by command and is not asked"
        for c in challengers
        if c.model_id in barred
    ]
    checks: list[Check] = []
    ranks: list[Contender] = []
    for contender in asked:
        own = _ranking_checks(contender, champion, naive_auc, gates)
        if all(c.passed for c in own):
            ranks.append(contender)
        own += _calibration_checks(contender, gates)
        checks += own
        if all(c.passed for c in own):
            if champion is not None:
                reason = f"{contender.model_id} passes every gate against champion {champion.model_id}"
                return Decision(PROMOTE, contender.model_id, contender.kind, CHAMPION, reason, tuple(checks))
            reason = f"There is no champion, and {contender.model_id} passes every gate"
            return Decision(FIRST, contender.model_id, contender.kind, CHAMPION, reason, tuple(checks))

    failures = ". ".join([*_failures(checks), *left_out])
    if champion is not None:
        reason = f"No challenger passes every gate. {failures}".rstrip()
        return Decision(KEEP, champion.model_id, champion.kind, CHAMPION, reason, tuple(checks))

    bar = incumbent or expert
    better = [c for c in ranks if _is_better(c, bar, incumbent is not None, gates)]
    if better:
        best = min(better, key=lambda c: c.judged.values["brier"])
        than = f"the provisional {bar.model_id}" if incumbent else "the expert table"
        reason = (
            f"No learned model passes every gate. {failures}. {best.model_id} ranks customers and has a "
            f"lower Brier score than {than}, so it scores provisionally"
        )
        return Decision(FALL_BACK_PROVISIONAL, best.model_id, best.kind, PROVISIONAL, reason, tuple(checks))
    if incumbent is not None:
        reason = f"No challenger passes every gate or betters the provisional model. {failures}".rstrip()
        return Decision(KEEP, incumbent.model_id, incumbent.kind, PROVISIONAL, reason, tuple(checks))
    reason = f"No learned model passes the gates or beats the expert table. {failures}".rstrip()
    return Decision(FALL_BACK_EXPERT, expert.model_id, expert.kind, EXPERT, reason, tuple(checks))


def _is_better(contender: Contender, bar: Contender, is_learned: bool, gates: Gates) -> bool:
    if contender.judged.values["brier"] >= bar.judged.values["brier"]:
        return False
    return not is_learned or _delta_auc_lower(contender, bar) > gates.delta_auc_lower_95_min


def _delta_auc_lower(contender: Contender, other: Contender) -> float:
    """Lower 95 % bound of the paired difference of AUC, over the same resamples of customers."""
    from models_ml.evaluate import interval

    return interval(contender.judged.resampled["auc"] - other.judged.resampled["auc"])[0]


def _ranking_checks(
    contender: Contender, champion: Contender | None, naive_auc: float, gates: Gates
) -> list[Check]:
    if champion is not None:
        lower = _delta_auc_lower(contender, champion)
        least = gates.delta_auc_lower_95_min
        return [
            Check(contender.model_id, "delta_auc_lower_95", lower, f"above {least:g}", lower > least),
        ]
    lower, auc = contender.judged.interval("auc")[0], contender.judged.values["auc"]
    return [
        Check(contender.model_id, "auc_lower_95", lower, "above 0.5", lower > 0.5),
        Check(contender.model_id, "auc", auc, f"at least {naive_auc:.4g} (naive rule)", auc >= naive_auc),
    ]


def _calibration_checks(contender: Contender, gates: Gates) -> list[Check]:
    ratio = contender.judged.values["calibration_ratio"]
    low, high = gates.calibration_ratio_min, gates.calibration_ratio_max
    worst = float(contender.grades["jeffreys_p_holm"].min())
    bound = contender.psi_chi_squared_bound
    name = contender.model_id
    return [
        Check(name, "calibration_ratio", ratio, f"{low:g} to {high:g}", low <= ratio <= high),
        Check(
            name,
            "jeffreys_p_holm",
            worst,
            f"at least {gates.jeffreys_alpha:g}",
            worst >= gates.jeffreys_alpha,
        ),
        Check(name, "psi", contender.psi, f"below {gates.psi_max:g}", contender.psi < gates.psi_max),
        Check(name, "psi", contender.psi, f"below {bound:.4g} (chi-squared)", contender.psi < bound),
    ]


def _failures(checks: Sequence[Check]) -> list[str]:
    by_model: dict[str, list[str]] = {}
    for check in checks:
        if not check.passed:
            by_model.setdefault(check.model_id, []).append(str(check))
    return [f"{name}: {'; '.join(texts)}" for name, texts in by_model.items()]
