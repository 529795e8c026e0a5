"""REST services that never end, lead elsewhere or send what cannot be kept: refused in time, and explained."""

from __future__ import annotations

import gzip
import json
import resource
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from landing_company import Company

from orchestration.settings import ConfigurationError
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.landing import land

NIGHT = date(2026, 10, 30)
SECRETS = ("tok-hush1", "head-hush2", "param-hush3", "user-hush4")

Sent = tuple[int, dict[str, str], bytes]


class Asked:
    """One request: path, query and headers."""

    def __init__(self, path: str, headers: dict[str, str]) -> None:
        self.path = urlsplit(path).path
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        self.whole = path
        self.headers = headers


class Service:
    """An HTTP server whose answers a test scripts; remembers what was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], Sent] = lambda _: page([])
        self.asked: list[Asked] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                asked = Asked(self.path, dict(self.headers))
                service.asked.append(asked)
                status, headers, body = service.answer(asked)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[Service]:
    server = Service()
    yield server
    server.close()


def page(records: Any, headers: dict[str, str] | None = None, **more: Any) -> Sent:
    return 200, headers or {}, json.dumps({"items": records, **more}).encode()


def customer(number: int, **more: Any) -> dict[str, Any]:
    return {"customer_id": f"C{number}", "legal_name": f"Alpha {number}", **more}


def configure(company: Company, origin: str, table: str = "", source: str = "") -> None:
    login = origin.replace("://", "://reader:${PW}@")
    company.configure(
        f"""
  api:
    kind: rest
    url: {login}/v1
    token: ${{TOKEN}}
    headers: {{X-Api-Key: "${{HEAD}}"}}
    attempts: 2
    back_off_seconds: 0
    timeout_seconds: 1
{source}
    tables:
      customers:
        path: customers
        records: items
        params: {{api_key: "${{PARAM}}"}}
{table}""",
        dict(zip(("TOKEN", "HEAD", "PARAM", "PW"), SECRETS, strict=True)),
    )


def refused(company: Company, *, within: float = 5.0) -> SourceError:
    """The error that a night ends in, which shows no secret and comes in time."""
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        company.night(NIGHT)
    assert time.monotonic() - began < within
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    return caught.value


NEXT_URL = "        paginator: next_url\n"
LINK_HEADER = "        paginator: link_header\n"


def with_next(paginator: str, link: str) -> Sent:
    if paginator == LINK_HEADER:
        return page([customer(1)], {"Link": f'<{link}>; rel="next"'})
    return page([customer(1)], next=link)


@pytest.mark.parametrize("paginator", [NEXT_URL, LINK_HEADER])
@pytest.mark.parametrize(
    "link",
    [
        "http://localhost:{other}/x",
        "http://127.0.0.1:{other}/x",
        "//127.0.0.1:{other}/x",
        "http://127.0.0.1:{own}@localhost:{other}/x",
        "http://localhost:{other}\\@127.0.0.1:{own}/x",
        "https://127.0.0.1:{own}/x",
        "HTTP://LOCALHOST:{other}/x",
    ],
)
def test_next_link_to_another_address_gets_no_request(
    company: Company, service: Service, other: Service, paginator: str, link: str
) -> None:
    service.answer = lambda _: with_next(paginator, link.format(other=other.port, own=service.port))
    configure(company, service.origin, paginator)
    said = str(refused(company))
    assert "the link to the page after page 1 leads to" in said
    assert service.origin in said
    assert len(service.asked) == 1
    assert other.asked == []


def test_next_link_to_a_file_is_refused(company: Company, service: Service) -> None:
    service.answer = lambda _: with_next(NEXT_URL, "file:///etc/passwd")
    configure(company, service.origin, NEXT_URL)
    assert "leads to file:///etc/passwd" in str(refused(company))


def test_allowed_link_origin_is_asked_without_credentials(
    company: Company, service: Service, other: Service
) -> None:
    service.answer = lambda _: page(
        [customer(1)], {"Set-Cookie": "sid=cookie-hush"}, next=f"{other.origin}/x?after=1"
    )
    other.answer = lambda _: page([customer(2)])
    configure(company, service.origin, NEXT_URL, f"    link_origins: ['{other.origin}']")
    company.night(NIGHT)
    assert company.ask("select count(*) from raw.customers") == [(2,)]
    [asked] = other.asked
    assert asked.query == {"after": "1"}
    assert not {name.lower() for name in asked.headers} & {"authorization", "x-api-key", "cookie"}
    assert service.asked[0].headers["Authorization"] == "Bearer tok-hush1"
    assert service.asked[0].headers["X-Api-Key"] == "head-hush2"


def test_a_link_that_carries_a_credential_to_an_allowed_origin_is_refused(
    company: Company, service: Service, other: Service
) -> None:
    service.answer = lambda asked: page(
        [customer(1)], next=f"{other.origin}/x?api_key={asked.query['api_key']}"
    )
    configure(company, service.origin, NEXT_URL, f"    link_origins: ['{other.origin}']")
    assert "holds a credential" in str(refused(company))
    assert other.asked == []


@pytest.mark.parametrize("link", ["?page=2", "/v1/customers?page=2", "{own}/v1/customers?page=2"])
def test_links_within_the_service_are_followed(company: Company, service: Service, link: str) -> None:
    service.answer = lambda asked: (
        page([customer(2)])
        if "page" in asked.query
        else page([customer(1)], next=link.format(own=service.origin))
    )
    configure(company, service.origin, NEXT_URL)
    company.night(NIGHT)
    assert company.ask("select count(*) from raw.customers") == [(2,)]
    assert {asked.headers["Authorization"] for asked in service.asked} == {"Bearer tok-hush1"}


def test_login_of_the_url_is_sent_where_no_token_is(company: Company, service: Service) -> None:
    service.answer = lambda _: page([customer(1)])
    configure(company, service.origin)
    text = (
        (company.folder / "company.yml")
        .read_text()
        .split("sources:\n")[1]
        .replace("    token: ${TOKEN}\n", "")
    )
    company.configure(text, {"HEAD": "h", "PARAM": "p", "PW": "pw"})
    company.night(NIGHT)
    assert service.asked[0].headers["Authorization"] == "Basic cmVhZGVyOnB3"


@pytest.mark.parametrize(
    "location", ["http://localhost:1/login?token=abc", "/v2/customers", "file:///etc/passwd"]
)
def test_a_redirect_is_named_and_not_followed(company: Company, service: Service, location: str) -> None:
    service.answer = lambda _: (302, {"Location": location}, b"")
    configure(company, service.origin)
    said = str(refused(company))
    assert "answers HTTP 302 to " in said
    assert "correct `url`" in said
    assert "abc" not in said
    assert len(service.asked) == 1


# -- answers without end


@pytest.mark.parametrize("paginator", ["page_number", "offset"])
def test_the_same_page_for_ever_is_refused(company: Company, service: Service, paginator: str) -> None:
    service.answer = lambda _: page([customer(1), customer(2)])
    configure(company, service.origin, f"        paginator: {paginator}\n")
    assert "page 2 holds the records of page 1 again" in str(refused(company))


def test_the_same_rows_with_another_time_stamp_are_the_same_page(company: Company, service: Service) -> None:
    service.answer = lambda _: page([customer(1, at=time.time()), customer(2, at=time.time())])
    configure(company, service.origin, "        paginator: page_number\n")
    assert "page 2 holds the records of page 1 again" in str(refused(company))


def test_pages_in_a_circle_are_refused(company: Company, service: Service) -> None:
    service.answer = lambda asked: page([customer(int(asked.query["page"]) % 3)])
    configure(company, service.origin, "        paginator: page_number\n")
    assert "page 4 holds the records of page 1 again" in str(refused(company))


def test_the_same_cursor_again_is_refused(company: Company, service: Service) -> None:
    numbers = iter(range(10**6))
    service.answer = lambda _: page([customer(next(numbers))], next="abc")
    configure(company, service.origin, "        paginator: cursor\n        page_param: cursor\n")
    assert "the cursor 'abc' after page 2 is that after page 1 again" in str(refused(company))


@pytest.mark.parametrize("paginator", [NEXT_URL, LINK_HEADER])
def test_the_same_link_again_is_refused(company: Company, service: Service, paginator: str) -> None:
    numbers = iter(range(10**6))

    def answer(_: Asked) -> Sent:
        link = f"{service.origin}/v1/customers?page=2"
        return page([customer(next(numbers))], {"Link": f'<{link}>; rel="next"'}, next=link)

    service.answer = answer
    configure(company, service.origin, paginator)
    assert "/v1/customers) is that after page 1 again" in str(refused(company))


def test_empty_pages_for_ever_are_refused(company: Company, service: Service) -> None:
    numbers = iter(range(1, 10**6))
    service.answer = lambda _: page([], next=str(next(numbers)))
    configure(company, service.origin, "        paginator: cursor\n")
    assert "pages were empty" in str(refused(company))


def test_ever_new_pages_end_at_the_number_of_requests(company: Company, service: Service) -> None:
    service.answer = lambda asked: page([customer(int(asked.query["page"]))])
    configure(company, service.origin, "        paginator: page_number\n", "    max_requests: 30")
    said = str(refused(company))
    assert "not come to an end after 30 requests" in said
    assert "`max_requests`" in said
    assert len(service.asked) == 30


def test_ever_new_pages_end_at_their_time(company: Company, service: Service) -> None:
    service.answer = lambda asked: page([customer(int(asked.query["page"]))])
    configure(company, service.origin, "        paginator: page_number\n", "    max_seconds: 1")
    error = refused(company)
    assert error.is_transient
    assert "not whole after 1 s" in str(error)


def test_a_page_of_fewer_rows_than_asked_for_loses_none(company: Company, service: Service) -> None:
    rows = [customer(number) for number in range(25)]
    service.answer = lambda asked: page(rows[int(asked.query["offset"]) :][:10])
    configure(company, service.origin, "        paginator: offset\n        page_size: 1000\n")
    company.night(NIGHT)
    assert company.ask("select count(*) from raw.customers") == [(25,)]


@contextmanager
def dripping(first: bytes, drop: bytes) -> Iterator[str]:
    """A server that sends `first`, then `drop` every 0.1 s for ever."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            try:
                self.request.sendall(first)
                while True:
                    time.sleep(0.1)
                    self.request.sendall(drop)
            except OSError:
                return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (HEAD + b'Content-Length: 100000\r\n\r\n{"items": [', b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"\r\n", b" "),
        (HEAD + b"X-Long: ", b"x"),
        (b"HTTP/1.1 ", b"2"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["length", "chunks", "until closed", "header", "status", "continue"],
)
def test_an_answer_that_drips_ends(company: Company, first: bytes, drop: bytes) -> None:
    with dripping(first, drop) as origin:
        configure(company, origin, source="    max_seconds: 60")
        error = refused(company, within=12)
    assert error.is_transient


