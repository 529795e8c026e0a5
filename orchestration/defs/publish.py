"""Publish: copy the finished mart aside and switch readers to it in one rename."""

import logging
from datetime import timedelta
from pathlib import Path

import dagster as dg

from orchestration.dbt_runner import mart_texts
from orchestration.defs.steps import OpenNight, night_step
from orchestration.duckdb_file import open_duckdb
from orchestration.home import remove
from orchestration.ledger_history import append_ledger_history
from orchestration.night import Night
from orchestration.owners import owner_team
from orchestration.publication import COCKPIT, MART
from orchestration.warehouse import publish_mart

# A night answers for one day, so a mart from the day before yesterday is late, and one a day older is stale.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=30), fail_window=timedelta(hours=54))


def build_publish_asset(mart_keys: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """The publication, downstream of every mart and of the rules over them: only a whole night is published."""

    @dg.asset(
        name="current",
        key_prefix="publication",
        group_name="publish",
        deps=mart_keys,
        owners=[owner_team("Credit Management")],
        kinds={"duckdb", "parquet"},
        description="The published mart: a read-only DuckDB file and Parquet, switched by one rename.",
        freshness_policy=FRESHNESS,
    )
    def publish_mart_asset(context: dg.AssetExecutionContext, night: OpenNight) -> dg.MaterializeResult[None]:
        with night_step(context, night, "publication__current"):
            settings = night.settings
            # Before the switch: killed in between, this night's rerun replaces what it kept.
            night.note_publication()
            append_ledger_history(settings.warehouse_path, night.as_of)
            publication = publish_mart(
                settings.warehouse_path,
                settings.publication_dir,
                as_of=night.as_of,
                company=settings.company,
                reporting_currency=settings.reporting_currency,
                run_id=context.run_id,
                keep=settings.publications.keep,
                descriptions=mart_texts(settings.home),
                beside=lambda folder: _write_cockpit(night, folder),
                before_switch=night.raise_if_stopped,
            )
            context.log.info(f"published {len(publication.tables)} tables as {publication.publication_id}")
            return dg.MaterializeResult(
                metadata={
                    "as_of": publication.as_of,
                    "tables": len(publication.tables),
                    "dagster/row_count": sum(publication.tables.values()),
                    "folder": dg.MetadataValue.path(publication.folder),
                }
            )

    return publish_mart_asset


def _write_cockpit(night: Night, folder: Path) -> None:
    """The cockpit beside the mart it shows. Where it cannot be made the mart is published without it, and says so."""
    from orchestration.cockpit.site import write_cockpit

    settings = night.settings
    if not settings.cockpit.languages:
        return
    try:
        with open_duckdb(folder / MART, read_only=True, remedy="") as connection:
            write_cockpit(
                connection,
                folder / COCKPIT,
                company=settings.company,
                as_of=night.as_of,
                currency=settings.reporting_currency,
                languages=settings.cockpit.languages,
            )
    except OSError:
        raise  # a full disk is the publication's own trouble
    except Exception as error:
        remove(folder / COCKPIT)
        logging.getLogger(__name__).exception("the cockpit")
        night.tell(f"The mart is published without the cockpit, which could not be made: {error}")
