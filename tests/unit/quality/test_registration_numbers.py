"""Check digits of registration numbers against published numbers and all single-character slips."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.predicates import create_macros

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    create_macros(connection, as_of=date(2026, 10, 31), reporting_currency="USD", cut_over=None)
    yield connection
    connection.close()


def valid(con: duckdb.DuckDBPyConnection, kind: str, numbers: list[str]) -> list[bool]:
    rows = con.execute("SELECT registration_is_valid(?, n) FROM (SELECT unnest(?) AS n)", [kind, numbers])
    return [row[0] for row in rows.fetchall()]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("USCC", "91350100M000100Y43"),  # worked example of GB 32100-2015
        ("LEI", "5493001KJTIIGC8Y1R12"),  # Bloomberg Finance L.P.
        ("LEI", "213800WAVVOPS85N2205"),  # London Stock Exchange Group
        ("VAT", "DE136695976"),  # example of the German tax office's procedure
        ("VAT", "FR40303265045"),  # SIREN 303265045: (12 + 3 * (303265045 mod 97)) mod 97 = 40
        ("VAT", "GB980780684"),  # 9*8+8*7+0*6+7*5+8*4+0*3+6*2 = 207, and 207 + 84 = 291 = 3 * 97
        ("VAT", "GB434031494"),  # old numbering, weighted sum plus check = 97 k
        # Published examples of the national checks; NL002455799B11 follows the sole traders' rule of 2020.
        ("VAT", "IT00743110157"),
        ("VAT", "NL004495445B01"),
        ("VAT", "NL002455799B11"),
        ("VAT", "PL8567346215"),
        ("VAT", "BG175074752"),
        ("VAT", "BE0428759497"),
        ("VAT", "ATU12345678"),  # form only
        ("EIN", "12-3456789"),
        ("OTHER", "anything at all"),
    ],
)
def test_published_numbers_are_valid(con: duckdb.DuckDBPyConnection, kind: str, number: str) -> None:
    assert valid(con, kind, [number]) == [True]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("USCC", "91350100M000100Y44"),
        ("USCC", "91350100M000100Y4"),
        ("USCC", "91350100I000100Y43"),  # I is not in the alphabet
        ("LEI", "5493001KJTIIGC8Y1R13"),
        ("LEI", "5493001KJTIIGC8Y1R1"),
        ("VAT", "DE136695978"),
        ("VAT", "FR41303265045"),
        ("VAT", "FR37303265044"),  # the key fits, the SIREN breaks Luhn
        ("VAT", "GB980780685"),
        ("VAT", "IT00743110158"),
        ("VAT", "NL004495446B01"),
        ("VAT", "PL8567346216"),
        ("VAT", "BG175074751"),
        ("VAT", "BE0428759498"),
        ("EIN", "00-1234567"),  # prefix never given out
        ("EIN", "12-345678"),
    ],
)
def test_wrong_numbers_are_not(con: duckdb.DuckDBPyConnection, kind: str, number: str) -> None:
    assert valid(con, kind, [number]) == [False]


def uscc(body: str) -> str:
    """The number with its check character, worked out apart from the SQL."""
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + ALPHABET[-total % 31]


def lei(body: str) -> str:
    digits = "".join(str(int(c, 36)) for c in body) + "00"
    return f"{body}{98 - int(digits) % 97:02d}"


@settings(max_examples=20, deadline=None)
@given(st.text(ALPHABET, min_size=17, max_size=17))
def test_any_single_character_slip_in_a_uscc_is_caught(con: duckdb.DuckDBPyConnection, body: str) -> None:
    number = uscc(body)
    slips = [
        number[:i] + other + number[i + 1 :] for i in range(18) for other in ALPHABET if other != number[i]
    ]
    assert valid(con, "USCC", [number]) == [True]
    assert not any(valid(con, "USCC", slips))


@settings(max_examples=20, deadline=None)
@given(st.text(LETTERS + "0123456789", min_size=18, max_size=18))
def test_any_single_slip_in_a_lei_is_caught(con: duckdb.DuckDBPyConnection, body: str) -> None:
    number = lei(body)
    slips = []
    for i, character in enumerate(number):
        same_class = "0123456789" if character.isdigit() else LETTERS
        slips += [number[:i] + other + number[i + 1 :] for other in same_class if other != character]
    assert valid(con, "LEI", [number]) == [True]
    assert not any(valid(con, "LEI", slips))


def test_written_separators_do_not_matter(con: duckdb.DuckDBPyConnection) -> None:
    assert valid(con, "VAT", ["DE 136 695 976", "de136695976"]) == [True, True]
