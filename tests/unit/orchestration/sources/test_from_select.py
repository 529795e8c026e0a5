"""Shaping in SQL: one list into several tables, joins, sums, fill-down, and what is said where a select is wrong."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from landing_company import Company

from orchestration.settings import ConfigurationError
from orchestration.sources.errors import SourceError

NIGHT = date(2026, 10, 30)
NEXT = date(2026, 10, 31)

SAP_LIST = """\
30.11.2025           Open items               1
-----------------------------------------------
|St|CoCd|Customer|DocNo   |Ty|Doc. date |Due       |Amount in LC|Curr|
-----------------------------------------------
|  |1000|1000123 |90000001|RV|01.10.2025|31.10.2025|   12.345,67|EUR |
|  |1000|1000123 |90000002|RG|05.10.2025|05.10.2025|   1.234,56-|EUR |
|  |1000|1000123 |14000001|DZ|20.10.2025|20.10.2025|  10.000,00-|EUR |
-----------------------------------------------
|* |    |1000123 |        |  |          |          |    1.111,11|EUR |
-----------------------------------------------
"""
SAP = """
  erp:
    kind: files
    relations:
      items: {files: list.txt, delimiter: '|', quote: none, header: 3, short_rows: fill, trim: true}
    tables:
      invoices:
        delivery: snapshot
        from: select * from items where Ty in ('RV', 'RG')
        fields: &common
          invoice_id: DocNo
          document_type: {sql: "case Ty when 'RV' then 'invoice' else 'credit_memo' end"}
          customer_id: Customer
          legal_entity: CoCd
          issue_date: {column: Doc. date, format: '%d.%m.%Y'}
          due_date: {column: Due, format: '%d.%m.%Y'}
          currency: Curr
          amount: {sql: "abs(amount(\\"Amount in LC\\", '1.234,56'))"}
      payments:
        delivery: snapshot
        from: |
          select DocNo, Customer, CoCd, "Doc. date", Curr, -amount("Amount in LC", '1.234,56-') as received
          from items where Ty = 'DZ'
        fields:
          payment_id: DocNo
          customer_id: Customer
          legal_entity: CoCd
          received_date: {column: Doc. date, format: '%d.%m.%Y'}
          currency: Curr
          amount: received
