"""How a configuration file describes sources: databases, REST services, and which kinds there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from orchestration.sources.field_mapping import Mapped, Section
from orchestration.sources.file_config import FileSource, FileTable, check_relation_name

# How a table that is read in full may be meant otherwise than as the whole of it.
FullDelivery = Literal["open_items"]
Paginator = Literal["page_number", "offset", "cursor", "link_header", "next_url", "single_page"]

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mssql", "oracle", "redshift")
# Parameters and headers whose values are nobody's business.
CREDENTIAL_NAME = re.compile(r"(?i)key|token|secret|passw|pwd|auth|sig|credential|session")


class DatabaseTable(Mapped):
    """A table or query of a database that fills one contract table.

    With `cursor` only rows changed since the newest landed `updated_at` less `look_back_days` are read;
    without it the table is read in full, and rows that vanished become tombstones.
    """

    from_: str | None = Field(default=None, alias="from")
    cursor: str | None = None
    look_back_days: int = Field(default=7, ge=0, le=3660)
    key_space: str | None = None
    delivery: FullDelivery | None = None

    @model_validator(mode="after")
    def _open_items_are_read_in_full(self) -> DatabaseTable:
        if self.delivery is not None and self.cursor is not None:
            raise ValueError("delivery: open_items reads the whole list every night; leave `cursor` out")
        return self


class RestEndpoint(Section):
    """One list of records that a REST service gives.

    `records` is the JSON path of the list. `paginator`: `page_number` sends `page=1,2,…`, `offset` sends offset and
    limit, `cursor` sends the token found at `next_path`, `link_header` and `next_url` follow links.
    """

    path: str
    records: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    paginator: Paginator = "single_page"
    page_param: str = "page"
    page_size_param: str | None = None
    page_size: int = Field(default=1000, ge=1, le=100_000)
    next_path: str = "next"

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


class RestTable(Mapped, RestEndpoint):
    """One endpoint of a REST service that fills one contract table.

    `from` selects the rows to map in SQL: over `rows`, which are the endpoint's own records, and over the `relations`
    of its source.
    """

    from_: str | None = Field(default=None, alias="from")
    since_param: str | None = None
    look_back_days: int = Field(default=7, ge=0, le=3660)
    key_space: str | None = None
    delivery: FullDelivery | None = None

    @model_validator(mode="after")
    def _open_items_are_asked_in_full(self) -> RestTable:
        if self.delivery is not None and self.since_param is not None:
            raise ValueError(
                "delivery: open_items asks for the whole list every night; leave `since_param` out"
            )
        return self


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
    # Endpoints that a table's `from` reads beside its own, by the name it calls them.
    relations: dict[str, RestEndpoint] = Field(default_factory=dict)
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

    @field_validator("relations")
    @classmethod
    def _names_of_their_own(cls, value: dict[str, RestEndpoint]) -> dict[str, RestEndpoint]:
        for name in value:
            check_relation_name(name)
        return value

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