def test_a_gzip_bomb_is_cut_off_in_little_memory(company: Company, service: Service) -> None:
    bomb = gzip.compress(b'{"items": [' + b" " * 400_000_000 + b"]}", compresslevel=1)
    service.answer = lambda _: (200, {"Content-Encoding": "gzip"}, bomb)
    configure(company, service.origin, source="    max_answer_mb: 16")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refused(company)
    assert "an answer is larger than 16 MB" in str(error)
    assert "`max_answer_mb`" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_a_field_of_100_mb_is_refused(company: Company, service: Service) -> None:
    body = json.dumps({"items": [customer(1, note="x" * 100_000_000)]}).encode()
    service.answer = lambda _: (200, {}, body)
    configure(company, service.origin)
    assert "an answer is larger than 64 MB" in str(refused(company))


def test_packed_answers_are_read(company: Company, service: Service) -> None:
    parts = [gzip.compress(text) for text in (b'{"items": [{"customer_id": "C1",', b' "legal_name": "A"}]}')]
    service.answer = lambda _: (200, {"Content-Encoding": "gzip"}, b"".join(parts))
    configure(company, service.origin)
    company.night(NIGHT)
    assert company.ask("select legal_name from raw.customers") == [("A",)]


# -- waits the service asks for


def test_a_longer_wait_than_allowed_is_told_and_not_slept(company: Company, service: Service) -> None:
    service.answer = lambda _: (429, {"Retry-After": "3600"}, b"{}")
    configure(company, service.origin)
    error = refused(company)
    assert error.is_transient
    assert "answered HTTP 429 Too Many Requests and asks to wait 3600 s" in str(error)
    assert len(service.asked) == 1


