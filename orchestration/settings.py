"""The only reader of the environment and the configuration file; all errors are raised at once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from orchestration.config_errors import explain
from orchestration.config_file import MOST_PROBLEMS, VARIABLE, Path_, Places, read_config, substitute
from orchestration.config_file import Problem as Problem
from orchestration.configured_secrets import read_address, register_configured
from orchestration.engine_settings import EngineSettings
from orchestration.parameters import CompanyParameters
from orchestration.policy import policy_problems
from orchestration.sources.config import Source
from orchestration.sources.config_problems import source_problems
from orchestration.sources.contract import CONTRACT
from orchestration.sources.errors import closest
from orchestration.sources.field_mapping import Section
from orchestration.sources.urls import unreadable

# Named by its place, in a checkout and in an installed wheel alike: importing the simulator costs every start.
DEMO_CONFIG = Path(__file__).parents[1] / "demo" / "demo.yml"
DEFAULT_HOME = ".trade-credit"
HOME_VARIABLE = "TRADE_CREDIT_HOME"

_CRON_RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` lists everything wrong with it at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"configuration has {count}:", *(f"  - {problem}" for problem in problems)]
        super().__init__("\n".join(lines))


def _refuse_unknown_tables(names: Iterable[str]) -> None:
    """Raise ValueError at the first of `names` that is no contract table."""
    for name in names:
        if name not in CONTRACT:
            nearest = closest(name, CONTRACT)
            hint = f"did you mean {nearest!r}? " if nearest else ""
            raise ValueError(f"names unknown table {name!r}; {hint}valid: {', '.join(CONTRACT)}")


class ModelSettings(Section):
    """Default, and how far ahead the customer model predicts it.

    A customer is in default while its documents that are `target_days_past_due` days past due, net of disputes and of
    its own unapplied cash and credits, exceed both `default_amount` (reporting currency) and `default_share` of all it
    owes; `probation_months` after they fell below, the default ends.
    """

    horizon_months: int = Field(default=12, ge=3, le=24)
    target_days_past_due: int = Field(default=91, ge=1, le=365)
    default_amount: float = Field(default=500, ge=0)
    default_share: float = Field(default=0.01, ge=0, le=1)
    probation_months: int = Field(default=3, ge=0, le=24)
    # A document so late, which so many newer ones overtook, is asked about before it counts as late.
    stray_days_past_due: int = Field(default=30, ge=1, le=365)
    stray_newer_documents: int = Field(default=3, ge=2, le=100)


class QualitySettings(Section):
    """Shares of quarantined rows (0..1) above which a table stops the run, and the strict-rules date."""

    quarantine_threshold: float = Field(default=0.05, ge=0, le=1)
    thresholds: dict[str, float] = Field(default_factory=dict)
    cut_over_date: date | None = None

    @field_validator("thresholds")
    @classmethod
    def _shares_of_known_tables(cls, value: dict[str, float]) -> dict[str, float]:
        _refuse_unknown_tables(value)
        for table, share in value.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{table}: {share} is no share; valid is a number from 0 to 1")
        return value


class DropLimit(Section):
    """How many rows one table may lose in a night; what is left out holds as for every table."""

    drop_share: float | None = Field(default=None, ge=0, le=1)
    drop_rows: int | None = Field(default=None, ge=1)


class LandingSettings(Section):
    """When a full delivery lacks so many known rows that the night stops: more than `drop_share` (0..1) of the
    table's rows, and at least `drop_rows` of them. A table that has become empty stops it in any case."""

    drop_share: float = Field(default=0.10, ge=0, le=1)
    drop_rows: int = Field(default=10, ge=1)
    tables: dict[str, DropLimit] = Field(default_factory=dict)

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, value: dict[str, DropLimit]) -> dict[str, DropLimit]:
        _refuse_unknown_tables(value)
        return value

    def drop_limit_of(self, table: str) -> tuple[float, int]:
        """The share and the number of its rows that contract table `table` may lose in a night."""
        own = self.tables.get(table, DropLimit())
        share = self.drop_share if own.drop_share is None else own.drop_share
        return share, self.drop_rows if own.drop_rows is None else own.drop_rows


