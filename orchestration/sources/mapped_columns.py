"""Which columns of a source its mapping names: missing, unmapped, or needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from orchestration.sources.contract import Table
from orchestration.sources.errors import SourceError, closest
from orchestration.sources.field_mapping import Mapped


def mapped_names(mapped: Mapped, table: Table) -> dict[str, str]:
    """The source columns that a mapping names for themselves, each with the field it is mapped to.

    Where `fields` is omitted, the required contract fields go by their own names.
    """
    if mapped.fields is None:
        return {name: name for name in table.required_fields}
    needed: dict[str, str] = {}
    for field, mapping in mapped.fields.items():
        wanted = [mapping.column, *(repair.when_equal_to for repair in mapping.repair)]
        needed |= {column: field for column in wanted if column is not None}
    return needed


def check_columns(
    where: str,
    mapped: Mapped,
    table: Table,
    columns: Sequence[str],
    hint_at: Callable[[], str] = str,
) -> None:
    """Raise SourceError where a mapped column is not among `columns`, naming what was found instead.

    `hint_at` tells then where other columns may be found.
    """
    for column, field in mapped_names(mapped, table).items():
        if column in columns:
            if list(columns).count(column) > 1:
                raise _repeated(where, column, [])
            continue
        numbered = [name for name in columns if re.fullmatch(rf"(?i){re.escape(column)}_[0-9]+", name)]
        if len(numbered) > 1:
            raise _repeated(where, column, numbered)
        hint = hint_at()
        nearest = closest(column, [name for name in columns if name])
        nearby = f"did you mean {nearest!r}? " if nearest else ""
        title = (
            "; where the first line is a title, say `header: 3` or which line holds the names"
            if not hint and sum(map(bool, columns)) < 3
            else ""
        )
        raise SourceError(
            where,
            f"has no column {column!r}, which the mapping of {table.name}.{field} names",
            valid=f"columns found: {', '.join(filter(None, columns)) or 'none'}",
            remedy=f"{hint + '; or ' if hint else ''}{nearby}name an existing column, or mend the export{title}",
        )


def _repeated(where: str, column: str, numbered: Sequence[str]) -> SourceError:
    return SourceError(
        where,
        f"has column {column!r} more than once",
        valid=", ".join(numbered),
        remedy=f"{'name the one that is meant, or ' if numbered else ''}give each column its own name",
    )


def unmapped_columns(mapped: Mapped, columns: Sequence[str], table: Table) -> list[str]:
    """The source columns that no contract field is mapped to, directly or by name in an SQL expression."""
    mappings = [mapping for name in table.field_names if (mapping := mapped.mapping_for(name)) is not None]
    named = {mapping.column for mapping in mappings}
    named |= {repair.when_equal_to for mapping in mappings for repair in mapping.repair}
    sql = " ".join(text for mapping in mappings for text in (mapping.sql, mapping.default_sql) if text)
    in_quotes = {name.replace('""', '"').casefold() for name in re.findall(r'"((?:[^"]|"")*)"', sql)}
    bare = set(re.findall(r"\w+", re.sub(r"\"[^\"]*\"|'[^']*'", " ", sql).casefold()))

    def is_mapped(column: str) -> bool:
        return column in named or column.casefold() in in_quotes | bare

    return [column for column in columns if column and not is_mapped(column)]


def needed_columns(
    mapped: Mapped,
    columns: Sequence[str],
    table: Table,
    only: Sequence[str] = (),
    kept: Sequence[str] = (),
) -> list[str]:
    """The source columns worth reading: all of them where an SQL expression may name any.

    `only` narrows to the columns that some contract fields need; `kept` are read though no field needs them.
    """
    names = set(kept)
    for name in only or table.field_names:
        mapping = mapped.mapping_for(name)
        if mapping is None:
            continue
        if mapping.sql is not None or mapping.default_sql is not None or mapping.lookup is not None:
            return [column for column in columns if column]
        names |= {mapping.column or ""} | {repair.when_equal_to or "" for repair in mapping.repair}
    return [column for column in columns if column in names]