def test_a_wait_until_a_date_far_away_is_not_slept(company: Company, service: Service) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    service.answer = lambda _: (503, {"Retry-After": until}, b"{}")
    configure(company, service.origin)
    assert "asks to wait 7" in str(refused(company))


@pytest.mark.parametrize(
    "written",
    ["-5", "soon", "", "1e9", "NaN", "Thu, 99 Foo 2026 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "0"],
)
def test_a_wait_that_means_nothing_is_the_usual_pause(
    company: Company, service: Service, written: str
) -> None:
    answers = iter([(429, {"Retry-After": written}, b""), page([customer(1)])])
    service.answer = lambda _: next(answers)
    configure(company, service.origin)
    company.night(NIGHT)
    assert company.ask("select count(*) from raw.customers") == [(1,)]


def test_a_wait_within_bounds_is_obeyed(company: Company, service: Service) -> None:
    answers = iter([(429, {"Retry-After": "1"}, b""), page([customer(1)])])
    service.answer = lambda _: next(answers)
    configure(company, service.origin)
    began = time.monotonic()
    company.night(NIGHT)
    assert time.monotonic() - began >= 1


# -- records that cannot be kept


def test_half_a_character_names_its_record(company: Company, service: Service) -> None:
    service.answer = lambda _: page([customer(1), customer(2, city="\ud800")])
    configure(company, service.origin)
    said = str(refused(company))
    assert "record 2 (customer_id 'C2') holds half a character (a lone surrogate) in city" in said


@pytest.mark.parametrize("depth", [150, 200_000])
def test_a_record_nested_too_deep_is_named(company: Company, service: Service, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = f'{{"items": [{{"customer_id": "C1"}}, {{"customer_id": "C2", "tags": {nested}}}]}}'.encode()
    service.answer = lambda _: (200, {}, body)
    configure(company, service.origin)
    assert "record 2 (customer_id 'C2') is nested deeper than 100 levels" in str(refused(company))


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_is_none_names_its_record(company: Company, service: Service, number: str) -> None:
    body = f'{{"items": [{{"customer_id": "C1", "legal_name": {number}}}]}}'.encode()
    service.answer = lambda _: (200, {}, body)
    configure(company, service.origin)
    assert "record 1 (customer_id 'C1') holds a number that is none (NaN or infinite) in legal_name" in str(
        refused(company)
    )


def test_a_null_record_names_its_place(company: Company, service: Service) -> None:
    service.answer = lambda _: page([customer(1), None])
    configure(company, service.origin)
    assert "a record is null, not an object (record 2)" in str(refused(company))


def test_a_number_longer_than_a_float_stays_exact(company: Company, service: Service) -> None:
    body = b'{"items": [{"customer_id": "C1", "legal_name": 12345678901234567.89}]}'
    service.answer = lambda _: (200, {}, body)
    configure(company, service.origin)
    company.night(NIGHT)
    assert company.ask("select legal_name from raw.customers") == [("12345678901234567.89",)]


@pytest.mark.parametrize(
    "more",
    [{"error": "quota exceeded"}, {"errors": [{"code": 7}]}, {"success": False}, {"status": "error"}],
)
def test_an_error_beside_an_empty_list_is_an_error(
    company: Company, service: Service, more: dict[str, Any]
) -> None:
    service.answer = lambda _: page([], **more)
    configure(company, service.origin)
    assert "the answer holds no records" in str(refused(company))


def test_an_error_that_repeats_the_token_does_not_show_it(company: Company, service: Service) -> None:
    service.answer = lambda asked: page(
        [], error=f"no such token {asked.headers['Authorization']} {asked.whole}"
    )
    configure(company, service.origin)
    assert "no such token Bearer ***" in str(refused(company))


def test_no_rows_on_the_first_night_are_told(company: Company, service: Service) -> None:
    service.answer = lambda _: page([], error=None, errors=[])
    configure(company, service.origin)
    said: list[str] = []
    assert company.settings is not None
    land(company.settings.warehouse_path, company.settings, as_of=NIGHT, warn=said.append)
    assert "source api, customers: the service gave no rows, though all were asked for" in said


HOSTILE: list[Sent] = [
    (200, {}, b""),
    (200, {}, b"null"),
    (200, {}, b"17"),
    (200, {}, b'"text"'),
    (200, {}, b"[]"),
    (200, {}, b"\xff\xfe\x00"),
    (200, {}, b"\x00" * 100),
    (200, {}, b'{"items": [{"customer_id": "\xff"}]}'),
    (200, {}, b'{"items": [{"customer_id": "\xed\xa0\x80"}]}'),
    (200, {}, b'{"items": ' + b"9" * 10_000 + b"}"),
    (200, {}, b"[" * 200_000),
    (200, {}, b"{" * 10),
    (200, {}, b'{"items": {"a": [1, 2]}}'),
    (200, {}, b'{"items": "text"}'),
    (200, {}, b'{"items": [[]]}'),
    (200, {}, b'{"items": [true]}'),
    (200, {"Content-Type": "application/json; charset=zip"}, b"{}"),
    (200, {"Content-Type": "application/json; charset=idna"}, b'{"items": [1]}'),
    (200, {"Content-Type": 'a/b; charset="; x="'}, b"<html>"),
    (200, {"Content-Encoding": "gzip"}, b"{}"),
    (200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}" * 1000, mtime=0)[:-9]),
    (200, {"Content-Encoding": "br"}, b"{}"),
    (200, {"Content-Encoding": "gzip, gzip"}, b"{}"),
    (200, {"Content-Length": "1000000"}, b"{}"),
    (200, {"Content-Length": "-5"}, b"{}"),
    (200, {"Content-Length": "x"}, b"{}"),
    (200, {"Transfer-Encoding": "chunked"}, b"zz\r\n{}"),
    (200, {"Transfer-Encoding": "chunked"}, b"ffffffffffffffffffffff\r\n{}"),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": 5}'),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": {"a": 1}}'),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": "\\ud800"}'),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": "http://["}'),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": "http://127.0.0.1:99999999/"}'),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": "javascript:alert(1)"}'),
    (200, {}, b'{"items": [{"customer_id": "1"}], "next": "a\\nb"}'),
    (204, {}, b""),
    (206, {}, b"{}"),
    (304, {}, b""),
    (302, {"Location": "http://["}, b""),
    (302, {"Location": "\xe9\xff"}, b""),
    (418, {}, b"{}"),
    (599, {}, b"{}"),
    (999, {}, b"{}"),
    (429, {"Retry-After": "9" * 400}, b"{}"),
    (429, {"Retry-After": "Thu, 01 Jan 99999 00:00:00 GMT"}, b"{}"),
]


