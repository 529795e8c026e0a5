"""Reads addresses of sources as people write them: where their secrets stand, and what no program could read."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["database", "rest"]

# A key in a path, as services put it there (bot<key>, hooks/<key>): long, with letters and digits, and no name with
# a year (invoices2026).
_LIKE_A_KEY = re.compile(r"(?=[^/]*[A-Za-z])(?=[^/]*\d[^/]*\d)(?![A-Za-z_-]+(?:19|20)\d\d$)[^/]{11,}")
# What must be percent-encoded in a user name and password, lest the address be cut in another place.
_CUTS = re.compile(r"[/?#@\[\]\\\s\x00-\x1f\x7f]")
_AUTHORITY_ENDS = re.compile(r"[/?#]")
_QUERY = re.compile(r"\?[A-Za-z_][\w.-]*=")


def userinfo_of(url: str, kind: Kind) -> str:
    """The user and password of `url` as written, everything before the @ that the host follows; empty without one.

    Meant for addresses whose password is not percent-encoded, too: an @ outside the part that a URL parser takes
    for the authority ends the userinfo where that part has no other @ and could not be host and port.
    """
    rest = _rest(url)
    end = _AUTHORITY_ENDS.search(rest)
    authority = rest[: end.start()] if end else rest
    query = _QUERY.search(rest)
    # The path of a database address is the database's name, so an @ in it belongs to the password.
    before_query = rest[: query.start()] if query else rest
    at = (before_query if kind == "database" else authority).rfind("@")
    if at < 0 and ":" in authority and not re.search(r":\d+$", authority):
        at = rest.rfind("@")
    return rest[: max(at, 0)]


@dataclass(frozen=True)
class Address:
    """An address of a source, and the part of it that is user and password."""

    url: str
    userinfo: str
    kind: Kind

    @property
    def host_start(self) -> int:
        """The position in `url` at which the host begins."""
        rest = _rest(self.url)
        has_at = bool(self.userinfo) or rest.startswith("@")
        return len(self.url) - len(rest) + len(self.userinfo) + has_at

    @property
    def host_end(self) -> int:
        """The position in `url` at which host and port end."""
        end = _AUTHORITY_ENDS.search(self.url, self.host_start)
        return end.start() if end else len(self.url)

    @property
    def authority(self) -> str:
        """Host and port, as written."""
        return self.url[self.host_start : self.host_end]

    @property
    def port(self) -> str:
        """What follows the last colon behind the host; empty where nothing does."""
        _, colon, port = self.authority.rpartition(":")
        return port if colon and not port.endswith("]") else ""


def query_values(url: str) -> list[tuple[str, str]]:
    """Name and value, as written, of every parameter of the query and the fragment."""
    _, _, query = re.sub("#", "?", url, count=1).partition("?")
    pairs = [part.partition("=") for part in re.split(r"[?&;#]", query)]
    return [(name, value) for name, _, value in pairs if value]


def keys_in_path(path: str) -> list[str]:
    """The segments of a REST path that look like a key rather than like a word."""
    segments = _AUTHORITY_ENDS.sub("/", path.split("?", 1)[0]).split("/")
    return [segment for segment in segments if _LIKE_A_KEY.fullmatch(segment)]


def unreadable(address: Address) -> tuple[str, str] | None:
    """What makes an address unreadable, and what is valid; None where it can be read. No part of it is quoted.

    Looks at user, password, host and port. Addresses without `scheme://` and those of SQLite files, which have
    none of these, pass.
    """
    url, userinfo, kind, authority = address.url, address.userinfo, address.kind, address.authority
    if "://" not in url or url.startswith("sqlite"):
        return None
    if found := _CUTS.search(userinfo):
        received = f"user or password holds {_class_of(found[0])} that is not percent-encoded"
        return received, _ENCODE
    bracketed = re.fullmatch(r"\[(?P<host>[^\[\]]*)\](?::(?P<port>.*))?", authority, re.DOTALL)
    if bracketed:
        host, port = bracketed["host"], bracketed["port"] or ""
        try:
            ipaddress.IPv6Address(host.split("%", 1)[0])
        except ValueError:
            return "the host in brackets is no IPv6 address", "valid is for example [2001:db8::1]:5432"
    elif authority.count(":") > 1:
        valid = "an IPv6 address stands in brackets, as [2001:db8::1]:5432; a : in a password is written %3A"
        return "host and port hold more than one colon", valid
    else:
        host, _, port = authority.partition(":")
    if not bracketed and re.search(r"[^\w.%\\-]", host):
        valid = f"valid are letters, digits, - and . as in {_EXAMPLE[kind]}. {_ENCODE}"
        return "the host holds a character that no host has", valid
    if not host and not (kind == "database" and re.search(r"[?&]host=[^&]", url)):
        return "names no host", f"valid is for example {_EXAMPLE[kind]}"
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:9]) < 65536):
        return "the port is no number from 1 to 65535", f"valid is for example {_EXAMPLE[kind]}. {_ENCODE}"
    try:
        urlsplit(url)
    except ValueError:
        # Characters that become / ? # @ or : in their compatibility form.
        return "user, password or host holds a character that cuts the address", _ENCODE
    return None


_EXAMPLE = {
    "database": "postgresql://user:${PASSWORD}@host:5432/db",
    "rest": "https://bureau.example.com:443/v1",
}
_ENCODE = (
    "in user and password, every character but letters, digits and - . _ ~ is percent-encoded "
    "(/ is %2F, ? is %3F, # is %23, @ is %40, a space is %20, % itself is %25). Encode what the variable holds: "
    "python -c \"import sys, urllib.parse as p; print(p.quote(sys.stdin.read().rstrip('\\n'), safe=''))\""
)


def _class_of(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    if character.isspace():
        return "white space"
    return "one of / ? # @ [ ] \\" if character.isprintable() else "a control character"


def _rest(url: str) -> str:
    """What follows `scheme://`."""
    return url.split("://", 1)[-1]
