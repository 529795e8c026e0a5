"""Sends HTTP requests to one service: bounds each answer in size and time, and keeps credentials at their host."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from orchestration.sources.config import CREDENTIAL_NAME, RestEndpoint, RestSource
from orchestration.sources.connectors.exchange import GOOD, Exchange, TooLarge, Unreadable
from orchestration.sources.errors import SourceError, TransientSourceError
from orchestration.sources.waiting import Watch

if TYPE_CHECKING:
    import requests

# An answer may take longer than `timeout_seconds` only as long as it comes faster than this.
LEAST_BYTES_PER_SECOND = 1000
LONGEST_PAUSE_SECONDS = 60.0
# A wait asked for by the service is told where it is longer than this.
TOLD_PAUSE_SECONDS = 5.0

Origin = tuple[str, str, int]
Read = TypeVar("Read")


class BrokenAnswer(Exception):
    """An answer that another try may mend; the text says what was wrong with it."""


@dataclass(frozen=True)
class Answer:
    """A whole answer, unpacked; header names are in small letters."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def shown_url(url: str) -> str:
    """`url` fit for messages: scheme, host, port and path, without user, password and parameters."""
    try:
        parts = urlsplit(url)
        host = _host(parts) + (f":{parts.port}" if parts.port is not None else "")
    except ValueError:
        return "an address that cannot be read"
    text = f"{parts.scheme}://{host}{parts.path}"
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 200 else text[:199] + "…"


