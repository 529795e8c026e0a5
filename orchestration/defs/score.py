"""Score: every customer with tonight's model, and the reasons as facts."""

from collections.abc import Iterator

import dagster as dg

from orchestration.defs.learn import POLICY_TABLES
from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.night import Night, NightError
from orchestration.owners import owner_team
from orchestration.warehouse import open_warehouse, replace_night, replace_table

_OWNER = owner_team("Credit Risk")
_TABLES = {
    "customer_score": "PD, points, grade and data depth of every customer, night by night.",
    "score_reason": "The strongest reasons of each score and the rest of it, which add up to its log-odds.",
    "model_monitoring": "Whether scores and features still look as they did when the model was made.",
}
_FORECASTS = {
    "invoice_forecast": "When every open document is expected to be paid.",
    "late_risk_record": "What earlier forecasts of payments said against what came, night by night.",
}


@dg.multi_asset(
    name="score_customers",
    can_subset=True,
    specs=[
        dg.AssetSpec(
            ["ml", table],
            deps=[
                ["ml", "model_run"],
                ["features", "customer_cutoff"],
                ["features", "customer_cutoff_prior"],
            ],
            group_name="score",
            description=description,
            owners=[_OWNER],
            kinds={"xgboost"},
        )
        for table, description in _TABLES.items()
    ]
    + [
        dg.AssetSpec(
            ["ml", table],
            deps=[["features", "invoice_question"], ["policy", "lateness_rule"]],
            group_name="score",
            description=description,
            owners=[_OWNER],
            kinds={"xgboost"},
        )
        for table, description in _FORECASTS.items()
    ],
)
def score_customers(
    context: dg.AssetExecutionContext, night: OpenNight
) -> Iterator[dg.MaterializeResult[None]]:
    """Score every customer known at the night's day with the model that learning chose."""
    from models_ml import registry
    from models_ml.learn_and_score import score_night
    from models_ml.policy import read_policy
    from orchestration.policy import policy_keys

    with night_step(context, night, "score_customers"):
        settings = night.settings
        champion = registry.champion_at(settings.models_dir, night.as_of)
        if champion is None:
            raise NightError(
                f"No model is registered for {night.as_of}; run the whole night, not one step of it."
            )
        with open_warehouse(settings.warehouse_path) as connection:
            policy = read_policy(
                {table: connection.execute(f"from policy.{table}").df() for table in POLICY_TABLES},
                keys=policy_keys(),
                as_of=night.as_of,
            )
            current, prior = (
                connection.execute(
                    f"from features.{table} where cutoff_date = ? order by customer_code", [night.as_of]
                ).df()
                for table in ("customer_cutoff", "customer_cutoff_prior")
            )
        scores = score_night(
            current,
            prior,
            as_of=night.as_of,
            model=champion.model,
            role=champion.role,
            policy=policy,
            settings=night.learn_settings(),
        )
        with open_warehouse(settings.warehouse_path) as connection:
            written = {
                table: replace_night(connection, "ml", table, rows, night.as_of)
                for table, rows in (
                    ("customer_score", scores.scores),
                    ("score_reason", scores.reasons),
                    ("model_monitoring", scores.monitoring),
                )
            }
        written |= _forecast_payments(night)
        counts = scores.scores["score_status"].value_counts()
        context.log.info(", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())))
        yield from asked_for(
            context,
            (
                dg.MaterializeResult(asset_key=["ml", table], metadata={"dagster/row_count": rows})
                for table, rows in written.items()
            ),
        )


def _forecast_payments(night: Night) -> dict[str, int]:
    """Forecast when open documents will be paid, and keep what earlier forecasts were worth; rows written by table."""
    from dataclasses import asdict

    import pandas as pd

    from models_ml.lateness import Record, forecast_payments
    from models_ml.policy import read_lateness_rules
    from orchestration.policy import policy_keys

    with open_warehouse(night.settings.warehouse_path) as connection:
        rows = connection.execute("from policy.lateness_rule").df()
        rules = read_lateness_rules(rows, keys=policy_keys(), as_of=night.as_of)
        questions = connection.execute("from features.invoice_question order by purpose, document_id").df()
    forecast = forecast_payments(questions, as_of=night.as_of, rules=rules)
    if forecast.refusal is not None:
        night.tell(f"When open documents will be paid is not forecast: {forecast.refusal}.")
    record = (
        dict.fromkeys(Record.__dataclass_fields__) if forecast.record is None else asdict(forecast.record)
    )
    told = pd.DataFrame([{**record, "refusal": forecast.refusal}])
    with open_warehouse(night.settings.warehouse_path) as connection:
        return {
            "invoice_forecast": replace_table(connection, "ml", "invoice_forecast", forecast.documents),
            "late_risk_record": replace_night(connection, "ml", "late_risk_record", told, night.as_of),
        }
