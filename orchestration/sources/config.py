"""How a configuration file describes sources: kinds, tables, files and the mapping of each field."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from orchestration.sources.contract import CONTRACT, Table
from orchestration.sources.contract import Field as ContractField
from orchestration.sources.errors import closest

RepairKind = Literal["strip", "collapse_spaces", "upper", "drop_decimal_zero", "pad_left", "swap_day_month"]
FileFormat = Literal["csv", "json", "jsonl", "parquet", "excel"]
Delivery = Literal["changes", "snapshot", "latest_snapshot"]
Paginator = Literal["page_number", "offset", "cursor", "link_header", "next_url", "single_page"]

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mssql", "oracle", "redshift")
FORMAT_OF_SUFFIX: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "excel",
}
# Parameters and headers whose values are nobody's business.
CREDENTIAL_NAME = re.compile(r"(?i)key|token|secret|passw|pwd|auth|sig|credential|session")
# How a decimal may be written where it is not plain; the sample is what a user writes as `format`.
DECIMAL_FORMATS = ("1,234.56", "1.234,56", "1 234,56", "1234,56")


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Repair(Section):
    """One mechanical repair of a value; every value it changes is recorded in `ops.repair`.

    Written as its name (`strip`) or as a mapping of its name to its parameters
    (`{pad_left: {length: 10, shortest: 9}}`).
    """

    kind: RepairKind
    length: int | None = Field(default=None, ge=1, le=100)
    shortest: int = Field(default=1, ge=1, le=100)
    fill: str = Field(default="0", min_length=1, max_length=1)
    when_equal_to: str | None = None
    because: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"kind": value}
        if isinstance(value, dict) and len(value) == 1 and "kind" not in value:
            kind, parameters = next(iter(value.items()))
            return {"kind": kind, **(parameters if isinstance(parameters, dict) else {})}
        return value

    @model_validator(mode="after")
    def _parameters_fit(self) -> Repair:
        if (self.kind == "pad_left") != (self.length is not None):
            raise ValueError("`length` belongs to pad_left, and pad_left needs it: {pad_left: {length: 10}}")
        if (self.kind == "swap_day_month") != (self.when_equal_to is not None):
            raise ValueError(
                "swap_day_month needs `when_equal_to`, the column that proves the swap: "
                "{swap_day_month: {when_equal_to: other_date_column}}"
            )
        return self

    @property
    def reason(self) -> str:
        """Why the repair is right: the configured reason, or what the repair does."""
        return (
            self.because
            or {
                "strip": "spaces around the value carry no meaning",
                "collapse_spaces": "repeated spaces carry no meaning",
                "upper": "codes are written in capitals",
                "drop_decimal_zero": "an identifier was exported as a number with decimals",
                "pad_left": f"leading '{self.fill}' lost in the export; codes have {self.length} characters",
                "swap_day_month": f"with day and month exchanged the date equals {self.when_equal_to}",
            }[self.kind]
        )


class Lookup(Section):
    """Take the value from another feed of the same table, by equal value of a contract field.

    A key with more than one value in that feed gives no value: the lookup never guesses.
    """

    feed: str
    by: str
    field: str


class FieldMapping(Section):
    """Where one contract field comes from: a column, an SQL expression over columns, or a constant.

    Order of work: value -> `repair` -> `format` and type -> `lookup` where still empty -> `default`
    where still empty. Lookups, defaults and constants must say why (`because`).
    """

    column: str | None = None
    sql: str | None = None
    constant: str | None = None
    format: tuple[str, ...] = ()
    repair: tuple[Repair, ...] = ()
    lookup: Lookup | None = None
    default: str | None = None
    default_sql: str | None = None
    because: str | None = None
    pick: Literal["most_frequent"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_column(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @field_validator("format", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("constant", "default", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        return None if value is None else str(value)

    @model_validator(mode="after")
    def _one_origin(self) -> FieldMapping:
        origins = [name for name in ("column", "sql", "constant") if getattr(self, name) is not None]
        fallbacks = [name for name in ("lookup", "default", "default_sql") if getattr(self, name) is not None]
        if len(origins) > 1:
            raise ValueError(f"one of column, sql or constant is allowed, received {', '.join(origins)}")
        if not origins and not fallbacks:
            raise ValueError("says no origin; give column, sql, constant, lookup or default")
        if self.default is not None and self.default_sql is not None:
            raise ValueError("one of default or default_sql is allowed, received both")
        if (fallbacks or self.constant is not None) and not self.because:
            raise ValueError(f"{(fallbacks or ['constant'])[0]} needs `because`: say why this value is right")
        return self


class Mapped(Section):
    """What every described table or feed has: the mapping of its columns to the contract's fields."""

    fields: dict[str, FieldMapping] | None = None
    # Source columns left out on purpose: neither told as new nor kept.
    ignore: tuple[str, ...] = ()

    def mapping_for(self, name: str) -> FieldMapping | None:
        """The mapping of contract field `name`; by the same name where `fields` is omitted."""
        return FieldMapping(column=name) if self.fields is None else self.fields.get(name)


