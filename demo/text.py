"""Whole columns of numbers turned into the text a source system would write."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from demo.world import NEVER, Bools, Ints, Texts, to_day

if TYPE_CHECKING:
    import pyarrow as pa

_TABLE_FROM = date(1980, 1, 1)
_TABLE_DAYS = 80 * 366
Columns = dict[str, "pa.Array"]


@lru_cache(maxsize=4)
def _day_table(pattern: str) -> pa.Array:
    import pyarrow as pa

    first = np.datetime64(_TABLE_FROM)
    iso = np.datetime_as_string(np.arange(first, first + _TABLE_DAYS)).tolist()
    parts = {"%Y": slice(0, 4), "%m": slice(5, 7), "%d": slice(8, 10)}
    separator = pattern[2]
    order = [parts[piece] for piece in pattern.split(separator)]
    return pa.array([separator.join(text[piece] for piece in order) for text in iso])


@lru_cache(maxsize=1)
def _minute_table() -> pa.Array:
    import pyarrow as pa

    return pa.array([f" {minute // 60:02d}:{minute % 60:02d}:00" for minute in range(1440)])


def days(values: Ints, pattern: str = "%Y-%m-%d") -> pa.Array:
    """Dates as text in an order of %Y, %m and %d; NEVER becomes null."""
    import pyarrow as pa

    index = pa.array(values - to_day(_TABLE_FROM), mask=values >= NEVER)
    return _day_table(pattern).take(index)


def stamps(values: Ints, minutes: Ints) -> pa.Array:
    """'YYYY-MM-DD HH:MM:00' from a day and a minute of the day; NEVER becomes null."""
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(days(values), _minute_table().take(minutes % 1440), "")


def fixed(units: Ints, decimals: int = 2, *, null: Any = None) -> pa.Array:
    """Plain decimals, exact: 123456 -> '1234.56'. `null` is a mask of values to leave out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    scale = 10**decimals
    whole = pa.array(np.abs(units) // scale).cast(pa.string())
    part = pa.array([f".{index:0{decimals}d}" for index in range(scale)]) if decimals <= 2 else None
    fraction = (
        part.take(pa.array(np.abs(units) % scale))
        if part is not None
        else pc.binary_join_element_wise(
            "", pc.utf8_lpad(pa.array(np.abs(units) % scale).cast(pa.string()), decimals, "0"), "."
        )
    )
    sign = pa.array(["", "-"]).take(pa.array((units < 0).astype(np.int64)))
    joined = pc.binary_join_element_wise(sign, whole, fraction, "")
    if null is None:
        return joined
    return pc.if_else(pa.array(null), pa.scalar(None, pa.string()), joined)


def whole(values: Ints, *, null: Any = None) -> pa.Array:
    """Integers as text; `null` is a mask of values to leave out."""
    import pyarrow as pa

    return pa.array(values, mask=null).cast(pa.string())


def numbered(prefix: str, values: Ints, width: int = 7, *, null: Any = None) -> pa.Array:
    """Document numbers: prefix and zero-padded number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    padded = pc.utf8_lpad(pa.array(values, mask=null).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, padded, "")


def pick(choices: Texts | tuple[str | None, ...] | list[str | None], index: Ints) -> pa.Array:
    """choices[index]; an index below zero becomes null."""
    import pyarrow as pa

    table = pa.array(list(choices), type=pa.string())
    return table.take(pa.array(index, mask=index < 0))


def same(value: str, count: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value, pa.string()), count)


def to_lists(columns: Columns) -> list[list[str | None]]:
    return [column.to_numpy(zero_copy_only=False).tolist() for column in columns.values()]


def csv_bytes(columns: Columns, delimiter: str = ",", *, quoted: bool = False) -> bytes:
    """A CSV with header, every text in quotes or none; null becomes empty."""
    import io

    import pyarrow as pa
    from pyarrow import csv

    sink = io.BytesIO()
    style: Literal["needed", "none"] = "needed" if quoted else "none"
    options = csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style=style)
    sink.write((delimiter.join(columns) + "\n").encode())
    csv.write_csv(pa.table(columns), sink, options)
    return sink.getvalue()


def json_lines(columns: Columns, bare: frozenset[str] = frozenset()) -> bytes:
    """One JSON object a row; null fields are null; columns in `bare` are written without quotes.

    The values are document numbers, codes, dates and figures, none of which needs escaping.
    """
    import pyarrow.compute as pc

    count = len(next(iter(columns.values())))
    if count == 0:
        return b""
    parts: list[pa.Array] = []
    for position, (name, column) in enumerate(columns.items()):
        head = ("{" if position == 0 else ", ") + f'"{name}": '
        value = column if name in bare else pc.binary_join_element_wise('"', column, '"', "")
        parts.append(pc.binary_join_element_wise(head, pc.fill_null(value, "null"), ""))
    lines = pc.binary_join_element_wise(*parts, "}\n", "")
    return "".join(lines.to_pylist()).encode()


def choose(condition: Bools, yes: pa.Array, no: pa.Array) -> pa.Array:
    """`yes` where the condition holds, `no` elsewhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(condition), yes, no)


def plain(values: Texts) -> pa.Array:
    """Texts as they are; None stays NULL."""
    import pyarrow as pa

    return pa.array(values.tolist(), type=pa.string())