class DemoSettings(Section):
    """The simulated company that the demo source invents."""

    customers: int = Field(default=2000, ge=20, le=1_000_000)
    months: int = Field(default=36, ge=6, le=120)
    seed: int = Field(default=7, ge=0)
    first_as_of: date


def _beside_the_file(value: Path | None, info: ValidationInfo) -> Path | None:
    """A path as written, taken from the folder of the configuration file."""
    folder = (info.context or {}).get("folder")
    return value if value is None or folder is None else Path(folder, value)


class StewardshipSettings(Section):
    """Files in which people decide what no rule can: which customers are the same, which documents are owed."""

    decisions: Path | None = None
    documents: Path | None = None

    @field_validator("decisions", "documents")
    @classmethod
    def _relative_to_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return _beside_the_file(value, info)


class NightSettings(Section):
    """Which days a night may answer for without being asked twice."""

    first: date = date(2000, 1, 1)
    furthest_days: int = Field(default=92, ge=1, le=3660)


class PublicationSettings(Section):
    """How many publications stay on disk, and the group of users who may read them beside their owner."""

    keep: int = Field(default=5, ge=1, le=1000)
    group: str | None = Field(default=None, min_length=1)


class CockpitSettings(Section):
    """The languages in which every publication carries the credit cockpit; none goes without."""

    languages: tuple[Literal["en", "zh"], ...] = ("en",)