def origin_of(url: str) -> Origin:
    """Scheme, host and port; credentials stay within one origin. Raises ValueError where `url` has none."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no http address")
    return scheme, parts.hostname.rstrip("."), parts.port or {"http": 80, "https": 443}[scheme]


class Service:
    """One table's conversation with a service, bounded by the settings of its source."""

    def __init__(self, source: RestSource, table: RestEndpoint, where: str, watch: Watch) -> None:
        import requests

        self._source, self._where, self._watch = source, where, watch
        self._origin = origin_of(source.url)
        self._began = time.monotonic()
        self._asked = 0
        self._session = requests.Session()
        self._session.headers = requests.structures.CaseInsensitiveDict(
            {"User-Agent": "trade-credit", "Accept": "*/*", "Accept-Encoding": "gzip"}
        )
        headers = {name: value.get_secret_value() for name, value in source.headers.items()}
        parts = urlsplit(source.url)
        self._own_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        login = (unquote(parts.username or ""), unquote(parts.password or ""))
        token = source.token.get_secret_value() if source.token is not None else None

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers.update(headers)
            if token is not None:
                request.headers["Authorization"] = f"Bearer {token}"
            elif parts.username is not None:
                return requests.auth.HTTPBasicAuth(*login)(request)
            return request

        self._authorize = authorize
        secrets = [token, parts.password, login[1], *headers.values()]
        secrets.extend(value for name, value in table.params.items() if CREDENTIAL_NAME.search(name))
        self._secrets = {secret for secret in secrets if secret}

    @property
    def attempts(self) -> int:
        """Tries of a request."""
        return self._source.attempts

    def address(self, path: str) -> str:
        """The address of a path below the source's `url`."""
        return f"{self._own_url}/{path.lstrip('/')}"

    def without_secrets(self, text: str) -> str:
        """The service's own words without the credentials it was sent."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def follow(self, link: str, base: str, page: int) -> str:
        """The address a page's link leads to; raises SourceError where it may not be followed."""
        link = link.strip()
        try:
            if re.search(r"[\x00-\x20\x7f\\]", link):
                raise ValueError("no address")
            target = urljoin(base, link)
            origin = origin_of(target)
        except ValueError as error:
            raise SourceError(
                self._where,
                f"the link to the page after page {page} leads to {shown_url(link)}",
                valid=f"a link below {self._named(self._origin)}",
                remedy="correct `next_path`, or choose another `paginator`",
            ) from error
        parts = urlsplit(target)
        rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if origin == self._origin:
            # Written anew from the source's own address: no reading of a devious link can change the host.
            own = urlsplit(self._own_url)
            return f"{own.scheme}://{own.netloc}{rest}"
        allowed = [self._origin, *(origin_of(text) for text in self._source.link_origins)]
        if origin not in allowed:
            raise SourceError(
                self._where,
                f"the link to the page after page {page} leads to another address, {shown_url(target)}, "
                "where credentials must not be sent",
                valid=f"links to {', '.join(map(self._named, allowed))}",
                remedy="correct `url`, or name the address in `link_origins`: "
                "it is then asked without `token` and `headers`",
            )
        if any(secret in text for secret in self._secrets for text in (rest, unquote(rest))):
            raise SourceError(
                self._where,
                f"the link to the page after page {page}, to {self._named(origin)}, holds a credential",
                remedy="have the service send the credential in a header (`token`, `headers`)",
            )
        return self._named(origin) + rest

    def get(self, url: str, params: Mapping[str, Any], read: Callable[[Answer], Read]) -> Read:
        """What `read` makes of the answer; asks again where the answer is broken or the service is busy.

        Raises TransientSourceError where no try succeeds, SourceError for every other refusal.
        """
        attempts = self._source.attempts
        for attempt in range(1, attempts + 1):
            self._count()
            pause = min(self._source.back_off_seconds * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
            pause *= random.uniform(0.75, 1.0)
            try:
                exchange = self._exchange(url, params)
                if exchange.status in GOOD:
                    return read(Answer(url, exchange.headers, bytes(exchange.body)))
                said = f"answered HTTP {exchange.status} {_status_phrase(exchange.status)}".strip()
                if exchange.status != 429 and exchange.status < 500:
                    raise self._refused(exchange, said)
                received = f"{said} after {attempts} attempts"
                remedy = "try again later"
                pause = self._asked_pause(exchange.headers, said, pause)
            except BrokenAnswer as error:
                received, remedy = str(error), "check that the service is up and `url` is right"
            if attempt < attempts:
                self._pause(pause)
        raise TransientSourceError(self._where, received, remedy=remedy)

    def _count(self) -> None:
        self._check_time()
        self._asked += 1
        if self._asked > self._source.max_requests:
            raise SourceError(
                self._where,
                f"the service has not come to an end after {self._source.max_requests:,} requests",
                remedy="correct `paginator` and its parameters, or raise `max_requests` for a table so long",
            )

    def _check_time(self) -> None:
        if time.monotonic() - self._began >= self._source.max_seconds:
            raise TransientSourceError(
                self._where,
                f"the table was not whole after {self._source.max_seconds:g} s and {self._asked:,} requests",
                remedy="try again later, or raise `max_seconds`",
            )

    def _pause(self, seconds: float) -> None:
        left = self._began + self._source.max_seconds - time.monotonic()
        time.sleep(max(0.0, min(seconds, left)))
        self._check_time()

    def _exchange(self, url: str, params: Mapping[str, Any]) -> Exchange:
        """One request and its answer; raises BrokenAnswer where there is none, or not a whole one."""
        exchange = Exchange(self._source.timeout_seconds, self._source.max_answer_mb * 1_000_000)
        try:
            send = self._sender(url, params)
        except Exception as error:
            raise SourceError(
                self._where,
                f"{shown_url(url)} cannot be asked ({type(error).__name__})",
                remedy="check `url` and `path`",
            ) from error
        # In a thread of its own: a socket's timeout bounds the pause between bytes, not what they add up to.
        threading.Thread(target=exchange.run, args=(send,), name="http request", daemon=True).start()
        began = time.monotonic()
        while not exchange.done.wait(0.1):
            allowed = self._source.timeout_seconds + exchange.received / LEAST_BYTES_PER_SECOND
            try:
                self._check_time()
                if time.monotonic() - began > allowed:
                    raise BrokenAnswer(
                        f"the answer was not whole after {allowed:.0f} s, at each of "
                        f"{self._source.attempts} attempts ({exchange.received:,} bytes received)"
                    )
            except (BrokenAnswer, TransientSourceError):
                exchange.abandon()
                raise
        self._watch.heard()
        if exchange.error is not None:
            raise self._failed(exchange.error)
        return exchange

    def _sender(self, url: str, params: Mapping[str, Any]) -> Callable[[], requests.Response]:
        import requests

        is_own = origin_of(url) == self._origin
        request = requests.Request(
            "GET", url, params=dict(params), auth=self._authorize if is_own else _send_as_is
        )
        # Cookies belong to a host, not to an origin, so another origin is asked outside of the session.
        asking = self._session if is_own else requests.Session()
        asking.headers = self._session.headers
        prepared = asking.prepare_request(request)
        settings = asking.merge_environment_settings(url, {}, True, None, None)
        adapter = asking.get_adapter(url)

        def send() -> requests.Response:
            # Not the session's own `send`: it would look where a redirect leads, and read its whole body.
            response = adapter.send(prepared, timeout=self._source.timeout_seconds, **settings)
            if is_own:
                self._session.cookies.update(response.cookies)
            return response

        return send

    def _failed(self, error: BaseException) -> Exception:
        """What an exchange's error means."""
        import requests
        import urllib3

        attempts = self._source.attempts
        if isinstance(error, TooLarge):
            return SourceError(
                self._where,
                f"an answer is larger than {self._source.max_answer_mb:,} MB",
                remedy="ask for smaller pages (`page_size`), or raise `max_answer_mb`",
            )
        if isinstance(error, Unreadable):
            return SourceError(
                self._where,
                str(error),
                valid="an answer that is not packed, or gzip",
                remedy="check `url` and `path`",
            )
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            return SourceError(
                self._where,
                "the service's certificate is not valid for this address",
                remedy="correct `url`, or trust its authority (REQUESTS_CA_BUNDLE)",
            )
        cut = (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError, EOFError)
        if isinstance(error, cut):
            return cut_short(attempts)
        if isinstance(error, (OSError, urllib3.exceptions.HTTPError)):
            return BrokenAnswer(f"no answer after {attempts} attempts ({type(error).__name__})")
        return SourceError(
            self._where,
            f"the answer cannot be read ({type(error).__name__})",
            remedy="check `url` and `path`",
        )

    def _refused(self, exchange: Exchange, said: str) -> SourceError:
        if 300 <= exchange.status < 400 and "location" in exchange.headers:
            location = exchange.headers["location"]
            try:
                target = shown_url(urljoin(self._own_url, location))
            except ValueError:
                target = "an address that cannot be read"
            return SourceError(
                self._where,
                f"answers HTTP {exchange.status} to {target}",
                valid="HTTP 200; redirects are not followed, so that credentials stay where they belong",
                remedy="correct `url` and `path`",
            )
        remedy = "check `token` and its rights" if exchange.status in (401, 403) else "check `url` and `path`"
        return SourceError(self._where, said, valid="HTTP 200", remedy=remedy)

    def _asked_pause(self, headers: Mapping[str, str], said: str, pause: float) -> float:
        """Seconds to wait, as the service asks; raises where it asks for more than is allowed."""
        asked = retry_after_seconds(headers)
        if asked is None:
            return pause
        longest = self._source.max_retry_after_seconds
        if asked > longest:
            raise TransientSourceError(
                self._where,
                f"{said} and asks to wait {asked:.0f} s",
                valid=f"at most {longest:g} s (`max_retry_after_seconds`)",
                remedy="run again after that time",
            )
        if asked > TOLD_PAUSE_SECONDS:
            self._watch.say(f"{self._where}: the service {said} and asks to wait {asked:.0f} s")
        return max(pause, asked)

    def _named(self, origin: Origin) -> str:
        scheme, host, port = origin
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}" + ("" if port == {"http": 80, "https": 443}[scheme] else f":{port}")


def cut_short(attempts: int) -> BrokenAnswer:
    """The error for an answer of which the end is missing."""
    return BrokenAnswer(f"the answer ends in the middle, at each of {attempts} attempts")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The wait a `Retry-After` header asks for, as seconds or as a date; None where it says nothing usable."""
    written = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,18}([.][0-9]{1,6})?", written):
        return float(written)
    until = _http_date(written)
    if until is None:
        return None
    # By the service's own clock, where it gives it.
    now = _http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _send_as_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials, and none from a `.netrc` either."""
    return request


def _status_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host
