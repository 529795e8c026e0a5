"""What a gate reports: every rule with what became of it, every table, and why the night must stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from quality.catalog import KINDS, Rule
from quality.docs import Docs
from quality.evaluation import Outcome
from quality.quarantine import TableResult
from quality.suites import Found

Status = Literal["passed", "failed", "error", "not_applicable"]


@dataclass(frozen=True)
class RuleResult:
    """One rule and what became of it. `sample_keys` are at most 20 failing keys, with the failing columns."""

    rule: Rule
    status: Status
    rows_checked: int
    rows_failed: int
    rows_failed_old: int
    rows_quarantined: int
    sample_keys: tuple[str, ...]
    expected: str
    observed: str
    error: str | None = None

    @property
    def is_blocking(self) -> bool:
        """True where this result alone stops the night: a blocking rule failed, or a rule or its scan is at fault."""
        return self.status == "error" or (self.status == "failed" and self.rule.severity == "block")


@dataclass(frozen=True)
class GateReport:
    """Everything a gate found for one as-of date; `seconds` holds the wall time of each step.

    `tables` is empty for the gate over marts: it takes no row out. `found` is what Great Expectations found in the
    rows that go on and the scan had not. `docs` are the Data Docs, where they were asked for.
    """

    as_of: date
    results: tuple[RuleResult, ...]
    tables: tuple[TableResult, ...]
    found: tuple[Found, ...] = ()
    docs: Docs | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def docs_index(self) -> Path | None:
        """The first page of the Data Docs; None where the gate went without."""
        return None if self.docs is None else self.docs.index

    @property
    def blocking(self) -> tuple[str, ...]:
        """Why the night must stop, one reason a line; empty where it may go on."""
        reasons = [_told(found) for found in self.found]
        told = {found.expected.rule.id for found in self.found}
        for result in self.results:
            if result.rule.id in told:
                continue
            if result.status == "error":
                reasons.append(
                    f"rule {result.rule.id} on {result.rule.table} could not run: {result.error}. "
                    f"This is a fault of the rule or the gate, not of the data ({result.rule.owner})."
                )
            elif result.is_blocking:
                shown = f" ({'; '.join(result.sample_keys[:3])})" if result.sample_keys else ""
                reasons.append(
                    f"rule {result.rule.id} on {result.rule.table} failed: {result.rule.reason} "
                    f"{result.observed}{shown}. To mend: {result.rule.remedy} ({result.rule.owner})"
                )
        for table in self.tables:
            if table.landed != table.accepted + table.quarantined:
                reasons.append(
                    f"{table.table}: {table.landed:,} rows landed, but {table.accepted:,} accepted and "
                    f"{table.quarantined:,} quarantined do not add up to them"
                )
            if table.share > table.threshold:
                top = ", ".join(f"{rule} {rows:,}" for rule, rows in table.top_rules)
                reasons.append(
                    f"{table.table}: {table.quarantined:,} of {table.landed:,} rows ({table.share:.1%}) "
                    f"quarantined, the threshold is {table.threshold:.1%}; most by {top}"
                )
        return tuple(reasons)

    def result(self, rule_id: str) -> RuleResult:
        """The result of one rule; raises KeyError where it was not part of the gate."""
        for result in self.results:
            if result.rule.id == rule_id:
                return result
        raise KeyError(rule_id)


def rule_result(outcome: Outcome, found: Found | None, keys: Sequence[str], quarantined: int) -> RuleResult:
    """What became of a rule: what the scan says, unless Great Expectations `found` the scan at fault."""
    rule = outcome.rule
    status: Status
    error = outcome.error
    if outcome.not_applicable is not None:
        status, observed = "not_applicable", outcome.not_applicable
    elif error is not None:
        status, observed = "error", "could not run"
    elif found is not None:
        status, observed, error = "error", _observed(outcome), found.told
        keys = found.sample_keys
    else:
        held = outcome.rows_failed <= rule.max_failed_share * outcome.rows_checked
        status, observed = "passed" if held else "failed", _observed(outcome)
    return RuleResult(
        rule=rule,
        status=status,
        rows_checked=outcome.rows_checked,
        rows_failed=outcome.rows_failed,
        rows_failed_old=outcome.rows_failed_old,
        rows_quarantined=quarantined,
        sample_keys=tuple(keys),
        expected=rule.expected,
        observed=observed,
        error=error,
    )


def _told(found: Found) -> str:
    rule = found.expected.rule
    if found.error is not None:
        return (
            f"rule {rule.id} on {rule.table}: {found.told}. "
            f"This is a fault of the rule or the gate, not of the data ({rule.owner})."
        )
    return (
        f"rule {rule.id} on {rule.table}: {found.told}. {rule.reason} To mend: {rule.remedy} ({rule.owner}) "
        "That the scan did not see it is a fault of the gate besides (IT Data Platform)."
    )


def _observed(outcome: Outcome) -> str:
    if KINDS[outcome.rule.kind].looks_at == "table":
        return f"{outcome.rows_failed:,} finding(s) in a table of {outcome.rows_checked:,} rows"
    if not outcome.rows_failed:
        return f"0 of {outcome.rows_checked:,} rows fail"
    share = outcome.rows_failed / outcome.rows_checked if outcome.rows_checked else 1.0
    old = f", {outcome.rows_failed_old:,} of them before the cut-over" if outcome.rows_failed_old else ""
    return f"{outcome.rows_failed:,} of {outcome.rows_checked:,} rows ({share:.2%}) fail{old}"
