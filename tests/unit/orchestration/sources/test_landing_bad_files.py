"""Files no export should have written: what can be read is read, the rest is refused at once with its cause."""

from __future__ import annotations

import io
import os
import time
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from landing_company import Company

from orchestration.sources.connectors import file_formats as files
from orchestration.sources.connectors.source_file import SourceFile
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.file_config import FileFeed

NIGHT = date(2026, 10, 30)
HEADER = "customer_id,legal_name,city"


def customers(company: Company, name: str, content: str | bytes, keys: str = "") -> Path:
    company.configure(f"  crm: {{kind: files, tables: {{customers: {{files: {name}{keys}}}}}}}\n")
    return company.write(name, content)


def names(company: Company) -> list[tuple[str, str, str]]:
    rows = company.ask("select customer_id, legal_name, city from raw.customers order by _source_row")
    return [(row[0], row[1], row[2]) for row in rows]


# ---------------------------------------------------------------- line ends


@pytest.mark.parametrize(
    "content",
    [
        HEADER + "\r\nC1,A,X\nC2,B,Y\n",
        HEADER + "\nC1,A,X\r\nC2,B,Y\r\n",
        HEADER + "\r\nC1,A,X\r\nC2,B,Y\n",
        HEADER + "\r\r\nC1,A,X\r\r\nC2,B,Y\r\r\n",
        HEADER + "\rC1,A,X\rC2,B,Y\n",
        "\ufeff" + HEADER + '\r\n"C1",A,X\nC2,"B",Y',
    ],
)
def test_line_ends_of_several_kinds_are_read(company: Company, content: str) -> None:
    customers(company, "c.csv", content)
    company.night(NIGHT)
    assert names(company) == [("C1", "A", "X"), ("C2", "B", "Y")]


def test_line_ends_within_quotes_stay_what_they_are(company: Company) -> None:
    customers(
        company,
        "c.csv",
        HEADER + '\r\nC1,"A\r""x"",\r\nB",X\nC2, "B\nC" ,Y\r\nC3,Bolt 5" Ltd,"Z\r"\n',
    )
    company.night(NIGHT)
    assert names(company) == [
        ("C1", 'A\r"x",\r\nB', "X"),
        ("C2", "B\nC", "Y"),
        ("C3", 'Bolt 5" Ltd', "Z\r"),
    ]


def test_two_exports_joined_in_another_encoding_are_read(company: Company) -> None:
    rows = HEADER + "\r\nC1,Müller,X\r\n" + "C2,Øst,Y\n"
    customers(company, "c.csv", rows.encode("cp1252"), ", encoding: cp1252")
    company.night(NIGHT)
    assert names(company) == [("C1", "Müller", "X"), ("C2", "Øst", "Y")]


def test_many_rows_of_mixed_line_ends_are_all_read(company: Company) -> None:
    # Longer than any buffer, with a CRLF across the megabyte that is looked at together.
    ends = ["\r\n", "\n"]
    rows = "".join(f'C{n},"Customer\r\n{n}",{"x" * (n % 90)}{ends[n % 2]}' for n in range(30_000))
    customers(company, "c.csv", HEADER + "\n" + rows)
    company.night(NIGHT)
    assert company.ask(
        "select count(*), count(distinct customer_id), sum(length(coalesce(city, ''))), "
        "count(*) filter (legal_name = 'Customer' || chr(13) || chr(10) || substr(customer_id, 2)) from raw.customers"
    ) == [(30_000, 30_000, sum(n % 90 for n in range(30_000)), 30_000)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("C1,A,X\r\nC2,B\rC,Y\n", r"line 3 has 2 columns"),
        ('C1,A,X\r\nC2,"B"x,Y\n', r"line 3 cannot be read as csv: ',' expected after '\"'"),
        ('C1,A,X\r\nC2,"B,Y\n', r"a quote opened on line 3 is never closed"),
    ],
)
def test_what_is_wrong_in_a_file_of_mixed_line_ends_is_said_with_its_line(
    company: Company, rows: str, expected: str
) -> None:
    customers(company, "c.csv", HEADER + "\n" + rows)
    with pytest.raises(SourceError, match=rf"c\.csv: {expected}"):
        company.night(NIGHT)


