"""Typed reader of the policy seeds that models need: rating scale, score scale, gates, score rules, expert
table, and the rules of customer matching.

The seeds (dbt_project/seeds/policy) are the only place where these numbers live. Each table carries `version`
and `valid_from`; of each key the row of the latest valid_from not after `as_of` is in force.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from models_ml.entities.settings import ResolveSettings
from models_ml.features import BY_NAME

if TYPE_CHECKING:
    import pandas as pd

TABLES: dict[str, tuple[str, ...]] = {
    "rating_scale": ("version", "valid_from", "grade", "grade_rank", "pd_upper"),
    "score_scale": ("version", "valid_from", "pdo", "base_points", "base_odds"),
    "model_gate": ("version", "valid_from", "gate", "value"),
    "score_rule": ("version", "valid_from", "rule", "value"),
    "expert_pd": ("version", "valid_from", "feature", "lower", "upper", "odds_multiplier"),
}


class PolicyError(ValueError):
    """The policy seeds cannot be used; the message lists every problem found. Attribute: problems."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("Policy cannot be used: " + "; ".join(problems))


@dataclass(frozen=True)
class Grade:
    """One grade of the master scale: PD above the grade before it and up to pd_upper (a fraction),
    inclusive."""

    grade: str
    grade_rank: int
    pd_upper: float


@dataclass(frozen=True)
class ScoreScale:
    """Points = offset + factor * ln((1 - pd) / pd); PDO 20 and 600 at 50:1 give 28.8539 and 487.123."""

    pdo: float
    base_points: float
    base_odds: float

    @property
    def factor(self) -> float:
        return self.pdo / math.log(2)

    @property
    def offset(self) -> float:
        return self.base_points - self.factor * math.log(self.base_odds)


@dataclass(frozen=True)
class Gates:
    """Thresholds of `model_gate`. Events are counted as customers with an event: a customer at five
    cut-offs is one."""

    delta_auc_lower_95_min: float
    calibration_ratio_min: float
    calibration_ratio_max: float
    jeffreys_alpha: float
    psi_max: float
    psi_confidence: float
    train_events_min: int
    test_events_min: int
    scorecard_events_min: int
    isotonic_events_min: int
    walk_forward_models_max: int
    bootstrap_samples: int
    score_valid_days: int


@dataclass(frozen=True)
class ScoreRules:
    """Rules of `score_rule`: bounds of a PD, the history a score needs, and what counts as known for data
    depth."""

    pd_floor: float
    pd_cap: float
    history_months_min: int
    depth_history_months: int
    depth_paid_invoices_min: int
    reasons_max: int
    expert_base_pd: float
    expert_horizon_months: int


@dataclass(frozen=True)
class LatenessRules:
    """Policy `lateness_rule`, by the names it has there."""

    late_days: int
    cleared_documents_min: int
    learned_documents_max: int
    check_days: int
    check_late_min: int


@dataclass(frozen=True)
class ExpertBand:
    """Odds multiplier for a feature value in [lower, upper); both None: the value is not available."""

    feature: str
    lower: float | None
    upper: float | None
    odds_multiplier: float

    @property
    def is_missing_band(self) -> bool:
        return self.lower is None and self.upper is None


