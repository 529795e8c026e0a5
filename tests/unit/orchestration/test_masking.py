"""Masking: a registered secret is found however a text spells it, and unregistered ones by where they stand."""

from __future__ import annotations

import base64
import html
import json
import logging
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.masking import mask, mask_logging, masked_trace, register_login, register_secrets

AWKWARD = "q7/W#x?y z@\"k'\\d\n&<ö€😀%41v"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "json": json.dumps,
    "json without escapes": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps(text)),
    "percent": lambda text: quote(text, safe=""),
    "percent but /": quote,
    "percent in small letters": lambda text: quote(text, safe="").lower(),
    "form": quote_plus,
    "percent twice": lambda text: quote(quote(text)),
    "html": html.escape,
    "sql": lambda text: text.replace("'", "''"),
    "latin-1": lambda text: text.encode().decode("latin-1"),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "stripped": str.strip,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_secret_is_masked_however_it_is_spelled(spelling: str) -> None:
    register_secrets([AWKWARD])
    shown = mask(f"before <<{SPELLINGS[spelling](AWKWARD)}>> after")
    assert shown.startswith("before <<")
    assert shown.endswith(">> after")
    assert not {"q7", "W#", "😀", "41v", "W%23", "d83d"} & {
        shown[i : i + n] for n in (2, 3, 4, 5) for i in range(99)
    }
    assert len(shown) < 40


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    secret=st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs"]), min_size=8
    ),
    spelling=st.sampled_from(sorted(set(SPELLINGS) - {"in capitals", "latin-1"})),
)
def test_any_secret_is_masked_in_any_spelling(secret: str, spelling: str) -> None:
    register_secrets([secret])
    assert SPELLINGS[spelling](secret)[1:-1].strip("\"'=") not in mask(f"<<{SPELLINGS[spelling](secret)}>>")


def test_what_a_parser_cut_out_of_a_secret_is_masked() -> None:
    register_secrets(["cutfirst81/x9?cutsecond82"])
    said = "Port could not be cast to integer value as 'cutfirst81'; host cutsecond82"
    assert mask(said) == "Port could not be cast to integer value as '***'; host ***"


def test_token_with_a_line_break_is_masked_without_it_too() -> None:
    register_secrets(["mounted8812\n", "first-line-of-it\nsecond-line-of-it\n"])
    assert mask(r"Invalid header value b'Bearer mounted8812\n'") == r"Invalid header value b'Bearer ***\n'"
    assert mask("mounted8812 second-line-of-it") == "*** ***"


def test_login_is_masked_in_basic_authentication_and_its_user_stays() -> None:
    register_login("reader81", "p%40ss81")
    for password in ("p%40ss81", "p@ss81"):
        encoded = base64.b64encode(f"reader81:{password}".encode()).decode()
        assert mask(f"sent {encoded} for reader81").replace("=", "") == "sent *** for reader81"
    register_secrets(["Basic " + base64.b64encode(b"me:inside-basic").decode()])
    assert mask("refused inside-basic") == "refused ***"


def test_longest_secret_is_masked_first_and_short_ones_only_as_words() -> None:
    register_secrets(["alpha-beta-gamma", "alpha-beta", "zq9", "x"])
    assert mask("alpha-beta-gamma") == "***"
    assert mask("zq9 zq9s x") == "*** zq9s x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me:***@host/db"),
        ("at postgresql://me:p/a s?s#1@x@host:5432/db", "at postgresql://me:***@host:5432/db"),
        ("'postgresql://me:it's@host'", "'postgresql://me:***@host'"),
        ("mysql://me:12/3@host/db", "mysql://me:***@host/db"),
        ("https://akey@host/x https://me:pw@host", "https://***@host/x https://***@host"),
        ("http://host:8080/v1 and mail a@b.c", "http://host:8080/v1 and mail a@b.c"),
        ("http://h:80/x, postgresql://me:pw@h/db", "http://h:80/x, postgresql://me:***@h/db"),
        ("postgresql://me:${PASSWORD}@host/db", "postgresql://me:${PASSWORD}@host/db"),
        ("sslpassword=pw&sslmode=x", "sslpassword=***&sslmode=x"),
        ("password='a b' host=h", "password='***' host=h"),
        ('{"password": "a b", "n": 1}', '{"password": "***", "n": 1}'),
        (r"{\"api_key\": \"a b\", \"n\": 1}", r"{\"api_key\": \"***\", \"n\": 1}"),
        ("PWD={a b;c};Database=x", "PWD=***;Database=x"),
        ("access_token=abc&refresh_token=d&id_token=e", "access_token=***&refresh_token=***&id_token=***"),
        ("client_secret=abc apikey=d API-Key: e", "client_secret=*** apikey=*** API-Key: ***"),
        ("?sig=a%2Fb&x=1", "?sig=***&x=1"),
        ("X-Amz-Signature=ab12&X-Amz-Date=1", "X-Amz-Signature=***&X-Amz-Date=1"),
        ("?key=abc&page=2", "?key=***&page=2"),
        ("AccountKey=ab==;SharedAccessKey=cd;", "AccountKey=***;SharedAccessKey=***;"),
        ("Authorization: Basic YWJj", "Authorization: ***"),
        ("{'Authorization': 'Bearer a.b'}", "{'Authorization': '***'}"),
        ("Cookie: session=abc; x=y", "Cookie: ***"),
        ("sent Bearer ab1.cd2-ef3", "sent Bearer ***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.abc_-1", "got ***"),
        ("-----BEGIN PRIVATE KEY-----\nMII\n-----END", "-----BEGIN PRIVATE KEY-----***-----END"),
        ("token: is missing; this key is required", "token: is missing; this key is required"),
        (
            "answered HTTP 401; check `token` and its rights",
            "answered HTTP 401; check `token` and its rights",
        ),
        ('password authentication failed for user "me"', 'password authentication failed for user "me"'),
    ],
)
def test_secrets_are_masked_by_where_they_stand(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert mask(shown) == shown


def test_megabytes_are_masked_in_moments() -> None:
    register_secrets(["p/a?s#s-of-megabytes", "\\" * 30 + "back", "  \n and q8812"])
    started = time.perf_counter()
    for part in ("a", "://a:", "password='", "bearer ", "\\", "token:", " " * 10 + "x", " ", "\\back"):
        mask(part * (1_000_000 // len(part)))
    assert time.perf_counter() - started < 10


def test_log_records_traces_and_arguments_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    register_secrets(["logged/hush-8812"])
    original = logging.getLogRecordFactory()
    try:
        mask_logging()
        mask_logging()
        log = logging.getLogger("tests.masking")
        try:
            raise ValueError("no host in logged/hush-8812")
        except ValueError:
            log.exception("with %s and %d", "logged%2Fhush-8812", 7)
        log.warning("not enough %s %s", "logged/hush-8812")
        log.warning("nothing to hide in %s", {"a": 1})
    finally:
        logging.setLogRecordFactory(original)
    assert "hush" not in caplog.text
    assert "with *** and 7" in caplog.text
    assert "ValueError: no host in ***" in caplog.text
    assert "nothing to hide in {'a': 1}" in caplog.text


def test_trace_of_an_error_and_its_causes_is_masked() -> None:
    register_secrets(["traced-hush-8812"])
    try:
        try:
            raise KeyError("traced-hush-8812")
        except KeyError as cause:
            raise ValueError("half a character \ud800") from cause
    except ValueError as error:
        trace = masked_trace(error)
    assert "KeyError: '***'" in trace
    assert "ValueError: half a character \\ud800" in trace
    assert "traced-hush" not in trace.encode("utf-8").decode()
