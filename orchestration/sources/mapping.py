"""Turns a field mapping into SQL, from source columns (all text) to contract columns, repairs recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestration.sources.amounts import without_float_noise_sql
from orchestration.sources.contract import EXTRA_COLUMN, Field, Table
from orchestration.sources.field_mapping import FieldMapping, Mapped
from orchestration.sources.sql_text import literal, quoted
from orchestration.sources.value_forms import other_readings_sql, repair_sql, type_sql

# Columns every landed feed carries beside its own.
LINE_COLUMNS = ("_seq", "_source_file", "_source_row")
# Its name while a row is mapped, which no source column is likely to bear.
_EXTRA = '"~extra"'
# What is mended unasked, whatever the source: kind and reason.
_NUL = ("remove_nul", "a NUL character is no part of any text, and databases refuse it")
_FLOAT_NOISE = (
    "float_noise",
    "15 digits are what a floating-point number holds; the rest was added by calculating",
)


@dataclass(frozen=True)
class Audit:
    """A step that may change a value: the columns before and after it, and the reason to record."""

    field: str
    repair: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class MappingQuery:
    """`sql` selects one row per source row: every contract column as text, LINE_COLUMNS, EXTRA_COLUMN and audits."""

    sql: str
    audits: tuple[Audit, ...]
    # By field, the column that holds the readings of a value that two of its date formats read differently.
    ambiguities: dict[str, str]


def mapping_query(
    relation: str,
    table: Table,
    mapped: Mapped,
    columns: Sequence[str],
    *,
    time_zone: str,
    lookups: Callable[[str], str],
    only: Sequence[str] = (),
    kept: Sequence[str] = (),
) -> MappingQuery:
    """The query that maps `relation` (columns c0, c1, … named `columns` in the source) to `table`.

    Parameters
    ----------
    time_zone
        Zone in which timestamps with an offset are written.
    lookups
        Gives the relation of the mapped feed of that name.
    only
        Contract fields to map; empty for all. Fields without a mapping come out as NULL.
    kept
        Columns whose values go into EXTRA_COLUMN.
    """
    fields = [field for field in table.fields if not only or field.name in only]
    chains = [_Chain(field, mapped.mapping_for(field.name), columns, time_zone) for field in fields]
    audits: list[Audit] = []
    layers = [_source_layer(relation, columns, kept)]

    for depth in range(max(len(chain.steps) for chain in chains)):
        added = [chain.step_sql(depth) for chain in chains if depth < len(chain.steps)]
        layers.append(f"select *, {', '.join(added)} from layer_{len(layers) - 1}")
    for chain in chains:
        audits.extend(chain.audits())

    looked_up = [chain for chain in chains if chain.mapping is not None and chain.mapping.lookup is not None]
    if looked_up:
        layers.append(_lookup_layer(chains, looked_up, len(layers) - 1, lookups))
        for chain in looked_up:
            before, after = chain.advance("lookup")
            audits.append(Audit(chain.field.name, "lookup", before, after, chain.because))

    defaulted = [chain for chain in chains if chain.has_default]
    if defaulted:
        packed = ", ".join(f"{quoted(chain.field.name)} := {quoted(chain.result)}" for chain in chains)
        layers.append(f"select *, struct_pack({packed}) as mapped from layer_{len(layers) - 1}")
        added = []
        for chain in defaulted:
            before, after = chain.advance("default")
            value = chain.default_expression()
            added.append(f"coalesce({quoted(before)}, cast({value} as varchar)) as {quoted(after)}")
            audits.append(Audit(chain.field.name, "default", before, after, chain.because))
        layers.append(f"select *, {', '.join(added)} from layer_{len(layers) - 1}")

    results = [f"{quoted(chain.result)} as {quoted(chain.field.name)}" for chain in chains]
    ambiguities = {chain.field.name: name for chain in chains if (name := chain.ambiguity) is not None}
    audited = sorted({name for audit in audits for name in (audit.before, audit.after)})
    beside = map(quoted, [*audited, *ambiguities.values()])
    with_clause = ", ".join(f"layer_{n} as ({layer})" for n, layer in enumerate(layers))
    selected = ", ".join([*results, *LINE_COLUMNS, f"{_EXTRA} as {EXTRA_COLUMN}", *beside])
    sql = f"with {with_clause} select {selected} from layer_{len(layers) - 1}"
    return MappingQuery(sql, tuple(audits), ambiguities)


class _Chain:
    """The steps from a source value to one contract field: origin, text repairs, type, date repairs."""

    def __init__(
        self, field: Field, mapping: FieldMapping | None, columns: Sequence[str], time_zone: str
    ) -> None:
        self.field = field
        self.mapping = mapping
        # Each with what it repairs, and why that is right.
        self.steps: list[tuple[str, tuple[str, str] | None]] = [(self._origin(columns), None)]
        self._tail: list[str] = []
        self.ambiguity: str | None = None
        if mapping is None:
            return
        if mapping.constant is None and field.type == "text":
            self._add(f"replace({self._last}, chr(0), '')", _NUL)
        typed_repairs = [repair for repair in mapping.repair if repair.kind == "swap_day_month"]
        for repair in mapping.repair:
            if repair not in typed_repairs:
                self._add(repair_sql(repair, self._last), (repair.kind, repair.reason))
        typed = type_sql(field, mapping.format, self._last, time_zone)
        if typed is not None:
            if field.type in ("date", "timestamp") and len(mapping.format) > 1:
                self.ambiguity = f"{field.name}~readings"
                readings = other_readings_sql(mapping.format, self._last)
                # Written before the column it stands beside.
                typed = f"{readings} as {quoted(self.ambiguity)}, {typed}"
            self._add(typed)
        if field.type == "decimal" and mapping.constant is None:
            self._add(without_float_noise_sql(self._last), _FLOAT_NOISE)
        for repair in typed_repairs:
            self._add(repair_sql(repair, self._last), (repair.kind, repair.reason))

    @property
    def _last(self) -> str:
        """The column after the last step, as SQL."""
        return quoted(self.column(len(self.steps) - 1))

    def _add(self, sql: str, repair: tuple[str, str] | None = None) -> None:
        self.steps.append((sql, repair))

    def _origin(self, columns: Sequence[str]) -> str:
        mapping = self.mapping
        if mapping is None:
            return "cast(null as varchar)"
        if mapping.constant is not None:
            return literal(mapping.constant)
        if mapping.sql is not None:
            return f"nullif(cast(({mapping.sql}) as varchar), '')"
        if mapping.column is not None and mapping.column in columns:
            # Spaces alone say nothing, as an empty value does; other spaces stay as delivered.
            column = quoted(mapping.column)
            return f"case when trim({column}) <> '' then {column} end"
        return "cast(null as varchar)"

    def step_sql(self, depth: int) -> str:
        """The column, or columns, that one step adds."""
        return f"{self.steps[depth][0]} as {quoted(self.column(depth))}"

    def column(self, depth: int) -> str:
        return f"{self.field.name}~{depth}"

    @property
    def result(self) -> str:
        """The column that holds the value after the steps built so far."""
        return self._tail[-1] if self._tail else self.column(len(self.steps) - 1)

    @property
    def because(self) -> str:
        return (self.mapping.because if self.mapping else None) or ""

    @property
    def has_default(self) -> bool:
        mapping = self.mapping
        return mapping is not None and (mapping.default is not None or mapping.default_sql is not None)

    def default_expression(self) -> str:
        assert self.mapping is not None
        if self.mapping.default is not None:
            return literal(self.mapping.default)
        return f"({self.mapping.default_sql})"

    def advance(self, step: str) -> tuple[str, str]:
        before, after = self.result, f"{self.field.name}~{step}"
        self._tail.append(after)
        return before, after

    def audits(self) -> list[Audit]:
        return [
            Audit(self.field.name, repair[0], self.column(depth - 1), self.column(depth), repair[1])
            for depth, (_, repair) in enumerate(self.steps)
            if repair is not None
        ]


def _source_layer(relation: str, columns: Sequence[str], kept: Sequence[str]) -> str:
    seen: set[str] = set()
    selected = []
    for position, name in enumerate(columns):
        # A column without a name cannot be asked for.
        if name and name.casefold() not in seen and name.casefold() not in LINE_COLUMNS:
            seen.add(name.casefold())
            selected.append(f"c{position} as {quoted(name)}")
    extra = f"{_extra_sql(columns, kept)} as {_EXTRA}"
    return f"select {', '.join([*selected, *LINE_COLUMNS, extra])} from {relation}"


def _extra_sql(columns: Sequence[str], kept: Sequence[str]) -> str:
    """A JSON object of those of the `kept` columns that have a value, in the source's order; NULL without any."""
    members = [
        f"case when trim(c{position}) <> '' "
        f"then {literal(json.dumps(name, ensure_ascii=False) + ':')} || cast(to_json(c{position}) as varchar) end"
        for position, name in enumerate(columns)
        if name in kept and name not in columns[:position]
    ]
    if not members:
        return "cast(null as varchar)"
    return f"nullif('{{' || concat_ws(',', {', '.join(members)}) || '}}', '{{}}')"


def _lookup_layer(
    chains: Sequence[_Chain], looked_up: Sequence[_Chain], layer: int, lookups: Callable[[str], str]
) -> str:
    results = {chain.field.name: chain.result for chain in chains}
    joins, added = [], []
    for number, chain in enumerate(looked_up):
        assert chain.mapping is not None
        assert chain.mapping.lookup is not None
        lookup = chain.mapping.lookup
        by, value = quoted(lookup.by), quoted(lookup.field)
        joins.append(
            f"left join (select {by} as by_value, min({value}) as found from {lookups(lookup.feed)} "
            f"where {value} is not null group by {by} having count(distinct {value}) = 1) as lookup_{number} "
            f"on lookup_{number}.by_value = base.{quoted(results[lookup.by])}"
        )
        added.append(
            f"coalesce(base.{quoted(chain.result)}, lookup_{number}.found) "
            f"as {quoted(chain.field.name + '~lookup')}"
        )
    return f"select base.*, {', '.join(added)} from layer_{layer} as base {' '.join(joins)}"
