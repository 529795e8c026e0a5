"""Gate two: rules over finished marts; each rule is an asset check, and a blocking one stops the publication."""

from collections.abc import Iterator, Sequence

import dagster as dg

from orchestration.defs.rule_checks import check_result, check_spec, log_verdicts
from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.night import NightError
from orchestration.plain_text import plain
from orchestration.warehouse import open_warehouse
from quality.catalog import MART_RULES_FOLDER, load_rules

_RULES = load_rules(MART_RULES_FOLDER)


def build_mart_gate(stages: Sequence[dg.AssetsDefinition]) -> dg.AssetChecksDefinition:
    """The step between the last mart and the publication, which waits for it and is not made where it fails.

    Dagster lets everything downstream of an asset wait for its blocking checks. Marts that other marts are
    built from would wait for this step, and this step for them; so only checks on marts that nothing but the
    publication reads are marked blocking. That makes the publication wait for the step, and the step itself
    fails where any rule blocks.
    """
    read = {key for stage in stages for needed in stage.asset_deps.values() for key in needed}

    @dg.multi_asset_check(
        name="mart_gate",
        can_subset=True,
        specs=[
            check_spec(rule, key, holds_back=key not in read)
            for rule in _RULES
            for key in [dg.AssetKey(rule.table.split("."))]
        ],
        description="Rules over the marts, judged before they are published.",
    )
    def mart_gate(context: dg.AssetCheckExecutionContext, night: OpenNight) -> Iterator[dg.AssetCheckResult]:
        """Judge the marts, record the results, and stop the night before publication where a rule blocks."""
        from quality.runner import run_mart_gate

        with night_step(context, night, "mart_gate"):
            settings = night.settings
            # Great Expectations knows one context at a time, and both gates write the same first page.
            night.wait_for_writers()
            with open_warehouse(settings.warehouse_path) as warehouse:
                report = run_mart_gate(
                    warehouse,
                    as_of=night.as_of,
                    docs_dir=settings.quality_dir,
                    rules=_RULES,
                    company=settings.company,
                    reporting_currency=settings.reporting_currency,
                    write_docs=False,
                )
            if report.docs is not None:
                night.write_meanwhile("Data Docs", report.docs.write)
            yield from asked_for(
                context,
                (
                    check_result(result, dg.AssetKey(result.rule.table.split(".")))
                    for result in report.results
                ),
            )
            log_verdicts(report.results)
            failed = sum(result.status == "failed" for result in report.results)
            context.log.info(f"{len(report.results)} rules over the marts, {failed} found something")
            if report.blocking:
                raise NightError(
                    "The rules over the marts stopped the night before publication:\n  - "
                    + "\n  - ".join(map(plain, report.blocking))
                )

    return mart_gate
