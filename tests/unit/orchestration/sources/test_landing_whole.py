"""A night lands whole or not at all, and a night landed by a slip of the date does not stand in the way."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from landing_company import Company

from orchestration.migrations import bring_forward
from orchestration.sources.errors import SourceError
from orchestration.sources.landing import transaction as landing
from orchestration.warehouse import open_warehouse, prepare_warehouse
from quality.quarantine import QuarantineThresholds
from quality.runner import run_gate

NIGHT = date(2026, 10, 30)
NEXT = date(2026, 10, 31)
SLIP = date(2062, 10, 31)

SOURCES = """
  erp:
    kind: database
    url: sqlite:///erp.db
    tables:
      customers: {cursor: updated_at, look_back_days: 3}
      invoices: {}
  bank:
    kind: files
    tables:
      payments: {files: bank/*.csv, key_space: erp}
      fx_rates:
        files: rates/*.csv
        delivery: snapshot
        fields:
          rate_date: rate_date
          currency: {column: currency, repair: [strip]}
          rate: rate
"""
BANK_HEADER = "payment_id,customer_id,legal_entity,received_date,currency,amount,reversed_at\n"


def payment(number: str, received: str = "2026-10-01") -> str:
    return f"{number},C1,E1,{received},USD,10.00,\n"


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return write_company(tmp_path)


def write_company(folder: Path) -> Company:
    folder.mkdir(exist_ok=True)
    company = Company(folder)
    company.sql(
        """
        CREATE TABLE customers (customer_id TEXT, legal_name TEXT, country TEXT, updated_at TEXT);
        CREATE TABLE invoices (invoice_id TEXT, document_type TEXT, customer_id TEXT, legal_entity TEXT,
            issue_date TEXT, due_date TEXT, currency TEXT, amount TEXT);
        INSERT INTO customers VALUES ('C1', 'Alpha', 'US', '2026-10-01 08:00:00'),
            ('C2', 'Beta', 'US', '2026-10-29 08:00:00'), ('C3', 'Held', 'nowhere', '2026-10-29 08:00:00');
        INSERT INTO invoices VALUES
            ('I1', 'invoice', 'C1', 'E1', '2026-10-01', '2026-10-31', 'USD', '0.10'),
            ('I2', 'invoice', 'C1', 'E1', '2026-10-02', '2026-11-01', 'USD', 'n/a'),
            ('I3', 'invoice', 'C2', 'E1', '2026-10-29', 'soon', 'USD', '5.00');
        """
    )
    company.configure(SOURCES)
    company.write("bank/1.csv", BANK_HEADER + payment("P1") + payment("P2", "never"))
    company.write("rates/1.csv", "rate_date,currency,rate\n2026-10-01, EUR,1.10\n2026-10-01,GBP,1.30\n")
    company.write("rates/2.csv", "rate_date,currency,rate\n2026-10-02,EUR,1.11\n")
    return company


def live_a_day(company: Company) -> None:
    """What happens to the sources between two nights."""
    company.sql(
        "UPDATE customers SET legal_name = 'Beta Ltd', updated_at = '2026-10-31 08:00:00' WHERE customer_id = 'C2';"
        "INSERT INTO customers VALUES ('C4', 'Delta', 'US', '2026-10-31 09:00:00');"
        "UPDATE invoices SET amount = '7.00' WHERE invoice_id = 'I2'; DELETE FROM invoices WHERE invoice_id = 'I1';"
    )
    company.write("bank/2.csv", BANK_HEADER + payment("P3") + payment("P2"))
    company.write("rates/1.csv", "rate_date,currency,rate\n2026-10-01, EUR,1.12\n")


def gate(company: Company, day: date) -> None:
    assert company.settings is not None
    with open_warehouse(company.settings.warehouse_path) as warehouse:
        run_gate(
            warehouse,
            as_of=day,
            docs_dir=None,
            thresholds=QuarantineThresholds(),
            company="Example",
            reporting_currency="USD",
        )


def contents(company: Company) -> dict[str, list[tuple[Any, ...]]]:
    """Every table that outlives a step, but for what numbers rows and what only happened."""
    assert company.settings is not None
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema in ('raw', 'staging', 'ops', 'quarantine') and table_type = 'BASE TABLE' "
            "and table_name not in ('landed_build', 'publication', 'night', 'schema_version') order by 1"
        ).fetchall()
        return {name: connection.execute(f"from {name} order by all").fetchall() for (name,) in tables}


# ---------------------------------------------------------------- all or nothing


def test_night_refused_at_its_last_table_leaves_no_mark(company: Company) -> None:
    company.night(NIGHT)
    before = contents(company)
    live_a_day(company)
    company.write("rates/2.csv", "rate_date,currency\n2026-10-02,EUR\n")
    with pytest.raises(SourceError, match="no column 'rate'"):
        company.night(NEXT)
    assert contents(company) == before
    company.write("rates/1.csv", "rate_date,currency,rate\n")
    company.write("rates/2.csv", "rate_date,currency,rate\n")
    with pytest.raises(SourceError, match=r"bank\.fx_rates: is empty"):
        company.night(NEXT)
    assert contents(company) == before


@pytest.mark.parametrize(
    ("where", "is_first"),
    [
        ("transport", True),
        ("append_versions", False),
        ("record_providers", True),
        ("rebuild_landed", True),
        ("rebuild_landed", False),
    ],
)
def test_night_killed_anywhere_gives_the_same_warehouse_when_run_again(
    tmp_path: Path, where: str, is_first: bool
) -> None:
    killed, twin = write_company(tmp_path / "killed"), write_company(tmp_path / "twin")
    day = NIGHT
    for company in (killed, twin):
        if not is_first:
            company.night(NIGHT)
            live_a_day(company)
            day = NEXT
    script = (
        "import os, signal, sys; from datetime import date; from pathlib import Path\n"
        "from orchestration.settings import load_settings\n"
        "from orchestration.sources.landing import transaction as landing\n"
        "settings = load_settings(Path(sys.argv[1]), env={}, home=Path(sys.argv[2]))\n"
        "real, calls = getattr(landing, sys.argv[4]), []\n"
        "def killed(*args, **more):\n"
        "    calls.append(1); done = real(*args, **more)\n"
        "    if len(calls) == 2 or sys.argv[4] not in ('append_versions', 'rebuild_landed'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return done\n"
        "setattr(landing, sys.argv[4], killed)\n"
        "landing.land(settings.warehouse_path, settings, as_of=date.fromisoformat(sys.argv[3]))\n"
    )
    arguments = [killed.folder / "company.yml", killed.home, day, where]
    ended = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    killed.night(day)
    twin.night(day)
    after, expected = contents(killed), contents(twin)
    if where == "rebuild_landed":
        # Killed once the night had landed, so that the second try found its files read.
        for tables in (after, expected):
            del tables["ops.landing"]
    assert after == expected


# ---------------------------------------------------------------- a slip of the date


@pytest.mark.parametrize("has_history", [True, False])
@pytest.mark.parametrize("is_gated", [True, False])
def test_night_landed_by_a_slip_leaves_nothing_in_the_true_one(
    tmp_path: Path, has_history: bool, is_gated: bool
) -> None:
    slipped, twin = write_company(tmp_path / "slipped"), write_company(tmp_path / "twin")
    for company in (slipped, twin):
        if has_history:
            company.night(NIGHT)
            gate(company, NIGHT)
            company.publish(NIGHT)
        live_a_day(company)
    slipped.night(SLIP)
    if is_gated:
        gate(slipped, SLIP)
    for company in (slipped, twin):
        company.night(NEXT)
        gate(company, NEXT)
    [told] = [line for line in slipped.said if "taken back" in line]
    assert "the landing of the night of 2062-10-31, later than 2026-10-31 and never published" in told
    assert twin.said == []
    after, expected = contents(slipped), contents(twin)
    assert {name for name in after if after[name] != expected.get(name)} == set()
    assert len(after["staging.landed_customers"]) == 4
    assert (len(after["quarantine.released"]) > 0) is has_history


def test_no_table_keeps_a_night_that_was_taken_back(company: Company) -> None:
    company.night(NIGHT)
    company.publish(NIGHT)
    company.night(SLIP)
    gate(company, SLIP)
    assert company.settings is not None
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        connection.execute(
            "insert into ml.customer_score (as_of_date) values ('2062-10-31');"
            "insert into core.match_parameter (as_of_date) values ('2062-10-31');"
            "insert into core.customer_code (customer_code, issued_on) values ('C000001', '2062-10-31');"
        )
    company.night(NEXT)
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        dates = connection.execute(
            "select table_schema || '.' || table_name, column_name from information_schema.columns "
            "where data_type in ('DATE', 'TIMESTAMP') and table_schema <> 'staging'"
        ).fetchall()
        assert ("core.customer_code", "issued_on") in dates
        kept = [
            (table, column)
            for table, column in dates
            if connection.execute(f"select count(*) from {table} where {column} > '2060-01-01'").fetchall()
            != [(0,)]
        ]
        assert kept == []
        assert connection.execute(
            "select count(*) from raw.customers where _load_id > '2060'"
        ).fetchall() == [(0,)]


def test_file_that_vanished_in_a_night_taken_back_is_found_missing_by_the_true_one(company: Company) -> None:
    company.night(NIGHT)
    company.publish(NIGHT)
    (company.folder / "rates/2.csv").unlink()
    company.night(SLIP)
    company.night(NEXT)
    assert company.ask("select _row_key from staging.landed_fx_rates order by 1") == [
        ("2026-10-01|EUR",),
        ("2026-10-01|GBP",),
    ]


def test_refused_true_night_takes_nothing_back(company: Company) -> None:
    company.night(SLIP)
    before = contents(company)
    company.write("rates/2.csv", "rate_date\n2026-10-02\n")
    with pytest.raises(SourceError):
        company.night(NIGHT)
    assert contents(company) == before


def test_night_before_a_published_one_reads_no_source_and_says_so(company: Company) -> None:
    company.night(NIGHT)
    company.publish(NIGHT)
    live_a_day(company)
    company.night(NEXT)
    company.publish(NEXT)
    company.night(SLIP)
    (company.folder / "erp.db").unlink()
    assert {result.status for result in company.night(NIGHT)} == {"replayed"}
    [told] = company.said
    assert told.startswith(
        "the night of 2026-10-30 reads no source: published after it stands the night of 2026-10-31, so it is made of "
        "what had landed by 2026-10-30. To read the sources, run a night from 2026-10-31 on"
    )
    # Nobody is in the way of a night that only replays.
    assert company.ask("select count(*) > 0 from ops.landing where as_of_date = '2062-10-31'") == [(True,)]
    assert company.ask("select legal_name from staging.landed_customers where customer_id = 'C2'") == [
        ("Beta",)
    ]


def test_unpublished_night_on_which_a_published_one_stands_stays(company: Company) -> None:
    company.night(NIGHT)
    company.publish(NIGHT)
    live_a_day(company)
    company.night(NEXT)  # failed at a gate, say
    last = date(2026, 11, 1)
    company.night(last)
    company.publish(last)
    company.night(NIGHT)
    assert company.ask("select count(*) > 0 from raw.customers where _load_id = '2026-10-31'") == [(True,)]
    assert company.ask("select legal_name from staging.landed_customers where customer_id = 'C2'") == [
        ("Beta",)
    ]


def test_night_that_an_older_version_published_is_not_taken_back(company: Company) -> None:
    company.night(NIGHT)
    assert company.settings is not None
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        connection.execute("drop table ops.publication; drop table ops.night; drop table ops.schema_version")
        connection.execute("insert into core.ledger_history (booked_on) values ('2026-10-30')")
    prepare_warehouse(company.settings.warehouse_path)
    assert {result.status for result in company.night(date(2026, 10, 29))} == {"replayed"}
    assert company.ask("select as_of_date from ops.publication") == [(NIGHT,)]


def test_night_that_brings_no_row_says_since_when(company: Company) -> None:
    company.configure("  bank: {kind: files, tables: {payments: {files: bank/*.csv}}}\n")
    company.night(NIGHT)
    company.night(NIGHT)
    assert company.said == []
    for day in (NEXT, date(2026, 11, 1)):
        company.night(day)
        assert company.said == [
            "no source brought a single row tonight; the last rows came with the night of 2026-10-30: "
            "see whether the exports still run"
        ]


def test_landing_within_a_connection_leaves_no_transaction_open(company: Company) -> None:
    assert company.settings is not None
    with duckdb.connect() as connection:
        bring_forward(connection)
        company.write("rates/2.csv", "rate_date\n")
        with pytest.raises(SourceError):
            landing.land(connection, company.settings, as_of=NIGHT)
        connection.begin()
        connection.rollback()
