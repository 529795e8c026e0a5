"""No secret of a configuration is shown or kept, whichever way its source fails: whole state folders are searched."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.pipeline.conftest import AS_OF, Company, command, write_company
from tests.shared import spare_parsing

_TABLES = {name: {"path": name} for name in ("customers", "invoices")}
_DATABASE_TABLES: dict[str, dict[str, str]] = {"customers": {}, "invoices": {}}


class Refusing(BaseHTTPRequestHandler):
    """Answers 401 and repeats in the reason and the body what it was sent, as careless services do."""

    def do_GET(self) -> None:
        said = f"{self.path} {self.headers.get('Authorization', '')} {self.headers.get('X-Api-Key', '')}"
        self.send_response(401, f"no rights with {said}")
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass
class Case:
    """A source that fails, and the environment of the process: what of it may be seen nowhere."""

    source: dict[str, Any]
    env: dict[str, str]
    never: list[str]
    exit_code: int


def _cases(service: str) -> dict[str, Case]:
    silent = "127.0.0.1:9"
    once = {"kind": "rest", "attempts": 1, "back_off_seconds": 0, "timeout_seconds": 2, "tables": _TABLES}
    database = {"kind": "database", "tables": _DATABASE_TABLES}
    return {
        "token of two lines": Case(
            {**once, "url": f"http://{service}/v1", "token": "${BUREAU}"},
            {"BUREAU": "tokhush8812\nsecond-hush-line\n"},
            ["tokhush8812", "second-hush-line"],
            2,
        ),
        "user, header, path, parameter and query of a service that repeats them": Case(
            {
                **once,
                "url": f"http://reader:${{PW}}@{service}/bot${{BOT}}/v1",
                "headers": {"X-Api-Key": "Key ${HEADER}"},
                "tables": {
                    "customers": {"path": "c/${SEGMENT}", "params": {"q": "${PARAMETER}", "u": "${QUERY}"}},
                    "invoices": {"path": "i"},
                },
            },
            {
                "PW": "resthush8812",
                "BOT": "bothush8812:AA/b",
                "QUERY": "queryhush 8812",
                "HEADER": "headhush8812",
                "SEGMENT": "seghush8812",
                "PARAMETER": "parhush/8812+x",
            },
            ["resthush8812", "bothush8812", "queryhush", "headhush8812", "seghush8812", "parhush"],
            1,
        ),
        "server that refuses the connection": Case(
            {**database, "url": f"postgresql://reader:${{PW}}@{silent}/erp"},
            {"PW": "pgpw%2F8812"},
            ["pgpw%2F8812"],
            1,
        ),
        "file of a database whose name is a password": Case(
            {**database, "url": "sqlite:///erp_${FILE_SECRET}.db"},
            {"FILE_SECRET": "filehush8812"},
            ["filehush8812"],
            1,
        ),
        **{
            f"password with {character!r} not percent-encoded": Case(
                {**database, "url": f"postgresql://reader:${{PW}}@{silent}/erp"},
                {"PW": f"pgpw8812{character}x9hush"},
                ["pgpw8812", "x9hush"],
                2,
            )
            for character in "/#? @["
        },
        "whole address in a variable": Case(
            {**database, "url": "${ERP_URL}"},
            {"ERP_URL": f"postgresql://reader:pgpw8812/x9hush@{silent}/erp"},
            ["pgpw8812", "x9hush"],
            2,
        ),
        "password where YAML expects something else": Case(
            {**database, "url": f"postgresql://{silent}/erp", "password": "${PW}"},
            {"PW": "strayhush8812"},
            ["strayhush8812"],
            2,
        ),
    }


def _spellings(secret: str) -> set[bytes]:
    """The secret as it is, as a URL and as basic authentication writes it."""
    encoded = base64.b64encode(f"reader:{secret}".encode()).decode().rstrip("=")
    return {spelling.encode() for spelling in (secret, quote(secret, safe=""), encoded)}


@pytest.mark.parametrize("name", list(_cases("")))
def test_secret_of_a_failing_source_is_shown_and_kept_nowhere(
    name: str, tmp_path: Path, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _cases(service)[name]
    company = _company(tmp_path, case)
    for variable, value in case.env.items():
        monkeypatch.setenv(variable, value)
    config = ["--config", str(company.config_path)]
    spare_parsing(company.home)
    runs = [command(company.home, "run", *config, "--as-of", AS_OF.isoformat())]
    if case.exit_code == 1:
        runs.append(command(company.home, "status", *config))
    runs.append(command(company.home, "doctor", *config))
    assert runs[0].returncode == case.exit_code, runs[0].stderr
    said = "".join(run.stdout + run.stderr for run in runs)
    assert "Traceback" not in said
    for secret in case.never:
        for spelling in _spellings(secret):
            assert spelling.decode() not in said
            kept = [path for path in company.home.rglob("*") if path.is_file() and not path.is_symlink()]
            assert [str(path) for path in kept if spelling in path.read_bytes()] == []


def _company(folder: Path, case: Case) -> Company:
    company = write_company(folder / "company", customers=4, months=4)
    company.config["sources"] = {"erp": case.source}
    company.write_config()
    return company
