"""The publication gate: which model scores tonight, and why.

A model is judged by what its recipe, made again at earlier days, said of later ones; so is the champion, by the recipe
of its kind. Without surprise, in this order:

1. Where tonight's data, settings and policy are those the scoring model was made from, it goes on scoring.
2. A champion stays unless a challenger passes every gate, among them that it is no worse than the champion in ranking
   and in log-loss. A model of the champion's own recipe that learned from what has matured since is exactly as good, so
   it follows the champion as long as the recipe passes the other gates. Boosting is asked first, then the scorecard.
3. Where there is no champion (first night, a provisional model, or only the expert table so far), the first of
   boosting and scorecard that passes every gate becomes champion. In place of the comparison with a champion stand
   absolute gates: the lower 95 % bound of AUC is above one half, AUC is not below the better naive rule, and log-loss
   not above the expert table's.
4. If neither does, but one ranks customers (both gates of AUC) and has a lower Brier score than the expert
   table, it scores as `provisional`: better than the table, not good enough to be champion. Of two such, the
   one with the lower Brier score. A provisional model that scored before gives way only to one that is not
   worse in AUC by the policy's bound and has a lower Brier score than it.
5. Otherwise the model that scored goes on, or else the expert table scores, and every score says so.

Calibration is refused only on evidence: where the whole interval of mean PD over observed rate lies outside the
policy's bounds, or a grade fails Jeffreys' test against its long-run rate. Each gate says how often it passes a model
that is right, and how often it refuses one whose PDs are 30 % too low, with the events at hand.

What is asked of a challenger binds the champion: one that fails a gate of calibration, or whose PDs tonight no longer
look as they did when it was made (PSI), scores on as provisional.

A model that was rolled back by command is never promoted by a night again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models_ml.model import CHAMPION, EXPERT, PROVISIONAL

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.evaluate import Judged
    from models_ml.policy import Gates

    Floats = NDArray[np.float64]

FIRST, PROMOTE, KEEP, UNCHANGED = "first_champion", "promote", "keep_champion", "unchanged"
DEMOTE = "demote_champion"
# The fault a gate's power is stated against: PDs this share below the truth.
POWER_AGAINST = 0.30
_POWER_DRAWS = 2000
FALL_BACK_PROVISIONAL, FALL_BACK_EXPERT = "provisional", "expert"


@dataclass(frozen=True)
class Contender:
    """A model with the evaluation of its recipe. grades: evaluate.grade_table; psi: of its PDs tonight against those
    it was made on, 0 where it has none to compare."""

    model_id: str
    kind: str
    judged: Judged
    grades: pd.DataFrame
    psi: float = 0.0


@dataclass(frozen=True)
class Check:
    """One gate, asked of one model. value is what was measured, requirement what it is held against.

    passes_right, refuses_wrong: the gate's power with the evidence at hand: how often it passes a model that is right
    (or as good as the champion), and how often it refuses one whose PDs are 30 % too low; NaN where the gate does not
    look at that.
    """

    model_id: str
    gate: str
    value: float
    requirement: str
    passed: bool
    passes_right: float = float("nan")
    refuses_wrong: float = float("nan")

    def __str__(self) -> str:
        return f"{self.gate} is {self.value:.4g}, required {self.requirement}"

    @property
    def power(self) -> str:
        """The power in words, empty where the gate has none to state."""
        if self.passes_right != self.passes_right:
            return ""
        text = f"{self.gate} passes {self.passes_right:.0%} of right models"
        if self.refuses_wrong == self.refuses_wrong:
            text += f" and refuses {self.refuses_wrong:.0%} of those 30 % too low"
        return text


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
    own_checks = tuple(_binding_checks(incumbent, gates)) if incumbent is not None else ()
    is_sound = all(c.passed for c in own_checks)
    if incumbent is not None and any(c.model_id == incumbent.model_id for c in challengers):
        reason = "The training data, settings and policy are those the scoring model was made from"
        role = incumbent_role or PROVISIONAL
        if role == CHAMPION and not is_sound:
            return _demoted(incumbent, f"{reason}, and they no longer bear it", own_checks)
        return Decision(UNCHANGED, incumbent.model_id, incumbent.kind, role, reason, own_checks)
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
        own += [_log_loss_check(contender, champion or expert), *_calibration_checks(contender, gates)]
        checks += own
        if all(c.passed for c in own):
            power = "; ".join(c.power for c in own if c.power)
            if champion is not None:
                reason = f"{contender.model_id} passes every gate against champion {champion.model_id}"
                kind = PROMOTE
            else:
                reason = f"There is no champion, and {contender.model_id} passes every gate"
                kind = FIRST
            return Decision(
                kind, contender.model_id, contender.kind, CHAMPION, f"{reason}. {power}", tuple(checks)
            )

    failures = ". ".join([*_failures(checks), *left_out])
    if champion is not None:
        reason = f"No challenger passes every gate. {failures}".rstrip()
        if not is_sound:
            return _demoted(champion, reason, (*checks, *own_checks))
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


def _demoted(champion: Contender, why: str, checks: tuple[Check, ...]) -> Decision:
    failed = "; ".join(str(c) for c in checks if c.model_id == champion.model_id and not c.passed)
    reason = f"{why}. Champion {champion.model_id} scores on provisionally: {failed}"
    return Decision(DEMOTE, champion.model_id, champion.kind, PROVISIONAL, reason, checks)


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
        delta = contender.judged.resampled["auc"] - champion.judged.resampled["auc"]
        lower, least = _delta_auc_lower(contender, champion), gates.delta_auc_lower_95_min
        passes = _share_above(least, 0.0, _spread(delta))
        return [
            Check(contender.model_id, "delta_auc_lower_95", lower, f"above {least:g}", lower > least, passes)
        ]
    lower, auc = contender.judged.interval("auc")[0], contender.judged.values["auc"]
    return [
        Check(contender.model_id, "auc_lower_95", lower, "above 0.5", lower > 0.5),
        Check(contender.model_id, "auc", auc, f"at least {naive_auc:.4g} (naive rule)", auc >= naive_auc),
    ]


def _log_loss_check(contender: Contender, other: Contender) -> Check:
    own, bar = contender.judged.values["log_loss"], other.judged.values["log_loss"]
    return Check(contender.model_id, "log_loss", own, f"at most {bar:.4g} ({other.model_id})", own <= bar)


def _binding_checks(champion: Contender, gates: Gates) -> list[Check]:
    """What a champion in use is held to."""
    psi = Check(
        champion.model_id, "psi", champion.psi, f"below {gates.psi_max:g}", champion.psi < gates.psi_max
    )
    return [*_calibration_checks(champion, gates), psi]


def _calibration_checks(contender: Contender, gates: Gates) -> list[Check]:
    import numpy as np

    name, ratio = contender.model_id, contender.judged.values["calibration_ratio"]
    lower, upper = contender.judged.interval("calibration_ratio")
    low, high = gates.calibration_ratio_min, gates.calibration_ratio_max
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = _spread(np.log(contender.judged.resampled["calibration_ratio"]))

    def passes(true_ratio: float) -> float:
        """Share of samples whose interval touches the bounds, where the PDs are `true_ratio` times the truth."""
        centre = float(np.log(true_ratio))
        return _share_above(float(np.log(low)) - 1.96 * spread, centre, spread, margin=0.0) - _share_above(
            float(np.log(high)) + 1.96 * spread, centre, spread, margin=0.0
        )

    # A grade in which nothing happened has not shown its PD to be too low, however few cases it had.
    shown = contender.grades[contender.grades["events"] > 0]["jeffreys_p_holm"]
    worst = float(shown.min()) if len(shown) else 1.0
    alpha = gates.jeffreys_alpha
    return [
        Check(
            name,
            "calibration_ratio",
            ratio,
            f"its 95 % interval ({lower:.3g} to {upper:.3g}) to touch {low:g} to {high:g}",
            upper >= low and lower <= high,
            passes(1.0),
            1.0 - passes(1.0 - POWER_AGAINST),
        ),
        Check(
            name,
            "jeffreys_p_holm",
            worst,
            f"at least {alpha:g}",
            worst >= alpha,
            jeffreys_passes(contender.grades, alpha, 1.0),
            1.0 - jeffreys_passes(contender.grades, alpha, 1.0 - POWER_AGAINST),
        ),
    ]


def jeffreys_passes(grades: pd.DataFrame, alpha: float, ratio: float) -> float:
    """How often no grade fails Jeffreys' test (Holm), where every PD is `ratio` times the true rate: drawn from
    the grades' independent cases, seeded."""
    import numpy as np
    from scipy.stats import beta

    n = np.maximum(np.rint(grades["independent_cases"].to_numpy(dtype="float64")), 1.0)
    p = grades["mean_pd"].to_numpy(dtype="float64")
    drawn = np.random.default_rng(1).binomial(
        n.astype("int64"), np.minimum(p / ratio, 1.0), size=(_POWER_DRAWS, len(p))
    )
    # Holm rejects anything at all exactly where the smallest p-value is below alpha over the number of tests.
    tested = np.where(drawn > 0, beta.cdf(p, drawn + 0.5, n - drawn + 0.5), 1.0)
    smallest = tested.min(axis=1)
    return float((smallest >= alpha / len(p)).mean())


def _spread(values: Floats) -> float:
    """Standard deviation of the resamples in which the value is defined, 0 where there is none."""
    import numpy as np

    defined = values[np.isfinite(values)]
    return float(defined.std()) if len(defined) else 0.0


def _share_above(bound: float, centre: float, spread: float, *, margin: float = 1.96) -> float:
    """P(estimate - margin * spread > bound) for a normal estimate around `centre`."""
    from scipy.stats import norm

    if spread == 0.0:
        return float(centre > bound)
    return float(norm.cdf((centre - bound) / spread - margin))


def _failures(checks: Sequence[Check]) -> list[str]:
    by_model: dict[str, list[str]] = {}
    for check in checks:
        if not check.passed:
            by_model.setdefault(check.model_id, []).append(str(check))
    return [f"{name}: {'; '.join(texts)}" for name, texts in by_model.items()]
