"""Finds every secret a configuration names, before anything is done with it, so that the first message is masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.config_file import VARIABLE, Path_
from orchestration.masking import register_login, register_secrets
from orchestration.sources.urls import Address, Kind, keys_in_path, query_values, userinfo_of

# Keys of the file, parameters of a query and headers whose value is a secret.
_SECRET_NAME = re.compile(
    r"(?i)pass(word|wd|phrase|code)?|pw|pwd|secret|token|credentials?|auth(orization)?|cookie|sig(nature)?|key|sas|jwt"
)
_SECRET_ENDING = re.compile(
    r"(?i).*(passw(or)?d|passphrase|secret|token|credentials?|authorization|signature|cookie|api[_-]?key"
    r"|access[_-]?key|account[_-]?key|[_-](key|pass|pwd|pw|sig|auth|sas|pat|jwt))"
)
# Environment variables: PGPASSWORD, ERP_PW, BUREAU_API_KEY_2; not PWD, which is the working directory.
_SECRET_VARIABLE = re.compile(
    r"(?i)(?!(old)?pwd$).*(pass|passw(or)?d|passphrase|pwd|secret|token|key|credentials?|_auth|_pw|_pat|_sas|_sig|"
    r"signature|cookie|jwt|dsn)(_?\d+)?"
)
_PUBLIC_HEADERS = {
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-type",
    "from",
    "host",
    "origin",
    "prefer",
    "referer",
    "user-agent",
}
_BELOW_MAPPING = {"fields", "ignore"}


def register_configured(written: Any, variables: Mapping[str, str]) -> None:
    """Register every secret of a configuration as `written`, with the values its `${VARIABLE}`s will have.

    Secret are: tokens, passwords and headers; the password of an address, and the user where no password stands
    beside it or a service is asked; query, fragment and, of REST, path of an address, where a variable fills them or
    their name or form says secret; the same of `path` and `params` of a REST table; and every variable whose name
    says secret, wherever it stands. Nothing of the file need be valid.
    """
    _Collector(variables).walk(written, ())


class _Collector:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables

    def walk(self, value: Any, path: Path_) -> None:
        """Register what is secret at and below `path`."""
        if isinstance(value, dict):
            for key, item in value.items():
                self.walk(item, (*path, str(key)))
        elif isinstance(value, list):
            for item in value:
                self.walk(item, path)
        elif value is not None and not isinstance(value, bool):
            self._text(str(value), path)

    def _text(self, text: str, path: Path_) -> None:
        named = [name for name in VARIABLE.findall(text) if name in self.variables]
        register_secrets(self.variables[name] for name in named if _SECRET_VARIABLE.fullmatch(name))
        key = str(path[-1]) if path else ""
        if key == "url":
            self._url(text)
        elif path and not _BELOW_MAPPING & set(path) and _is_secret(path):
            register_secrets([*self._values(text), self._filled(text)])
        elif "params" in path or key == "path":
            register_secrets(self._values(text))
            if key == "path":
                register_secrets(_of_query(self._filled(text)))
                register_secrets(keys_in_path(self._filled(text)))

    def _url(self, text: str) -> None:
        """Register the secrets of an address, which may be one variable, hold some, or be written out."""
        address = read_address(text, self.variables)
        url, kind = address.url, address.kind
        user, _, password = address.userinfo.partition(":")
        if password:
            register_login(user, password)
        if kind == "rest":
            # HTTP services take a key as the name; the name of a database's user is needed in messages.
            register_secrets([user])
        register_secrets(_of_query(url))
        if kind == "rest":
            register_secrets(keys_in_path(url[address.host_end :]))
        if (port := address.port) and not port.isdigit():
            register_secrets([port])
        password_from = address.host_start - len(password) - 1
        for name, begin in self._begins(text):
            value = self.variables[name]
            is_in_userinfo = begin < address.host_start and (
                kind == "rest" or not password or begin >= password_from
            )
            is_behind_host = begin >= address.host_end and (kind == "rest" or re.search("[?#]", url[:begin]))
            # At the very beginning stands an address in whole, whose secrets are found above.
            if begin > 0 and (is_in_userinfo or is_behind_host):
                register_secrets([value])

    def _values(self, text: str) -> Iterator[str]:
        """The values of the variables in `text`."""
        return (self.variables[name] for name in VARIABLE.findall(text) if name in self.variables)

    def _filled(self, text: str) -> str:
        return VARIABLE.sub(lambda match: self.variables.get(match[1], ""), text)

    def _begins(self, text: str) -> Iterator[tuple[str, int]]:
        """The name of every variable that is set, and where its value begins in the filled text."""
        shift = 0
        for match in VARIABLE.finditer(text):
            if match[1] in self.variables:
                yield match[1], match.start() + shift
            shift += len(self.variables.get(match[1], "")) - len(match[0])


def read_address(text: str, variables: Mapping[str, str]) -> Address:
    """The address that `text` becomes with its variables filled in.

    A variable's value cannot move the end of the userinfo: of `postgresql://reader:${PASSWORD}@host/db` that is the
    @ that was written. Only where none was written is it looked for in the values, too.
    """

    def outline(match: re.Match[str]) -> str:
        value = variables.get(match[1], "")
        is_whole = match.start() == 0 and "://" in value
        return value if is_whole else re.sub(r"[^A-Za-z0-9]", "x", value)

    url = VARIABLE.sub(lambda match: variables.get(match[1], ""), text)
    kind: Kind = "rest" if re.match(r"(?i)\s*https?:", url) else "database"
    begin = len(url) - len(url.split("://", 1)[-1])
    length = len(userinfo_of(VARIABLE.sub(outline, text), kind))
    return Address(url, url[begin : begin + length] or userinfo_of(url, kind), kind)


def _is_secret(path: Path_) -> bool:
    """Whether the key at `path`, or one above it, says that its value is secret."""
    # Sources and tables are named by people, who may call one of them "token".
    names = [
        str(part)
        for place, part in enumerate(path)
        if not (place in (1, 3) and path[place - 1] in ("sources", "tables"))
    ]
    if "headers" in names[:-1] and names[-1].lower() in _PUBLIC_HEADERS:
        return False
    return "headers" in names or any(map(_says_secret, names))


def _says_secret(name: str) -> bool:
    return bool(_SECRET_NAME.fullmatch(name) or _SECRET_ENDING.fullmatch(name))


def _of_query(url: str) -> Iterator[str]:
    return (value for name, value in query_values(url) if _says_secret(name))
