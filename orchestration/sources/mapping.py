"""Turns a field mapping into SQL, from source columns (all text) to contract columns, repairs recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestration.sources.contract import EXTRA_COLUMN, Field, Table
from orchestration.sources.field_mapping import FieldMapping, Mapped, Repair

# Columns every landed feed carries beside its own.
LINE_COLUMNS = ("_seq", "_source_file", "_source_row")
# Its name while a row is mapped, which no source column is likely to bear.
_EXTRA = '"~extra"'


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


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


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
        added = [
            f"{chain.steps[depth][0]} as {quoted(chain.column(depth))}"
            for chain in chains
            if depth < len(chain.steps)
        ]
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
    audited = sorted({quoted(name) for audit in audits for name in (audit.before, audit.after)})
    with_clause = ", ".join(f"layer_{n} as ({layer})" for n, layer in enumerate(layers))
    selected = ", ".join([*results, *LINE_COLUMNS, f"{_EXTRA} as {EXTRA_COLUMN}", *audited])
    sql = f"with {with_clause} select {selected} from layer_{len(layers) - 1}"
    return MappingQuery(sql, tuple(audits))


class _Chain:
    """The steps from a source value to one contract field: origin, text repairs, type, date repairs."""

    def __init__(
        self, field: Field, mapping: FieldMapping | None, columns: Sequence[str], time_zone: str
    ) -> None:
        self.field = field
        self.mapping = mapping
        self.steps: list[tuple[str, Repair | None]] = [(self._origin(columns), None)]
        self._tail: list[str] = []
        if mapping is None:
            return
        typed_repairs = [repair for repair in mapping.repair if repair.kind == "swap_day_month"]
        for repair in mapping.repair:
            if repair not in typed_repairs:
                self.steps.append((repair_sql(repair, quoted(self.column(len(self.steps) - 1))), repair))
        typed = type_sql(field, mapping.format, quoted(self.column(len(self.steps) - 1)), time_zone)
        if typed is not None:
            self.steps.append((typed, None))
        for repair in typed_repairs:
            self.steps.append((repair_sql(repair, quoted(self.column(len(self.steps) - 1))), repair))

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
            Audit(self.field.name, repair.kind, self.column(depth - 1), self.column(depth), repair.reason)
            for depth, (_, repair) in enumerate(self.steps)
            if repair is not None
        ]


def _source_layer(relation: str, columns: Sequence[str], kept: Sequence[str]) -> str:
    seen: set[str] = set()
    selected = []
    for position, name in enumerate(columns):
        if name.casefold() not in seen and name.casefold() not in LINE_COLUMNS:
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


def repair_sql(repair: Repair, value: str) -> str:
    """The SQL that applies one repair to the text expression `value`."""
    match repair.kind:
        case "strip":
            return f"trim({value})"
        case "collapse_spaces":
            return f"trim(regexp_replace({value}, '\\s+', ' ', 'g'))"
        case "upper":
            return f"upper({value})"
        case "drop_decimal_zero":
            is_whole = f"regexp_full_match({value}, '[0-9]+[.]0+')"
            return f"case when {is_whole} then split_part({value}, '.', 1) else {value} end"
        case "pad_left":
            return (
                f"case when length({value}) between {repair.shortest} and {repair.length} "
                f"and regexp_full_match({value}, '[0-9]+') "
                f"then lpad({value}, {repair.length}, {literal(repair.fill)}) else {value} end"
            )
        case "swap_day_month":
            other = quoted(repair.when_equal_to or "")
            day = f"left({other}, 10)"
            exchanged = f"left({value}, 4) || '-' || right({value}, 2) || '-' || substr({value}, 6, 2)"
            return f"case when {value} <> {day} and {exchanged} = {day} then {day} else {value} end"


def type_sql(field: Field, formats: Sequence[str], value: str, time_zone: str) -> str | None:
    """The SQL that writes a well-formed value in the contract's form and leaves any other as it is.

    None where the type needs no rewriting (text).
    """
    match field.type:
        case "date":
            return _date_sql(formats, value, time_zone)
        case "timestamp":
            return _timestamp_sql(formats, value, time_zone)
        case "decimal":
            return _decimal_sql(formats, value)
        case "integer":
            return (
                f"case when regexp_full_match({value}, '[+-]?[0-9]+([.]0+)?') "
                f"then ltrim(split_part({value}, '.', 1), '+') else {value} end"
            )
        case "boolean":
            return (
                f"case when lower({value}) in ('true', 't', '1') then 'true' "
                f"when lower({value}) in ('false', 'f', '0') then 'false' else {value} end"
            )
        case _:
            return None


def _parsed(formats: Sequence[str], value: str) -> str:
    """Timestamp read by the first format that fits; a year below 1000 is a two-digit year misread."""
    tries = []
    for sample in formats:
        parsed = f"try_strptime({value}, {literal(sample)})"
        tries.append(f"case when {parsed} >= timestamp '1000-01-01' then {parsed} end")
    return f"coalesce({', '.join(tries)})"


def _date_sql(formats: Sequence[str], value: str, time_zone: str) -> str:
    if formats:
        return f"coalesce(strftime({_parsed(formats, value)}, '%Y-%m-%d'), {value})"
    return (
        f"case when length({value}) = 10 then coalesce(cast(try_cast({value} as date) as varchar), {value}) "
        f"when length({value}) > 10 then coalesce(left({_iso_timestamp_sql(value, time_zone)}, 10), {value}) "
        f"else {value} end"
    )


def _timestamp_sql(formats: Sequence[str], value: str, time_zone: str) -> str:
    if formats:
        return f"coalesce(strftime({_parsed(formats, value)}, '%Y-%m-%d %H:%M:%S'), {value})"
    return f"coalesce({_iso_timestamp_sql(value, time_zone)}, {value})"


def _iso_timestamp_sql(value: str, time_zone: str) -> str:
    """Local time 'YYYY-MM-DD HH:MM:SS' of an ISO date, time or time with offset; NULL for anything else.

    Fractions of a second are cut, not rounded, so that no cursor moves ahead of its row.
    """
    local = f"regexp_full_match({value}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([ T][0-9:.]{{5,}})?')"
    zone = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
    offset = f"regexp_full_match({value}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T][0-9:.]{{5,}} ?{zone}')"
    write = "strftime({}, '%Y-%m-%d %H:%M:%S')"
    zoned = f"try_cast({value} as timestamptz) at time zone {literal(time_zone)}"
    return (
        f"case when {local} then {write.format(f'try_cast({value} as timestamp)')} "
        f"when {offset} then {write.format(zoned)} end"
    )


def _decimal_sql(formats: Sequence[str], value: str) -> str:
    """Plain decimal text; `formats` name other ways of writing, tried where the value is written so.

    A value written with an exponent is rewritten where six decimals hold it exactly.
    """
    cases = []
    for sample in formats:
        thousands, point = {"1,234.56": (",", "."), "1.234,56": (".", ","), "1 234,56": (" ", ",")}.get(
            sample, ("", ",")
        )
        whole = f"[0-9]{{1,3}}([{thousands}][0-9]{{3}})+|[0-9]+" if thousands else "[0-9]+"
        bare = f"replace({value}, {literal(thousands)}, '')" if thousands else value
        cases.append(
            f"when regexp_full_match({value}, '[+-]?({whole})([{point}][0-9]+)?') "
            f"then replace({bare}, {literal(point)}, '.')"
        )
    exponent = f"regexp_full_match({value}, '[+-]?[0-9]+([.][0-9]+)?[eE][+-]?[0-9]{{1,2}}')"
    as_number = f"try_cast({value} as decimal(38, 6))"
    cases.append(
        f"when {exponent} and cast({as_number} as double) = try_cast({value} as double) "
        f"then cast({as_number} as varchar)"
    )
    return f"case {' '.join(cases)} else {value} end"
