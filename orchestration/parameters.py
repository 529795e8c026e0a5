"""What a company decides about how its figures are counted: horizons, kept days, working hours and holidays."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from orchestration.dbt_project import PROJECT_DIR
from orchestration.sources.errors import closest
from orchestration.sources.field_mapping import Section

NO_HOLIDAYS = "none"
_POLICY_HOLIDAYS = PROJECT_DIR / "seeds" / "policy" / "business_holiday.csv"


@dataclass(frozen=True)
class BusinessCalendar:
    """The holidays in use: those of a calendar of policy by its name, or a company's own `holidays`."""

    name: str
    holidays: tuple[date, ...] = ()


def _read_calendar(value: Any, info: ValidationInfo) -> BusinessCalendar:
    """The calendar that is called `value`, or stands in that CSV file beside the configuration.

    Raises ValueError for a name that policy has no holidays for and for a file that is no list of days.
    """
    if isinstance(value, BusinessCalendar):
        return value
    if not isinstance(value, str):
        raise ValueError(f"is no calendar; {_valid()}")
    if value.endswith(".csv"):
        folder = (info.context or {}).get("folder", Path())
        return BusinessCalendar(Path(value).name, _holidays_of(Path(folder, value)))
    known = _policy_calendars()
    if value != NO_HOLIDAYS and value not in known:
        nearest = closest(value, [*known, NO_HOLIDAYS])
        hint = f"did you mean {nearest!r}? " if nearest else ""
        raise ValueError(f"is no calendar; {hint}{_valid()}")
    return BusinessCalendar(value)


def _valid() -> str:
    return (
        f"valid: {', '.join(_policy_calendars())} (seeds/policy/business_holiday.csv), {NO_HOLIDAYS}, or a CSV file "
        "with a column holiday_date"
    )


def _policy_calendars() -> list[str]:
    with _POLICY_HOLIDAYS.open(encoding="utf-8", newline="") as file:
        return sorted({row["calendar"] for row in csv.DictReader(file)})


def _holidays_of(path: Path) -> tuple[date, ...]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "holiday_date" not in (rows.fieldnames or []):
                raise ValueError(
                    f"{path} has no column holiday_date; it has: {', '.join(rows.fieldnames or [])}"
                )
            days = {_day(row["holiday_date"], path, rows.line_num) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file of holidays in UTF-8: {error}") from error
    if not days:
        raise ValueError(f"{path} holds no day; for a company without holidays write {NO_HOLIDAYS}")
    return tuple(sorted(days))


def _day(text: str | None, path: Path, line: int) -> date:
    try:
        return date.fromisoformat((text or "").strip())
    except ValueError:
        raise ValueError(f"{path} line {line}: {text!r} is no day written YYYY-MM-DD") from None


class CompanyParameters(Section):
    """How the company counts: each has its one default here, and reaches dbt as a variable of the same name.

    `exposure_horizon_days`: days ahead in which an open order counts as exposure. `daily_aging_days`: latest days
    for which the aging is kept day by day. `business_hours_from`, `business_hours_to`: full hours, Monday to Friday.
    """

    exposure_horizon_days: int = Field(default=30, ge=0, le=366)
    daily_aging_days: int = Field(default=90, ge=1, le=3660)
    business_hours_from: int = Field(default=9, ge=0, le=23)
    business_hours_to: int = Field(default=17, ge=1, le=24)
    business_calendar: Annotated[BusinessCalendar, BeforeValidator(_read_calendar)] = BusinessCalendar(
        "us_federal"
    )

    @model_validator(mode="after")
    def _hours_in_order(self) -> Self:
        if self.business_hours_from >= self.business_hours_to:
            raise ValueError(
                f"business hours from {self.business_hours_from} to {self.business_hours_to} are none; "
                "valid: business_hours_from before business_hours_to"
            )
        return self

    def dbt_variables(self) -> dict[str, Any]:
        """The same as dbt is told them."""
        return {
            "exposure_horizon_days": self.exposure_horizon_days,
            "daily_aging_days": self.daily_aging_days,
            "business_hours_from": self.business_hours_from,
            "business_hours_to": self.business_hours_to,
            "business_calendar": self.business_calendar.name,
            "business_holidays": [day.isoformat() for day in self.business_calendar.holidays],
        }
