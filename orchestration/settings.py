"""The only reader of the environment and the configuration file; all errors are raised at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from orchestration.sources.config import Section, Source, source_problems
from orchestration.sources.contract import CONTRACT
from orchestration.sources.errors import closest, redact

DEMO_CONFIG = Path(__file__).parent / "sources" / "demo" / "demo.yml"
DEFAULT_HOME = ".trade-credit"
HOME_VARIABLE = "TRADE_CREDIT_HOME"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = {"token", "password", "secret", "headers"}
_CRON_RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One configuration error: where it stands, what was received, and what is valid or how to mend it."""

    where: str
    received: str
    valid: str

    def __str__(self) -> str:
        return f"{self.where}: {self.received}" + (f"; {self.valid}" if self.valid else "")


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` lists everything wrong with it at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"configuration has {count}:", *(f"  - {problem}" for problem in problems)]
        super().__init__("\n".join(lines))


class ModelSettings(Section):
    """What the customer model predicts."""

    horizon_months: int = Field(default=12, ge=3, le=24)
    target_days_past_due: int = Field(default=91, ge=1, le=365)
    target_amount_share: float = Field(default=0.10, gt=0, le=1)


class QualitySettings(Section):
    """Shares of quarantined rows (0..1) above which a table stops the run, and the strict-rules date."""

    quarantine_threshold: float = Field(default=0.05, ge=0, le=1)
    thresholds: dict[str, float] = Field(default_factory=dict)
    cut_over_date: date | None = None

    @field_validator("thresholds")
    @classmethod
    def _shares_of_known_tables(cls, value: dict[str, float]) -> dict[str, float]:
        for table, share in value.items():
            if table not in CONTRACT:
                nearest = closest(table, CONTRACT)
                hint = f"did you mean {nearest!r}? " if nearest else ""
                raise ValueError(f"names unknown table {table!r}; {hint}valid: {', '.join(CONTRACT)}")
            if not 0 <= share <= 1:
                raise ValueError(f"{table}: {share} is no share; valid is a number from 0 to 1")
        return value

    def threshold_of(self, table: str) -> float:
        """The share of quarantined rows that contract table `table` may have."""
        return self.thresholds.get(table, self.quarantine_threshold)


class DemoSettings(Section):
    """The simulated company that the demo source invents."""

    customers: int = Field(default=2000, ge=20, le=1_000_000)
    months: int = Field(default=36, ge=6, le=120)
    seed: int = Field(default=7, ge=0)
    first_as_of: date


class StewardshipSettings(Section):
    """Files in which people decide what no rule can: which customers are the same."""

    decisions: Path | None = None

    @field_validator("decisions")
    @classmethod
    def _relative_to_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return value if value is None or folder is None else Path(folder, value)


class PublicationSettings(Section):
    """How many publications stay on disk, and the group of users who may read them beside their owner."""

    keep: int = Field(default=5, ge=1, le=1000)
    group: str | None = Field(default=None, min_length=1)


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
    quality: QualitySettings = QualitySettings()
    demo: DemoSettings | None = None
    stewardship: StewardshipSettings = StewardshipSettings()
    publications: PublicationSettings = PublicationSettings()

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
        """Working folder of the transport library; safe to delete between runs."""
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
    written, lines, problems = _read_yaml(path)
    if written is None:
        raise ConfigurationError(tuple(problems))

    places = _Places(path, written, lines)
    values = _substitute(written, {**env, HOME_VARIABLE: str(home)}, (), places, problems)
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
    settings = None
    try:
        settings = Settings.model_validate(
            {**values, "home": home, "config_path": path}, context={"folder": path.parent}
        )
    except ValidationError as error:
        problems.extend(
            _explain(detail, places)
            for detail in error.errors(include_url=False)
            # A feed that failed leaves its list empty; the feed's own error says it better.
            if not (detail["loc"][-1] == "feeds" and places.received(tuple(detail["loc"])) == "nothing")
        )
    if settings is not None:
        problems.extend(places.problem(*found) for found in source_problems(settings.sources))
    if problems or settings is None:
        raise ConfigurationError(tuple(problems))
    return settings


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


class _Places:
    """Where things stand in the file: names a path, finds its line and what was written there."""

    def __init__(self, file: Path, written: Any, lines: dict[Path_, int]) -> None:
        self.file = file
        self.written = written
        self.lines = lines

    def known(self, path: Path_) -> Path_:
        """`path` without the parts that validation added and the file does not hold (its last part stays)."""
        kept: list[str | int] = []
        value = self.written
        for position, part in enumerate(path):
            found = _child(value, part)
            if found is not _ABSENT:
                value = found
                kept.append(part)
            elif position == len(path) - 1 and isinstance(value, dict) and isinstance(part, str):
                kept.append(part)
        return tuple(kept)

    def problem(self, path: Path_, received: str, valid: str) -> Problem:
        path = self.known(path)
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        place = self.file.name + (f":{line}" if line else "")
        dotted = ".".join(str(part) for part in path)
        return Problem(f"{place} {dotted}".strip(), redact(received), redact(valid))

    def received(self, path: Path_) -> str:
        """The value as written (variables not filled in, so that no secret shows), shortened."""
        value = self.written
        for part in self.known(path):
            value = _child(value, part)
        if value is _ABSENT:
            return "nothing"
        if any(str(part).lower() in _SECRET_KEYS for part in path):
            return "a value that is not shown"
        text = repr(value)
        return "received " + (text if len(text) <= 120 else text[:117] + "…")


_ABSENT: Any = object()


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return _ABSENT


def _explain(detail: Any, places: _Places) -> Problem:
    """One pydantic error in the words of the file."""
    path: Path_ = tuple(detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        valid = sorted(_keys_at(path[:-1]))
        nearest = closest(str(path[-1]), valid)
        hint = f"did you mean {nearest!r}? " if nearest else ""
        return places.problem(path, "unknown key", f"{hint}valid: {', '.join(valid)}")
    if kind == "missing":
        return places.problem(path, "is missing", "this key is required")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        path = (*path, "kind")
        received = "is missing" if kind == "union_tag_not_found" else places.received(path)
        return places.problem(path, received, "valid: database, files, rest")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return places.problem(path, places.received(path), message[:1].lower() + message[1:])


def _keys_at(path: Path_) -> set[str]:
    """The keys the section at a validation path accepts."""
    current: list[Any] = [Settings]
    for part in path:
        following: list[Any] = []
        for annotation in current:
            following.extend(_step(annotation, part))
        current = following
    keys: set[str] = set()
    for model in _models(current):
        keys |= {field.alias or name for name, field in model.model_fields.items()}
    return keys - {"home", "config_path", "name"}


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """Annotations one validation step below `annotation`: a key, a position, or the tag of a union."""
    for option in _unwrap(annotation):
        origin = get_origin(option)
        if isinstance(option, type) and issubclass(option, BaseModel):
            kind = option.model_fields.get("kind")
            if kind is not None and part in get_args(kind.annotation):
                yield option
            for name, field in option.model_fields.items():
                if part in (name, field.alias):
                    yield field.annotation
        elif origin is dict:
            yield get_args(option)[1]
        elif origin is tuple:
            yield get_args(option)[0]


def _unwrap(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, without Annotated and None."""
    origin = get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        yield from _unwrap(get_args(annotation)[0])
    elif origin is not None and origin not in (dict, tuple, list, Literal):
        for option in get_args(annotation):
            yield from _unwrap(option)
    elif annotation is not type(None):
        yield annotation


def _models(annotations: list[Any]) -> Iterator[type[BaseModel]]:
    for annotation in annotations:
        for option in _unwrap(annotation):
            if isinstance(option, type) and issubclass(option, BaseModel):
                yield option


def _read_yaml(path: Path) -> tuple[dict[str, Any] | None, dict[Path_, int], list[Problem]]:
    """The file's mapping, the line of each path, and what is wrong with the file itself."""
    remedy = "give the path of a YAML file, or leave --config out to run the demo company"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None, {}, [Problem(str(path), "no such file", remedy)]
    except UnicodeDecodeError as error:
        return None, {}, [Problem(path.name, f"not UTF-8 at byte {error.start}", "save the file as UTF-8")]
    except OSError as error:
        return None, {}, [Problem(str(path), f"cannot be read ({error.strerror})", remedy)]
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines: dict[Path_, int] = {}
        problems = list(_walk(node, (), path.name, lines, loader)) if node is not None else []
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}" if mark else path.name
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        return None, {}, [Problem(where, f"is not YAML ({said})", "check indentation, quotes and colons")]
    if not isinstance(value, dict):
        kind = "empty" if value is None else f"a {type(value).__name__}"
        valid = "valid is a mapping with company, sources and so on"
        return None, {}, [Problem(path.name, f"the file is {kind}", valid)]
    return value, lines, problems


def _walk(node: Any, path: Path_, file: str, lines: dict[Path_, int], loader: Any) -> Iterator[Problem]:
    """Note the line of every path below `node`; yields a problem for every key given twice."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: dict[Any, int] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in seen:
                dotted = ".".join(str(part) for part in (*path, key))
                valid = f"first given on line {seen[key]}; keep one"
                yield Problem(f"{file}:{line} {dotted}", "key is given twice", valid)
            seen[key] = line
            lines[(*path, key)] = line
            yield from _walk(value_node, (*path, key), file, lines, loader)
    elif isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            yield from _walk(child, (*path, position), file, lines, loader)


def _substitute(
    value: Any, variables: Mapping[str, str], path: Path_, places: _Places, problems: list[Problem]
) -> Any:
    """`value` with every `${VARIABLE}` filled in; unknown variables become problems."""

    def below(item: Any, part: str | int) -> Any:
        return _substitute(item, variables, (*path, part), places, problems)

    if isinstance(value, dict):
        return {key: below(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [below(item, position) for position, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if name not in variables:
            nearest = closest(name, variables)
            hint = f" (did you mean {nearest!r}?)" if nearest else ""
            received = f"environment variable {name} is not set"
            problems.append(places.problem(path, received, f"set it before running{hint}"))
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), value)
