"""Ingest: the demo company lives on, then every source's new and changed rows land in `raw`."""

from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from orchestration.defs.steps import OpenNight, asked_for, night_step
from orchestration.owners import owner_team
from orchestration.sources.contract import TABLES
from orchestration.warehouse import open_warehouse

_OWNER = owner_team("IT Data Platform")


@dg.multi_asset(
    name="land_raw",
    can_subset=True,
    specs=[
        dg.AssetSpec(
            ["raw", table.name],
            group_name="ingest",
            description=f"Every version of {table.grain} as delivered; append-only.",
            owners=[_OWNER],
            kinds={"arrow", "duckdb"},
        )
        for table in TABLES
    ],
)
def land_raw(context: dg.AssetExecutionContext, night: OpenNight) -> Iterator[dg.MaterializeResult[None]]:
    """Land new and changed rows of every configured source; nothing else in the night reads a source."""
    from orchestration.sources.landing import land

    with night_step(context, night, "land_raw"):
        settings = night.settings

        def notice(text: str) -> None:
            night.tell(text)
            context.log.warning(text)

        if settings.demo is not None:
            from demo import advance

            advance(
                settings.demo_dir,
                day=night.as_of,
                customers=settings.demo.customers,
                months=settings.demo.months,
                seed=settings.demo.seed,
            )
        with open_warehouse(settings.warehouse_path) as connection:
            results = land(
                connection,
                settings,
                as_of=night.as_of,
                warn=notice,
                full_refresh=night.options.full_refresh,
                accept_drop=night.options.accept_drop,
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
            counts = {
                table.name: connection.execute(f"select count(*) from raw.{table.name}").fetchall()[0][0]
                for table in TABLES
            }
        yield from asked_for(
            context,
            (
                dg.MaterializeResult(
                    asset_key=["raw", table],
                    metadata={
                        "dagster/row_count": int(count),
                        "rows_read": rows_read[table],
                        "rows_landed": rows_landed[table],
                    },
                )
                for table, count in counts.items()
            ),
        )
