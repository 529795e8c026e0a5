"""Landing from real databases: versions, tombstones, late rows, exact money, restarts and clear errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from landing_company import Company

from orchestration.migrations import bring_forward
from orchestration.sources.connectors.kinds import probe
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.landing import transaction as landing
from orchestration.warehouse import prepare_warehouse

NIGHT = date(2026, 10, 30)
NEXT = date(2026, 10, 31)

ERP = """
  erp:
    kind: database
    url: sqlite:///erp.db
    tables:
      customers: {cursor: updated_at, look_back_days: 3}
      invoices: {cursor: updated_at, look_back_days: 3}
      credit_limits:
        from: limits
        fields:
          customer_id: cust
          valid_from: since
          currency: cur
          amount: lim
"""


@pytest.fixture
def erp(company: Company) -> Company:
    company.sql(
        """
        CREATE TABLE customers (customer_id TEXT, legal_name TEXT, city TEXT, updated_at TEXT);
        CREATE TABLE invoices (invoice_id TEXT, document_type TEXT, customer_id TEXT, legal_entity TEXT,
            issue_date TEXT, due_date TEXT, currency TEXT, amount REAL, updated_at TEXT);
        CREATE TABLE limits (cust TEXT, since TEXT, cur TEXT, lim INTEGER);
        INSERT INTO customers VALUES ('C1', 'Alpha', NULL, '2026-10-01 08:00:00'),
                                     ('C2', 'Beta', '', '2026-10-29 08:00:00');
        INSERT INTO invoices VALUES
            ('I1', 'invoice', 'C1', 'E1', '2026-10-01', '2026-10-31', 'USD', 0.1, '2026-10-01 09:00:00'),
            ('I2', 'invoice', 'C1', 'E1', '2026-10-02', '2026-11-01', 'USD', 0.2, '2026-10-02 09:00:00'),
            ('I3', 'invoice', 'C2', 'E1', '2026-10-29', '2026-11-28', 'EUR', 1234567.89,
             '2026-10-29 09:00:00');
        INSERT INTO limits VALUES ('C1', '2026-01-01', 'USD', 1000), ('C2', '2026-01-01', 'EUR', 2000);
        """
    )
    company.configure(ERP)
    return company


def by_table(results: list[Any]) -> dict[str, tuple[int, int, int]]:
    return {r.table_name: (r.rows_read, r.rows_landed, r.rows_deleted) for r in results}


def test_first_night_lands_everything_as_backfill(erp: Company) -> None:
    assert by_table(erp.night(NIGHT)) == {
        "customers": (2, 2, 0),
        "invoices": (3, 3, 0),
        "credit_limits": (2, 2, 0),
    }
    assert erp.ask(
        "select customer_id, amount, source_system, _row_key, _occurrence, _is_deleted, _is_backfill, "
        "_loaded_at::varchar, _load_id, _source_file from raw.invoices where invoice_id = 'I3'"
    ) == [("C2", "1234567.89", "erp", "I3", 1, False, True, "2026-10-30 00:00:00", "2026-10-30", "invoices")]
    assert erp.ask("select city from raw.customers order by customer_id") == [(None,), (None,)]


def test_tables_nobody_delivers_exist_and_are_said_to_be_absent(erp: Company) -> None:
    erp.night(NIGHT)
    assert erp.ask("select count(*) from staging.landed_surveys") == [(0,)]
    assert erp.ask(
        "select * from ops.source_table where table_name in ('surveys', 'invoices') order by table_name"
    ) == [("invoices", "erp", True), ("surveys", None, False)]


def test_running_the_same_night_again_lands_nothing_and_keeps_the_record(erp: Company) -> None:
    erp.night(NIGHT)
    before = erp.ask("from raw.invoices order by all")
    assert all(landed == 0 for _, landed, _ in by_table(erp.night(NIGHT)).values())
    assert erp.ask("from raw.invoices order by all") == before
    assert erp.ask("select rows_landed from ops.landing where table_name = 'invoices'") == [(3,)]


def test_next_night_reads_only_what_the_cursor_and_its_look_back_cover(erp: Company) -> None:
    erp.night(NIGHT)
    erp.sql("UPDATE invoices SET amount = 0.3, updated_at = '2026-10-31 10:00:00' WHERE invoice_id = 'I1'")
    assert by_table(erp.night(NEXT))["invoices"] == (2, 1, 0)  # I3 lies in the look-back and is unchanged
    assert erp.ask(
        "select amount, _is_backfill from raw.invoices where invoice_id = 'I1' order by rowid"
    ) == [
        ("0.1", True),
        ("0.3", False),
    ]
    assert erp.ask(
        "select amount, _first_loaded_at::date, _first_is_backfill from staging.landed_invoices "
        "where invoice_id = 'I1'"
    ) == [("0.3", NIGHT, True)]


def test_late_row_inside_the_look_back_is_found_and_one_outside_is_not(erp: Company) -> None:
    erp.night(NIGHT)
    late = ("invoice", "C1", "E1", "2026-10-20", "2026-11-20", "USD", 5)
    erp.sql(
        "INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ("LATE", *late, "2026-10-26 09:00:00"),
        ("TOO-LATE", *late, "2026-10-26 08:59:59"),
        ("UNDATED", *late, None),
    )
    erp.night(NEXT)
    found = erp.ask("select invoice_id from raw.invoices where _load_id = '2026-10-31' order by 1")
    assert found == [("LATE",), ("UNDATED",)]
    assert by_table(erp.night(NEXT, full_refresh=True))["invoices"] == (6, 1, 0)


def test_a_slip_into_the_future_does_not_hide_later_rows(erp: Company) -> None:
    erp.sql("UPDATE invoices SET updated_at = '2099-01-01 00:00:00' WHERE invoice_id = 'I2'")
    erp.night(NIGHT)
    erp.sql("UPDATE invoices SET amount = 9, updated_at = '2026-10-31 10:00:00' WHERE invoice_id = 'I1'")
    assert by_table(erp.night(NEXT))["invoices"][1] == 1


def test_row_gone_from_a_table_read_in_full_becomes_a_tombstone_and_may_return(erp: Company) -> None:
    erp.night(NIGHT)
    erp.sql("DELETE FROM limits WHERE cust = 'C1'")
    assert by_table(erp.night(NEXT))["credit_limits"] == (1, 0, 1)
    assert erp.ask("select customer_id from staging.landed_credit_limits") == [("C2",)]
    assert erp.ask(
        "select amount, _is_deleted from raw.credit_limits where customer_id = 'C1' order by rowid"
    ) == [
        ("1000", False),
        ("1000", True),
    ]
    erp.sql("INSERT INTO limits VALUES ('C1', '2026-01-01', 'USD', 1000)")
    assert by_table(erp.night(date(2026, 11, 1)))["credit_limits"] == (2, 1, 0)
    assert erp.ask("select count(*), max(_occurrence) from staging.landed_credit_limits") == [(2, 1)]


def test_row_gone_from_an_incremental_table_stays_until_a_full_refresh(erp: Company) -> None:
    erp.night(NIGHT)
    erp.sql("DELETE FROM invoices WHERE invoice_id = 'I1'")
    assert by_table(erp.night(NEXT))["invoices"] == (1, 0, 0)
    assert by_table(erp.night(NEXT, full_refresh=True))["invoices"] == (2, 0, 1)


def test_table_that_is_suddenly_empty_stops_the_night_until_that_is_accepted(erp: Company) -> None:
    erp.night(NIGHT)
    erp.sql("DELETE FROM limits")
    empty = r"erp.credit_limits: is empty tonight, though 2 rows .* --accept-drop erp.credit_limits"
    for full_refresh in (False, True):
        with pytest.raises(SourceError, match=empty):
            erp.night(NEXT, full_refresh=full_refresh)
    assert by_table(erp.night(NEXT, accept_drop=["erp.credit_limits"]))["credit_limits"] == (0, 0, 2)


def test_equal_keys_are_told_apart_and_keep_their_number(erp: Company) -> None:
    erp.sql("INSERT INTO invoices SELECT * FROM invoices WHERE invoice_id = 'I3'")
    erp.night(NIGHT)
    assert erp.ask("select _occurrence from raw.invoices where invoice_id = 'I3' order by 1") == [(1,), (2,)]
    assert by_table(erp.night(NEXT))["invoices"] == (2, 0, 0)
    erp.sql("INSERT INTO invoices SELECT * FROM invoices WHERE invoice_id = 'I3' LIMIT 1")
    erp.night(NEXT)
    assert erp.ask("select _occurrence from raw.invoices where invoice_id = 'I3' order by 1") == [
        (1,),
        (2,),
        (3,),
    ]


def test_control_totals_cover_the_whole_table_every_night_and_are_exact(erp: Company) -> None:
    erp.sql("UPDATE invoices SET amount = 'n/a' WHERE invoice_id = 'I2'")
    erp.night(NIGHT)
    erp.sql("UPDATE invoices SET amount = 0.7, updated_at = '2026-10-31 10:00:00' WHERE invoice_id = 'I1'")
    erp.night(NEXT)
    assert erp.ask(
        "select as_of_date, source_file, currency, row_count, amount::varchar, unreadable_count "
        "from ops.source_total order by currency"
    ) == [
        (NEXT, "invoices", "EUR", 1, "1234567.890000", 0),
        (NEXT, "invoices", "USD", 2, "0.700000", 1),
    ]


def test_a_night_before_the_newest_replays_what_was_known(erp: Company) -> None:
    erp.night(NIGHT)
    erp.sql("UPDATE invoices SET amount = 9, updated_at = '2026-10-31 10:00:00' WHERE invoice_id = 'I1'")
    erp.night(NEXT)
    erp.publish(NEXT)
    erp.sql("UPDATE invoices SET amount = 10, updated_at = '2026-10-31 11:00:00' WHERE invoice_id = 'I1'")
    assert {result.status for result in erp.night(NIGHT)} == {"replayed"}
    amount = "select amount from staging.landed_invoices where invoice_id = 'I1'"
    assert erp.ask(amount) == [("0.1",)]
    erp.night(NEXT)
    assert erp.ask(amount) == [("10.0",)]


def test_killed_between_tables_the_next_try_gives_the_same_raw(
    erp: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = landing.append_versions

    def killed(connection: Any, plan: Any, *rest: Any) -> Any:
        done = real(connection, plan, *rest)
        if plan.table.name == "invoices":
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patched:
        patched.setattr(landing, "append_versions", killed)
        with pytest.raises(KeyboardInterrupt):
            erp.night(NIGHT)
    assert erp.ask("select count(*) from raw.customers") == [(0,)]
    assert erp.ask("select count(*) from raw.invoices") == [(0,)]
    landed = by_table(erp.night(NIGHT))
    assert landed == {"customers": (2, 2, 0), "invoices": (3, 3, 0), "credit_limits": (2, 2, 0)}
    assert erp.ask("select bool_and(_is_backfill) from staging.landed_customers") == [(True,)]


def test_transport_leaves_nothing_behind(erp: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = erp.folder / "elsewhere"
    monkeypatch.setattr("dlt.common.runtime.run_context.global_dir", lambda: str(elsewhere))
    erp.night(NIGHT)
    assert not elsewhere.exists()
    assert sorted(path.name for path in erp.home.iterdir()) == ["warehouse.duckdb"]


def test_missing_database_file_is_not_created(company: Company) -> None:
    company.configure(ERP)
    with pytest.raises(SourceError, match=r"source erp: no database file .*erp\.db"):
        company.night(NIGHT)
    assert not (company.folder / "erp.db").exists()


def test_missing_table_names_the_nearest(erp: Company) -> None:
    erp.sql("ALTER TABLE limits RENAME TO limitz")
    with pytest.raises(
        SourceError, match=r"no such table: limits.*customers, invoices, limitz.*mean 'limitz'"
    ):
        erp.night(NIGHT)


def test_missing_mapped_column_names_the_columns_found(erp: Company) -> None:
    erp.sql("ALTER TABLE limits RENAME COLUMN lim TO limt")
    with pytest.raises(
        SourceError,
        match=r"table limits: has no column 'lim', which the mapping of credit_limits.amount names",
    ) as caught:
        erp.night(NIGHT)
    assert "columns found: cust, since, cur, limt" in str(caught.value)
    assert "did you mean 'limt'?" in str(caught.value)


def test_new_column_is_told_and_remembered_and_no_row_counts_as_changed(erp: Company) -> None:
    said: list[str] = []

    def night(day: date) -> list[Any]:
        assert erp.settings is not None
        said.clear()
        return landing.land(erp.settings.warehouse_path, erp.settings, as_of=day, progress=said.append)

    night(NIGHT)
    assert not [line for line in said if "new column" in line]
    erp.sql("ALTER TABLE limits ADD COLUMN insurer TEXT DEFAULT 'Acme'")
    erp.sql("ALTER TABLE customers ADD COLUMN region TEXT")
    assert by_table(night(NEXT))["credit_limits"] == (2, 0, 0)
    assert [line for line in said if "new column" in line] == [
        "erp.customers: new column 'region', read by the mapping",
        "erp.credit_limits: new column 'insurer' is not read: no field of credit_limits is mapped to it "
        "(its values are kept in raw); map it under `fields`, or name it under `ignore`",
    ]
    assert erp.ask(
        "select table_name, column_name, is_read from ops.source_column "
        "where first_seen_on = date '2026-10-31' order by 1"
    ) == [("credit_limits", "insurer", False), ("customers", "region", True)]
    night(date(2026, 11, 1))
    assert not [line for line in said if "new column" in line]


def test_values_of_a_new_column_are_kept_beside_rows_that_land_from_then_on(erp: Company) -> None:
    erp.sql("ALTER TABLE limits ADD COLUMN known TEXT DEFAULT 'left out by the mapping'")
    erp.night(NIGHT)
    erp.sql("ALTER TABLE limits ADD COLUMN insurer TEXT DEFAULT 'Acme \"A\"'")
    erp.sql("ALTER TABLE limits ADD COLUMN contract BLOB; UPDATE limits SET contract = x'ff00'")
    erp.sql("UPDATE limits SET lim = 1500, insurer = ' ' WHERE cust = 'C1'")
    erp.sql("INSERT INTO limits VALUES ('C3', '2026-01-01', 'USD', 9, '', 'Acme \"A\"', x'ff')")
    assert by_table(erp.night(NEXT))["credit_limits"] == (3, 2, 0)
    kept = "select customer_id, amount, _extra, _is_deleted from raw.credit_limits order by _loaded_at, customer_id"
    first = [("C1", "1000", None, False), ("C2", "2000", None, False)]
    second = [("C1", "1500", None, False), ("C3", "9", r'{"insurer":"Acme \"A\""}', False)]
    assert erp.ask(kept) == [*first, *second]
    erp.sql("UPDATE limits SET insurer = 'Zeta' WHERE cust = 'C2'; DELETE FROM limits WHERE cust = 'C3'")
    assert by_table(erp.night(date(2026, 11, 1)))["credit_limits"] == (2, 0, 1)
    assert erp.ask(kept) == [*first, *second, ("C3", "9", r'{"insurer":"Acme \"A\""}', True)]
    assert erp.ask("select _extra ->> 'insurer' from raw.credit_limits where _is_deleted") == [('Acme "A"',)]
    assert (
        erp.ask(
            "select table_name from information_schema.columns where column_name = '_extra' "
            "and table_schema = 'staging'"
        )
        == []
    )


def test_ignored_new_column_is_neither_told_nor_kept(erp: Company) -> None:
    erp.night(NIGHT)
    erp.configure(ERP.replace("        from: limits\n", "        from: limits\n        ignore: [insurer]\n"))
    erp.sql("ALTER TABLE limits ADD COLUMN insurer TEXT DEFAULT 'Acme'")
    erp.sql("UPDATE limits SET lim = 1500 WHERE cust = 'C1'")
    said: list[str] = []
    assert erp.settings is not None
    landing.land(erp.settings.warehouse_path, erp.settings, as_of=NEXT, progress=said.append)
    assert not [line for line in said if "insurer" in line]
    assert erp.ask("select amount, _extra from raw.credit_limits order by rowid")[-1] == ("1500", None)


def test_warehouse_of_an_earlier_version_keeps_its_rows_and_gains_the_column(erp: Company) -> None:
    erp.night(NIGHT)
    before = erp.ask("select rowid, * exclude (_extra) from raw.credit_limits order by rowid")
    erp.ask("alter table raw.credit_limits drop column _extra")
    erp.ask("alter table ops.source_column drop column is_new")
    erp.ask("drop table ops.schema_version")
    erp.sql("ALTER TABLE limits ADD COLUMN insurer TEXT DEFAULT 'Acme'")
    erp.sql("UPDATE limits SET lim = 1500 WHERE cust = 'C1'")
    assert erp.settings is not None
    prepare_warehouse(erp.settings.warehouse_path)
    assert by_table(erp.night(NEXT))["credit_limits"] == (2, 1, 0)
    assert erp.ask("select rowid, * exclude (_extra) from raw.credit_limits order by rowid")[:2] == before
    assert erp.ask("select _extra from raw.credit_limits order by rowid") == [
        (None,),
        (None,),
        ('{"insurer":"Acme"}',),
    ]
    assert erp.ask("select customer_id, amount from staging.landed_credit_limits order by 1") == [
        ("C1", "1500"),
        ("C2", "2000"),
    ]


def test_locked_database_is_worth_another_try(erp: Company) -> None:
    erp.configure(ERP.replace("    tables:", "    lock_timeout_seconds: 1\n    tables:", 1))
    with closing(sqlite3.connect(erp.folder / "erp.db")) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            TransientSourceError, match=r"a lock .* was waited for 1 s .*lock_timeout_seconds"
        ):
            erp.night(NIGHT)
        other.rollback()


def test_silent_server_is_transient_and_shows_no_password(company: Company) -> None:
    company.configure(
        "  erp:\n    kind: database\n    url: postgresql://me:hunter2@127.0.0.1:9/db\n"
        "    tables: {customers: {from: c}}\n"
    )
    with pytest.raises(TransientSourceError, match=r"127\.0\.0\.1:9 cannot be reached") as caught:
        company.night(NIGHT)
    assert "hunter2" not in str(caught.value)


def test_probe_says_which_source_cannot_be_read(erp: Company) -> None:
    assert erp.settings is not None
    assert probe(erp.settings.sources["erp"]) is None
    (erp.folder / "erp.db").unlink()
    problem = probe(erp.settings.sources["erp"])
    assert problem is not None
    assert "no database file" in problem


def test_postgresql_types_arrive_in_the_contract_form(
    company: Company, postgres_url: str, run_sql: Callable[[str], None]
) -> None:
    run_sql(
        """
        DROP TABLE IF EXISTS "Bestellungen";
        CREATE TABLE "Bestellungen" ("Nr." bigint, kunde text, tag date, betrag numeric(18,2),
            gesperrt boolean, stand timestamptz, leer text);
        INSERT INTO "Bestellungen" VALUES
            (1, 'Müller', '2026-10-01', 12345678901234.56, true, '2026-10-29 22:30:00+00', NULL),
            (2, NULL, NULL, 0.10, NULL, '2026-10-30 01:02:03.999+02', '');
        """
    )
    company.configure(
        """
  erp:
    kind: database
    url: ${PG}
    tables:
      orders:
        from: SELECT * FROM "Bestellungen" WHERE betrag IS NOT NULL
        cursor: stand
        fields:
          order_id: Nr.
          customer_id: kunde
          legal_entity: {constant: DE01, because: one company}
          order_date: tag
          currency: {constant: EUR, because: one currency}
          amount: betrag
          delivered_amount: {constant: "0", because: not recorded}
          invoiced_amount: {constant: "0", because: not recorded}
          status: {constant: open, because: closed orders leave the table}
          credit_hold: gesperrt
          updated_at: stand
