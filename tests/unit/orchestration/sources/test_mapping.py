"""Reading and writing single values: dates, times, decimals and repairs, on invented input of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.sources.contract import CONTRACT, Field, FieldType
from orchestration.sources.field_mapping import Mapped, Repair
from orchestration.sources.mapped_columns import unmapped_columns
from orchestration.sources.sql_text import quoted
from orchestration.sources.value_forms import repair_sql, type_sql

ZONE = "America/New_York"


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    yield connection
    connection.close()


def read(engine: Any, kind: FieldType, value: str, *formats: str) -> str | None:
    sql = type_sql(Field("x", kind, ""), formats, "value", ZONE)
    return engine.execute(f"select {sql or 'value'} from (select ? as value)", [value]).fetchone()[0]


def repair(engine: Any, specification: Any, value: str, **others: str) -> str:
    sql = repair_sql(Repair.model_validate(specification), "value")
    columns = "".join(f", ? as {quoted(name)}" for name in others)
    row = engine.execute(
        f"select {sql} from (select ? as value{columns})", [value, *others.values()]
    ).fetchone()
    return str(row[0])


dates = st.dates(date(1900, 1, 1), date(2999, 12, 31))
times = st.datetimes(datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2100-01-01"))
amounts = st.decimals(Decimal("-999999999999.99"), Decimal("999999999999.99"), places=2)
anything = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(day=dates, pattern=st.sampled_from(["%d/%m/%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y%m%d", "%d %b %Y"]))
def test_any_date_is_read_by_its_format(engine: Any, day: date, pattern: str) -> None:
    assert read(engine, "date", day.strftime(pattern), pattern) == day.isoformat()
    assert read(engine, "date", day.isoformat()) == day.isoformat()


@settings(max_examples=60, deadline=None)
@given(moment=times, separator=st.sampled_from([" ", "T"]))
def test_a_time_without_offset_is_local_and_loses_only_its_fraction(
    engine: Any, moment: datetime, separator: str
) -> None:
    written = moment.isoformat(separator)
    assert read(engine, "timestamp", written) == moment.replace(microsecond=0).isoformat(" ")
    assert read(engine, "date", written) == moment.date().isoformat()


@settings(max_examples=60, deadline=None)
@given(moment=times, minutes=st.integers(-12 * 60, 14 * 60))
def test_a_time_with_offset_is_moved_to_the_company_clock(
    engine: Any, moment: datetime, minutes: int
) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    local = aware.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    assert read(engine, "timestamp", aware.isoformat()) == local.isoformat(" ")
    utc = aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert read(engine, "timestamp", utc) == local.isoformat(" ")


@settings(max_examples=150, deadline=None)
@given(
    amount=amounts,
    separators=st.sampled_from(
        [",.", ".,", " ,", "'.", ("", ","), ("\u202f", ","), ("\u00a0", "."), ("’", ".")]
    ),
    shape=st.sampled_from(
        ["{-}{}", "{}{-}", "{(}{}{)}", "€{-}{}", "{-}€ {}", "{}{-} EUR", "({}) zł", " {-}{} ", "{} {Dr}"]
    ),
)
def test_any_amount_is_read_exactly_by_a_sample(
    engine: Any, amount: Decimal, separators: tuple[str, str], shape: str
) -> None:
    thousands, point = separators
    is_minus = amount < 0

    def written(amount: Decimal) -> str:
        number = f"{abs(amount):,.2f}".replace(",", "\x01").replace(".", point).replace("\x01", thousands)
        minus = amount < 0
        text = shape.replace("{-}", "-" if minus else "").replace("{Dr}", "Cr" if minus else "Dr")
        text = text.replace("{(}", "(" if minus else "").replace("{)}", ")" if minus else "")
        return text.replace("{}", number)

    if shape.startswith("({"):
        amount = -abs(amount)
    sample = written(Decimal("1234.56"))
    assert Decimal(str(read(engine, "decimal", written(amount), sample))) == amount, (sample, is_minus)
    assert read(engine, "decimal", f"{amount:f}") == f"{amount:f}"


@settings(max_examples=100, deadline=None)
@given(value=anything, kind=st.sampled_from(["date", "timestamp", "decimal", "integer", "boolean"]))
def test_a_value_is_rewritten_to_something_well_formed_or_left_alone(
    engine: Any, value: str, kind: FieldType
) -> None:
    cast = {"date": "date", "timestamp": "timestamp", "decimal": "decimal(38, 6)", "integer": "bigint"}
    result = read(engine, kind, value)
    if result != value:
        sql_type = cast.get(kind, "boolean")
        assert engine.execute(f"select try_cast(? as {sql_type})", [result]).fetchone()[0] is not None


@pytest.mark.parametrize(
    ("kind", "value", "formats", "expected"),
    [
        ("date", "2026-02-30", (), "2026-02-30"),
        ("date", "epoch", (), "epoch"),
        ("date", "infinity", (), "infinity"),
        ("date", "31/12/26", ("%d/%m/%Y",), "31/12/26"),  # two digits are not the year 26
        ("date", "31/12/26", ("%d/%m/%Y", "%d/%m/%y"), "2026-12-31"),
        ("date", "2026-10-31T23:30:00-07:00", (), "2026-11-01"),
        ("timestamp", "2026-10-31", (), "2026-10-31 00:00:00"),
        ("timestamp", "yesterday", (), "yesterday"),
        ("decimal", "1e3", (), "1000.000000"),
        ("decimal", "1e-9", (), "1e-9"),  # six decimals cannot hold it
        ("decimal", "1,000", (), "1,000"),
        ("decimal", "1,00,000.00", ("1,234.56",), "1,00,000.00"),
        ("decimal", "1.234,56", ("1,234.56",), "1.234,56"),
        ("decimal", "(5.00)", (), "-5.00"),
        ("decimal", "5.00-", (), "-5.00"),
        ("decimal", "--5.00", (), "--5.00"),
        ("decimal", "(5.00)-", (), "(5.00)-"),
        ("decimal", "-", (), "-"),
        ("decimal", "12%", (), "12%"),
        ("decimal", "$5.00", (), "$5.00"),  # whose currency is for the sample to say
        ("decimal", "$5.00", ("€1,234.56",), "$5.00"),
        ("decimal", "1€234", ("€1,234.56",), "1€234"),
        ("decimal", "１２，３４５．６", ("1,234.56",), "12345.6"),
        ("decimal", "△1,234", ("1,234",), "-1234"),
        ("decimal", "1,23,456.78", ("12,34,567.00",), "123456.78"),
        ("decimal", "1,234.56 Cr", ("1,234.56 Dr",), "-1234.56"),
        ("decimal", "1.190,00 S", ("1.234,56 H",), "1190.00"),
        ("decimal", "1.234", ("1.234,56",), "1234"),
        ("decimal", "1.234", ("1234,56",), "1.234 (ambiguous: thousands or decimals?)"),
        ("decimal", "1,234", ("1,234.56", "1.234,56"), "1,234 (ambiguous: thousands or decimals?)"),
        ("decimal", "1,234.5", ("1,234.56", "1.234,56"), "1234.5"),
        ("date", "45931", ("excel",), "2025-10-01"),
        ("timestamp", "45931.5", ("excel",), "2025-10-01 12:00:00"),
        ("date", "59", ("excel",), "59"),  # one of the days that spreadsheets miscount
        ("integer", "5.0", (), "5"),
        ("integer", "5.5", (), "5.5"),
        ("boolean", "T", (), "true"),
        ("boolean", "0", (), "false"),
        ("boolean", "maybe", (), "maybe"),
    ],
)
def test_values_at_the_edge(
    engine: Any, kind: FieldType, value: str, formats: tuple[str, ...], expected: str
) -> None:
    assert read(engine, kind, value, *formats) == expected


@settings(max_examples=100, deadline=None)
@given(digits=st.text("0123456789", min_size=1, max_size=14))
def test_padding_adds_zeros_to_short_codes_only_and_stripping_them_gives_the_code_back(
    engine: Any, digits: str
) -> None:
    padded = repair(engine, {"pad_left": {"length": 10, "shortest": 8}}, digits)
    if 8 <= len(digits) <= 10:
        assert len(padded) == 10
        assert padded.endswith(digits)
        assert set(padded[: 10 - len(digits)]) <= {"0"}
    else:
        assert padded == digits


@settings(max_examples=100, deadline=None)
@given(value=anything)
def test_padding_leaves_codes_with_letters_alone_and_repairs_settle(engine: Any, value: str) -> None:
    if not (value.isascii() and value.isdigit()):
        assert repair(engine, {"pad_left": {"length": 10}}, value) == value
    for kind in ("strip", "collapse_spaces", "upper", "drop_decimal_zero"):
        once = repair(engine, kind, value)
        assert repair(engine, kind, once) == once


@settings(max_examples=100, deadline=None)
@given(day=dates)
def test_day_and_month_are_exchanged_only_where_the_other_date_proves_it(engine: Any, day: date) -> None:
    rule = {"swap_day_month": {"when_equal_to": "base"}}
    other = (day + timedelta(days=40)).isoformat()
    assert repair(engine, rule, day.isoformat(), base=other) in (day.isoformat(), other)
    if day.day <= 12:
        swapped = date(day.year, day.day, day.month).isoformat()
        assert repair(engine, rule, swapped, base=day.isoformat()) == day.isoformat()
        if swapped != day.isoformat():
            assert repair(engine, rule, swapped, base=(day + timedelta(days=400)).isoformat()) == swapped


def test_unmapped_columns_are_those_no_field_names_directly_or_in_sql() -> None:
    fields = {
        "customer_id": "nr",
        "legal_name": {"sql": "concat(first_name, ' note ', \"Last Name\")"},
        "country": {"default_sql": "left(LAND, 2)", "because": "the code opens the name"},
        "customer_since": {"column": "day", "repair": [{"swap_day_month": {"when_equal_to": "proof"}}]},
    }
    mapped = Mapped.model_validate({"fields": fields})
    columns = ["nr", "first_name", "name", "Last Name", "land", "proof", "day", "note", "first"]
    assert unmapped_columns(mapped, columns, CONTRACT["customers"]) == ["name", "note", "first"]
    assert unmapped_columns(Mapped(), ["customer_id", "nr"], CONTRACT["customers"]) == ["nr"]
