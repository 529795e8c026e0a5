"""How a data-quality rule becomes an asset check, the same for both gates."""

import logging
from collections.abc import Iterable

import dagster as dg

from orchestration.plain_text import plain
from quality.catalog import Rule
from quality.runner import RuleResult


def check_spec(rule: Rule, asset: dg.AssetKey, *, holds_back: bool = True) -> dg.AssetCheckSpec:
    """The check of one rule on the asset whose rows it judges.

    A blocking rule holds back everything downstream of the asset, unless `holds_back` is False: then the step
    that judges it must stop the night by itself.
    """
    return dg.AssetCheckSpec(
        rule.id,
        asset=asset,
        description=f"{rule.reason} To mend: {rule.remedy}",
        blocking=holds_back and rule.severity == "block",
        metadata={"owner": rule.owner, "dimension": rule.dimension, "severity": rule.severity},
    )


def check_result(result: RuleResult, asset: dg.AssetKey) -> dg.AssetCheckResult:
    """What became of the rule: expected, observed, failing keys and whose it is."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=result.rule.id,
        passed=result.status in {"passed", "not_applicable"},
        severity=dg.AssetCheckSeverity.ERROR if result.is_blocking else dg.AssetCheckSeverity.WARN,
        metadata={
            "status": result.status,
            "expected": result.expected,
            "observed": result.error or result.observed,
            "rows_checked": result.rows_checked,
            "rows_failed": result.rows_failed,
            "rows_quarantined": result.rows_quarantined,
            "failing_keys": list(result.sample_keys),
            "owner": result.rule.owner,
        },
    )


def log_verdicts(results: Iterable[RuleResult]) -> None:
    """Every rule's verdict in the log of the step that judged."""
    lines = (
        f"{result.rule.id}: {result.status}, expected {result.expected}, observed {result.error or result.observed}"
        for result in results
    )
    logging.getLogger(__name__).info("verdicts\n%s", "\n".join(map(plain, lines)))