""",
        {"PG": postgres_url},
    )
    company.night(NIGHT)
    # The company's clock is New York's.
    assert company.ask(
        "select order_id, customer_id, order_date, amount, credit_hold, updated_at from raw.orders order by 1"
    ) == [
        ("1", "Müller", "2026-10-01", "12345678901234.56", "true", "2026-10-29 18:30:00"),
        ("2", None, None, "0.10", None, "2026-10-29 19:02:03"),
    ]
    run_sql("""UPDATE "Bestellungen" SET betrag = 1, stand = '2026-10-31 12:00:00+00' WHERE "Nr." = 2""")
    assert by_table(company.night(NEXT))["orders"] == (2, 1, 0)


def test_new_postgresql_columns_are_kept_as_text_but_for_binary_ones(
    company: Company, postgres_url: str, run_sql: Callable[[str], None]
) -> None:
    run_sql(
        "DROP TABLE IF EXISTS kunde_neu; CREATE TABLE kunde_neu (nr text, name text);"
        "INSERT INTO kunde_neu VALUES ('1', 'Alpha')"
    )
    company.configure(
        "  erp:\n    kind: database\n    url: ${PG}\n    tables:\n      customers:\n"
        "        from: kunde_neu\n        fields: {customer_id: nr, legal_name: name}\n",
        {"PG": postgres_url},
    )
    company.night(NIGHT)
    run_sql(
        'ALTER TABLE kunde_neu ADD COLUMN score numeric(10,4), ADD COLUMN scan bytea, ADD COLUMN "Ort/Zeit" text;'
        "INSERT INTO kunde_neu VALUES ('2', 'Beta', 0.1, '\\xff00', 'Köln'), ('3', 'Gamma', NULL, NULL, NULL)"
    )
    company.night(NEXT)
    assert company.ask("select customer_id, _extra from raw.customers order by 1") == [
        ("1", None),
        ("2", '{"score":"0.1000","Ort/Zeit":"Köln"}'),
        ("3", None),
    ]


def test_postgresql_table_that_does_not_exist_is_named(
    company: Company, postgres_url: str, run_sql: Callable[[str], None]
) -> None:
    run_sql("CREATE TABLE IF NOT EXISTS kunden (id text)")
    company.configure(
        "  erp: {kind: database, url: '${PG}', tables: {customers: {from: kunde}}}\n", {"PG": postgres_url}
    )
    with pytest.raises(SourceError, match=r'"kunde" does not exist.*did you mean .kunden.'):
        company.night(NIGHT)


def test_warehouse_may_be_given_as_an_open_connection(erp: Company, tmp_path: Path) -> None:
    import duckdb

    assert erp.settings is not None
    with closing(duckdb.connect()) as connection:
        bring_forward(connection)
        landing.land(connection, erp.settings, as_of=NIGHT)
        assert connection.execute("select count(*) from staging.landed_invoices").fetchall() == [(3,)]


def test_null_of_a_database_is_null_inside_sql_and_an_empty_text_is_not(company: Company) -> None:
    company.sql(
        "CREATE TABLE customers (no INTEGER, name TEXT, vat TEXT, tax TEXT);"
        "INSERT INTO customers VALUES (1, 'Alpha', NULL, 'T1'), (2, 'Beta', '', 'T2'), (3, NULL, 'V3', NULL)"
    )
    company.configure(
        """
  erp:
    kind: database
    url: sqlite:///erp.db
    tables:
      customers:
        fields:
          customer_id: no
          legal_name: name
          registration_no: {sql: "coalesce(vat, tax)"}
          registration_kind: {sql: "case when vat is null then 'OTHER' when vat = '' then 'EIN' else 'VAT' end"}
"""
    )
    company.night(NIGHT)
    assert company.ask(
        "select customer_id, legal_name, registration_no, registration_kind from staging.landed_customers order by 1"
    ) == [("1", "Alpha", "T1", "OTHER"), ("2", "Beta", None, "EIN"), ("3", None, "V3", "VAT")]
