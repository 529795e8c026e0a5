"""The only reader of the clock: what day it is for the company, and which night is due."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from orchestration.publication import whole_publications

if TYPE_CHECKING:
    from orchestration.settings import Settings


def company_today(settings: Settings) -> date:
    """The calendar day it is now in the company's time zone."""
    return datetime.now(settings.zone).date()


def night_due(settings: Settings, today: date) -> date:
    """The day a night answers for when nobody names one, the same for the command and the schedule.

    A night answers for the day that has closed. The demo company lives a simulated day each night instead: its
    first, or the one after the newest night published.
    """
    if settings.demo is None:
        return today - timedelta(days=1)
    published = [date.fromisoformat(one.as_of) for one in whole_publications(settings.publication_dir)]
    return max(published) + timedelta(days=1) if published else settings.demo.first_as_of
