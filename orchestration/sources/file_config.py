"""How a configuration file describes files: where they lie, how they are written, and what is made of them."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from orchestration.sources.field_mapping import Mapped, Section

FileFormat = Literal["csv", "json", "jsonl", "parquet", "excel"]
Delivery = Literal["changes", "snapshot", "latest_snapshot", "open_items"]

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
PACKED_SUFFIXES = (".gz", ".zip")
# What a feed's own files are called in its `from`.
OWN_RELATION = "rows"
# Which keys of a layout say something about which formats; every other key holds for all of them.
_KEYS_OF_FORMAT: dict[str, tuple[FileFormat, ...]] = {
    "encoding": ("csv",),
    "delimiter": ("csv",),
    "quote": ("csv",),
    "escape": ("csv",),
    "header": ("csv", "excel"),
    "columns": ("csv", "excel"),
    "footer": ("csv", "excel"),
    "short_rows": ("csv",),
    "sheet": ("excel",),
    "records": ("json", "jsonl"),
}


class FileLayout(Section):
    """Files of one layout; `files` are paths or glob patterns relative to the configuration file.

    `header` is the number of the line, or row of the sheet, that holds the column names; several where names are
    spread over several lines; `none` where the data begin at once, with `columns` naming them in their order.
    Without it the first line that holds all mapped columns is taken. `footer` counts the lines below the data.
    """

    files: tuple[str, ...] = ()
    format: FileFormat | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: tuple[int, ...] | None = None
    columns: tuple[str, ...] = ()
    footer: int = Field(default=0, ge=0, le=1000)
    # Rows that end before the last column, such as rulers and headings of groups: their other values are empty.
    short_rows: Literal["fill"] | None = None
    # Spaces around values and names are none of theirs.
    trim: bool = False
    sheet: str | None = None
    # Path of the list of records in a JSON document.
    records: str | None = None
    # Which file of an archive is meant: its name or a glob pattern.
    member: str | None = None

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("files")
    @classmethod
    def _below_the_configuration(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
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

    @field_validator("delimiter", "escape")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and len(value) != 1:
            raise ValueError('must be one character, for example ",", ";", "|" or "\\t"')
        return value

    @field_validator("quote")
    @classmethod
    def _character_or_none(cls, value: str | None) -> str | None:
        if value is not None and value != "none" and len(value) != 1:
            raise ValueError("must be one character, or none where no value stands in quotes")
        return value

    @field_validator("header", mode="before")
    @classmethod
    def _lines(cls, value: Any) -> Any:
        if value is None or isinstance(value, list | tuple):
            return value
        return () if str(value) == "none" else (value,)

    @field_validator("header")
    @classmethod
    def _rising_lines(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (list(value) != sorted(set(value)) or any(line < 1 for line in value)):
            raise ValueError(
                "must be a line's number from 1 on, several in their order such as [3, 4], or none"
            )
        return value

    @field_validator("records")
    @classmethod
    def _simple_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(
            r"(\$\.?)?[^.\[\]$\s][^.\[\]]*(\.[^.\[\]]+)*(\[\*\])?", value
        ):
            raise ValueError("must be the names on the way to the list, for example d.results")
        return value

    @model_validator(mode="after")
    def _format_is_known(self) -> FileLayout:
        for path in self.files:
            unpacked = without_packing(Path(path).name)
            told_by_member = Path(path).suffix.lower() == ".zip" and unpacked == Path(path).stem
            known = Path(unpacked).suffix.lower() in FORMAT_OF_SUFFIX
            if self.format is None and not known and not told_by_member:
                raise ValueError(
                    f"the format of {Path(path).name} cannot be told from its name; "
                    f"set format to one of csv, json, jsonl, parquet, excel"
                )
        return self

    @model_validator(mode="after")
    def _keys_fit(self) -> FileLayout:
        if self.header == () and not self.columns:
            raise ValueError("header: none needs `columns`, the names of the columns in their order")
        kinds = {self.format_of(Path(path)) for path in self.files if Path(path).suffix.lower() != ".zip"}
        for key, formats in _KEYS_OF_FORMAT.items():
            if key in self.model_fields_set and kinds and not kinds & set(formats):
                raise ValueError(
                    f"`{key}` says nothing about {' or '.join(sorted(kinds))}; it is for {' and '.join(formats)}"
                )
        return self

    @property
    def label(self) -> str:
        """The layout's name in `_source_file` where one label stands for all of its files."""
        return Path(self.files[0]).name

    def format_of(self, path: Path) -> FileFormat:
        """The format of one matching file, or of a member of an archive: as configured, else by its suffix."""
        return self.format or FORMAT_OF_SUFFIX.get(Path(without_packing(path.name)).suffix.lower(), "csv")


class FileFeed(Mapped, FileLayout):
    """Files of one layout on their way to one contract table, mapped column by column.

    `from` selects the rows to map in SQL: over `rows`, which are the feed's own files, and over the `relations` of
    its source.
    """

    name: str | None = None
    from_: str | None = Field(default=None, alias="from")
    # How the date in the files' names is written (strptime), which says which of them is the newer.
    name_date: str | None = None

    @field_validator("name_date")
    @classmethod
    def _orders_by_year(cls, value: str | None) -> str | None:
        if value is not None and not re.search("%[Yy]", value):
            raise ValueError("says no year; valid is for example %d%m%Y, %Y-%m or %b%Y")
        return value

    @model_validator(mode="after")
    def _has_an_origin(self) -> FileFeed:
        if not self.files and self.from_ is None:
            raise ValueError("names no file; give `files`, or a `from` over the source's `relations`")
        return self


class FileTable(Section):
    """Files that fill one contract table: one feed written inline, or several under `feeds`.

    `delivery: changes` (default): each file brings new or changed rows, nothing is ever deleted.
    `delivery: snapshot`: the files together are the whole table, rows that vanished become tombstones.
    `delivery: latest_snapshot`: of the files that match, the newest by its name is the whole table.
    `delivery: open_items` (invoices): the newest file lists what is open; what leaves the list was cleared.
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

    @model_validator(mode="after")
    def _changes_come_in_files(self) -> FileTable:
        if self.delivery == "changes" and any(not feed.files for feed in self.feeds):
            raise ValueError(
                "`delivery: changes` lands what new files bring; name them under `files` (the select calls them "
                f"{OWN_RELATION}), or say `delivery: snapshot` where the relations are the whole table"
            )
        return self


class FileSource(Section):
    """Files in folders: CSV, JSON lines, Parquet or Excel, packed or not.

    `relations` are files that a table's `from` reads beside its own, by the name it calls them.
    """

    name: str = ""
    kind: Literal["files"]
    relations: dict[str, FileLayout] = Field(default_factory=dict)
    tables: dict[str, FileTable] = Field(min_length=1)

    @field_validator("relations")
    @classmethod
    def _names_of_their_own(cls, value: dict[str, FileLayout]) -> dict[str, FileLayout]:
        for name, layout in value.items():
            check_relation_name(name)
            if not layout.files:
                raise ValueError(f"{name} names no file; give `files`")
        return value


def check_relation_name(name: str) -> None:
    """Raise ValueError where a select could not call a relation `name`."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.casefold() == OWN_RELATION:
        raise ValueError(
            f"{name!r} is no name for a relation; valid are letters, digits and _, and not {OWN_RELATION}, which "
            "are a table's own"
        )


def without_packing(name: str) -> str:
    """A file's name without the suffixes of compression: invoices.csv.gz is invoices.csv."""
    while name.lower().endswith(PACKED_SUFFIXES):
        name = name.rsplit(".", 1)[0]
    return name
