"""Knows every secret of this process and replaces it by `***` wherever text leaves: terminal, log, file, database."""

from __future__ import annotations

import base64
import binascii
import logging
import re
import threading
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html.entities import codepoint2name
from typing import Any
from urllib.parse import unquote, unquote_plus

MASK = "***"

# Shorter values are not masked by value: every other word would hold one. Where they stand (`password=`, a URL)
# they are masked by the patterns below.
_SHORTEST = 3
# Up to this length a value is masked only as a word of its own, and only in its own case.
_WORD = 5
# What a parser may have cut out of a secret is masked from this length on.
_SHORTEST_PIECE = 6
# No server takes a longer one; a pattern of megabytes would stop the program.
_LONGEST_VALUE = 20_000
_CUTS = re.compile(r"[/#?@:&=;,|\\\[\]\s\x00-\x1f]+")
_SCHEME_WORDS = {"bearer", "basic", "digest", "negotiate", "token", "apikey", "hmac"}


def register_secrets(values: Iterable[str]) -> None:
    """Mask `values` from now on, in every spelling in which text may show them; known ones cost nothing.

    A spelling is: as it is, without the white space around it, each of its lines, percent-decoded, in base64, and
    the pieces of six and more characters between `/ # ? @ : & = ; ,` and spaces; each of these also percent-encoded
    and escaped as in JSON, Python, HTML and SQL, in whole or in part. Values of one or two characters are left out.
    """
    new = {value for value in values if value not in _registry.values}
    if new:
        _registry.add(new, {spelling for value in new for spelling in _spellings(value)})


def register_login(user: str, password: str) -> None:
    """Mask `password`, and `user:password` as basic authentication sends it; the user's name stays readable."""
    users = {user, unquote(user)}
    passwords = {text for word in (password, password.strip()) for text in (word, unquote(word))}
    pairs = {f"{one}:{other}" for one in users for other in passwords}
    register_secrets([password])
    _registry.add(pairs, {text for pair in pairs for text in _base64_of(pair)})


def mask(text: str) -> str:
    """`text` with every registered secret, and whatever stands where secrets stand, replaced by `***`.

    Places of secrets are: the password of a URL, `password=`-like values (also quoted, in JSON, in a query), an
    authorization, a cookie, a JSON web token, a private key. Masking twice changes nothing more.
    """
    return _mask_places(mask_registered(text))


def mask_registered(text: str) -> str:
    """`text` with every registered secret replaced by `***`, and nothing else changed."""
    folded = text.lower()
    for secret in _registry.secrets:
        if secret.anchor in folded:
            text = secret.pattern.sub(MASK, text)
    return text


def masked_trace(error: BaseException) -> str:
    """The traceback of `error` and of its causes, masked and fit to be written as UTF-8."""
    text = mask("".join(traceback.format_exception(error)))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def mask_logging() -> None:
    """Mask every record of Python's `logging` from now on, before any handler sees it; calling twice is harmless."""
    made = logging.getLogRecordFactory()
    if getattr(made, "masks_secrets", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = made(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # Arguments that do not fit their text are told by logging itself, with both.
            message = f"{record.msg} {record.args}"
        masked = mask(message)
        if masked != message:
            record.msg, record.args = masked, ()
        if record.exc_info and record.exc_info[1] is not None:
            trace = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
            if (masked := mask(trace)) != trace:
                record.exc_text = masked
        if record.stack_info:
            record.stack_info = mask(record.stack_info)
        return record

    factory.masks_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)


@dataclass(frozen=True)
class _Secret:
    """One spelling of a secret: a pattern, and a text in small letters without which it cannot be there."""

    text: str
    anchor: str
    pattern: re.Pattern[str]


class _Registry:
    """The secrets of this process, longest first, so that no secret is cut by a shorter one inside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.values: set[str] = set()
        self._by_text: dict[str, _Secret] = {}
        self.secrets: tuple[_Secret, ...] = ()

    def add(self, values: Iterable[str], spellings: Iterable[str]) -> None:
        """Know `values`, and mask `spellings`."""
        with self._lock:
            self.values.update(values)
            for text in spellings:
                if text not in self._by_text and len(text) >= _SHORTEST and text != MASK:
                    self._by_text[text] = _secret(text)
            self.secrets = tuple(sorted(self._by_text.values(), key=lambda secret: -len(secret.text)))


_registry = _Registry()


def _spellings(value: str) -> Iterator[str]:
    """The texts by which `value` may be known; how they may be escaped is left to their patterns."""
    value = value[:_LONGEST_VALUE]
    wholes = {text.strip() for text in (value, unquote(value), unquote_plus(value))}
    found = set(wholes)
    for whole in wholes:
        found.update(line.strip() for line in whole.splitlines())
        found.update(piece for piece in _CUTS.split(whole) if len(piece) >= _SHORTEST_PIECE)
    yield from (text for text in found if text.lower() not in _SCHEME_WORDS)
    for whole in {value, *wholes}:
        yield from _base64_of(whole)
    scheme, _, encoded = value.strip().partition(" ")
    if scheme.lower() == "basic":
        yield from _password_in(encoded)


def _password_in(encoded: str) -> Iterator[str]:
    try:
        login = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return
    if ":" in login:
        yield login.split(":", 1)[1]


def _base64_of(text: str) -> Iterator[str]:
    if len(text) < _SHORTEST:
        return
    raw = {_raw(text)}
    if text.isprintable() and max(map(ord, text)) < 256:
        raw.add(text.encode("latin-1"))
    for data in raw:
        for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            yield encoded.decode("ascii").rstrip("=")


def _raw(text: str) -> bytes:
    """The bytes of `text`, also of one that the environment gave with bytes that are not UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _secret(text: str) -> _Secret:
    """The pattern that finds `text` however its characters are escaped, each on its own.

    Character by character rather than by a list of encodings: a URL encodes part of a password, a log shows the
    bytes of a header, an error quotes a JSON text inside another.
    """
    parts = re.findall(r"[A-Za-z0-9]+|\s+|\\+|.", text, re.DOTALL)
    anchor = max((part for part in parts if part.isascii() and part.isalnum()), key=len, default="")
    body = "".join(part if part.isascii() and part.isalnum() else _escaped(part) for part in parts)
    if len(text) <= _WORD:
        # The character before may belong to an escape: \n, %20.
        body = rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f][0-9A-Fa-f])){body}(?![A-Za-z0-9])"
        return _Secret(text, anchor.lower(), re.compile(body))
    return _Secret(text, anchor.lower(), re.compile(body, re.IGNORECASE))


