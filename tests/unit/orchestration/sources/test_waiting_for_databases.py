"""A database that breaks off, holds a lock or says nothing: bounded, explained, and nothing spilled on the terminal."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from typing import Any

import psycopg
import pytest
from landing_company import Company

from orchestration.sources import waiting
from orchestration.sources.connectors import reading_process as connector
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.landing import transaction as landing

NIGHT = date(2026, 10, 30)
SLOW = "select 'C1' as customer_id, 'Alpha' as legal_name, pg_sleep({seconds})::text as city"


def configure(company: Company, url: str, relation: str, **settings: float) -> None:
    keys = "".join(f"    {name}: {value}\n" for name, value in settings.items())
    tables = f"    tables:\n      customers:\n        from: {relation}\n"
    company.configure(f"  erp:\n    kind: database\n    url: ${{PG}}\n{keys}{tables}", {"PG": url})


def test_a_query_that_fails_midway_is_explained_in_one_line_and_the_terminal_stays_clean(
    company: Company, postgres_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = "select 'C' || g as customer_id, (1 / (150000 - g))::text as legal_name from generate_series(1, 200000) g"
    configure(company, postgres_url, rows)
    with pytest.raises(
        SourceError, match=r"source erp, table customers: the query failed: division by zero"
    ) as caught:
        company.night(NIGHT)
    assert not caught.value.is_transient
    assert "\n" not in str(caught.value)
    said = capfd.readouterr()
    assert "panicked" not in said.err + said.out
    assert "cx writer" not in said.err + said.out


def test_a_sqlite_query_that_fails_midway_is_explained(company: Company) -> None:
    company.sql("CREATE TABLE t (n INTEGER)")
    company.sql("INSERT INTO t VALUES (?)", *[(number,) for number in range(200_000)])
    value = "case when n = 150000 then abs(-9223372036854775807 - 1) else n end"
    configure(
        company,
        f"sqlite:///{company.folder}/erp.db",
        f"select n as customer_id, {value} as legal_name from t",
    )
    with pytest.raises(SourceError, match="the query failed: integer overflow"):
        company.night(NIGHT)


def test_a_connection_ended_by_the_server_midway_is_transient(company: Company, postgres_url: str) -> None:
    configure(company, postgres_url, SLOW.format(seconds=20))

    def terminate() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            for _ in range(200):
                ended = other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where query like '%pg_sleep(20)%' and wait_event = 'PgSleep'"
                ).fetchall()
                if ended:
                    return
                time.sleep(0.05)

    thread = threading.Thread(target=terminate)
    thread.start()
    with pytest.raises(TransientSourceError, match="source erp, table customers"):
        company.night(NIGHT)
    thread.join()


def test_a_held_lock_is_waited_for_as_long_as_configured_and_told(
    company: Company, postgres_url: str, run_sql: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.3)
    run_sql("DROP TABLE IF EXISTS held; CREATE TABLE held (customer_id text, legal_name text)")
    configure(company, postgres_url, "held", lock_timeout_seconds=2)
    said: list[str] = []
    assert company.settings is not None
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(
            TransientSourceError,
            match=r"a lock that another session holds was waited for 2 s .*lock_timeout_seconds",
        ):
            landing.land(company.settings.warehouse_path, company.settings, as_of=NIGHT, warn=said.append)
        assert time.monotonic() - started < 10
        other.rollback()
    [line] = said
    assert re.fullmatch(r"source erp, table customers: no answer for [0-2] s, waiting up to 2 s", line)


def test_a_slow_query_is_told_and_ends_at_its_limit(
    company: Company, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.5)
    configure(company, postgres_url, SLOW.format(seconds=30), query_timeout_seconds=2)
    said: list[str] = []
    assert company.settings is not None
    started = time.monotonic()
    with pytest.raises(TransientSourceError, match=r"was not finished after 2 s .*query_timeout_seconds"):
        landing.land(company.settings.warehouse_path, company.settings, as_of=NIGHT, warn=said.append)
    assert time.monotonic() - started < 10
    [line] = said
    assert line.startswith("source erp, table customers: no answer for")


def test_a_server_that_keeps_no_limit_is_ended_from_here(company: Company, postgres_url: str) -> None:
    started = time.monotonic()
    url = postgres_url.replace("postgresql://postgres:@/", "postgresql://postgres:@HOST/").split("?")[0]
    folder = postgres_url.split("host=")[1]
    url = url.replace("HOST", folder.replace("/", "%2F"))
    with pytest.raises(connector.ConnectorSilent):
        list(connector.read_batches(url, "select pg_sleep(30)::text", batch_rows=10, longest=1.5))
    assert time.monotonic() - started < 5
    assert connector.read_table(url, "select 1 as one", longest=20).to_pylist() == [{"one": 1}]


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_accepts_and_never_answers_is_transient(company: Company, scheme: str) -> None:
    with silent_server() as port:
        configure(company, f"{scheme}://me:hunter2@127.0.0.1:{port}/db", "c", connect_timeout_seconds=2)
        started = time.monotonic()
        with pytest.raises(TransientSourceError) as caught:
            company.night(NIGHT)
        assert time.monotonic() - started < 8
    assert "hunter2" not in str(caught.value)


def test_a_refused_login_is_told_at_once(company: Company, postgres_url: str) -> None:
    configure(company, postgres_url.replace("postgres:@", "nobody:hunter2@"), "c")
    started = time.monotonic()
    with pytest.raises(
        SourceError, match=r'refused the connection: FATAL: .*"nobody" does not exist'
    ) as caught:
        company.night(NIGHT)
    assert time.monotonic() - started < 10
    assert not caught.value.is_transient


def test_limits_of_the_url_stay(company: Company, postgres_url: str) -> None:
    configure(company, f"{postgres_url}&options=-c%20statement_timeout%3D300", SLOW.format(seconds=30))
    with pytest.raises(TransientSourceError, match="statement timeout"):
        company.night(NIGHT)


def test_a_reading_process_that_was_killed_is_an_error_and_the_next_read_starts_another(
    company: Company, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Any] = []

    def take(real: Callable[[], Any] = connector._take) -> Any:
        taken.append(real())
        return taken[-1]

    def kill() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            for _ in range(200):
                if other.execute(
                    "select 1 from pg_stat_activity "
                    "where query like '%pg_sleep(21)%' and wait_event = 'PgSleep'"
                ).fetchall():
                    break
                time.sleep(0.05)
        taken[-1]._process.kill()

    monkeypatch.setattr(connector, "_take", take)
    configure(company, postgres_url, SLOW.format(seconds=21))
    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(SourceError, match="the reading process ended by signal 9"):
        company.night(NIGHT)
    thread.join()
    configure(company, postgres_url, SLOW.format(seconds=0))
    company.night(NIGHT)
    assert company.ask("select customer_id from raw.customers") == [("C1",)]