# ---------------------------------------------------------------- size


@pytest.mark.parametrize("end", ["\nC3,C,Z\n", ""])
def test_value_longer_than_the_bound_is_refused_with_line_and_bound(company: Company, end: str) -> None:
    customers(company, "c.csv", HEADER + "\nC1,A,X\nC2," + "b" * (17 << 20) + ",Y" + end)
    with pytest.raises(SourceError, match=r"c\.csv: line 3 is longer than 16 MiB \(16,777,216 bytes\)"):
        company.night(NIGHT)


def test_quoted_value_of_many_lines_is_bounded_too(company: Company) -> None:
    customers(company, "c.csv", HEADER + '\nC1,"' + "b\n" * (9 << 20) + '",Y\nC2,B,Y\n')
    with pytest.raises(SourceError, match=r"line 2 is 18,87\d,\d+ bytes long; valid: at most 16 MiB"):
        company.night(NIGHT)


def test_record_longer_than_the_bound_is_refused(company: Company) -> None:
    customers(company, "c.jsonl", '{"customer_id": "1", "legal_name": "' + "b" * (140 << 20) + '"}\n')
    with pytest.raises(SourceError, match=r"c\.jsonl: a record is longer than 64 MiB"):
        company.night(NIGHT)


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "c.parquet", "c.xlsx"])
def test_file_of_five_gigabytes_never_written_is_refused_at_once(company: Company, name: str) -> None:
    path = customers(company, name, HEADER + "\nC1,A,X\nC2,B,Y\n")
    os.truncate(path, 5 << 30)
    started = time.perf_counter()
    with pytest.raises(SourceError, match=r"ends in 4,096 or more NUL bytes .*not written to its end"):
        company.night(NIGHT)
    assert time.perf_counter() - started < 5


def test_hole_in_the_middle_of_a_text_is_refused_at_once(company: Company) -> None:
    path = customers(company, "c.csv", HEADER + "\nC1,A,X\n")
    with path.open("r+b") as handle:
        handle.seek(5 << 30)
        handle.write(b"\nC2,B,Y\n")
    started = time.perf_counter()
    with pytest.raises(SourceError, match=r"has a hole from byte [\d,]+ on .*not written to its end"):
        company.night(NIGHT)
    assert time.perf_counter() - started < 5


def test_short_tail_of_nul_bytes_is_refused_but_the_end_of_utf_16_is_not(company: Company) -> None:
    customers(company, "c.csv", (HEADER + "\nC1,A,X\n").encode() + bytes(300))
    with pytest.raises(SourceError, match=r"ends in 300 NUL bytes \(335 bytes in all\)"):
        company.night(NIGHT)
    customers(company, "c.csv", "\ufeff".encode("utf-16-le") + (HEADER + "\nC1,A,X\n").encode("utf-16-le"))
    company.night(NIGHT)
    assert names(company) == [("C1", "A", "X")]


# ---------------------------------------------------------------- workbooks