@cache
def _escaped(part: str) -> str:
    """A pattern for one character that is no plain letter or digit, or for a run of white space or backslashes."""
    if part.isspace():
        # Any white space stands for any other: lines are wrapped, line breaks stripped or doubled.
        spelled = {r"\s", r"\+"}.union(*(_escapes(char) for char in {*part, *" \n\r\t"}))
        return f"(?:{_either(spelled)}){{1,{40 + len(part)}}}"
    char = part[0]
    if char == "\\":
        # Each level of quoting doubles them.
        return f"(?:{_either({re.escape(char)} | _escapes(char))}){{1,{8 * len(part)}}}"
    return f"(?:{_either({re.escape(char)} | _escapes(char))})"


def _either(spelled: Iterable[str]) -> str:
    return "|".join(sorted(spelled, key=len, reverse=True))


def _escapes(char: str) -> set[str]:
    """Patterns for one character as URLs, JSON, Python, HTML, SQL and Latin-1 readers write it, escaped repeatedly."""
    code, raw = ord(char), _raw(char)
    utf16 = char.encode("utf-16-be", "surrogatepass")
    units = [utf16[i : i + 2].hex() for i in range(0, len(utf16), 2)]
    spelled = {
        "".join(f"%(?:25)*(?i:{byte:02x})" for byte in raw),
        "".join(rf"\\{{1,16}}u(?i:{unit})" for unit in units),
        "".join(rf"\\{{1,16}}x(?i:{byte:02x})" for byte in raw),
        rf"\\{{1,16}}U(?i:{code:08x})",
        rf"&(?:amp;)*(?:#0*{code}|#[xX]0*(?i:{code:x}));",
    }
    if code < 256:
        spelled |= {rf"\\{{1,16}}x(?i:{code:02x})", f"%(?:25)*(?i:{code:02x})"}
    if code in _LETTERS:
        spelled.add(rf"\\{{1,16}}{_LETTERS[code]}")
    elif not char.isspace():
        spelled.add(rf"\\{{1,16}}{re.escape(char)}")
    if char in "'\"":
        spelled.add(char * 2)
    if char == "&":
        spelled.add("&(?:amp;)+")
    elif code in codepoint2name:
        spelled.add(f"&(?:amp;)*{codepoint2name[code]};")
    if len(raw) > 1:
        # UTF-8 read as Latin-1, as HTTP headers are.
        spelled.add(re.escape(raw.decode("latin-1")))
    return spelled


_LETTERS = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}

# Below: what is masked by where it stands, for texts that quote a secret nobody has registered.

_LONGEST = 1000
_USER = re.compile(r"[^\s:/@?#'\"<>]*")
_PORT = re.compile(r"\d{1,5}(?=[/?#\s,;)'\"]|$)")
# Masked already, or the name of a variable.
_HARMLESS = re.compile(r"(?:\*\*\*|\$\{\w+\})(?:@|$)")
_QUOTES = re.compile(r"['\"<>\n]")