class DatabaseTable(Mapped):
    """A table or query of a database that fills one contract table.

    With `cursor` only rows changed since the newest landed `updated_at` less `look_back_days` are read;
    without it the table is read in full, and rows that vanished become tombstones.
    """

    from_: str | None = Field(default=None, alias="from")
    cursor: str | None = None
    look_back_days: int = Field(default=7, ge=0, le=3660)
    key_space: str | None = None


class FileFeed(Mapped):
    """Files of one layout; `files` are paths or glob patterns relative to the configuration file."""

    name: str | None = None
    files: tuple[str, ...]
    format: FileFormat | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("files")
    @classmethod
    def _known_format(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no file; give at least one path or glob pattern")
        folder = (info.context or {}).get("folder")
        if folder is not None:
            value = tuple(str(Path(folder, path)) for path in value)
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                codecs.lookup(value)
            except LookupError as error:
                raise ValueError("is no known encoding; valid are for example utf-8, cp1252") from error
        return value

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and len(value) != 1:
            raise ValueError('must be one character, for example ",", ";", "|" or "\\t"')
        return value

    @model_validator(mode="after")
    def _format_is_known(self) -> FileFeed:
        for path in self.files:
            if self.format is None and Path(path).suffix.lower() not in FORMAT_OF_SUFFIX:
                raise ValueError(
                    f"the format of {Path(path).name} cannot be told from its name; "
                    f"set format to one of csv, json, jsonl, parquet, excel"
                )
        return self

    @property
    def label(self) -> str:
        """The feed's name in `_source_file` where one label stands for all of its files."""
        return Path(self.files[0]).name

    def format_of(self, path: Path) -> FileFormat:
        """The format of one matching file: as configured, else by its suffix."""
        return self.format or FORMAT_OF_SUFFIX.get(path.suffix.lower(), "csv")


class FileTable(Section):
    """Files that fill one contract table: one feed written inline, or several under `feeds`.

    `delivery: changes` (default): each file brings new or changed rows, nothing is ever deleted.
    `delivery: snapshot`: the files together are the whole table, rows that vanished become tombstones.
    `delivery: latest_snapshot`: of the files that match, the last by name is the whole table.
    """

    feeds: tuple[FileFeed, ...] = Field(min_length=1)
    delivery: Delivery = "changes"
    key_space: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _inline_feed(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "feeds" in value:
            return value
        table_keys = {"delivery", "key_space"}
        inline = {key: item for key, item in value.items() if key not in table_keys}
        return {"feeds": [inline], **{key: item for key, item in value.items() if key in table_keys}}


class RestTable(Mapped):
    """One endpoint of a REST service that fills one contract table.

    `records` is the JSON path of the row list. `paginator`: `page_number` sends `page=1,2,…`, `offset`
    sends offset and limit, `cursor` sends the token found at `next_path`, `link_header` and `next_url`
    follow links.
    """

    path: str
    records: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    paginator: Paginator = "single_page"
    page_param: str = "page"
    page_size_param: str | None = None
    page_size: int = Field(default=1000, ge=1, le=100_000)
    next_path: str = "next"
    since_param: str | None = None
    look_back_days: int = Field(default=7, ge=0, le=3660)
    key_space: str | None = None

    @field_validator("path")
    @classmethod
    def _below_the_url(cls, value: str) -> str:
        if "://" in value:
            raise ValueError(
                "is a whole address; valid is what follows the source's `url`, for example reports"
            )
        return value

    @field_validator("params")
    @classmethod
    def _without_line_end(cls, value: dict[str, str]) -> dict[str, str]:
        # A secret mounted as a file ends in one.
        return {name: text.rstrip("\r\n") for name, text in value.items()}


class DatabaseSource(Section):
    """A database reached by an SQLAlchemy-style URL (`sqlite:///erp.db`, `postgresql://user:${PASSWORD}@host/db`)."""

    name: str = ""
    kind: Literal["database"]
    url: SecretStr
    # Seconds: for a connection, for a lock that another session holds, and for a table's whole answer.
    connect_timeout_seconds: float = Field(default=10, gt=0, le=600)
    lock_timeout_seconds: float = Field(default=30, gt=0, le=86_400)
    query_timeout_seconds: float = Field(default=1800, gt=0, le=86_400)
    tables: dict[str, DatabaseTable] = Field(min_length=1)

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url = value.get_secret_value()
        scheme = re.match(r"^([a-z][a-z0-9]*)(?:\+[a-z0-9_]+)?://", url)
        if scheme is None or scheme.group(1) not in DATABASE_SCHEMES:
            raise ValueError(
                "is not a database URL; valid are for example sqlite:///erp.db and "
                f"postgresql://user:${{PASSWORD}}@host:5432/db (schemes: {', '.join(DATABASE_SCHEMES)})"
            )
        folder = (info.context or {}).get("folder")
        if scheme.group(1) == "sqlite" and folder is not None:
            path = url.split(":///", 1)[-1]
            return SecretStr(f"sqlite:///{Path(folder, path)}")
        return value


class FileSource(Section):
    """Files in folders: CSV, JSON lines, Parquet or Excel."""

    name: str = ""
    kind: Literal["files"]
    tables: dict[str, FileTable] = Field(min_length=1)


class RestSource(Section):
    """A REST service that answers JSON."""

    name: str = ""
    kind: Literal["rest"]
    url: str
    token: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    # Further origins that links may lead to; they are asked without `token` and `headers`.
    link_origins: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=30, gt=0, le=600)
    attempts: int = Field(default=5, ge=1, le=20)
    back_off_seconds: float = Field(default=1.0, ge=0, le=60)
    max_retry_after_seconds: float = Field(default=120, ge=0, le=86_400)
    # Bounds of one table: requests, and seconds altogether; and megabytes of one unpacked answer.
    max_requests: int = Field(default=10_000, ge=1, le=10_000_000)
    max_seconds: float = Field(default=1800, gt=0, le=86_400)
    max_answer_mb: int = Field(default=64, ge=1, le=1024)
    tables: dict[str, RestTable] = Field(min_length=1)

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        value = value.strip()
        if not re.match(r"^https?://[^\s/]+", value):
            raise ValueError("is not an http(s) URL; valid is for example https://bureau.example.com/v1")
        if not _is_plain_address(value):
            raise ValueError(
                "cannot be taken apart into host, port and path; query parameters belong under `params`, "
                "and / ? # @ of a user or password are written %2F %3F %23 %40"
            )
        return value.rstrip("/")

    @field_validator("link_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://[^\s/@]+/?", origin) or not _is_plain_address(origin):
                raise ValueError("names no origin; valid is for example https://pages.example.com")
        return value

    @field_validator("token")
    @classmethod
    def _sendable_token(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else _sendable(value, "token")

    @field_validator("headers")
    @classmethod
    def _sendable_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in value:
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise ValueError(
                    "has a name that is none; valid are letters, digits and -, for example X-Api-Key"
                )
        return {name: _sendable(text, f"header {name}") for name, text in value.items()}


def _is_plain_address(url: str) -> bool:
    """Whether `url` has a host and a readable port, and no parameters or blanks."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and not re.search(r"[\s\x00-\x1f\x7f?#\\]", url)


def _sendable(value: SecretStr, what: str) -> SecretStr:
    """A header's value without the white space around it, which it cannot carry (RFC 9110, 5.5)."""
    text = value.get_secret_value().strip()
    if not text:
        raise ValueError(f"{what} is empty; leave it out where the service needs none")
    if not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]+", text):
        raise ValueError(
            f"{what} holds a line end or another character that no header can carry; "
            "valid is one line of Latin letters, digits and signs"
        )
    return SecretStr(text)


Source = Annotated[DatabaseSource | FileSource | RestSource, Field(discriminator="kind")]
SourceTable = DatabaseTable | FileTable | RestTable


def mapped_parts(table: SourceTable) -> tuple[Mapped, ...]:
    """The parts of a configured table that carry a field mapping: its feeds, or the table itself."""
    return tuple(table.feeds) if isinstance(table, FileTable) else (table,)


FilePath = tuple[str | int, ...]
# A place in the file, what was received there, and what is valid.
Finding = tuple[FilePath, str, str]


def source_problems(sources: dict[str, Any]) -> list[Finding]:
    """What the sources say about the contract that one section alone cannot show.

    Returns (path in the file, received, what is valid) for: unknown contract tables and fields, required
    fields nobody maps, lookups into nowhere, key spaces and tables claimed twice.
    """
    findings: list[Finding] = []
    owners: dict[tuple[str, str], str] = {}
    for source_name, source in sources.items():
        for table_name, table in source.tables.items():
            path: FilePath = ("sources", source_name, "tables", table_name)
            if table_name not in CONTRACT:
                findings.append((path, f"unknown table {table_name!r}", _one_of(table_name, CONTRACT)))
                continue
            if table.key_space is not None and table.key_space not in sources:
                valid = _one_of(table.key_space, sources)
                findings.append(((*path, "key_space"), f"{table.key_space!r} is no configured source", valid))
            claim = (table.key_space or source_name, table_name)
            if claim in owners:
                received = f"{table_name} of {claim[0]} is delivered by {owners[claim]} already"
                valid = "one source per table and key space; use several feeds, or another key_space"
                findings.append((path, received, valid))
            owners[claim] = source_name
            findings.extend(_table_findings(path, table_name, table))
    return findings


def _table_findings(path: FilePath, table_name: str, table: SourceTable) -> list[Finding]:
    contract = CONTRACT[table_name]
    parts = mapped_parts(table)
    feed_names = {part.name for part in parts if isinstance(part, FileFeed) and part.name}
    picks = any(mapping.pick for part in parts for mapping in (part.fields or {}).values())
    findings: list[Finding] = []
    for position, part in enumerate(parts):
        if part.fields is None:
            continue
        at: FilePath = (*path, "feeds", position, "fields") if len(parts) > 1 else (*path, "fields")
        for name, mapping in part.fields.items():
            if name not in contract.field_names:
                valid = _one_of(name, contract.field_names)
                findings.append(((*at, name), f"unknown field {name!r}", valid))
                continue
            findings.extend(_field_findings((*at, name), contract.field(name), mapping))
            if mapping.lookup is not None:
                findings.extend(_lookup_findings((*at, name, "lookup"), contract, mapping.lookup, feed_names))
            if picks and name not in contract.key and mapping.pick is None and mapping.constant is None:
                received = "says not which of several values a key keeps"
                valid = "pick: most_frequent, as another field of this table does"
                findings.append(((*at, name), received, valid))
        for name in contract.required_fields:
            if name not in part.fields:
                valid = f"map {name} to a column, or give default and because"
                findings.append((at, f"required field {name!r} is not mapped", valid))
    if isinstance(table, DatabaseTable) and table.cursor is not None and table.fields is not None:
        mapped = table.fields.get("updated_at")
        if mapped is None or mapped.column != table.cursor:
            received = f"{table.cursor!r} is not the column mapped to updated_at"
            valid = f"fields: {{updated_at: {table.cursor}}}: the next load starts from the newest landed one"
            findings.append(((*path, "cursor"), received, valid))
    return findings


def _lookup_findings(path: FilePath, contract: Table, lookup: Lookup, feeds: set[str]) -> list[Finding]:
    findings: list[Finding] = []
    if lookup.feed not in feeds:
        valid = _one_of(lookup.feed, feeds)
        findings.append(((*path, "feed"), f"no feed is called {lookup.feed!r}", valid))
    for key, value in (("by", lookup.by), ("field", lookup.field)):
        if value not in contract.field_names:
            findings.append(((*path, key), f"unknown field {value!r}", _one_of(value, contract.field_names)))
    return findings


def _field_findings(path: FilePath, field: ContractField, mapping: FieldMapping) -> list[Finding]:
    findings: list[Finding] = []
    for sample in mapping.format:
        if field.type == "decimal":
            if sample not in DECIMAL_FORMATS:
                valid = "one of " + ", ".join(map(repr, DECIMAL_FORMATS))
                findings.append(((*path, "format"), repr(sample), valid))
        elif field.type not in ("date", "timestamp"):
            valid = f"no format: {field.name} is of type {field.type}"
            findings.append(((*path, "format"), repr(sample), valid))
        elif "%" not in sample:
            findings.append(((*path, "format"), repr(sample), "a date format such as '%d/%m/%Y'"))
    for repair in mapping.repair:
        if repair.kind == "swap_day_month" and field.type != "date":
            valid = f"no date repair: {field.name} is of type {field.type}"
            findings.append(((*path, "repair"), "swap_day_month", valid))
    return findings


def _one_of(received: str, valid: Iterable[str]) -> str:
    names = sorted(valid)
    nearest = closest(received, names)
    hint = f"did you mean {nearest!r}? " if nearest else ""
    return f"{hint}valid: {', '.join(names) or 'none'}"