def workbook() -> dict[str, bytes]:
    """The parts of a small workbook of customers."""
    book = openpyxl.Workbook()
    for row in (HEADER.split(","), ["C1", "A", "X"], ["C2", "B", "Y"]):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    with zipfile.ZipFile(content) as parts:
        return {name: parts.read(name) for name in parts.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as book:
        for name, part in parts.items():
            book.writestr(name, part)
    return content.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def test_workbook_that_unpacks_beyond_all_measure_is_refused_at_once(company: Company) -> None:
    parts = workbook()
    parts[SHEET] = parts[SHEET].replace(b"</sheetData>", b"<row/>" * (50 << 20) + b"</sheetData>")
    customers(company, "c.xlsx", packed(parts))
    started = time.perf_counter()
    with pytest.raises(SourceError, match=r"unpacks to 300 MiB from 0\.\d MiB; valid: at most 512 MiB"):
        company.night(NIGHT)
    assert time.perf_counter() - started < 3


def test_workbook_that_lies_about_its_size_is_caught_while_it_is_read(company: Company) -> None:
    parts = workbook()
    true_size = len(parts[SHEET]) + (60 << 20)
    parts[SHEET] = parts[SHEET].replace(b"</sheetData>", b" " * (60 << 20) + b"</sheetData>")
    content = packed(parts)
    at = content.rfind(SHEET.encode()) - 46
    assert content[at : at + 4] == b"PK\x01\x02"
    assert int.from_bytes(content[at + 24 : at + 28], "little") == true_size
    customers(company, "c.xlsx", content[: at + 24] + (900).to_bytes(4, "little") + content[at + 28 :])
    started = time.perf_counter()
    with pytest.raises(SourceError, match="cannot be read as Excel"):
        company.night(NIGHT)
    assert time.perf_counter() - started < 3


def test_workbook_that_says_to_fill_the_whole_grid_is_read(company: Company) -> None:
    parts = workbook()
    assert b'<dimension ref="A1:C3" />' in parts[SHEET]
    parts[SHEET] = parts[SHEET].replace(b'ref="A1:C3"', b'ref="A1:XFD1048576"')
    customers(company, "c.xlsx", packed(parts))
    company.night(NIGHT)
    assert names(company) == [("C1", "A", "X"), ("C2", "B", "Y")]


def test_row_number_that_no_sheet_has_is_refused(company: Company) -> None:
    parts = workbook()
    parts[SHEET] = parts[SHEET].replace(b'<row r="3"', b'<row r="99999999999"')
    customers(company, "c.xlsx", packed(parts))
    with pytest.raises(SourceError, match="has a row beyond 1,048,576"):
        company.night(NIGHT)


@pytest.mark.parametrize("part", [SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
def test_workbook_with_a_damaged_part_is_explained(company: Company, part: str) -> None:
    parts = workbook()
    parts[part] = parts[part][: len(parts[part]) // 2]
    customers(company, "c.xlsx", packed(parts))
    with pytest.raises(SourceError, match=r"c\.xlsx: cannot be read as Excel"):
        company.night(NIGHT)


# ---------------------------------------------------------------- files that change


def look(path: Path) -> SourceFile:
    feed = FileFeed(files=(str(path),))
    return files.inspect_file("crm", feed, path, path.name, files.fingerprint("crm", feed, path))


@pytest.mark.parametrize("name", ["c.csv", "c.xlsx", "c.jsonl"])
def test_file_that_grows_before_it_is_read_is_to_be_asked_for_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = {
        "c.csv": (HEADER + "\nC1,A,X\n").encode(),
        "c.xlsx": packed(workbook()),
        "c.jsonl": b'{"customer_id": 1}\n',
    }
    path.write_bytes(content[name])
    file = look(path)
    with path.open("ab") as handle:
        handle.write(b"C2,")
    with pytest.raises(TransientSourceError, match=r"the file changed while it was read \(from [\d,]+ to"):
        list(files.read_batches("crm", file, ["customer_id"]))


def test_file_that_grows_while_it_is_read_is_to_be_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(HEADER + "\n" + "C1,A,X\n" * 300_000, encoding="utf-8")
    batches = files.read_batches("crm", look(path), ["customer_id"])
    next(batches)
    with path.open("a", encoding="utf-8") as handle:
        handle.write("C2,")
    with pytest.raises(TransientSourceError, match="the file changed while it was read"):
        list(batches)


def test_file_that_vanishes_before_it_is_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(HEADER + "\nC1,A,X\n", encoding="utf-8")
    file = look(path)
    path.unlink()
    with pytest.raises(TransientSourceError, match="crm: the file has gone since the night began"):
        list(files.read_batches("crm", file, ["customer_id"]))
    with pytest.raises(TransientSourceError, match="the file has gone"):
        look(path)


def test_json_without_a_record_is_an_empty_delivery(company: Company) -> None:
    company.configure(
        "  crm: {kind: files, tables: {customers: {files: c/*.json, "
        "fields: {customer_id: {sql: trim(id)}, legal_name: {sql: upper(name)}}}}}\n"
    )
    company.write("c/1.json", "[]")
    company.night(NIGHT)
    assert "crm.customers: file 1.json holds no rows" in company.said
    company.write("c/2.json", '[{"id": " C1", "name": "a"}]')
    company.night(NIGHT)
    assert company.ask("select customer_id, legal_name from raw.customers") == [("C1", "A")]