@dataclass(frozen=True)
class Policy:
    """The policy in force on one day. version: the seeds' common version, or each table's where they
    differ."""

    version: str
    grades: tuple[Grade, ...]
    scale: ScoreScale
    gates: Gates
    score_rules: ScoreRules
    expert: tuple[ExpertBand, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every value in force: an edited seed is seen even where its version was not raised."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def active_rows(frame: pd.DataFrame, *, key: Sequence[str], as_of: date) -> pd.DataFrame:
    """Of each `key` the row of the latest valid_from not after `as_of`; one without values ends its key."""
    import pandas as pd

    reached = frame[pd.to_datetime(frame["valid_from"]) <= pd.Timestamp(as_of)]
    latest = reached.sort_values("valid_from", kind="stable", key=pd.to_datetime)
    latest = latest.drop_duplicates(list(key), keep="last") if key else latest.tail(1)
    values = [name for name in frame if name not in {"version", "valid_from", "description", *key}]
    return latest[latest[values].notna().any(axis=1)].sort_index().reset_index(drop=True)


def read_policy(
    tables: Mapping[str, pd.DataFrame], *, keys: Mapping[str, Sequence[str]], as_of: date
) -> Policy:
    """Policy in force on `as_of`, from seed frames by table name (schema policy) whose rows have `keys`.

    Raises PolicyError.
    """
    problems: list[str] = []
    active: dict[str, pd.DataFrame] = {}
    for table, columns in TABLES.items():
        if table not in tables:
            problems.append(f"{table}: the table is absent")
            continue
        missing = [c for c in columns if c not in tables[table].columns]
        if missing:
            problems.append(f"{table}: columns missing: {', '.join(missing)}")
            continue
        rows = active_rows(tables[table], key=keys[table], as_of=as_of)
        if rows.empty:
            problems.append(
                f"{table}: no row is valid on {as_of.isoformat()}; its valid_from dates are later"
            )
            continue
        active[table] = rows
    if problems:
        raise PolicyError(problems)

    versions = {table: "+".join(sorted({str(v) for v in rows["version"]})) for table, rows in active.items()}
    common = set(versions.values())
    version = common.pop() if len(common) == 1 else ", ".join(f"{t} {v}" for t, v in sorted(versions.items()))

    grades = _grades(active["rating_scale"], problems)
    scale = _scale(active["score_scale"], problems)
    gates = _named_values(active["model_gate"], "gate", Gates, "model_gate", problems)
    rules = _named_values(active["score_rule"], "rule", ScoreRules, "score_rule", problems)
    expert = _expert(active["expert_pd"], problems)
    if rules is not None and not 0 < rules.pd_floor < rules.pd_cap < 1:
        problems.append(
            f"score_rule: pd_floor {rules.pd_floor} and pd_cap {rules.pd_cap} must be 0 < floor < cap < 1"
        )
    if rules is not None and not 0 < rules.expert_base_pd < 1:
        problems.append(
            f"score_rule: expert_base_pd is {rules.expert_base_pd}; it is a fraction between 0 and 1"
        )
    if problems or scale is None or gates is None or rules is None:
        raise PolicyError(problems)
    return Policy(version, grades, scale, gates, rules, expert)


def read_match_rules(
    rows: pd.DataFrame, *, keys: Mapping[str, Sequence[str]], as_of: date
) -> ResolveSettings:
    """Rules of customer matching in force on `as_of`, from the seed `match_rule`. Raises PolicyError."""
    rules = _rules(rows, ResolveSettings, "match_rule", keys, as_of)
    assert isinstance(rules, ResolveSettings)
    return rules


def read_lateness_rules(
    rows: pd.DataFrame, *, keys: Mapping[str, Sequence[str]], as_of: date
) -> LatenessRules:
    """Rules of payment forecasts in force on `as_of`, from the seed `lateness_rule`. Raises PolicyError."""
    rules = _rules(rows, LatenessRules, "lateness_rule", keys, as_of)
    assert isinstance(rules, LatenessRules)
    return rules


def _rules(
    rows: pd.DataFrame, kind: type[Any], table: str, keys: Mapping[str, Sequence[str]], as_of: date
) -> Any:
    active = active_rows(rows, key=keys[table], as_of=as_of)
    if active.empty:
        raise PolicyError(
            [f"{table}: no row is valid on {as_of.isoformat()}; its valid_from dates are later"]
        )
    problems: list[str] = []
    try:
        rules = _named_values(active, "rule", kind, table, problems)
    except ValueError as error:
        raise PolicyError([f"{table}: {error}"]) from error
    if problems:
        raise PolicyError(problems)
    return rules


def _grades(rows: pd.DataFrame, problems: list[str]) -> tuple[Grade, ...]:
    ordered = rows.sort_values("grade_rank", kind="stable")
    grades = tuple(
        Grade(str(g), int(r), float(u))
        for g, r, u in zip(ordered["grade"], ordered["grade_rank"], ordered["pd_upper"], strict=True)
    )
    uppers = [g.pd_upper for g in grades]
    if [g.grade_rank for g in grades] != list(range(1, len(grades) + 1)):
        problems.append("rating_scale: grade_rank must run 1, 2, 3, … without gaps")
    if any(b <= a for a, b in pairwise(uppers)) or not uppers or uppers[0] <= 0:
        problems.append("rating_scale: pd_upper must rise from grade to grade, above 0")
    elif uppers[-1] != 1.0:
        problems.append(
            f"rating_scale: the last pd_upper is {uppers[-1]:g}; bounds are fractions and end at 1"
        )
    return grades


def _scale(rows: pd.DataFrame, problems: list[str]) -> ScoreScale | None:
    if len(rows) != 1:
        problems.append(f"score_scale: {len(rows)} rows are in force, exactly one is needed")
        return None
    row = rows.iloc[0]
    scale = ScoreScale(float(row["pdo"]), float(row["base_points"]), float(row["base_odds"]))
    if scale.pdo <= 0 or scale.base_odds <= 0:
        problems.append("score_scale: pdo and base_odds must be above 0")
        return None
    return scale


def _named_values(rows: pd.DataFrame, key: str, kind: type[Any], table: str, problems: list[str]) -> Any:
    """Fill dataclass `kind` from name/value rows; names it does not know are another part's business."""
    given: dict[str, float] = {}
    for name, value in zip(rows[key], rows["value"], strict=True):
        if str(name) in given:
            problems.append(f"{table}: {name} is given twice")
        given[str(name)] = float(value)
    wanted: dict[str, str] = {f: str(t) for f, t in kind.__annotations__.items()}
    missing = [name for name in wanted if name not in given]
    fractional = [n for n, t in wanted.items() if t == "int" and n in given and given[n] != int(given[n])]
    if missing:
        problems.append(f"{table}: no value for {', '.join(missing)}")
    problems.extend(f"{table}: {n} is {given[n]}, a whole number is needed" for n in fractional)
    if missing or fractional:
        return None
    return kind(**{n: int(given[n]) if t == "int" else given[n] for n, t in wanted.items()})


def _expert(rows: pd.DataFrame, problems: list[str]) -> tuple[ExpertBand, ...]:
    """Bands of each feature must lie end to end, cover every value, and follow the feature's direction."""

    def number(value: Any) -> float | None:
        return None if value is None or math.isnan(float(value)) else float(value)

    bands = tuple(
        ExpertBand(str(f), number(lo), number(up), float(m))
        for f, lo, up, m in zip(
            rows["feature"], rows["lower"], rows["upper"], rows["odds_multiplier"], strict=True
        )
    )
    for feature in dict.fromkeys(b.feature for b in bands):
        if feature not in BY_NAME:
            problems.append(
                f"expert_pd: {feature} is not a feature; valid names are in models_ml/features.py"
            )
            continue
        own = [b for b in bands if b.feature == feature]
        valued = sorted(
            (b for b in own if not b.is_missing_band), key=lambda b: -math.inf if b.lower is None else b.lower
        )
        if len(own) - len(valued) != 1:
            problems.append(
                f"expert_pd: {feature} needs exactly one row without bounds, for a value not available"
            )
        if any(b.odds_multiplier <= 0 for b in own):
            problems.append(f"expert_pd: {feature} has an odds multiplier that is not above 0")
        ends_meet = all(a.upper is not None and a.upper == b.lower for a, b in pairwise(valued))
        if not valued or valued[0].lower is not None or valued[-1].upper is not None or not ends_meet:
            problems.append(
                f"expert_pd: the bands of {feature} must lie end to end, the first without lower and the "
                "last without upper bound"
            )
        steps = [b.odds_multiplier - a.odds_multiplier for a, b in pairwise(valued)]
        if any(step * BY_NAME[feature].direction < 0 for step in steps):
            problems.append(f"expert_pd: the multipliers of {feature} run against its direction of risk")
    return bands
