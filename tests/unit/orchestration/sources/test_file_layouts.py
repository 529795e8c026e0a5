"""Files as they are exported: titles, footers, packed, in other encodings, quoted oddly; and what is said of each."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from datetime import date
from typing import Any

import openpyxl
import pytest
from landing_company import Company

from orchestration.settings import ConfigurationError
from orchestration.sources.connectors import packing
from orchestration.sources.connectors.headers import distinct_names, joined_names
from orchestration.sources.errors import SourceError

NIGHT = date(2026, 10, 30)
NAMES = "customer_id,legal_name"
ROWS = "C1,Alpha\nC2,Beta\n"
BOTH = [("C1", "Alpha"), ("C2", "Beta")]


def customers(company: Company, file: str, content: str | bytes, layout: str = "") -> None:
    """One table of customers in one file, mapped by the names of the contract."""
    company.configure(
        "  crm:\n    kind: files\n    tables:\n      customers:\n        delivery: snapshot\n"
        f"        files: {file}\n        fields: {{customer_id: customer_id, legal_name: legal_name}}\n"
        + "".join(f"        {line}\n" for line in layout.splitlines())
    )
    company.write(file, content)


def landed(company: Company) -> list[tuple[Any, ...]]:
    company.night(NIGHT)
    return company.ask("select customer_id, legal_name from raw.customers order by _source_row")


def refusal(company: Company) -> str:
    with pytest.raises(SourceError) as caught:
        company.night(NIGHT)
    return str(caught.value)


def workbook(*rows: list[Any]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def archive(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in members.items():
            packed.writestr(name.replace("_csv", ".csv"), text)
    return stream.getvalue()


# ---------------------------------------------------------------- where the header stands


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (f"{NAMES}\n{ROWS}", ""),
        (f'"customer_id","legal\nname"\n{ROWS}', "columns: [customer_id, legal_name]"),
        (f"sep=;\n{NAMES}\n{ROWS}".replace(",", ";"), ""),
        (f"Customers,\n\n{NAMES}\n{ROWS}", "header: 3"),
        (f"customer,legal\nid,name\n{ROWS}", "header: [1, 2]\ncolumns: [customer_id, legal_name]"),
        (ROWS, "header: none\ncolumns: [customer_id, legal_name]"),
        (f"{NAMES},,\nC1,Alpha,,\nC2,Beta,x,\n", ""),
        (f"{NAMES}\n{ROWS}\nTotal rows: 2\n", "footer: 1"),
        (f"{NAMES}\n{ROWS}\nTotal\n2\n\n", "footer: 2"),
        (f"{NAMES}\r\n{ROWS}\x1a", ""),
        (
            f"{NAMES}\nC1,Alpha\nGroup A\nC2,Beta\n",
            "short_rows: fill\nfrom: select * from rows where legal_name > ''",
        ),
        ("customer_id , legal_name\n C1, Alpha \nC2 ,Beta\n", "trim: true"),
        ("customer_id\tlegal_name\nC1\tAlpha\nC2\tBeta\n", "format: csv"),
    ],
)
def test_rows_are_read_below_whatever_stands_above_and_beside(
    company: Company, content: str, layout: str
) -> None:
    customers(company, "c.txt", content, layout)
    assert landed(company) == BOTH


def test_header_below_a_title_is_found_by_the_mapped_names_and_told(company: Company) -> None:
    customers(company, "c.csv", f"Customers as of today\n,\n{NAMES}\n{ROWS}")
    assert landed(company) == BOTH
    assert "the column names were found on line 3 (`header: 3` says so for good)" in "\n".join(company.said)


def test_header_is_found_by_one_name_that_a_select_asks_for(company: Company) -> None:
    company.configure(
        "  crm:\n    kind: files\n    tables:\n      customers:\n        delivery: snapshot\n        files: c.csv\n"
        "        from: select distinct account from rows\n"
        "        fields: {customer_id: account, legal_name: account}\n"
    )
    company.write(
        "c.csv", "Open items of account 1100\n\naccount;document;amount\n1100;1;80.00\n1100;2;5.00\n"
    )
    assert landed(company) == [("1100", "1100")]


def test_first_line_stays_the_header_where_a_later_one_names_no_more(company: Company) -> None:
    customers(company, "c.csv", f"{NAMES}\ncustomer_id,legal_name\n")
    assert landed(company) == [("customer_id", "legal_name")]
    assert "found on line" not in "\n".join(company.said)


def test_sheet_with_title_and_total_rows_is_read_between_them(company: Company) -> None:
    rows = [
        ["Customers", None],
        [],
        ["customer_id", "legal_name"],
        ["C1", "Alpha"],
        ["C2", "Beta"],
        ["Total", 2],
    ]
    customers(company, "c.xlsx", workbook(*rows), "header: 3\nfooter: 1")
    assert landed(company) == BOTH


def test_header_of_a_sheet_is_found_by_the_mapped_names(company: Company) -> None:
    customers(company, "c.xlsx", workbook(["Customers"], [], ["customer_id", "legal_name"], ["C1", "Alpha"]))
    assert landed(company) == [("C1", "Alpha")]


def test_names_over_several_columns_are_joined_with_those_below() -> None:
    assert joined_names([["", "Open", "", "Due"], ["No", "EUR", "USD", ""]]) == [
        "No",
        "Open EUR",
        "Open USD",
        "Due",
    ]
    assert distinct_names(["No", "Amount", "amount", "Amount_1", ""]) == (
        "No", "Amount_2", "amount_3", "Amount_1", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "layout", "expected"),
    [
        (f"{NAMES}\n{ROWS}Total rows: 2\n", "", "line 4 has 1 columns.*ends in a footer.*`footer: 1`"),
        (f"{NAMES}\n{ROWS}---\n" + ROWS * 3, "", "line 4 has 1 columns.*`short_rows: fill`.*`from: select"),
        (f"Title\nPrinted\n{NAMES}\nC1,Alpha\nC2\nC3,x\nC4,y\nC5,z\n", "header: 3", "line 5 has 1 columns"),
        (ROWS, "header: none\ncolumns: [customer_id, legal_name, city]", "line 1 has 2 columns.*`columns` names"),
        (f"{NAMES}\n{ROWS}", "header: 9", "has no line 9.*1 to 3"),
        (f"{NAMES}\n{ROWS}", "columns: [customer_id]", "`columns` names 1 columns, the header has 2"),
        (f"Customers\n\n{ROWS}", "", "no column 'customer_id'.*first line is a title, say `header: 3`"),
        ("customer_id,legal_name,Legal_Name\nC1,a,b\n", "", "column 'legal_name' more than once; valid: legal_name_1"),
    ],
)  # fmt: skip
def test_what_is_no_row_is_named_with_the_line_to_change(
    company: Company, content: str, layout: str, expected: str
) -> None:
    customers(company, "c.csv", content, layout)
    said = refusal(company)
    assert re.search(expected, said), said


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("header: none", "header: none needs `columns`"),
        ("header: [3, 2]", "must be a line's number from 1 on"),
        ("sheet: A", "`sheet` says nothing about csv; it is for excel"),
        ("records: a", "`records` says nothing about csv"),
        ("quote: ab", "must be one character, or none"),
        ("short_rows: drop", "short_rows"),
    ],
)
def test_layout_that_cannot_be_is_refused_before_anything_is_read(
    company: Company, layout: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        customers(company, "c.csv", "", layout)


# ---------------------------------------------------------------- quotes


def test_marks_that_quote_nothing_are_part_of_the_value(company: Company) -> None:
    customers(company, "c.csv", f'{NAMES}\nC1,Bolt 5" Ltd\nC2,"Beta" Trading\n', "quote: none")
    assert landed(company) == [("C1", 'Bolt 5" Ltd'), ("C2", '"Beta" Trading')]


def test_marks_behind_an_escape_are_part_of_the_value(company: Company) -> None:
    customers(company, "c.csv", f'{NAMES}\nC1,"Bolt 5\\" Ltd"\nC2,Beta\n', "escape: '\\'")
    assert landed(company) == [("C1", 'Bolt 5" Ltd'), ("C2", "Beta")]


def test_values_in_single_quotes_hold_delimiters(company: Company) -> None:
    customers(company, "c.csv", f"{NAMES}\nC1,'Alpha, Ltd'\r\nC2,'Be''ta'\n", 'quote: "\'"')
    assert landed(company) == [("C1", "Alpha, Ltd"), ("C2", "Be'ta")]


def test_mark_that_is_never_closed_names_both_ways_out(company: Company) -> None:
    customers(company, "c.csv", f'{NAMES}\nC1,"Alpha" Trading\n')
    said = refusal(company)
    assert "line 2" in said
    assert "`quote: none`" in said


# ---------------------------------------------------------------- packed files


def test_compressed_file_is_read_as_what_it_holds(company: Company) -> None:
    customers(company, "c.csv.gz", gzip.compress(f"{NAMES}\n{ROWS}".encode()))
    assert landed(company) == BOTH


def test_compressed_file_under_a_plain_name_is_recognised(company: Company) -> None:
    customers(company, "c.csv", gzip.compress(f"{NAMES}\n{ROWS}".encode("cp1252")), "encoding: cp1252")
    assert landed(company) == BOTH


def test_only_file_of_an_archive_is_read(company: Company) -> None:
    customers(
        company, "c.zip", archive(export_csv=f"{NAMES}\n{ROWS}", **{"__MACOSX/x": "", "readme.md": "x"})
    )
    assert landed(company) == BOTH


def test_archive_of_several_files_needs_the_name_of_one(company: Company) -> None:
    content = archive(a_csv=f"{NAMES}\nC9,Z\n", b_csv=f"{NAMES}\n{ROWS}")
    customers(company, "c.zip", content)
    said = refusal(company)
    assert "holds 2 files to read; valid: a.csv, b.csv" in said
    assert "`member`" in said
    customers(company, "c.zip", content, "member: b*")
    assert landed(company) == BOTH


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(f"{NAMES}\n{ROWS}".encode())[:-12], "cannot be unpacked as gzip"),
        (archive(a_csv=NAMES)[:-30], "cannot be unpacked as zip"),
        (b"customer_id", "is called .zip but is no archive"),
        (workbook(["customer_id"]), "is an Excel workbook; to mend: set `format: excel`"),
    ],
    # An archive holds the moment it was made, which must not be in a test's name: workers would disagree on it.
    ids=["cut gzip", "cut zip", "no archive", "workbook"],
)
def test_damaged_archive_is_named(company: Company, content: bytes, expected: str) -> None:
    customers(company, "c.zip", content)
    assert expected in refusal(company)


def test_archive_that_would_fill_the_disk_is_refused(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_NEVER_REFUSED", 1 << 20)
    customers(company, "c.csv.gz", gzip.compress(NAMES.encode() + b"\n" * (4 << 20)))
    assert "unpacks to more than 1 MiB" in refusal(company)


# ---------------------------------------------------------------- JSON within JSON


def test_list_within_a_document_is_read(company: Company) -> None:
    document = '{"d": {"count": 2, "results": [{"customer_id": "C1", "legal_name": "Alpha"}, '
    document += '{"customer_id": "C2", "legal_name": "Beta"}]}}'
    customers(company, "c.json", document)
    assert "set `records: d.results`" in refusal(company)
    customers(company, "c.json", document, "records: d.rows")
    assert "has no list at 'd.rows'" in refusal(company)
    customers(company, "c.json", document, "records: d.results")
    assert landed(company) == BOTH


def test_empty_list_within_a_document_is_no_rows(company: Company) -> None:
    customers(company, "c.json", '{"value": []}', "records: value")
    assert landed(company) == []


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_recognised(company: Company, encoding: str) -> None:
    customers(company, "c.csv", f"{NAMES}\nC1,Müller\n".encode(encoding))
    assert landed(company) == [("C1", "Müller")]


@pytest.mark.parametrize(
    ("text", "encoding"), [("Müller & Söhne", "cp1252"), ("北京机械", "gb18030"), ("髙橋商店㈱", "cp932")]
)
def test_bytes_that_are_no_utf8_are_shown_as_what_they_may_be(
    company: Company, text: str, encoding: str
) -> None:
    customers(company, "c.csv", f"{NAMES}\nC1,{text}\n".encode(encoding))
    said = refusal(company)
    assert f"{encoding} 'C1,{text}'" in said
    customers(company, "c.csv", f"{NAMES}\nC1,{text}\n".encode(encoding), f"encoding: {encoding}")
    assert landed(company) == [("C1", text)]


def test_utf8_declared_as_another_encoding_is_refused(company: Company) -> None:
    customers(company, "c.csv", f"{NAMES}\nC1,Müller\n", "encoding: cp1252")
    assert "is declared as CP1252 but is UTF-8: 'C1,Müller' would be read as 'C1,MÃ¼ller'" in refusal(company)