"""


def test_one_list_fills_two_tables(company: Company) -> None:
    company.configure(SAP)
    company.write("list.txt", SAP_LIST)
    company.night(NIGHT)
    assert company.ask(
        "select invoice_id, document_type, issue_date, try_cast(amount as double) from raw.invoices order by 1"
    ) == [
        ("90000001", "invoice", "2025-10-01", 12345.67),
        ("90000002", "credit_memo", "2025-10-05", 1234.56),
    ]
    assert company.ask("select payment_id, received_date, try_cast(amount as double) from raw.payments") == [
        ("14000001", "2025-10-20", 10000)
    ]
    assert company.ask(
        "select table_name, source_file, cast(amount as double) from ops.source_total order by 1"
    ) == [
        ("invoices", "select", 13580.23),
        ("payments", "select", 10000),
    ]


ORDERS = """
  shop:
    kind: files
    relations:
      lines: {files: lines/*.csv}
      terms: {files: terms.csv}
    tables:
      invoices:
        delivery: snapshot
        files: heads.csv
        from: |
          select head.no, head.customer, head.day, head._source_file, head._source_row,
                 sum(amount(lines.net, '1,234.56')) as total,
                 cast(head.day as date) + cast(terms.days as integer) as due
          from rows as head
          join lines on lines.no = head.no
          left join terms using (customer)
          where head.state <> 'draft'
          group by all
        fields:
          invoice_id: "no"
          customer_id: customer
          legal_entity: {constant: E1, because: one company}
          issue_date: day
          due_date: due
          currency: {constant: USD, because: sold at home}
          amount: total
          document_type: {constant: invoice, because: all of them}
"""


def shop(company: Company) -> Company:
    company.configure(ORDERS)
    company.write(
        "heads.csv",
        "no,customer,day,state\nI1,C1,2026-10-01,sent\nI2,C2,2026-10-02,draft\nI3,C2,2026-10-03,sent\n",
    )
    company.write("lines/a.csv", 'no,net\nI1,"1,000.50"\nI1,0.25\n')
    company.write("lines/b.csv", "no,net\nI3,7\nI2,9\n")
    company.write("terms.csv", "customer,days\nC1,30\n")
    return company


def invoices(company: Company) -> list[tuple[Any, ...]]:
    return company.ask(
        "select invoice_id, due_date, cast(amount as decimal(18, 2)), _source_file, _source_row "
        "from staging.landed_invoices order by invoice_id"
    )


def test_lines_are_summed_to_documents_and_rows_traced_to_their_file(company: Company) -> None:
    shop(company).night(NIGHT)
    assert [(*row[:2], str(row[2]), *row[3:]) for row in invoices(company)] == [
        ("I1", "2026-10-31", "1000.75", "heads.csv", 1),
        ("I3", None, "7.00", "heads.csv", 3),
    ]
    assert [str(row[0]) for row in company.ask("select sum(amount) from ops.source_total")] == ["1007.750000"]


def test_change_beside_is_read_and_nothing_else_is(company: Company) -> None:
    shop(company).night(NIGHT)
    assert {result.status for result in company.night(NEXT)} == {"unchanged"}
    company.write("terms.csv", "customer,days\nC1,30\nC2,10\n")
    company.night(NEXT)
    assert [row[1] for row in invoices(company)] == ["2026-10-31", "2026-10-13"]
    company.write("lines/c.csv", "no,net\nI3,1\n")
    company.night(NEXT)
    (company.folder / "lines/c.csv").unlink()
    company.night(NEXT)
    assert [str(row[2]) for row in invoices(company)] == ["1000.75", "7.00"]
    assert company.ask("select count(*) from ops.source_total") == [(1,)]


BANK = """
  bank:
    kind: files
    relations:
      accounts: {files: accounts.csv}
    tables:
      payments:
        files: bank/*.csv
        from: |
          select rows.*, accounts.customer, 'Müller' as who,
                 regexp_extract(rows._source_file, '[0-9-]+') as statement_day
          from rows left join accounts on accounts.iban = rows.iban
          where amount(rows.value, '1.234,56') > 0 and rows.state = 'booked';  -- what came in, and stays
        fields:
          payment_id: id
          customer_id: customer
          legal_entity: {constant: E1, because: one account}
          received_date: statement_day
          currency: {constant: EUR, because: a euro account}
          amount: {column: value, format: '1.234,56'}
"""


def bank(company: Company) -> Company:
    company.configure(BANK)
    company.write("accounts.csv", "iban,customer\nDE1,C1\n")
    rows = 'id,iban,value,state\nP1,DE1,"1.190,00",booked\nP2,DE9,"-5,00",booked\nP3,DE1,"9,00",pending\n'
    company.write("bank/2026-10-29.csv", rows)
    return company


def test_receipts_are_picked_and_customers_looked_up_by_account(company: Company) -> None:
    bank(company).night(NIGHT)
    assert company.ask(
        "select payment_id, customer_id, received_date, amount, _source_row from raw.payments"
    ) == [("P1", "C1", "2026-10-29", "1190.00", 1)]


def test_news_land_file_by_file_and_older_files_stay_read(company: Company) -> None:
    bank(company).night(NIGHT)
    company.write(
        "bank/2026-10-30.csv", 'id,iban,value,state\nP4,DE9,"2,00",booked\nP1,DE1,"1.191,00",booked\n'
    )
    results = company.night(NEXT)
    assert {(result.source_file, result.status) for result in results} == {
        ("2026-10-29.csv", "unchanged"),
        ("2026-10-30.csv", "landed"),
    }
    company.write("accounts.csv", "iban,customer\nDE1,C1\nDE9,C9\n")
    company.night(NEXT)
    assert company.ask("select payment_id, customer_id, amount from staging.landed_payments order by 1") == [
        ("P1", "C1", "1191.00"),
        ("P4", "C9", "2.00"),
    ]


def test_cells_left_empty_are_filled_from_above(company: Company) -> None:
    company.configure(
        "  crm:\n    kind: files\n    tables:\n      customers:\n        delivery: snapshot\n"
        "        files: c.csv\n        short_rows: fill\n        from: |\n"
        "          select *, last_value(region ignore nulls) over (order by _source_row) as above from rows\n"
        "          qualify name is not null\n"
        "        fields: {customer_id: id, legal_name: name, country: above}\n"
    )
    company.write("c.csv", "region,id,name\nDE\n,C1,Alpha\n,C2,Beta\nFR,C3,Gamma\n")
    company.night(NIGHT)
    assert company.ask("select customer_id, country, _source_row from raw.customers order by 1") == [
        ("C1", "DE", 2),
        ("C2", "DE", 3),
        ("C3", "FR", 4),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * from rows where valu > ''", ['Referenced column "valu" not found', "did you mean 'value'?"]),
        ("select * from acounts", ["acounts does not exist", "accounts", "rows (id, iban, value, state)"]),
        ("select id from rows; select 1", ["no single select"]),
        ("drop table rows", ["no single select"]),
        ("selct * from rows", ["syntax error"]),
        ("select *, (select any_value(column0) from read_csv('accounts.csv')) from rows", ["cannot be run"]),
        (
            "select id, iban as customer, value, id as statement_day from rows",
            ["no _source_file", "delivery: snapshot"],
        ),
        ("select id, _source_file from rows", ["has no column 'customer'", "columns found: id"]),
        (
            "select * replace (cast(value as integer) as value), iban as customer, id as statement_day from rows",
            ["Conversion Error"],
        ),
        (
            "select * replace ('x' as _source_file), iban as customer, id as statement_day from rows",
            ["_source_file must be the one of `rows`", "x"],
        ),
    ],
)  # fmt: skip
def test_select_that_cannot_be_run_says_why_and_lands_nothing(
    company: Company, query: str, expected: list[str]
) -> None:
    bank(company)
    company.configure(
        BANK.replace(
            BANK[BANK.index("          select") : BANK.index("        fields")], f"          {query}\n"
        )
    )
    with pytest.raises(SourceError) as caught:
        company.night(NIGHT)
    for part in expected:
        assert part in str(caught.value)
    assert company.ask("select count(*) from raw.payments") == [(0,)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("relations:\n      accounts:", "relations:\n      rows:"), "is no name for a relation"),
        (
            ("      accounts: {files: accounts.csv}", "      accounts: {encoding: utf-8}"),
            "accounts names no file",
        ),
        (("        files: bank/*.csv\n", ""), "`delivery: changes` lands what new files bring"),
    ],
)
def test_relations_that_cannot_be_are_refused_before_anything_is_read(
    company: Company, change: tuple[str, str], expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        company.configure(BANK.replace(*change))


def test_what_is_wrong_with_a_file_is_told_as_without_a_select(company: Company) -> None:
    shop(company)
    company.write("lines/b.csv", "no,net\nI3,7,8\n")
    with pytest.raises(SourceError, match=r"relation lines, file b\.csv: line 2 has 3 columns") as caught:
        company.night(NIGHT)
    assert "arriving" not in str(caught.value)


def test_header_of_a_relation_is_known_by_all_that_select_from_it(company: Company) -> None:
    company.configure(SAP.replace("header: 3, ", ""))
    company.write("list.txt", SAP_LIST)
    company.night(NIGHT)
    assert company.ask("select count(*) from raw.invoices") == [(2,)]
