"""Landing from a real HTTP server: pages, token, retries, and what is said when it will not work."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from landing_company import Company

from orchestration.sources.connectors.json_records import is_cut_short
from orchestration.sources.errors import SourceError, TransientSourceError

NIGHT = date(2026, 10, 30)
NEXT = date(2026, 10, 31)

Answer = tuple[int, Any]


class Bureau:
    """An HTTP server whose answers a test scripts; remembers what was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, str]], Answer] = lambda _: (200, [])
        self.asked: list[dict[str, str]] = []
        bureau = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
                asked = {**query, "authorization": self.headers.get("Authorization", "")}
                bureau.asked.append(asked)
                status, content = bureau.answer(asked)
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def bureau() -> Iterator[Bureau]:
    server = Bureau()
    yield server
    server.close()


def configure(company: Company, url: str, table: str = "") -> None:
    company.configure(
        f"""
  bureau:
    kind: rest
    url: {url}
    token: ${{BUREAU_TOKEN}}
    attempts: 3
    back_off_seconds: 0.01
    timeout_seconds: 5
    tables:
      bureau_reports:
        path: reports
        records: data
        fields: {{report_id: id, registration_no: company_no, report_date: day, score: score}}
{table}""",
        {"BUREAU_TOKEN": "s3cret"},
    )


def report(number: int, score: int = 500) -> dict[str, Any]:
    return {"id": f"R{number}", "company_no": "HRB 1", "day": "2026-10-01", "score": score, "note": None}


def test_pages_are_followed_with_the_token(company: Company, bureau: Bureau) -> None:
    bureau.answer = lambda asked: (
        200,
        {
            "data": [report(2 * int(asked["page"])), report(2 * int(asked["page"]) + 1)]
            if int(asked["page"]) < 4
            else []
        },
    )
    configure(company, bureau.url, "        paginator: page_number\n")
    company.night(NIGHT)
    assert company.ask("select count(*), min(report_id), max(report_id) from raw.bureau_reports") == [
        (6, "R2", "R7")
    ]
    assert company.ask("select distinct score, _source_file from raw.bureau_reports") == [("500", "reports")]
    assert [asked["page"] for asked in bureau.asked] == ["1", "2", "3", "4"]
    assert {asked["authorization"] for asked in bureau.asked} == {"Bearer s3cret"}


def test_next_night_updates_and_buries_what_the_service_no_longer_shows(
    company: Company, bureau: Bureau
) -> None:
    configure(company, bureau.url)
    bureau.answer = lambda _: (200, {"data": [report(1), report(2)]})
    company.night(NIGHT)
    bureau.answer = lambda _: (200, {"data": [report(1, 450)]})
    [result] = company.night(NEXT)
    assert (result.rows_read, result.rows_landed, result.rows_deleted) == (1, 1, 1)
    assert company.ask("select report_id, score from staging.landed_bureau_reports") == [("R1", "450")]


def test_new_key_of_the_answer_is_kept_as_json(company: Company, bureau: Bureau) -> None:
    configure(company, bureau.url)
    bureau.answer = lambda _: (200, {"data": [report(1)]})
    company.night(NIGHT)
    bureau.answer = lambda _: (200, {"data": [report(1), {**report(2), "outlook": {"kind": "stable"}}]})
    company.night(NEXT)
    assert company.ask("select report_id, _extra from raw.bureau_reports order by report_id") == [
        ("R1", None),
        ("R2", r'{"outlook":"{\"kind\":\"stable\"}"}'),
    ]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(company: Company, bureau: Bureau, status: int) -> None:
    answers = iter([(status, {}), (status, {}), (200, {"data": [report(1)]})])
    bureau.answer = lambda _: next(answers)
    configure(company, bureau.url)
    company.night(NIGHT)
    assert company.ask("select report_id from raw.bureau_reports") == [("R1",)]


@pytest.mark.parametrize("status", [429, 500])
def test_a_service_that_stays_busy_is_a_transient_error(
    company: Company, bureau: Bureau, status: int
) -> None:
    bureau.answer = lambda _: (status, {})
    configure(company, bureau.url)
    with pytest.raises(TransientSourceError, match=f"answered HTTP {status} .* after 3 attempts") as caught:
        company.night(NIGHT)
    assert "s3cret" not in str(caught.value)
    assert len(bureau.asked) == 3


def test_an_answer_cut_short_is_asked_for_again(company: Company, bureau: Bureau) -> None:
    whole = json.dumps({"data": [report(1)]}).encode()
    answers = iter([(200, whole[:-20]), (200, whole)])
    bureau.answer = lambda _: next(answers)
    configure(company, bureau.url)
    company.night(NIGHT)
    assert company.ask("select report_id from raw.bureau_reports") == [("R1",)]


