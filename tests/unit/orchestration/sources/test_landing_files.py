"""Landing from real files: dialects, repairs, lookups, deliveries, and what is wrong with a bad file."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from landing_company import Company

from orchestration.sources.errors import SourceError

NIGHT = date(2026, 10, 30)
NEXT = date(2026, 10, 31)
BANK_HEADER = "payment_id,customer_id,legal_entity,received_date,currency,amount,reversed_at\n"

BANK = """
  bank:
    kind: files
    tables:
      payments: {files: bank/*.csv}
"""
RATES = """
  rates:
    kind: files
    tables:
      fx_rates:
        files: rates.csv
        delivery: snapshot
"""


def payment(number: str, amount: str, reversed_at: str = "") -> str:
    return f"{number},C1,E1,2026-10-01,USD,{amount},{reversed_at}\n"


@pytest.fixture
def bank(company: Company) -> Company:
    company.configure(BANK)
    company.write("bank/2026-10-29.csv", BANK_HEADER + payment("P1", "10.00") + payment("P2", "20.00"))
    return company


# ---------------------------------------------------------------- deliveries


def test_file_is_read_once(bank: Company) -> None:
    assert [(r.rows_read, r.rows_landed, r.status) for r in bank.night(NIGHT)] == [(2, 2, "landed")]
    assert [(r.rows_read, r.rows_landed, r.status) for r in bank.night(NEXT)] == [(0, 0, "unchanged")]


def test_new_file_brings_news_and_removes_nothing(bank: Company) -> None:
    bank.night(NIGHT)
    bank.write(
        "bank/2026-10-30.csv", BANK_HEADER + payment("P3", "30.00") + payment("P1", "10.00", "2026-10-30")
    )
    bank.night(NEXT)
    assert bank.ask(
        "select payment_id, reversed_at, _source_file, _source_row from staging.landed_payments order by 1"
    ) == [
        ("P1", "2026-10-30", "2026-10-30.csv", 2),
        ("P2", None, "2026-10-29.csv", 2),
        ("P3", None, "2026-10-30.csv", 1),
    ]


def test_new_column_of_a_later_file_is_kept_and_does_not_make_a_row_new(bank: Company) -> None:
    bank.night(NIGHT)
    header = BANK_HEADER.replace("\n", ",channel,channel\n")
    rows = payment("P1", "10.00").replace("\n", ",wire,x\n") + payment("P3", "5.00").replace(
        "\n", ',"a""b",\n'
    )
    bank.write("bank/2026-10-30.csv", header + rows)
    bank.night(NEXT)
    assert bank.ask("select payment_id, _extra from raw.payments order by payment_id") == [
        ("P1", None),
        ("P2", None),
        ("P3", r'{"channel":"a\"b"}'),
    ]


def test_later_file_of_the_same_night_updates_the_earlier_one(bank: Company) -> None:
    bank.write("bank/2026-10-30.csv", BANK_HEADER + payment("P1", "10.00", "2026-10-30"))
    bank.night(NIGHT)
    versions = "select reversed_at, _occurrence from raw.payments where payment_id = 'P1' order by rowid"
    assert bank.ask(versions) == [(None, 1), ("2026-10-30", 1)]
    bank.night(NEXT, full_refresh=True)
    assert bank.ask(versions) == [(None, 1), ("2026-10-30", 1)]


def test_row_repeated_inside_one_file_is_an_occurrence_of_its_own(bank: Company) -> None:
    bank.write("bank/2026-10-30.csv", BANK_HEADER + payment("P9", "1.00") * 2)
    bank.night(NIGHT)
    assert bank.ask("select _occurrence from raw.payments where payment_id = 'P9' order by 1") == [(1,), (2,)]


@pytest.mark.parametrize("same_night", [True, False])
def test_same_file_under_another_name_is_counted_and_lands_nothing(bank: Company, same_night: bool) -> None:
    if not same_night:
        bank.night(NIGHT)
    content = (bank.folder / "bank/2026-10-29.csv").read_bytes()
    bank.write("bank/2026-10-29_resend.csv", content)
    results = {r.source_file: r for r in bank.night(NEXT)}
    resend = results["2026-10-29_resend.csv"]
    assert (resend.status, resend.rows_read, resend.rows_landed) == ("duplicate", 2, 0)
    assert bank.ask("select count(*) from raw.payments") == [(2,)]
    assert bank.ask("select source_file, amount::varchar from ops.source_total") == [
        ("2026-10-29.csv", "30.000000")
    ]
    assert {r.status for r in bank.night(date(2026, 11, 1))} == {"unchanged"}


def test_corrected_file_of_the_same_name_updates_its_rows(bank: Company) -> None:
    bank.night(NIGHT)
    bank.write("bank/2026-10-29.csv", BANK_HEADER + payment("P1", "11.00") + payment("P2", "20.00"))
    assert [(r.rows_read, r.rows_landed) for r in bank.night(NEXT)] == [(2, 1)]
    bank.write("bank/2026-10-29.csv", BANK_HEADER + payment("P1", "10.00") + payment("P2", "20.00"))
    bank.night(date(2026, 11, 1))
    assert bank.ask("select amount from staging.landed_payments order by payment_id") == [
        ("10.00",),
        ("20.00",),
    ]
    assert bank.ask("select amount::varchar from ops.source_total") == [("30.000000",)]


def test_snapshot_removes_what_it_no_longer_holds(company: Company) -> None:
    company.configure(RATES)
    company.write("rates.csv", "rate_date,currency,rate\n2026-10-01,EUR,1.10\n2026-10-01,GBP,1.30\n")
    company.night(NIGHT)
    company.write("rates.csv", "rate_date,currency,rate\n2026-10-01,EUR,1.10\n")
    [result] = company.night(NEXT)
    assert (result.rows_read, result.rows_landed, result.rows_deleted) == (1, 0, 1)
    assert company.ask("select currency from staging.landed_fx_rates") == [("EUR",)]


def test_latest_snapshot_reads_the_newest_export_only(company: Company) -> None:
    company.configure(RATES.replace("rates.csv", "rates_*.csv").replace("snapshot", "latest_snapshot"))
    company.write("rates_1.csv", "rate_date,currency,rate\n2026-10-01,EUR,1.10\n2026-10-01,GBP,1.30\n")
    company.night(NIGHT)
    company.write("rates_2.csv", "rate_date,currency,rate\n2026-10-01,EUR,1.10\n2026-10-02,EUR,1.20\n")
    [result] = company.night(NEXT)
    assert (result.source_file, result.rows_landed, result.rows_deleted) == ("rates_*.csv", 1, 1)
    assert company.ask("select _row_key from staging.landed_fx_rates order by 1") == [
        ("2026-10-01|EUR",),
        ("2026-10-02|EUR",),
    ]


LISTS = """
  erp:
    kind: files
    tables:
      fx_rates: {files: 'rates_*.csv', delivery: DELIVERY, KEY: VALUE}
"""
RATE = "rate_date,currency,rate\n2026-10-29,EUR,"


def lists(company: Company, delivery: str, names: str, name_date: str | None = None) -> list[tuple[str, ...]]:
    """Land one file of each name, whose rate is its place among `names`; the rates that stand after it."""
    configured = LISTS.replace("DELIVERY", delivery)
    company.configure(
        configured.replace("KEY: VALUE", f"name_date: '{name_date}'" if name_date else "encoding: utf-8")
    )
    for place, name in enumerate(names.split()):
        company.write(f"rates_{name}.csv", f"{RATE}{place}\n")
    company.night(NIGHT)
    return company.ask("select rate from staging.landed_fx_rates")


# The newest of each is the second.
@pytest.mark.parametrize("delivery", ["latest_snapshot", "changes"])
@pytest.mark.parametrize(
    ("names", "name_date"),
    [
        ("31102025 30112025", None),
        ("31.10.2025 30.11.2025", None),
        ("10-31-2025 11-30-2025", None),
        ("12-2024 01-2025", None),
        ("Dec2024 Jan2025", None),
        ("2024-12 2025-01", None),
        ("9 10", None),
        ("02032025 01042025", "%d%m%Y"),
        ("04012025 03022025", "%d%m%Y"),
        ("301124 311025", "%d%m%y"),
    ],
)
def test_the_newer_file_is_that_of_the_later_date_in_its_name(
    company: Company, delivery: str, names: str, name_date: str | None
) -> None:
    assert lists(company, delivery, names, name_date) == [("1",)]


def test_order_taken_from_dates_is_told_with_the_key_that_says_so(company: Company) -> None:
    lists(company, "latest_snapshot", "31102025 30112025")
    [told] = [line for line in company.said if "name_date" in line]
    assert "rates_30112025.csv is taken for the newest" in told


def test_dates_that_can_be_read_in_two_ways_are_asked_about(company: Company) -> None:
    with pytest.raises(SourceError, match="which file is the newest cannot be told") as caught:
        lists(company, "latest_snapshot", "04012025 03022025")
    assert "name_date: '%d%m%Y'" in str(caught.value)


def test_names_without_the_configured_date_are_refused(company: Company) -> None:
    with pytest.raises(SourceError, match="holds no date written as '%d%m%Y'"):
        lists(company, "latest_snapshot", "31102025 new", "%d%m%Y")


def test_where_names_alone_decide_between_two_rows_of_a_key_it_is_told(company: Company) -> None:
    assert lists(company, "changes", "a b") == [("1",)]
    assert [line for line in company.said if "rows of one key came in several files tonight" in line]


TWO_FEEDS = """
  erp:
    kind: files
    tables:
      fx_rates:
        delivery: snapshot
        feeds:
          - {files: rates.csv, fields: {rate_date: day, currency: currency, rate: buying}}
          - name: selling
            files: rates.csv
            fields: {rate_date: {sql: cast(day as date) + 1}, currency: currency, rate: selling}
"""


def test_two_feeds_of_one_file_both_land_under_labels_of_their_own(company: Company) -> None:
    company.configure(TWO_FEEDS)
    company.write("rates.csv", "day,currency,buying,selling\n2026-10-29,EUR,1.1,1.2\n")
    company.night(NIGHT)
    landed = "select rate_date, rate, _source_file from staging.landed_fx_rates order by 1"
    expected = [("2026-10-29", "1.1", "rates.csv"), ("2026-10-30", "1.2", "rates.csv#selling")]
    assert company.ask(landed) == expected
    assert {result.status for result in company.night(NEXT)} == {"unchanged"}
    company.write("rates.csv", "day,currency,buying,selling\n2026-10-29,EUR,1.1,1.3\n")
    company.night(date(2026, 11, 1))
    assert company.ask(landed) == [expected[0], ("2026-10-30", "1.3", "rates.csv#selling")]


def test_two_sheets_of_one_workbook_both_land(company: Company) -> None:
    import openpyxl

    feeds = "".join(
        f"          - {{files: rates.xlsx, sheet: {sheet}, fields: "
        "{rate_date: day, currency: currency, rate: rate}}\n"
        for sheet in ("2024", "2025")
    )
    company.configure(TWO_FEEDS.split("          - ")[0] + feeds)
    book = openpyxl.Workbook()
    for sheet in ("2024", "2025"):
        rows = book.create_sheet(sheet)
        rows.append(["day", "currency", "rate"])
        rows.append([f"{sheet}-12-31", "EUR", 1.5])
    book.remove(book.worksheets[0])
    book.save(company.folder / "rates.xlsx")
    company.night(NIGHT)
    assert company.ask("select rate_date, _source_file from staging.landed_fx_rates order by 1") == [
        ("2024-12-31", "rates.xlsx"),
        ("2025-12-31", "rates.xlsx#2025"),
    ]


OPEN_ITEMS = """
  erp:
    kind: files
    tables:
      invoices: {files: open_items.csv, delivery: open_items}
"""
ITEM_HEADER = "invoice_id,document_type,customer_id,legal_entity,issue_date,due_date,currency,amount\n"


def items(*numbers: int) -> str:
    lines = [f"I{n},invoice,C1,E1,2026-09-01,2026-10-01,USD,{n}00.00\n" for n in numbers]
    return ITEM_HEADER + "".join(lines)


CLEARED = "select invoice_id, cleared_date, cleared_after from staging.landed_invoices order by 1"


def test_what_leaves_a_list_of_open_items_was_cleared_between_the_two_nights(company: Company) -> None:
    company.configure(OPEN_ITEMS)
    company.write("open_items.csv", items(1, 2, 3))
    company.night(NIGHT)
    company.write("open_items.csv", items(2, 3))
    company.night(NEXT)
    gone = ("I1", "2026-10-31", "2026-10-30")
    assert company.ask(CLEARED) == [gone, ("I2", None, None), ("I3", None, None)]
    # Listed no longer it stays cleared as it was, and what the source counts is counted without it.
    company.write("open_items.csv", items(3))
    company.night(date(2026, 11, 2))
    assert company.ask(CLEARED) == [gone, ("I2", "2026-11-02", "2026-10-31"), ("I3", None, None)]
    assert company.ask("select source_file, row_count, amount from ops.source_total order by 1") == [
        ("open_items.csv", 1, 300),
        ("open_items.csv#no longer listed", 2, 300),
    ]
    assert company.ask("select count(*) from raw.invoices where _is_deleted") == [(0,)]


def test_an_item_that_comes_back_is_open_again(company: Company) -> None:
    company.configure(OPEN_ITEMS)
    for night, numbers in ((30, (1, 2)), (31, (2,)), (32, (1, 2))):
        company.write("open_items.csv", items(*numbers))
        company.night(date(2026, 10, 1) + timedelta(days=night - 1))
    assert company.ask(CLEARED) == [("I1", None, None), ("I2", None, None)]
    assert company.ask("select source_file, row_count from ops.source_total order by 1") == [
        ("open_items.csv", 2)
    ]


def test_an_empty_list_of_open_items_stops_the_night(company: Company) -> None:
    company.configure(OPEN_ITEMS)
    company.write("open_items.csv", items(1, 2))
    company.night(NIGHT)
    company.write("open_items.csv", items())
    with pytest.raises(SourceError, match="is empty tonight"):
        company.night(NEXT)


def test_rows_may_carry_the_keys_of_another_source(company: Company) -> None:
    company.sql(
        "CREATE TABLE customers (customer_id TEXT, legal_name TEXT);INSERT INTO customers VALUES ('C1', 'A');"
    )
    company.configure(
        "  erp: {kind: database, url: 'sqlite:///erp.db', tables: {customers: {}}}\n"
        + BANK.replace("bank/*.csv", "bank/*.csv, key_space: erp")
    )
    company.write("bank/1.csv", BANK_HEADER + payment("P1", "10.00"))
    company.night(NIGHT)
    assert company.ask("select source_system from raw.payments") == [("erp",)]
    assert company.ask("select source_system from ops.source_table where table_name = 'payments'") == [
        ("erp",)
    ]


# ---------------------------------------------------------------- dialects


def test_delimiter_and_byte_order_mark_are_recognised(company: Company) -> None:
    company.configure(RATES)
    company.write("rates.csv", "\ufeffrate_date;currency;rate\r\n2026-10-01;EUR;1.10\r\n".encode())
    company.night(NIGHT)
    assert company.ask("select rate_date, currency, rate from raw.fx_rates") == [
        ("2026-10-01", "EUR", "1.10")
    ]


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030", "utf-16"])
def test_declared_encoding_is_used(company: Company, encoding: str) -> None:
    name = "Müller" if encoding == "cp1252" else "永利公司"
    company.configure(
        f"  crm: {{kind: files, tables: {{customers: {{files: c.csv, encoding: {encoding}}}}}}}\n"
    )
    company.write("c.csv", f"customer_id,legal_name\nC1,{name}\n".encode(encoding))
    company.night(NIGHT)
    assert company.ask("select legal_name from raw.customers") == [(name,)]


def test_quoted_values_keep_delimiters_quotes_and_line_breaks(company: Company) -> None:
    company.configure("  crm: {kind: files, tables: {customers: {files: c.csv}}}\n")
    company.write("c.csv", 'customer_id,legal_name,city\nC1,"A, ""B""\nC",\nC2,  padded ,"  "\n')
    company.night(NIGHT)
    assert company.ask("select legal_name, city from raw.customers order by customer_id") == [
        ('A, "B"\nC', None),
        ("  padded ", None),
    ]


def test_json_parquet_and_excel_give_the_same_rows(company: Company) -> None:
    import duckdb
    import openpyxl

    company.write(
        "a.jsonl",
        '{"customer_id": 1, "legal_name": "A", "extra": [1]}\n{"customer_id": 2, "legal_name": "B"}\n',
    )
    company.write("b.json", '[{"customer_id": 1, "legal_name": "A"}, {"legal_name": "B", "customer_id": 2}]')
    duckdb.sql(
        "copy (select * from (values (1, 'A'), (2, 'B')) as v(customer_id, legal_name)) "
        f"to '{company.folder}/c.parquet'"
    )
    book = openpyxl.Workbook()
    for row in (["customer_id", "legal_name"], [1, "A"], [None, None], [2, "B"]):
        book.active.append(row)
    book.save(company.folder / "d.xlsx")
    company.configure(
        "".join(
            f"  {name}: {{kind: files, tables: {{customers: {{files: {file}}}}}}}\n"
            for name, file in (("a", "a.jsonl"), ("b", "b.json"), ("c", "c.parquet"), ("d", "d.xlsx"))
        )
    )
    company.night(NIGHT)
    rows = company.ask("select source_system, customer_id, legal_name from raw.customers order by all")
    assert rows == [(name, number, text) for name in "abcd" for number, text in (("1", "A"), ("2", "B"))]


def test_files_of_one_feed_may_differ_in_columns_nobody_needs(company: Company) -> None:
    company.configure(BANK)
    company.write("bank/1.csv", BANK_HEADER + payment("P1", "10.00"))
    company.write("bank/2.csv", "note," + BANK_HEADER + "x," + payment("P2", "20.00"))
    company.night(NIGHT)
    assert company.ask("select payment_id, amount from raw.payments order by 1") == [
        ("P1", "10.00"),
        ("P2", "20.00"),
    ]


# ---------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"rates\.csv: the file is empty \(0 bytes\)"),
        (b"\n2026-10-01,EUR,1\n", r"the first line is empty"),
        (
            b"rate_date,currency,rate\n2026-10-01,EUR,1\n2026-10-0",
            r"line 3 has 1 columns; the file looks truncated",
        ),
        (b'rate_date,currency,rate\n2026-10-01,"EUR,1\n', r"a quote opened on line 2 is never closed"),
        (
            b"rate_date,currency,rate\n2026-10-01,EUR,1,2\n",
            r"line 2 has 4 columns; a delimiter stands unquoted",
        ),
        (b"rate_date,currency,rate\n2026-10-01,\xe9UR,1\n", r"not UTF-8: byte 0xe9 .* set `encoding`"),
        (
            b"rate_date,curency,rate\n2026-10-01,EUR,1\n",
            r"no column 'currency', .*columns found: rate_date, curency, rate.*did you mean 'curency'",
        ),
        (b"rate_date,currency,rate,rate\n2026-10-01,EUR,1,2\n", r"has column 'rate' more than once"),
    ],
)
def test_bad_csv_is_explained_and_changes_nothing(company: Company, content: bytes, expected: str) -> None:
    company.configure(RATES)
    company.write("rates.csv", "rate_date,currency,rate\n2026-10-01,EUR,1.10\n")
    company.night(NIGHT)
    company.write("rates.csv", content)
    with pytest.raises(SourceError, match=expected) as caught:
        company.night(NEXT)
    assert not caught.value.is_transient
    assert company.ask("select rate from staging.landed_fx_rates") == [("1.10",)]


def test_declared_encoding_that_does_not_hold_is_explained(company: Company) -> None:
    company.configure(RATES.replace("files: rates.csv", "files: rates.csv\n        encoding: utf-8"))
    company.write("rates.csv", b"rate_date,currency,rate\n2026-10-01,EUR,\xff\n")
    with pytest.raises(SourceError, match="is declared as UTF-8 but is not: byte 0xff"):
        company.night(NIGHT)


def test_missing_file_names_what_lies_beside_it(company: Company) -> None:
    company.configure(BANK)
    company.write("bank/payments.txt", "x")
    with pytest.raises(SourceError, match=r"no file \*\.csv in .*bank; valid: in that folder: payments\.txt"):
        company.night(NIGHT)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("c.jsonl", b'{"customer_id": 1}\n{"customer', "cannot be read as jsonl: .*Malformed JSON"),
        ("c.parquet", b"not parquet at all", "cannot be read as parquet"),
        ("c.xlsx", b"not excel", "cannot be read as Excel"),
    ],
)
def test_damaged_files_of_other_formats_are_explained(
    company: Company, name: str, content: bytes, expected: str
) -> None:
    company.configure(f"  crm: {{kind: files, tables: {{customers: {{files: {name}}}}}}}\n")
    company.write(name, content)
    with pytest.raises(SourceError, match=expected):
        company.night(NIGHT)


# ---------------------------------------------------------------- mapping

INVOICES = """
  b2b:
    kind: files
    tables:
      invoices:
        delivery: snapshot
        feeds:
          - name: paid
            files: paid.csv
            fields:
              invoice_id: {sql: "md5(concat_ws('|', number, due, total))"}
              document_type: {constant: invoice, because: the file holds invoices only}
              customer_id: {column: number, repair: [{pad_left: {length: 10, shortest: 9}}]}
              legal_entity: {constant: U001, because: one company sells}
              issue_date:
                default_sql: try_cast(due as date) - 15
                because: fifteen days are the usual terms
              due_date: due
              currency:
                lookup: {feed: open, by: customer_id, field: currency}
                default: USD
                because: most customers pay in dollars
              amount: {column: total, format: ["1,234.56"]}
          - name: open
            files: open.csv
            fields:
              invoice_id: {column: doc, repair: [drop_decimal_zero]}
              document_type: {constant: invoice, because: the file holds invoices only}
              customer_id: {column: number, repair: [strip, {pad_left: {length: 10, shortest: 9}}]}
              legal_entity: {constant: U001, because: one company sells}
              issue_date: {column: posted, repair: [{swap_day_month: {when_equal_to: base}}]}
              due_date: {column: due, format: "%d.%m.%Y"}
              currency: cur
              amount: total
      customers:
        delivery: snapshot
        feeds:
          - files: open.csv
            fields:
              customer_id: {column: number, repair: [strip, {pad_left: {length: 10, shortest: 9}}]}
              legal_name: {column: name, repair: [collapse_spaces], pick: most_frequent}
          - files: paid.csv
            fields:
              customer_id: {column: number, repair: [{pad_left: {length: 10, shortest: 9}}]}
              legal_name:
                default_sql: mapped.customer_id
                because: the file has no names
                pick: most_frequent
"""


@pytest.fixture
def b2b(company: Company) -> Company:
    company.configure(INVOICES)
    company.write(
        "paid.csv",
        "number,due,total\n"
        '100000001,2020-01-31,"1,000.50"\n'
        '100000001,2020-01-31,"1,000.50"\n'
        "CCU013,2020-02-30,7\n"
        "100000002,2020-03-01,n/a\n",
    )
    company.write(
        "open.csv",
        "doc,number,posted,base,due,cur,total,name\n"
        "501.0, 100000001,2020-07-04,2020-04-07,22.04.2020,CAD,5,ALPHA  corp\n"
        "502.0,0100000001,2020-07-05,2020-04-07,31.02.2020,CAD,6,ALPHA corp\n"
        "503.0,0100000001,2020-04-07,2020-04-07,22.04.2020,CAD,7,ALPHA inc\n",
    )
    company.night(NIGHT)
    return company


def test_mapped_values_follow_the_contract(b2b: Company) -> None:
    assert b2b.ask(
        "select customer_id, issue_date, due_date, currency, amount, _occurrence from raw.invoices "
        "where _source_file = 'paid.csv' order by _source_row"
    ) == [
        ("0100000001", "2020-01-16", "2020-01-31", "CAD", "1000.50", 1),
        ("0100000001", "2020-01-16", "2020-01-31", "CAD", "1000.50", 2),
        ("CCU013", None, "2020-02-30", "USD", "7", 1),  # 30 February stays for the gate to find
        ("0100000002", "2020-02-15", "2020-03-01", "USD", "n/a", 1),
    ]
    assert b2b.ask(
        "select invoice_id, customer_id, issue_date, due_date from raw.invoices "
        "where _source_file = 'open.csv' order by _source_row"
    ) == [
        ("501", "0100000001", "2020-04-07", "2020-04-22"),  # day and month exchanged equal the base date
        ("502", "0100000001", "2020-07-05", "31.02.2020"),  # unexplained, so left as it is
        ("503", "0100000001", "2020-04-07", "2020-04-22"),
    ]


def test_every_repair_lookup_and_default_is_recorded(b2b: Company) -> None:
    assert b2b.ask(
        "select column_name, repair, original_value, repaired_value, count(*) from ops.repair "
        "where table_name = 'invoices' group by all order by all"
    ) == [
        ("currency", "default", None, "USD", 2),
        ("currency", "lookup", None, "CAD", 2),
        ("customer_id", "pad_left", "100000001", "0100000001", 3),
        ("customer_id", "pad_left", "100000002", "0100000002", 1),
        ("customer_id", "strip", " 100000001", "100000001", 1),
        ("invoice_id", "drop_decimal_zero", "501.0", "501", 1),
        ("invoice_id", "drop_decimal_zero", "502.0", "502", 1),
        ("invoice_id", "drop_decimal_zero", "503.0", "503", 1),
        ("issue_date", "default", None, "2020-01-16", 2),
        ("issue_date", "default", None, "2020-02-15", 1),
        ("issue_date", "swap_day_month", "2020-07-04", "2020-04-07", 1),
    ]
    assert b2b.ask("select distinct reason from ops.repair where repair = 'swap_day_month'") == [
        ("with day and month exchanged the date equals base",)
    ]


def test_customers_come_from_documents_under_their_most_frequent_name(b2b: Company) -> None:
    assert b2b.ask("select customer_id, legal_name from raw.customers order by 1") == [
        ("0100000001", "ALPHA corp"),
        ("0100000002", "0100000002"),
        ("CCU013", "CCU013"),
    ]
    assert b2b.ask("select original_value, reason from ops.repair where repair = 'most_frequent'") == [
        ("ALPHA inc", "written so on 1 of 3 rows; the most frequent is kept")
    ]
    assert b2b.ask(
        "select _row_key from ops.repair where table_name = 'customers' and repair = 'default' order by 1"
    ) == [("0100000002",), ("CCU013",)]


def test_control_totals_count_every_row_read_and_unreadable_amounts_apart(b2b: Company) -> None:
    assert b2b.ask(
        "select source_file, currency, row_count, amount::varchar, unreadable_count "
        "from ops.source_total order by all"
    ) == [
        ("open.csv", "CAD", 3, "18.000000", 0),
        ("paid.csv", "CAD", 2, "2001.000000", 0),
        ("paid.csv", "USD", 2, "7.000000", 1),
    ]


def test_changed_file_replaces_the_repairs_of_its_rows(b2b: Company) -> None:
    b2b.write(
        "open.csv",
        "doc,number,posted,base,due,cur,total,name\n501,0100000001,2020-04-07,2020-04-07,22.04.2020,CAD,5,ALPHA\n",
    )
    b2b.night(NEXT)
    assert b2b.ask("select count(*) from ops.repair where _row_key in ('502', '503')") == [(0,)]
    assert b2b.ask("select customer_id, legal_name from staging.landed_customers order by 1")[0] == (
        "0100000001",
        "ALPHA",
    )


def test_expression_over_an_unknown_column_is_explained(company: Company) -> None:
    company.configure(
        "  r: {kind: files, tables: {fx_rates: {files: r.csv, fields: "
        "{rate_date: d, currency: c, rate: {sql: 1 / kurs}}}}}\n"
    )
    company.write("r.csv", "d,c,rate\n2026-10-01,EUR,2\n")
    with pytest.raises(SourceError, match=r"SQL expression .* failed: .*kurs.*columns found: d, c, rate"):
        company.night(NIGHT)
