"""How a step of the graph belongs to its night: the resource that opens and closes it, and how its errors are told."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from models_ml.registry import RegistryError
from orchestration.clock import company_today
from orchestration.dbt_runner import DbtError
from orchestration.environment import explain_environment
from orchestration.memory import write_trace
from orchestration.night import Night, NightError, NightOptions
from orchestration.runs import close_dead_runs, tag_process
from orchestration.settings import ConfigurationError, Settings
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.step_log import tail
from orchestration.warehouse import WarehouseError

NIGHT = "night"
OpenNight = dg.ResourceParam[Night]
_RETRY_ATTEMPTS = 2
_RETRY_WAIT_SECONDS = 2
_FORESEEN = (ConfigurationError, SourceError, WarehouseError, DbtError, NightError, RegistryError)
_OPTIONS = {
    "full_refresh": dg.Field(
        bool, default_value=False, description="Read every source in full instead of only what is new."
    ),
    "accept_drop": dg.Field(
        [str],
        default_value=[],
        description="Source tables, each as source.table, that may have lost most of their rows tonight.",
    ),
    "accept_day": dg.Field(
        bool, default_value=False, description="The day is meant, though it is far off or in the future."
    ),
}


def night_partitions(settings: Settings, through: date) -> dg.DailyPartitionsDefinition:
    """One partition a night, by the company's calendar, from the first there can be to `through`."""
    first = settings.demo.first_as_of if settings.demo is not None else settings.nights.first
    ahead = (through - company_today(settings)).days
    return dg.DailyPartitionsDefinition(
        start_date=min(first, through).isoformat(),
        timezone=settings.time_zone,
        # Dagster offers a day when it is over; a night may answer for the day that is not.
        end_offset=max(1, ahead + 1),
    )


def night_resource(settings: Settings) -> dg.ResourceDefinition:
    """The night a run works on: its day is the run's partition, its settings those of this process."""

    @dg.resource(
        config_schema=_OPTIONS, description="The night this run works on, opened and closed in one place."
    )
    def opened(context: dg.InitResourceContext) -> Iterator[Night]:
        run, instance = context.run, context.instance
        if run is None or instance is None:
            raise NightError("A night is a run of Dagster; start it with `trade-credit run`.")
        day = run.tags.get("dagster/partition")
        if day is None:
            raise NightError(
                "The run names no night: choose a partition (a day), for example "
                f"{company_today(settings)}, or use `trade-credit run --as-of DAY`."
            )
        night = Night(
            settings,
            date.fromisoformat(day),
            run.run_id,
            options=NightOptions(
                full_refresh=context.resource_config["full_refresh"],
                accept_drop=tuple(context.resource_config["accept_drop"]),
                accept_day=context.resource_config["accept_day"],
            ),
            today=company_today(settings),
            when_open=functools.partial(close_dead_runs, instance, but=run.run_id),
        )
        tag_process(instance, run)
        with night.watching():
            yield night

    return opened


@contextmanager
def night_step(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, night: Night, name: str
) -> Iterator[None]:
    """Do one step of the night; its errors become a step failure that says what a person needs, once.

    A source that is down for a moment is asked again with back-off; every other error is final at once.
    """
    log = night.log_folder / f"{name}.log"
    try:
        with night.step(name):
            context.log.debug(f"what the step's libraries say is kept in {log}")
            yield
    except GeneratorExit:
        raise
    except TransientSourceError as error:
        if context.retry_number < _RETRY_ATTEMPTS and not night.is_stopped:
            wait = _RETRY_WAIT_SECONDS * 2**context.retry_number
            context.log.warning(f"{error} (asked again in {wait} s)")
            raise dg.RetryRequested(max_retries=_RETRY_ATTEMPTS, seconds_to_wait=wait) from None
        raise _failure(str(error), log) from None
    except _FORESEEN as error:
        raise _failure(str(error), log) from None
    except BaseException as error:
        if night.is_stopped:
            raise dg.DagsterExecutionInterruptedError(night.told) from None
        text = _unforeseen(error, night.settings.home)
        night.explain(text)
        raise _failure(text, log) from None


_Told = TypeVar("_Told", bound=dg.MaterializeResult[None] | dg.AssetCheckResult)


def asked_for(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, results: Iterable[_Told]
) -> Iterator[_Told]:
    """Those of a step's results that the run asked for.

    A step is always done whole, also where a person picks one of its tables: half a step would be of two nights.
    """
    assets = context.op_execution_context.selected_asset_keys
    checks = context.op_execution_context.selected_asset_check_keys
    for result in results:
        asset = dg.AssetKey.from_coercible(result.asset_key or ())
        if isinstance(result, dg.AssetCheckResult):
            if dg.AssetCheckKey(asset, str(result.check_name)) in checks:
                yield result
        elif asset in assets:
            yield result


def _unforeseen(error: BaseException, home: Path) -> str:
    """What a person reads of an error that no step raises by itself: the machine's fault, or a fault of the program."""
    told = explain_environment(error)
    if told is not None:
        return told
    said = str(error).strip() or type(error).__name__
    try:
        return f"{said}\nThis error was not foreseen; its trace is in {write_trace(home, error)}"
    except OSError:
        return f"{said}\nThis error was not foreseen."


def _failure(text: str, log: Path) -> dg.Failure:
    metadata: dict[str, Any] = {}
    if log.is_file():
        metadata["log_file"] = dg.MetadataValue.path(str(log))
        said = tail(log)
        if said:
            metadata["log"] = dg.MetadataValue.md(f"```\n{said}\n```")
    return dg.Failure(description=text, metadata=metadata, allow_retries=False)
