"""Gate one: rules over landed rows; each rule is an asset check, and a blocking one stops everything after it."""

from collections.abc import Iterator

import dagster as dg

from orchestration.defs.rule_checks import check_result, check_spec, log_verdicts
from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.night import NightError
from orchestration.owners import owner_team
from orchestration.plain_text import plain
from orchestration.sources.contract import TABLES
from orchestration.warehouse import open_warehouse
from quality.catalog import load_rules

_RULES = load_rules()


def _key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["staging", f"accepted_{table}"])


@dg.multi_asset(
    name="quality_gate",
    can_subset=True,
    specs=[
        dg.AssetSpec(
            _key(table.name),
            deps=[["raw", table.name]],
            group_name="gate",
            description=f"Landed {table.name} without the rows in quarantine.{table.name}.",
            owners=[owner_team("IT Data Platform")],
            kinds={"greatexpectations", "duckdb"},
        )
        for table in TABLES
    ],
    check_specs=[check_spec(rule, _key(rule.table)) for rule in _RULES],
)
def quality_gate(
    context: dg.AssetExecutionContext, night: OpenNight
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Judge landed rows, keep bad ones apart with rule and owner, and stop the night where a rule blocks."""
    from quality.runner import QuarantineThresholds, run_gate

    with night_step(context, night, "quality_gate"):
        settings = night.settings
        with open_warehouse(settings.warehouse_path) as warehouse:
            report = run_gate(
                warehouse,
                as_of=night.as_of,
                docs_dir=settings.quality_dir,
                rules=_RULES,
                thresholds=QuarantineThresholds(
                    settings.quality.quarantine_threshold, dict(settings.quality.thresholds)
                ),
                cut_over=settings.quality.cut_over_date,
                company=settings.company,
                reporting_currency=settings.reporting_currency,
                write_docs=False,
            )
        if report.docs is not None:
            night.write_meanwhile("Data Docs", report.docs.write)
        yield from asked_for(
            context, (check_result(result, _key(result.rule.table)) for result in report.results)
        )
        quarantined = sum(table.quarantined for table in report.tables)
        log_verdicts(report.results)
        failed = sum(result.status == "failed" for result in report.results)
        context.log.info(
            f"{len(report.results)} rules, {failed} found something, {quarantined:,} rows quarantined"
        )
        if report.blocking:
            raise NightError(
                "The quality gate stopped the night:\n  - " + "\n  - ".join(map(plain, report.blocking))
            )
        yield from asked_for(
            context,
            (
                dg.MaterializeResult(
                    asset_key=_key(table.table),
                    metadata={
                        "dagster/row_count": table.accepted,
                        "rows_landed": table.landed,
                        "rows_quarantined": table.quarantined,
                        "rows_released": table.released,
                    },
                )
                for table in report.tables
            ),
        )
