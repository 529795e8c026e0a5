"""Resolve: one customer code for every customer of every system, with the steward's word above the model's."""

from collections.abc import Iterator

import dagster as dg

from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.owners import owner_team
from orchestration.warehouse import open_warehouse

_SEED = 20_261
_TABLES = {
    "customer_xref": "Source customer to customer code, with probability and the rule that decided.",
    "customer_alias": "Codes that were merged away, and the older code that stands for them.",
    "customer_split": "Records that left a customer code, and the code they have now.",
    "customer_group": "Customer code to the code of its top parent.",
    "match_candidate": "Pairs that were compared and not plainly the same or different.",
    "match_parameter": "The weights each comparison was given, and whether they were learnt.",
    "customer_code": "Every code ever issued, so that none is given twice.",
    "xref_history": "Which record had which code from when to when.",
}


@dg.multi_asset(
    name="resolve_customers",
    can_subset=True,
    specs=[
        dg.AssetSpec(
            ["core", table],
            group_name="resolve",
            deps=[["staging", "source_customer"], ["policy", "match_rule"]],
            description=description,
            owners=[owner_team("Master Data")],
            kinds={"splink", "duckdb"},
        )
        for table, description in _TABLES.items()
    ],
)
def resolve_customers(
    context: dg.AssetExecutionContext, night: OpenNight
) -> Iterator[dg.MaterializeResult[None]]:
    """Link customers across systems and give each a stable code."""
    from models_ml.entities import resolve
    from models_ml.policy import read_match_rules
    from orchestration.policy import policy_keys
    from orchestration.sources.steward import read_answers, read_decisions, record_answers

    with night_step(context, night, "resolve_customers"):
        settings = night.settings
        decisions = read_decisions(settings.stewardship.decisions)
        answers = read_answers(settings.stewardship.documents)
        with open_warehouse(settings.warehouse_path) as connection:
            record_answers(connection, answers)
            rules = read_match_rules(
                connection.execute("from policy.match_rule").df(), keys=policy_keys(), as_of=night.as_of
            )
            outcome = resolve(
                connection,
                customers="staging.source_customer",
                as_of=night.as_of,
                decisions=decisions,
                seed=_SEED,
                settings=rules,
            )
            context.log.info(
                f"{outcome.records:,} records are {outcome.customers:,} customers; "
                f"{outcome.new_codes:,} new codes, {outcome.review_pairs:,} pairs for the steward"
            )
            counts = {
                table: connection.execute(f"select count(*) from core.{table}").fetchall()[0][0]
                for table in _TABLES
            }
        yield from asked_for(
            context,
            (
                dg.MaterializeResult(asset_key=["core", table], metadata={"dagster/row_count": int(rows)})
                for table, rows in counts.items()
            ),
        )