@pytest.mark.parametrize("sent", HOSTILE, ids=lambda sent: repr(sent)[:60])
def test_whatever_a_service_sends_ends_in_a_source_error(
    company: Company, service: Service, sent: Sent
) -> None:
    service.answer = lambda _: sent
    configure(company, service.origin, NEXT_URL, "    max_retry_after_seconds: 1")
    error = refused(company, within=8)
    assert "\n" not in str(error)
    assert str(error).isprintable()
    assert not list(Path(company.home).rglob("*.jsonl"))


# -- what can be sent at all


def test_white_space_around_token_and_header_is_not_sent(company: Company, service: Service) -> None:
    service.answer = lambda _: page([customer(1)])
    company.configure(
        f"  api:\n    kind: rest\n    url: {service.origin}\n    token: ${{TOKEN}}\n"
        "    headers: {X-Api-Key: '${HEAD}'}\n"
        "    tables: {customers: {path: c, records: items, params: {key: '${HEAD}'}}}\n",
        {"TOKEN": "tokhush\n", "HEAD": "headhush\r\n"},
    )
    company.night(NIGHT)
    [asked] = service.asked
    assert asked.headers["Authorization"] == "Bearer tokhush"
    assert asked.headers["X-Api-Key"] == "headhush"
    assert asked.query == {"key": "headhush"}


