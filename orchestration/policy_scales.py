"""What is wrong with a company's policy as a whole: gaps and overlaps in scales and bands, values that are missing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from orchestration.config_file import Problem
from orchestration.policy import SEEDS, company_files, policy_keys
from orchestration.settings import ConfigurationError


def refuse_gaps(folder: Path | None) -> None:
    """Raise ConfigurationError that lists all of `scale_problems`, where there are any."""
    if problems := scale_problems(folder):
        raise ConfigurationError(tuple(problems))


def scale_problems(folder: Path | None) -> list[Problem]:
    """Everything that keeps models from using the policy, on each day on which a company's file changes it."""
    own = company_files(folder)
    if not own:
        return []
    import pandas as pd

    from models_ml.policy import TABLES, PolicyError, read_match_rules, read_policy

    read = {name: pd.read_csv(own.get(name, SEEDS / f"{name}.csv")) for name in (*TABLES, "match_rule")}
    models = {name: read[name] for name in TABLES}
    problems: dict[str, Problem] = {}
    for day in sorted({str(day) for name in own if name in read for day in read[name]["valid_from"]}):
        found: list[str] = []
        try:
            read_policy(models, keys=policy_keys(), as_of=date.fromisoformat(day))
        except PolicyError as error:
            found += error.problems
        try:
            read_match_rules(read["match_rule"], keys=policy_keys(), as_of=date.fromisoformat(day))
        except PolicyError as error:
            found += error.problems
        for text in found:
            problems.setdefault(text, Problem(f"policy in force from {day}", text, ""))
    return list(problems.values())
