"""What another policy would have done: the rules of warnings over past month-ends, and the limits of today."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.dbt_runner import build
from orchestration.duckdb_file import open_duckdb, warehouse_remedy
from orchestration.night import NightError, dbt_variables
from orchestration.policy import policy_problems
from orchestration.policy_scales import refuse_gaps
from orchestration.publication import current_publication

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import Settings

# What reads the policy of warnings and limits, from the tables of the night that stands.
_MODELS = (
    "path:seeds/policy warning_population warning_replay warning_outcome kpi_warning limit_recommendation "
    "limit_impact"
)
_RECORD = (
    "openings_per_1000_customers_week", "episode_count", "precision_share", "precision_lower_95", "precision_upper_95",
    "recall_share", "recall_amount_share", "caught_amount_reporting", "lead_days_median",
)  # fmt: skip
_STEPS = (0.05, 0.08, 0.10, 0.12, 0.15, 0.20, 0.25, 0.30)


@dataclass(frozen=True)
class Outcome:
    """What one policy comes to. record: the row of mart.kpi_warning over all replayed warnings; impact: customers and
    yearly sales by what happens to their limit, of customers that are not declined for default or grade."""

    record: Mapping[str, Any]
    impact: Mapping[str, tuple[int, Any]]


@dataclass(frozen=True)
class Simulation:
    """Today's policy beside another, and what other thresholds of the PD alone would open a week."""

    as_of: date
    months: tuple[date | None, date | None]
    now: Outcome
    then: Outcome
    thresholds: tuple[Mapping[str, Any], ...]
    currency: str


def try_policy(settings: Settings, policy: Path) -> Simulation:
    """Carry out the policy of folder `policy` on a copy of the warehouse as the published night left it.

    Nothing of the state folder changes. Raises NightError where the folder is no policy, nothing is published, or the
    rules cannot be carried out, with the cause.
    """
    problems = list(policy_problems(policy))
    if problems:
        raise NightError(
            "The policy cannot be tried:\n" + "\n".join(f"  - {problem}" for problem in problems)
        )
    refuse_gaps(policy)
    publication = current_publication(settings.publication_dir)
    if publication is None:
        raise NightError("Nothing is published yet: run a night with `trade-credit run` first.")
    as_of = date.fromisoformat(publication.as_of)
    with tempfile.TemporaryDirectory(prefix="simulation_", dir=settings.home) as folder:
        copy = Path(folder) / settings.warehouse_path.name
        shutil.copyfile(settings.warehouse_path, copy)
        with _opened(copy) as connection:
            now = _outcome(connection)
        other = settings.model_copy(update={"policy": policy.absolute()})
        outcomes = build(settings.home, copy, select=_MODELS, variables=dbt_variables(other, as_of))
        failed = [outcome for outcome in outcomes if not outcome.ok]
        if failed:
            said = "\n".join(f"  {outcome.name}: {outcome.message.strip()}" for outcome in failed)
            raise NightError(f"The policy cannot be carried out:\n{said}")
        with _opened(copy) as connection:
            then = _outcome(connection)
            months = connection.execute(
                "select min(cutoff_date), max(cutoff_date) from core.warning_population"
            ).fetchone()
            thresholds = tuple(_threshold(connection, step) for step in _STEPS)
    assert months is not None
    return Simulation(as_of, (months[0], months[1]), now, then, thresholds, settings.reporting_currency)


def simulation_text(simulation: Simulation) -> str:
    """The comparison as a person reads it."""
    first, last = simulation.months
    lines = [
        f"Night of {simulation.as_of}: today's policy beside the other",
        f"Warnings replayed at the month-ends from {first} to {last}, as far as was known then",
        f"  {'':42}{'today':>26}{'other':>26}",
    ]
    shown = {
        "openings_per_1000_customers_week": ("warnings per 1,000 customers and week", "{:,.2f}"),
        "episode_count": ("matured warnings", "{:,.0f}"),
        "precision_share": ("right (precision)", "{:.1%}"),
        "recall_share": ("defaults warned of in time", "{:.1%}"),
        "recall_amount_share": ("the same by amount", "{:.1%}"),
        "caught_amount_reporting": (f"amount warned of, {simulation.currency}", "{:,.0f}"),
        "lead_days_median": ("median days before default", "{:,.0f}"),
    }
    for name, (label, form) in shown.items():
        pair = [_shown(outcome.record.get(name), form) for outcome in (simulation.now, simulation.then)]
        lines.append(f"  {label:42}{pair[0]:>26}{pair[1]:>26}")
    lines.append(f"Limits of today's customers, yearly sales in {simulation.currency}")
    for impact in sorted({*simulation.now.impact, *simulation.then.impact}):
        pair = [
            "{:,} / {:,.0f}".format(*outcome.impact.get(impact, (0, 0)))
            for outcome in (simulation.now, simulation.then)
        ]
        lines.append(f"  {impact.replace('_', ' '):42}{pair[0]:>26}{pair[1]:>26}")
    lines += [
        "Were the PD the only rule",
        f"  {'warned of from a PD of':42}{'a week, of 1,000':>26}{'right':>26}",
    ]
    for row in simulation.thresholds:
        openings, right = _shown(row["openings"], "{:,.2f}"), _shown(row["precision"], "{:.1%}")
        lines.append(f"  {row['threshold']:<42.0%}{openings:>26}{right:>26}")
    return "\n".join(lines)


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_duckdb(path, read_only=True, remedy=warehouse_remedy(path)) as connection:
        yield connection


def _outcome(connection: duckdb.DuckDBPyConnection) -> Outcome:
    row = connection.execute(
        f"select {', '.join(_RECORD)} from mart.kpi_warning where basis = 'replayed' and scope = 'all' and "
        "severity = 'any'"
    ).fetchone()
    impact = connection.execute(
        "select impact, count(*), coalesce(sum(yearly_sales_reporting), 0) from mart.limit_impact "
        "where decision <> 'decline' group by impact"
    ).fetchall()
    # Without a row the rules would have opened nothing, of which nothing can be right or wrong.
    nothing = {"openings_per_1000_customers_week": 0, "episode_count": 0}
    return Outcome(
        nothing if row is None else dict(zip(_RECORD, row, strict=True)),
        {name: (count, sales) for name, count, sales in impact},
    )


def _threshold(connection: duckdb.DuckDBPyConnection, threshold: float) -> dict[str, Any]:
    """What a warning from this PD alone would open a week, of 1,000 customers, and how often it would be right."""
    row = connection.execute(
        "with crossing as (select *, lag(pd) over (partition by customer_code order by cutoff_date) as before "
        "from core.warning_population where pd is not null), "
        "opened as (select * from crossing where pd >= $1 and before < $1) "
        "select (select count(*) from opened) * 1000.0 / nullif((select count(before) from crossing), 0) "
        "* 12 * 7 / 365.25, "
        "(select avg(cast(is_event as integer)) from opened)",
        [threshold],
    ).fetchone()
    assert row is not None
    return {"threshold": threshold, "openings": row[0], "precision": row[1]}


def _shown(value: Any, form: str) -> str:
    return "not known" if value is None else form.format(value)