@pytest.mark.parametrize("value", ["hush\nhush: 1", "hush\x00", "hush\u20ac", " \n"])
@pytest.mark.parametrize("key", ["TOKEN", "HEAD"])
def test_a_credential_no_header_can_carry_is_a_configuration_error(
    company: Company, key: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        company.configure(
            "  api:\n    kind: rest\n    url: http://127.0.0.1:9\n    token: '${TOKEN}'\n"
            "    headers: {X-Api-Key: '${HEAD}'}\n    tables: {customers: {path: c}}\n",
            {"TOKEN": "fine", "HEAD": "fine", key: value},
        )
    assert "hush" not in str(caught.value)
    assert "leave it out" in str(caught.value) or "no header can carry" in str(caught.value)


@pytest.mark.parametrize("password", ["hu/sh", "hu?sh", "hu#sh", "12/sh", "hu@sh/x@y"])
def test_a_password_in_the_url_that_is_not_percent_encoded_is_a_configuration_error(
    company: Company, password: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"%2F") as caught:
        company.configure(
            "  api:\n    kind: rest\n    url: http://me:${PW}@127.0.0.1:9\n    tables: {customers: {path: c}}\n",
            {"PW": password},
        )
    assert password not in str(caught.value)


def test_an_unreachable_service_is_transient_and_shows_no_secret(company: Company) -> None:
    configure(company, "http://127.0.0.1:9")
    error = refused(company)
    assert isinstance(error, TransientSourceError)
    assert "http://127.0.0.1:9/v1/customers" in str(error)
