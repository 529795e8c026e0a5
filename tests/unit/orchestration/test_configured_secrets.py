"""Secrets of a configuration: known before anything fails, and an address that hides one is refused in words."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.masking import mask
from orchestration.settings import ConfigurationError, Settings, load_settings


def load(folder: Path, source: dict[str, Any], **env: str) -> Settings:
    path = folder / "company.yml"
    table: dict[str, Any] = {"path": "c", "records": "items"} if source.get("kind") == "rest" else {}
    config = {
        "company": "Example Ltd",
        "reporting_currency": "EUR",
        "time_zone": "UTC",
        "sources": {"erp": {"tables": {"customers": table, "invoices": dict(table)}, **source}},
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return load_settings(path, env=env, home=folder / "home")


def problems(folder: Path, source: dict[str, Any], **env: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, source, **env)
    return [str(problem) for problem in caught.value.problems]


HUSH = "hush8812"


@pytest.mark.parametrize(
    ("source", "env"),
    [
        ({"kind": "rest", "url": "https://h/v1", "token": "${T}"}, {"T": f"{HUSH}\n"}),
        ({"kind": "rest", "url": "https://h/v1", "token": HUSH}, {}),
        ({"kind": "rest", "url": "https://h/v1", "headers": {"X-Any": "Key ${T}"}}, {"T": HUSH}),
        ({"kind": "rest", "url": "https://h/v1", "headers": {"X-Any": f"Key {HUSH}"}}, {}),
        ({"kind": "rest", "url": "https://h/bot${T}/x"}, {"T": HUSH}),
        ({"kind": "rest", "url": "https://h/x?page=1&u=${T}"}, {"T": HUSH}),
        ({"kind": "rest", "url": f"https://h/x?page=1&api_key={HUSH}"}, {}),
        ({"kind": "rest", "url": "https://h/x#${T}"}, {"T": HUSH}),
        ({"kind": "rest", "url": "https://${T}@h/x"}, {"T": HUSH}),
        ({"kind": "rest", "url": f"https://{HUSH}:@h/x"}, {}),
        ({"kind": "rest", "url": "https://me:${T}@h/x"}, {"T": HUSH}),
        ({"kind": "rest", "url": "${U}"}, {"U": f"https://me:{HUSH}@h/x"}),
        ({"kind": "rest", "url": "${U}"}, {"U": f"https://h/x?sig={HUSH}"}),
        ({"kind": "database", "url": "postgresql://me:${T}@h/db"}, {"T": HUSH}),
        ({"kind": "database", "url": f"postgresql://me:{HUSH}@h/db"}, {}),
        ({"kind": "database", "url": "postgresql://${T}@h/db"}, {"T": f"me:{HUSH}"}),
        ({"kind": "database", "url": "postgresql://${T}/db"}, {"T": f"me:{HUSH}@h"}),
        ({"kind": "database", "url": "${U}"}, {"U": f"postgresql://me:{HUSH}@h/db"}),
        ({"kind": "database", "url": f"postgresql://me@h/db?sslpassword={HUSH}"}, {}),
        ({"kind": "database", "url": "postgresql://me@h/db?options=${T}"}, {"T": HUSH}),
        ({"kind": "database", "url": "sqlite:///erp_${ERP_PASSWORD}.db"}, {"ERP_PASSWORD": HUSH}),
    ],
)
def test_secret_is_masked_from_the_moment_the_configuration_is_loaded(
    tmp_path: Path, source: dict[str, Any], env: dict[str, str]
) -> None:
    with suppress(ConfigurationError):  # an address with parameters is refused, and known by then
        load(tmp_path, source, **env)
    assert HUSH not in mask(f"someone said {HUSH} here")


def test_key_written_into_a_path_is_masked_and_names_are_not(tmp_path: Path) -> None:
    load(tmp_path, {"kind": "rest", "url": "https://h/bothush8812/v2/invoices2026"})
    said = "no answer from https://h/bothush8812/v2/invoices2026/customers"
    assert mask(said) == "no answer from https://h/***/v2/invoices2026/customers"


@pytest.mark.parametrize(
    "table",
    [
        {"path": "bot${T}/customers"},
        {"path": "customers?token=hush8812"},
        {"path": "c", "params": {"q": "${T}"}},
        {"path": "c", "params": {"api_key": "hush8812"}},
    ],
)
def test_secret_of_a_rest_table_is_masked(tmp_path: Path, table: dict[str, Any]) -> None:
    tables = {"customers": {**table, "records": "items"}, "invoices": {"path": "i"}}
    load(tmp_path, {"kind": "rest", "url": "https://h", "tables": tables}, T=HUSH)
    assert HUSH not in mask(f"someone said {HUSH} here")


def test_secret_is_masked_though_the_configuration_is_wrong_everywhere(tmp_path: Path) -> None:
    wrong = {
        "kind": "rest",
        "url": ["x"],
        "tokn": "y",
        "token": {"a": "${T}"},
        "attempts": "many",
        "tables": 3,
    }
    found = problems(tmp_path, wrong, T=HUSH)
    assert len(found) == 5
    assert HUSH not in mask(f"someone said {HUSH} here")
    assert HUSH not in "".join(problems(tmp_path, {"kind": "rest", "url": "x", "tables": [{"secret": HUSH}]}))


def test_host_user_company_and_names_of_the_mapping_stay_readable(tmp_path: Path) -> None:
    url = "postgresql://${ERP_USER}:${ERP_PASSWORD}@${ERP_HOST}:${ERP_PORT}/${ERP_DATABASE}"
    tables = {"customers": {"from": "${ERP_SCHEMA}.customer"}, "invoices": {}}
    env = {
        "ERP_USER": "reader-of-erp",
        "ERP_PASSWORD": HUSH,
        "ERP_HOST": "db.example.com",
        "ERP_PORT": "54321",
        "ERP_DATABASE": "erp_production",
        "ERP_SCHEMA": "sales_schema",
        "PWD": str(tmp_path),
    }
    load(tmp_path, {"kind": "database", "url": url, "tables": tables}, **env)
    load(
        tmp_path,
        {"kind": "rest", "url": "https://bureau.example.com/v1/reports", "headers": {"Accept": "text/plain"}},
    )
    readable = (
        f"{' '.join(value for name, value in env.items() if name != 'ERP_PASSWORD')} /v1/reports text/plain"
    )
    assert mask(readable) == readable
    login = base64.b64encode(f"reader-of-erp:{HUSH}".encode()).decode()
    assert login.rstrip("=") not in mask(f"Authorization failed for {login}")


@pytest.mark.parametrize(
    "password",
    [
        "hush8812/x9",
        "hush8812#x9",
        "hush8812?x9",
        "hush8812 x9",
        "hush8812@x9",
        "8812/h",
        "hush[8812",
        "8812\n",
    ],
)
@pytest.mark.parametrize("scheme", ["postgresql", "https"])
@pytest.mark.parametrize("form", ["variable", "whole address", "written"])
def test_password_that_cuts_the_address_is_one_problem_that_shows_no_part_of_it(
    tmp_path: Path, password: str, scheme: str, form: str
) -> None:
    if scheme == "https" and form != "variable" and password == "8812/h":
        pytest.skip("reads as host, port and path of an address without a password")
    written = f"{scheme}://reader:{password}@127.0.0.1:9/erp"
    url = {
        "variable": f"{scheme}://reader:${{PW}}@127.0.0.1:9/erp",
        "whole address": "${URL}",
        "written": written,
    }
    kind = "rest" if scheme == "https" else "database"
    found = problems(tmp_path, {"kind": kind, "url": url[form], "tables": 3}, PW=password, URL=written)
    told, other = sorted(found, key=len, reverse=True)
    assert "percent-encoded" in told
    assert "python -c" in told
    assert not [part for part in (password, "hush", "8812", "x9") if part in told]
    assert "tables: received 3" in other


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:pw@h:abc/db", "the port is no number from 1 to 65535"),
        ("postgresql://me:pw@h:99999/db", "the port is no number from 1 to 65535"),
        ("postgresql://me:hush8812/db", "the port is no number from 1 to 65535"),
        ("postgresql://me:pw@::1/db", "an IPv6 address stands in brackets"),
        ("postgresql://me:pw@[::1/db", "an IPv6 address stands in brackets"),
        ("postgresql://me:pw@[::g]/db", "the host in brackets is no IPv6 address"),
        ("postgresql://me:pw@/db", "names no host"),
        ('postgresql://me:@hush"8812/db', "a character that no host has"),
        ("postgresql://", "names no host"),
        ("postgresql://me:p／w@h/db", "a character that cuts the address"),
    ],
)
def test_address_that_no_program_can_read_is_a_problem(tmp_path: Path, url: str, expected: str) -> None:
    for kind, address in (("database", url), ("rest", url.replace("postgresql", "https"))):
        found = problems(tmp_path, {"kind": kind, "url": address})
        assert len(found) == 1
        assert expected in found[0]
        assert "hush" not in found[0]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%2Fw@h:5432/db?sslmode=require",
        "postgresql://me:p:w!$&'()*+,;=~-._@h/db",
        "postgresql://me:pw@[2001:db8::1]:5432/db",
        "postgresql://me@/db?host=/run/postgresql",
        "postgresql://me:pw@%2Frun%2Fpostgresql/db",
        "postgresql://me:pw@h/db?application_name=a@b",
        "sqlite:///folder@home:1/erp.db",
    ],
)
def test_good_addresses_of_databases_are_taken(tmp_path: Path, url: str) -> None:
    load(tmp_path, {"kind": "database", "url": url})


@pytest.mark.parametrize(
    "url",
    [
        "http://h:8080/people/me@example.com",
        "https://bücher.example/v1",
        "http://[::1]:80",
        "https://key@h/a/c@d",
    ],
)
def test_good_addresses_of_services_are_taken(tmp_path: Path, url: str) -> None:
    load(tmp_path, {"kind": "rest", "url": url})


def test_written_name_of_a_database_user_without_password_stays_readable(tmp_path: Path) -> None:
    load(tmp_path, {"kind": "database", "url": "postgresql://postgres@h/db"})
    assert mask("postgresql://postgres@h/db") == "postgresql://postgres@h/db"