_NAMES = (
    r"(?:pass(?:word|wd|phrase|code)|(?<![a-z])pw|pwd|secret|token|signature|credentials?|authorization|cookie"
    r"|(?:api|access|account|private|shared|signing|encryption|master|subscription|function|secret)[ _-]?key"
    r"|(?<![a-z])(?:sig|auth|bearer)|session[_-]?id)(?:[_-]?(?:key|value|id))?\d{0,2}"
)
_NAMED = re.compile(
    rf"(?i)(?P<name>{_NAMES})(?P<sep>\\*['\"]?\s{{0,3}}(?:=>|%3d|[=:>])\s{{0,3}}|\s{{1,3}}(?=['\"]))"
    rf"(?:(?P<quote>\\*['\"])(?:\\.|[^\\\n])*?(?P=quote)"
    rf"|\{{[^}}\n]*\}}"
    rf"|(?P<bare>(?:(?:bearer|basic|digest|negotiate|token)\s+)?[^\s&;,'\"<>)\]}}]+))"
)
# Words of a sentence after `token:`, rather than a value.
_PROSE = re.compile(r"(?!bearer|basic|digest|negotiate|token)[a-z]+[:.]?(?=\s+\S)")
_HEADER_LINE = re.compile(
    r"(?i)\b(?P<name>(?:proxy-)?authorization|(?:set-)?cookie)(?P<sep>:\s{0,3})[^\n'\"]+"
)
_QUERY = re.compile(r"(?i)(?<=[?&])(?P<name>key|code|pass|st|hmac|hash|jwt|sas)=[^&\s'\"<>#]+")
_SCHEME_AND_TOKEN = re.compile(
    r"(?P<scheme>\b(?i:bearer|basic))(?P<gap>\s+|%20|\+)(?=[A-Za-z]*[^A-Za-z\s])[A-Za-z0-9._~+/%-]{6,}=*"
)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?")
_PRIVATE_KEY = re.compile(
    r"(?s)(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).{0,20000}?(-----END|\Z)",
)
# One of these is part of every name above; looking for them first costs a hundredth of looking for the names.
_WORDS = (
    *(
        "pass",
        "pw",
        "secret",
        "token",
        "signature",
        "credential",
        "auth",
        "cookie",
        "sig",
        "session",
        "bearer",
    ),
    *("api", "access", "account", "private", "shared", "encryption", "master", "subscription", "function"),
)


def _mask_places(text: str) -> str:
    folded = text.lower()
    if "://" in folded and "@" in folded:
        text = _without_userinfo(text)
    if any(word in folded for word in _WORDS):
        text = _HEADER_LINE.sub(rf"\g<name>\g<sep>{MASK}", text)
        text = _NAMED.sub(_without_value, text)
    if "?" in folded and "=" in folded:
        text = _QUERY.sub(rf"\g<name>={MASK}", text)
    if "bearer" in folded or "basic" in folded:
        text = _SCHEME_AND_TOKEN.sub(rf"\g<scheme>\g<gap>{MASK}", text)
    if "eyj" in folded:
        text = _JWT.sub(MASK, text)
    if "private key-----" in folded:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)
    return text


def _without_userinfo(text: str) -> str:
    """`text` with the password of every URL masked: all up to the last @ before a quote, else before the line's end.

    A password may hold / # ? @ and spaces that nobody has encoded, so where a URL ends cannot be told; rather more
    than the password is masked than less.
    """
    kept: list[str] = []
    done = 0
    start = text.find("://")
    while start >= 0:
        following = text.find("://", start + 3)
        start += 3
        end = min(start + _LONGEST, following if following >= 0 else len(text))
        quote = _QUOTES.search(text, start, end)
        line = text.find("\n", start, end)
        at = text.rfind("@", start, quote.start() if quote else end)
        if at < 0:
            at = text.rfind("@", start, line if line >= 0 else end)
        if at >= 0:
            is_http = text[max(0, start - 8) : start].lower().endswith(("http://", "https://"))
            kept += [text[done:start], _masked_userinfo(text[start:at], is_http)]
            done = at
        start = following
    return "".join([*kept, text[done:]])


def _masked_userinfo(userinfo: str, is_http: bool) -> str:
    match = _USER.match(userinfo)
    user = match[0] if match else ""
    colon, secret = userinfo[len(user) : len(user) + 1], userinfo[len(user) + 1 :]
    if colon == "" and is_http and user:
        # HTTP services take a key as the name; a database's user is no secret.
        return MASK
    is_port = is_http and _PORT.match(secret) is not None
    if colon != ":" or is_port or _HARMLESS.match(secret):
        # No password (http://host:8080/people/me@example.com), or one that shows nothing.
        return userinfo
    return MASK if is_http else f"{user}:{MASK}"


def _without_value(match: re.Match[str]) -> str:
    bare, quote = match["bare"], match["quote"] or ""
    if bare is not None:
        follows = match.string[match.start("bare") : match.end("bare") + 40]
        if _HARMLESS.fullmatch(bare) or (":" in match["sep"] and _PROSE.match(follows)):
            return match[0]
    return f"{match['name']}{match['sep']}{quote}{MASK}{quote}"
