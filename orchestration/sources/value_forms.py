"""The SQL of single values: mechanical repairs, and the contract's form of dates, times and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.sources.amounts import amount_format, plain_amount_sql
from orchestration.sources.contract import Field
from orchestration.sources.field_mapping import Repair
from orchestration.sources.sql_text import literal, quoted

# A date format: the days that spreadsheets count from 1900 on, where a cell lost its own format.
EXCEL_DAYS = "excel"


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
            forms = [form for sample in formats if (form := amount_format(sample)) is not None]
            return plain_amount_sql(forms, value)
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
    """Timestamp read by the first format that fits."""
    return f"coalesce({', '.join(_read(sample, value) for sample in formats)})"


def _read(sample: str, value: str) -> str:
    """Timestamp that `value` writes as `sample` says; NULL where it does not."""
    if sample == EXCEL_DAYS:
        number = f"case when regexp_full_match({value}, '[0-9]{{2,6}}([.][0-9]+)?') then cast({value} as double) end"
        # Before March 1900 its days are off by one, for a 29 February that never was.
        return (
            f"case when {number} >= 61 then timestamp '1899-12-30' + to_seconds(round({number} * 86400)) end"
        )
    # A year below 1000 is a two-digit year misread.
    parsed = f"try_strptime({value}, {literal(sample)})"
    return f"case when {parsed} >= timestamp '1000-01-01' then {parsed} end"


def other_readings_sql(formats: Sequence[str], value: str) -> str:
    """What `formats` read in a value, each beside its format, where two of them read different times; else NULL."""
    read = [_read(sample, value) for sample in formats]
    told = ", ".join(
        f"strftime({reading}, '%Y-%m-%d') || ' by ' || {literal(sample)}"
        for sample, reading in zip(formats, read, strict=True)
    )
    return f"case when len(list_distinct([{', '.join(read)}])) > 1 then concat_ws(', ', {told}) end"


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
