"""The publication gate: which model scores tonight, and why.

Without surprise, in this order:

1. A learned champion stays unless a challenger passes every gate against it. Boosting is asked first, then
the
   scorecard.
2. Where no learned champion is there (first night, or only the expert table so far), the first of boosting
and
   scorecard that passes every gate becomes champion. In place of the comparison with a champion stand two
   absolute gates: the lower 95 % bound of AUC is above one half, and AUC is not below the better naive rule.
3. If neither does, but one ranks customers (both absolute gates) and has a lower Brier score than the expert
   table, it scores as `provisional`: better than the table, not good enough to be champion. Of two such, the
   one with the lower Brier score.
4. Otherwise the expert table scores, and every score says so.

A provisional model gives way to the first challenger that passes every gate, and until then it stays, so that
scores do not move from night to night for want of a good model.
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
    champion: Contender | None,
    champion_role: str | None,
    naive_auc: float,
    gates: Gates,
) -> Decision:
    """Decide by the rule in the module's docstring.

    challengers: learned models of tonight, in the order they are asked. champion: the learned model that
    scored last, evaluated on the same rows and resamples; None where there is none. naive_auc: AUC of the
    better naive rule.
    """
    against = champion if champion_role == CHAMPION else None
    checks: list[Check] = []
    ranks: list[Contender] = []
    for contender in challengers:
        if champion is not None and contender.model_id == champion.model_id:
            continue
        own = _ranking_checks(contender, against, naive_auc, gates)
        if all(c.passed for c in own):
            ranks.append(contender)
        own += _calibration_checks(contender, gates)
        checks += own
        if all(c.passed for c in own):
            if against is not None:
                reason = f"{contender.model_id} passes every gate against champion {against.model_id}"
                return Decision(PROMOTE, contender.model_id, contender.kind, CHAMPION, reason, tuple(checks))
            reason = f"There is no learned champion, and {contender.model_id} passes every gate"
            return Decision(FIRST, contender.model_id, contender.kind, CHAMPION, reason, tuple(checks))

    failures = _failures(checks)
    if champion is not None:
        same = any(c.model_id == champion.model_id for c in challengers)
        role = champion_role or PROVISIONAL
        if same and not checks:
            reason = "The training data, settings and policy are those the published model was made from"
            return Decision(UNCHANGED, champion.model_id, champion.kind, role, reason)
        reason = f"No challenger passes every gate. {failures}"
        return Decision(KEEP, champion.model_id, champion.kind, role, reason, tuple(checks))

    better = [c for c in ranks if c.judged.values["brier"] < expert.judged.values["brier"]]
    if better:
        best = min(better, key=lambda c: c.judged.values["brier"])
        reason = (
            f"No learned model passes every gate. {failures}. {best.model_id} ranks customers and has a "
            "lower Brier score than the expert table, so it scores provisionally"
        )
        return Decision(FALL_BACK_PROVISIONAL, best.model_id, best.kind, PROVISIONAL, reason, tuple(checks))
    reason = f"No learned model passes the gates or beats the expert table. {failures}".rstrip()
    return Decision(FALL_BACK_EXPERT, expert.model_id, expert.kind, EXPERT, reason, tuple(checks))


def _ranking_checks(
    contender: Contender, champion: Contender | None, naive_auc: float, gates: Gates
) -> list[Check]:
    from models_ml.evaluate import interval

    if champion is not None:
        delta = contender.judged.resampled["auc"] - champion.judged.resampled["auc"]
        lower = interval(delta)[0]
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


def _failures(checks: Sequence[Check]) -> str:
    by_model: dict[str, list[str]] = {}
    for check in checks:
        if not check.passed:
            by_model.setdefault(check.model_id, []).append(str(check))
    return ". ".join(f"{name}: {'; '.join(texts)}" for name, texts in by_model.items())
