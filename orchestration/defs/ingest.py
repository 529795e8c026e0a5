"""Ingest: the demo company lives on, then every source's new and changed rows land in `raw`."""

from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from orchestration.ledger_history import prepare_ledger_history
from orchestration.memory import claim_home, remember_start
from orchestration.night import Night, clear_failures
from orchestration.owners import owner_team
from orchestration.sources.contract import TABLES
from orchestration.warehouse import hold_night_lock, open_warehouse, prepare_warehouse

_OWNER = owner_team("IT Data Platform")


@dg.multi_asset(
    name="land_raw",
    specs=[
        dg.AssetSpec(
            ["raw", table.name],
            group_name="ingest",
            description=f"Every version of {table.grain} as delivered; append-only.",
            owners=[_OWNER],
            kinds={"dlt", "duckdb"},
        )
        for table in TABLES
    ],
)
def land_raw(context: dg.AssetExecutionContext, night: Night) -> Iterator[dg.MaterializeResult[None]]:
    """Land new and changed rows of every configured source; nothing else in the night reads a source."""
    from orchestration.sources.landing import land

    with clear_failures(context):
        settings = night.settings()
        claim_home(settings)
        hold_night_lock(settings.home)
        remember_start(settings.home, night.as_of, context.run_id)
        prepare_warehouse(settings.warehouse_path)
        if settings.demo is not None:
            from orchestration.sources.demo import advance

            advance(
                settings.demo_dir,
                day=night.day,
                customers=settings.demo.customers,
                months=settings.demo.months,
                seed=settings.demo.seed,
            )
        with open_warehouse(settings.warehouse_path) as connection:
            prepare_ledger_history(connection)
            results = land(
                connection,
                settings,
                as_of=night.day,
                warn=context.log.warning,
                full_refresh=night.full_refresh,
            )
        rows_read: dict[str, int] = defaultdict(int)
        rows_landed: dict[str, int] = defaultdict(int)
        for result in results:
            rows_read[result.table_name] += result.rows_read
            rows_landed[result.table_name] += result.rows_landed
        context.log.info(
            f"{sum(rows_read.values()):,} rows read, {sum(rows_landed.values()):,} new or changed rows landed"
        )
        with open_warehouse(settings.warehouse_path) as connection:
            for table in TABLES:
                count = connection.execute(f"select count(*) from raw.{table.name}").fetchone()
                yield dg.MaterializeResult(
                    asset_key=["raw", table.name],
                    metadata={
                        "dagster/row_count": int(count[0]) if count else 0,
                        "rows_read": rows_read[table.name],
                        "rows_landed": rows_landed[table.name],
                    },
                )
