"""Deliveries that are suddenly small: refused whole with their numbers, accepted once by name, told where allowed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from landing_company import HEADER, Company

from orchestration.settings import ConfigurationError, load_settings
from orchestration.sources.errors import SourceError

NIGHT = date(2026, 10, 30)
NEXT = date(2026, 10, 31)

ERP = """
  erp:
    kind: database
    url: sqlite:///erp.db
    tables:
      customers: {}
      payments: {}
"""
FILES = """
  crm:
    kind: files
    tables:
      customers: {files: c/*.csv, delivery: snapshot}
"""


def policy(text: str) -> str:
    return (
        f"  erp: {{kind: database, url: 'sqlite:///erp.db', tables: {{customers: {{}}}}}}\nlanding: {text}\n"
    )


def fill(company: Company, customers: int, payments: int = 0) -> None:
    company.sql(
        "DROP TABLE IF EXISTS customers; DROP TABLE IF EXISTS payments;"
        "CREATE TABLE customers (customer_id TEXT, legal_name TEXT);"
        "CREATE TABLE payments (payment_id TEXT, customer_id TEXT, legal_entity TEXT, received_date TEXT, "
        "currency TEXT, amount TEXT);"
    )
    people = [(f"C{n:04d}", f"Name {n}") for n in range(customers)]
    receipts = [
        (f"P{n:04d}", "EUR" if n % 2 else "USD", "n/a" if n == 100 else f"{n}.50") for n in range(payments)
    ]
    if people:
        company.sql("INSERT INTO customers VALUES (?, ?)", *people)
    if receipts:
        company.sql("INSERT INTO payments VALUES (?, 'C0000', 'E1', '2026-10-01', ?, ?)", *receipts)


def customers_file(company: Company, name: str, numbers: range) -> None:
    rows = "".join(f"C{n:04d},Name {n}\n" for n in numbers)
    company.write(f"c/{name}.csv", "customer_id,legal_name\n" + rows)


def raw(company: Company) -> list[tuple[Any, ...]]:
    """All that a landing keeps, to see that nothing has changed."""
    return [
        company.ask(f"from {table} order by all")
        for table in ("raw.customers", "raw.payments", "ops.landing", "ops.landed_file", "ops.source_total")
    ]


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        (500, 1, True),
        (500, 449, True),
        (500, 450, False),  # exactly a tenth
        (12, 1, True),  # 11 rows
        (12, 3, False),  # 9 rows
        (3, 0, True),
        (3, 1, False),
        (1000, 991, False),
    ],
)
def test_rows_gone_are_refused_from_ten_rows_and_above_a_tenth_on(
    company: Company, before: int, after: int, is_refused: bool
) -> None:
    company.configure(ERP)
    fill(company, before)
    company.night(NIGHT)
    fill(company, after)
    if is_refused:
        kept = raw(company)
        with pytest.raises(SourceError, match=r"^erp\.customers: ") as caught:
            company.night(NEXT)
        assert not caught.value.is_transient
        assert raw(company) == kept
        assert company.ask("select count(*) from staging.landed_customers") == [(before,)]
        return
    company.night(NEXT)
    assert company.ask("select count(*) from staging.landed_customers") == [(after,)]


def test_refusal_says_the_numbers_the_amounts_and_what_to_type(company: Company) -> None:
    company.configure(ERP)
    fill(company, 500, 120)
    company.night(NIGHT)
    # Changed rows and tombstones are versions, not rows.
    company.sql(
        "UPDATE customers SET legal_name = 'New' || legal_name; DELETE FROM customers WHERE customer_id = 'C0499'"
    )
    company.night(NEXT)
    fill(company, 4, 100)
    with pytest.raises(SourceError) as caught:
        company.night(date(2026, 11, 1))
    said = str(caught.value)
    assert said.startswith("2 tables: ")
    assert "erp.customers: 495 of 499 rows that had landed are gone tonight (99.2%), 4 rows delivered" in said
    assert "erp.payments: 20 of 120 rows that had landed are gone tonight (16.7%), 100 rows delivered" in said
    # 102.50 + 104.50 + … + 118.50, and 101.50 + … + 119.50
    assert "amount gone: EUR 1,105.00, USD 994.50 (and 1 unreadable)" in said
    assert (
        "trade-credit run --as-of 2026-11-01 --accept-drop erp.customers --accept-drop erp.payments "
        f"--config {company.folder / 'company.yml'}"
    ) in said


def test_acceptance_holds_for_the_tables_named_and_for_one_night(company: Company) -> None:
    company.configure(ERP)
    fill(company, 100, 100)
    company.night(NIGHT)
    fill(company, 10, 10)
    with pytest.raises(SourceError, match=r"^erp\.payments: 90 of 100 rows"):
        company.night(NEXT, accept_drop=["erp.customers"])
    company.night(NEXT, accept_drop=["erp.customers", "erp.payments"])
    accepted = [line for line in company.said if "accepted by --accept-drop" in line]
    assert [line.split(":")[0] for line in accepted] == ["erp.customers", "erp.payments"]
    assert "90 of 100 rows" in accepted[0]
    fill(company, 0, 10)
    with pytest.raises(SourceError, match=r"erp\.customers: is empty tonight, though 10 rows"):
        company.night(date(2026, 11, 1))


def test_unknown_name_to_accept_is_an_error_that_lists_the_valid_ones(company: Company) -> None:
    company.configure(ERP)
    fill(company, 1)
    with pytest.raises(
        SourceError,
        match=r"'erp\.customer' is no table .*valid: erp\.customers, erp\.payments; .*'erp\.customers'",
    ):
        company.night(NIGHT, accept_drop=["erp.customer"])


def test_full_refresh_of_a_table_with_a_cursor_is_judged_and_does_not_accept(company: Company) -> None:
    company.configure(
        "  erp: {kind: database, url: 'sqlite:///erp.db', tables: {customers: {cursor: updated_at}}}\n"
    )
    company.sql("CREATE TABLE customers (customer_id TEXT, legal_name TEXT, updated_at TEXT)")
    rows = [(f"C{n}", "A", "2026-10-01 08:00:00") for n in range(50)]
    company.sql("INSERT INTO customers VALUES (?, ?, ?)", *rows)
    company.night(NIGHT)
    company.sql("DELETE FROM customers WHERE customer_id <> 'C1'")
    company.night(NEXT)
    with pytest.raises(SourceError, match=r"erp\.customers: 49 of 50 rows .* 1 rows delivered"):
        company.night(NEXT, full_refresh=True)
    assert company.ask("select count(*) from staging.landed_customers") == [(50,)]


def test_keys_renamed_wholesale_are_a_loss_of_all_known_rows(company: Company) -> None:
    company.configure(ERP)
    fill(company, 50)
    company.night(NIGHT)
    company.sql("UPDATE customers SET customer_id = '00' || customer_id")
    with pytest.raises(SourceError, match=r"50 of 50 rows .*\(100\.0%\), 50 rows delivered.*or its mapping"):
        company.night(NEXT)


def test_changed_rows_and_repeated_keys_that_stay_are_no_loss(company: Company) -> None:
    company.configure(ERP)
    fill(company, 50)
    company.sql("INSERT INTO customers SELECT customer_id, legal_name || ' again' FROM customers")
    company.night(NIGHT)
    company.sql("UPDATE customers SET legal_name = legal_name || ' Ltd'")
    company.night(NEXT)
    assert company.ask("select count(*) from staging.landed_customers") == [(100,)]
    company.sql("DELETE FROM customers WHERE legal_name LIKE '%again%'")
    with pytest.raises(SourceError, match=r"50 of 100 rows"):
        company.night(date(2026, 11, 1))


# ---------------------------------------------------------------- files


def test_missing_file_of_a_snapshot_is_named_with_its_rows(company: Company) -> None:
    company.configure(FILES)
    customers_file(company, "north", range(60))
    customers_file(company, "south", range(100, 140))
    company.night(NIGHT)
    (company.folder / "c/south.csv").unlink()
    with pytest.raises(
        SourceError, match=r"40 of 100 rows .* 60 rows delivered; file south\.csv is missing \(40 rows\)"
    ):
        company.night(NEXT)


def test_shrunk_file_of_a_snapshot_is_named_with_its_rows(company: Company) -> None:
    company.configure(FILES)
    customers_file(company, "north", range(60))
    customers_file(company, "south", range(100, 140))
    company.night(NIGHT)
    customers_file(company, "south", range(100, 101))
    with pytest.raises(SourceError, match=r"39 of 100 rows .*file south\.csv holds 1 rows after 40"):
        company.night(NEXT)
    company.write("c/south.csv", (company.folder / "c/north.csv").read_bytes())
    with pytest.raises(SourceError, match=r"40 of 100 rows .*file south\.csv is a copy of north\.csv"):
        company.night(NEXT)


def test_rows_moved_from_one_file_to_another_are_no_loss(company: Company) -> None:
    company.configure(FILES)
    customers_file(company, "north", range(60))
    customers_file(company, "south", range(100, 140))
    company.night(NIGHT)
    (company.folder / "c/south.csv").unlink()
    customers_file(company, "north", range(40))
    customers_file(company, "west", range(100, 140))
    rows = (company.folder / "c/west.csv").read_text() + "".join(
        f"C{n:04d},Name {n}\n" for n in range(40, 60)
    )
    company.write("c/west.csv", rows)
    company.night(NEXT)
    assert company.ask("select count(*) from staging.landed_customers") == [(100,)]
    assert company.said == []


def test_missing_file_below_the_limit_is_told(company: Company) -> None:
    company.configure(FILES)
    customers_file(company, "north", range(100))
    customers_file(company, "south", range(100, 104))
    company.night(NIGHT)
    (company.folder / "c/south.csv").unlink()
    company.night(NEXT)
    assert company.said == [
        "crm.customers: 4 of 104 rows that had landed are gone tonight (3.8%), 100 rows delivered; "
        "file south.csv is missing (4 rows); they count as deleted"
    ]


def test_newest_export_that_is_suddenly_small_is_named(company: Company) -> None:
    company.configure(FILES.replace("snapshot", "latest_snapshot"))
    customers_file(company, "2026-10-29", range(100))
    company.night(NIGHT)
    customers_file(company, "2026-10-30", range(1))
    with pytest.raises(SourceError, match=r"99 of 100 rows .*file 2026-10-30\.csv holds 1 rows after 100"):
        company.night(NEXT)


def test_snapshot_with_a_header_only_is_refused(company: Company) -> None:
    company.configure(FILES)
    customers_file(company, "north", range(3))
    company.night(NIGHT)
    customers_file(company, "north", range(0))
    with pytest.raises(
        SourceError, match=r"crm\.customers: is empty tonight, though 3 rows .*north\.csv holds 0 rows"
    ):
        company.night(NEXT)


# ---------------------------------------------------------------- the policy


@pytest.mark.parametrize(
    ("text", "after", "is_refused"),
    [
        ("{drop_share: 0.5}", 60, False),
        ("{drop_share: 0.5}", 40, True),
        ("{drop_share: 1, drop_rows: 1000}", 1, False),
        ("{drop_share: 1, drop_rows: 1000}", 0, True),
        ("{drop_share: 0, drop_rows: 1}", 99, True),
        ("{tables: {customers: {drop_share: 0.01, drop_rows: 2}}}", 98, True),
        ("{tables: {customers: {drop_rows: 21}}}", 80, False),
        ("{tables: {invoices: {drop_share: 0}}}", 95, False),
    ],
)
def test_policy_of_the_configuration_holds(company: Company, text: str, after: int, is_refused: bool) -> None:
    company.configure(policy(text))
    fill(company, 100)
    company.night(NIGHT)
    fill(company, after)
    if is_refused:
        with pytest.raises(SourceError, match=r"erp\.customers"):
            company.night(NEXT)
    else:
        company.night(NEXT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{tables: {invoice: {drop_rows: 5}}}",
            r"landing\.tables.*unknown table 'invoice'; did you mean 'invoices'",
        ),
        ("{drop_share: 10}", r"landing\.drop_share.*less than or equal to 1"),
        ("{drop_rows: 0}", r"landing\.drop_rows.*greater than or equal to 1"),
        ("{tables: {invoices: {share: 1}}}", r"landing\.tables\.invoices\.share: unknown key.*drop_share"),
    ],
)
def test_policy_that_cannot_be_meant_is_a_configuration_error(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "company.yml"
    path.write_text(HEADER + "sources:\n" + policy(text), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=expected):
        load_settings(path, env={}, home=tmp_path)


# ---------------------------------------------------------------- empty, and told


def test_file_without_rows_among_changes_is_told(company: Company) -> None:
    company.configure(FILES.replace(", delivery: snapshot", ""))
    customers_file(company, "1", range(3))
    company.night(NIGHT)
    assert company.said == []
    customers_file(company, "2", range(0))
    company.night(NEXT)
    assert company.said[0] == "crm.customers: file 2.csv holds a header and no rows"
    customers_file(company, "1", range(1))
    company.night(date(2026, 11, 1))
    assert company.said == [
        "crm.customers: file 1.csv holds 1 rows, 3 when it was last read; under `delivery: changes` they stay"
    ]
    assert company.ask("select count(*) from staging.landed_customers") == [(3,)]


def test_required_table_that_is_empty_on_its_first_load_is_told(company: Company) -> None:
    company.configure(ERP)
    fill(company, 0)
    company.night(NIGHT)
    assert (
        "erp.customers: no rows, and none had landed before; without customers no night can run"
        in company.said
    )
    assert not [line for line in company.said if "payments" in line]


def test_table_with_a_cursor_that_is_empty_as_a_whole_is_told(company: Company) -> None:
    company.configure(
        "  erp: {kind: database, url: 'sqlite:///erp.db', tables: {payments: {cursor: updated_at}}}\n"
    )
    fill(company, 0, 3)
    company.sql(
        "ALTER TABLE payments ADD COLUMN updated_at TEXT; UPDATE payments SET updated_at = '2026-10-01'"
    )
    company.night(NIGHT)
    company.sql("DELETE FROM payments")
    company.night(NEXT)
    assert company.said[0].startswith(
        "erp.payments: the whole table payments is empty tonight, though 3 rows"
    )


@pytest.fixture
def service() -> Iterator[dict[str, Any]]:
    """An HTTP service; what stands under `rows` is what it answers, `url` where."""
    state: dict[str, Any] = {"rows": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(state["rows"]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state["url"] = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def test_answer_without_rows_is_refused_in_full_and_told_where_only_news_is_asked_for(
    company: Company, service: dict[str, Any]
) -> None:
    source = "  api: {{kind: rest, url: '{}', tables: {{customers: {{path: customers{}}}}}}}\n"
    rows = [
        {"customer_id": f"C{n}", "legal_name": "A", "updated_at": "2026-10-01 08:00:00"} for n in range(30)
    ]
    service["rows"] = rows
    company.configure(source.format(service["url"], ""))
    company.night(NIGHT)
    service["rows"] = []
    with pytest.raises(SourceError, match=r"api\.customers: is empty tonight, though 30 rows"):
        company.night(NEXT)
    service["rows"] = rows[:3]
    with pytest.raises(SourceError, match=r"api\.customers: 27 of 30 rows"):
        company.night(NEXT)
    service["rows"] = []
    company.configure(source.format(service["url"], ", since_param: since"))
    company.night(NEXT)
    assert company.said == [
        "api.customers: the answer of customers holds no rows, though 30 rows had landed before",
        "no source brought a single row tonight; the last rows came with the night of 2026-10-30: "
        "see whether the exports still run",
    ]