def test_an_answer_that_stays_cut_short_is_a_transient_error(company: Company, bureau: Bureau) -> None:
    bureau.answer = lambda _: (200, json.dumps({"data": [report(1)]}).encode()[:-20])
    configure(company, bureau.url)
    with pytest.raises(TransientSourceError, match="ends in the middle, at each of 3 attempts"):
        company.night(NIGHT)
    assert len(bureau.asked) == 3


def test_every_beginning_of_json_is_cut_short_and_other_text_is_not() -> None:
    whole = json.dumps(
        {"data": [{"a": 'x"\\ é', "b": -1.5e-7, "c": [True, False, None, {}, []]}], "n": 12}, indent=1
    )
    assert [end for end in range(1, len(whole)) if not is_cut_short(whole[:end])] == []
    others = [
        "",
        "  ",
        "<html>",
        "busy",
        '"text"',
        whole,
        '{"a": oops}',
        "{'a': 1}",
        '{"a": 1,}',
        "[1 2]",
        whole + "}",
    ]
    assert [text for text in others if is_cut_short(text)] == []


def test_a_service_that_is_down_is_a_transient_error(company: Company, bureau: Bureau) -> None:
    bureau.close()
    configure(company, bureau.url)
    with pytest.raises(TransientSourceError, match="no answer after 3 attempts"):
        company.night(NIGHT)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((401, {}), "answered HTTP 401 .*check `token`"),
        ((404, {}), "answered HTTP 404 .*check `url` and `path`"),
        ((200, b"<html>"), "the answer is not JSON"),
        ((200, {"rows": []}), "no list at 'data'.*found: rows"),
        ((200, {"data": [1]}), "a record is int, not an object"),
        ((200, {"data": [{"id": "R1"}]}), "has no column 'company_no'.*columns found: id"),
    ],
)
def test_answers_that_cannot_be_used_are_explained(
    company: Company, bureau: Bureau, answer: Answer, expected: str
) -> None:
    bureau.answer = lambda _: answer
    configure(company, bureau.url)
    with pytest.raises(SourceError, match=expected) as caught:
        company.night(NIGHT)
    assert not caught.value.is_transient


def test_half_a_download_changes_nothing(company: Company, bureau: Bureau) -> None:
    configure(company, bureau.url, "        paginator: page_number\n")
    bureau.answer = lambda asked: (200, {"data": [report(1), report(2)] if asked["page"] == "1" else []})
    company.night(NIGHT)
    bureau.answer = lambda asked: (200, {"data": [report(1)]}) if asked["page"] == "1" else (500, {})
    with pytest.raises(TransientSourceError):
        company.night(NEXT)
    assert company.ask("select count(*) from staging.landed_bureau_reports") == [(2,)]


def test_answers_of_two_endpoints_are_joined(company: Company, bureau: Bureau) -> None:
    company.configure(
        f"""
  shop:
    kind: rest
    url: {bureau.url}
    relations:
      lines: {{path: lines, params: {{of: lines}}, records: items}}
    tables:
      customers:
        path: customers
        params: {{of: customers}}
        from: |
          select rows.no, rows.name, any_value(lines.city) as city, sum(amount(lines.net, '1.00')) as bought
          from rows left join lines on lines.customer = rows.no where rows.state = 'live' group by all
        fields: {{customer_id: "no", legal_name: name, city: city}}
"""
    )
    answers = {
        "customers": [{"no": "C1", "name": "A", "state": "live"}, {"no": "C2", "name": "B", "state": "gone"}],
        "lines": {"items": [{"customer": "C1", "net": "2.50", "city": "Bonn"}, {"customer": "C1", "net": 1}]},
    }
    bureau.answer = lambda asked: (200, answers[asked["of"]])
    company.night(NIGHT)
    assert company.ask("select customer_id, legal_name, city, _source_file from raw.customers") == [
        ("C1", "A", "Bonn", "customers")
    ]
    answers["lines"] = {"items": []}
    with pytest.raises(SourceError, match="relation lines: the service gave no rows"):
        company.night(NEXT)


def test_select_over_an_answer_names_what_it_lacks(company: Company, bureau: Bureau) -> None:
    configure(company, bureau.url, "        from: select * from rows where publised > ''\n")
    bureau.answer = lambda _: (200, {"data": [{"id": "R1", "published": "2026-10-01"}]})
    with pytest.raises(SourceError, match="did you mean 'published'"):
        company.night(NIGHT)