class Settings(Section):
    """Everything the pipeline is told, validated and frozen. Paths are absolute."""

    home: Path
    config_path: Path
    company: str = Field(min_length=1)
    reporting_currency: str
    time_zone: str
    schedule: str = "30 2 * * *"
    sources: dict[str, Source] = Field(min_length=1)
    model: ModelSettings = ModelSettings()
    parameters: CompanyParameters = CompanyParameters()
    engine: EngineSettings = EngineSettings()
    quality: QualitySettings = QualitySettings()
    landing: LandingSettings = LandingSettings()
    demo: DemoSettings | None = None
    stewardship: StewardshipSettings = StewardshipSettings()
    # Folder with tables of the policy that replace the program's own, file by file.
    policy: Path | None = None
    publications: PublicationSettings = PublicationSettings()
    nights: NightSettings = NightSettings()
    cockpit: CockpitSettings = CockpitSettings()

    @field_validator("policy")
    @classmethod
    def _policy_beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return _beside_the_file(value, info)

    @field_validator("reporting_currency")
    @classmethod
    def _iso_4217(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Z]{3}", value):
            raise ValueError("is not an ISO 4217 code; valid are three capitals, for example USD")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, value: str) -> str:
        if value not in available_timezones():
            nearest = closest(value, available_timezones())
            hint = f"did you mean {nearest!r}?" if nearest else "valid is for example Europe/Paris"
            raise ValueError(f"is not an IANA time zone; {hint}")
        return value

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str) -> str:
        problem = cron_problem(value)
        if problem:
            raise ValueError(f"{problem}; valid are five fields, for example '30 2 * * *'")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def config_option(self) -> str:
        """What the command line needs to read the same configuration again; empty for the demo company's."""
        return "" if self.config_path == DEMO_CONFIG else f"--config {shlex.quote(str(self.config_path))}"

    @property
    def warehouse_path(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def publication_dir(self) -> Path:
        return self.home / "publication"

    @property
    def models_dir(self) -> Path:
        return self.home / "models"

    @property
    def quality_dir(self) -> Path:
        return self.home / "quality"

    @property
    def dagster_dir(self) -> Path:
        return self.home / "dagster"

    @property
    def demo_dir(self) -> Path:
        return self.home / "demo"

    @property
    def landing_dir(self) -> Path:
        """Working folder of the landing; safe to delete between runs."""
        return self.home / "landing"


def load_settings(config: Path | None, *, env: Mapping[str, str], home: Path | None = None) -> Settings:
    """Read and validate the configuration.

    Parameters
    ----------
    config
        YAML file; None reads the demo company's own file.
    env
        Environment to take `${VARIABLE}` values from; `${TRADE_CREDIT_HOME}` is always known.
    home
        Folder of all state; None takes `TRADE_CREDIT_HOME`, else `.trade-credit` in the working directory.

    Raises
    ------
    ConfigurationError
        With every problem found, each with its place in the file, what was received and what is valid.
    """
    home = Path(home or env.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
    path = DEMO_CONFIG if config is None else Path(config).absolute()
    written, lines, problems = read_config(path)
    if written is None:
        raise ConfigurationError(tuple(problems))
    register_configured(written, env)

    places = Places(path, written, lines)
    variables = {**env, HOME_VARIABLE: str(home)}
    values = substitute(written, variables, (), places, problems)
    for reserved in ("home", "config_path"):
        if reserved in values:
            values.pop(reserved)
            problems.append(places.problem((reserved,), "unknown key", f"set {HOME_VARIABLE} instead"))
    for name, source in (values["sources"] if isinstance(values.get("sources"), dict) else {}).items():
        if isinstance(source, dict):
            source["name"] = str(name)
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", str(name)):
                valid = "valid: a-z, 0-9 and _, starting with a letter"
                problems.append(places.problem(("sources", name), f"source name {name!r}", valid))
    addresses = dict(_unreadable_addresses(written, variables, places))
    problems.extend(addresses.values())
    settings = None
    try:
        settings = Settings.model_validate(
            {**values, "home": home, "config_path": path}, context={"folder": path.parent}
        )
    except ValidationError as error:
        found = [
            detail
            for detail in error.errors(include_url=False, include_context=False, include_input=False)
            # A feed that failed leaves its list empty; the feed's own error says it better.
            if not (detail["loc"][-1] == "feeds" and places.received(tuple(detail["loc"])) == "nothing")
            # What else is said of an unreadable address may quote it.
            and places.known(tuple(detail["loc"])) not in addresses
        ]
        problems.extend(explain(detail, places, Settings) for detail in found[:MOST_PROBLEMS])
        if len(found) > MOST_PROBLEMS:
            problems.append(
                Problem(path.name, f"{len(found) - MOST_PROBLEMS:,} more problems", "mend these first")
            )
    if settings is not None:
        problems.extend(places.problem(*found) for found in source_problems(settings.sources))
        if settings.policy is not None:
            problems.extend(policy_problems(settings.policy))
    if problems or settings is None:
        raise ConfigurationError(tuple(problems))
    return settings


def _unreadable_addresses(
    written: dict[str, Any], variables: Mapping[str, str], places: Places
) -> Iterator[tuple[Path_, Problem]]:
    """The path and the problem of every source's address whose host or port cannot be told from its password."""
    sources = written.get("sources")
    for name, source in sources.items() if isinstance(sources, dict) else ():
        url = source.get("url") if isinstance(source, dict) else None
        if not isinstance(url, str) or not set(VARIABLE.findall(url)) <= set(variables):
            continue
        wrong = unreadable(read_address(url, variables))
        if wrong is not None:
            path = ("sources", name, "url")
            yield path, places.problem(path, *wrong)


def cron_problem(text: str) -> str | None:
    """What is wrong with a five-field cron text; None where it is valid."""
    fields = text.split()
    if len(fields) != 5:
        return f"has {len(fields)} fields"
    for field, (name, low, high) in zip(fields, _CRON_RANGES, strict=True):
        for part in field.split(","):
            match = re.fullmatch(r"(\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
            if match is None:
                return f"{name} {field!r} cannot be read"
            first, last, step = (int(group) if group else None for group in match.groups()[1:])
            if any(value is not None and not low <= value <= high for value in (first, last)) or step == 0:
                return f"{name} {field!r} is outside {low}-{high}"
            if first is not None and last is not None and first > last:
                return f"{name} {field!r} runs backwards"
    return None
