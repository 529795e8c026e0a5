"""One night: the day it answers for, its settings, and how its errors reach the person who must act."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.dbt_runner import DbtError
from orchestration.settings import ConfigurationError, Settings, load_settings
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.warehouse import WarehouseError

if TYPE_CHECKING:
    from models_ml.train import LearnSettings

_RETRY_ATTEMPTS = 2
_RETRY_WAIT_SECONDS = 2


class NightError(Exception):
    """The night cannot go on for a reason the reader can act on; nothing has been published."""


class Night(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The parameters of one run, handed to every asset."""

    as_of: str
    config_file: str = ""
    full_refresh: bool = False

    @property
    def day(self) -> date:
        """The day the run answers for; everything later is unknown to it."""
        return date.fromisoformat(self.as_of)

    def settings(self) -> Settings:
        """The validated configuration; raises ConfigurationError with every problem at once."""
        return load_settings(Path(self.config_file) if self.config_file else None, env=os.environ)

    def dbt_variables(self) -> dict[str, Any]:
        """The variables every dbt stage of this night is run with."""
        settings = self.settings()
        return {
            "as_of_date": self.as_of,
            "reporting_currency": settings.reporting_currency,
            "horizon_months": settings.model.horizon_months,
            "target_days_past_due": settings.model.target_days_past_due,
            "target_amount_share": settings.model.target_amount_share,
        }


def learn_settings(settings: Settings) -> LearnSettings:
    """What the customer model of this configuration predicts."""
    from models_ml.train import LearnSettings

    return LearnSettings(
        horizon_months=settings.model.horizon_months,
        target_days_past_due=settings.model.target_days_past_due,
        target_amount_share=settings.model.target_amount_share,
    )


@contextmanager
def clear_failures(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
) -> Iterator[None]:
    """Turn errors a reader can act on into a step failure that shows their text and nothing else.

    A source that is down for a moment is asked again with back-off; every other error is final at once.
    """
    try:
        yield
    except TransientSourceError as error:
        if context.retry_number < _RETRY_ATTEMPTS:
            wait = _RETRY_WAIT_SECONDS * 2**context.retry_number
            context.log.warning(f"{error} (asked again in {wait} s)")
            raise dg.RetryRequested(max_retries=_RETRY_ATTEMPTS, seconds_to_wait=wait) from error
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except (ConfigurationError, SourceError, WarehouseError, DbtError, NightError) as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
