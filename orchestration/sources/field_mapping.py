"""How a configuration maps a source's columns to the contract's fields: value, repair, format, lookup, default."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

RepairKind = Literal["strip", "collapse_spaces", "upper", "drop_decimal_zero", "pad_left", "swap_day_month"]


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
