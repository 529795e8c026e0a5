"""Learn: train on what was known, judge out of time, decide which model may score tonight."""

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.owners import owner_team
from orchestration.warehouse import open_warehouse, replace_night, replace_table

_OWNER = owner_team("Credit Risk")
POLICY_TABLES = ("rating_scale", "score_scale", "score_rule", "model_gate", "expert_pd")


@dg.multi_asset(
    name="learn_model",
    can_subset=True,
    specs=[
        dg.AssetSpec(
            ["ml", "model_run"],
            deps=[
                ["features", "customer_cutoff"],
                ["features", "customer_label"],
                *(["policy", table] for table in POLICY_TABLES),
            ],
            group_name="learn",
            description="Each model judged tonight: periods, events, gates, and which one publishes and why.",
            owners=[_OWNER],
            kinds={"xgboost"},
        ),
        dg.AssetSpec(
            ["ml", "model_metric"],
            deps=[["features", "customer_cutoff"], ["features", "customer_label"]],
            group_name="learn",
            description="Out-of-time figures with 95 % intervals, by model, beside the baselines.",
            owners=[_OWNER],
            kinds={"xgboost"},
        ),
        dg.AssetSpec(
            ["ml", "walk_forward_score"],
            deps=[["features", "customer_cutoff"], ["features", "customer_label"]],
            group_name="learn",
            description="PDs of past month-ends by the scoring model's recipe as it was before them.",
            owners=[_OWNER],
            kinds={"xgboost"},
        ),
    ],
)
def learn_model(context: dg.AssetExecutionContext, night: OpenNight) -> Iterator[dg.MaterializeResult[None]]:
    """Train candidates, judge them beside champion and baselines, and keep the registry."""
    from models_ml import registry
    from models_ml.learn_and_score import learn
    from models_ml.policy import read_policy
    from orchestration.policy import policy_keys

    with night_step(context, night, "learn_model"):
        settings = night.settings
        with open_warehouse(settings.warehouse_path) as connection:
            training = connection.execute(
                "select cutoff.*, label.* exclude (customer_code, cutoff_date) from features.customer_cutoff as cutoff "
                "join features.customer_label as label using (customer_code, cutoff_date) "
                "order by customer_code, cutoff_date"
            ).df()
            policy = read_policy(
                {table: connection.execute(f"from policy.{table}").df() for table in POLICY_TABLES},
                keys=policy_keys(),
                as_of=night.as_of,
            )
        try:
            champion = registry.champion_before(settings.models_dir, night.as_of)
        except registry.OtherLayoutError as error:
            champion = None
            night.tell(str(error))
        outcome = learn(
            training,
            as_of=night.as_of,
            settings=night.learn_settings(),
            policy=policy,
            champion=champion,
            barred=registry.barred(settings.models_dir),
            stored=lambda model_id: registry.find(settings.models_dir, model_id),
        )
        for model in outcome.candidates:
            registry.save(settings.models_dir, model)
        registry.promote(
            settings.models_dir,
            outcome.published.model_id,
            as_of=night.as_of,
            role=outcome.role,
            reason=outcome.decision.reason,
        )
        context.log.info(f"{outcome.published.model_id} scores as {outcome.role}: {outcome.decision.reason}")
        with open_warehouse(settings.warehouse_path) as connection:
            runs = replace_night(connection, "ml", "model_run", outcome.runs, night.as_of)
            metrics = replace_night(connection, "ml", "model_metric", outcome.metrics, night.as_of)
            walked = replace_table(connection, "ml", "walk_forward_score", outcome.walked)
        overall = outcome.metrics.query("metric == 'auc' and segment == 'all'")
        headline = dict(zip(overall["model_id"] + "_auc", overall["value"].astype(float), strict=True))
        logging.getLogger(__name__).info("metrics out of time\n%s", outcome.metrics.to_string())
        told: dict[str, dict[str, Any]] = {
            "model_run": {
                "dagster/row_count": runs,
                "published_model": outcome.published.model_id,
                "role": outcome.role,
                "reason": outcome.decision.reason,
                "training_rows": len(training),
            },
            "model_metric": {"dagster/row_count": metrics, **headline},
            "walk_forward_score": {"dagster/row_count": walked},
        }
        yield from asked_for(
            context,
            (
                dg.MaterializeResult(asset_key=["ml", table], metadata=metadata)
                for table, metadata in told.items()
            ),
        )
