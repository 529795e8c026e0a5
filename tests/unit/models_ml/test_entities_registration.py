"""Check digits of registration numbers, against published numbers and an independent calculation."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_ml.entities.registration import USCC_ALPHABET, install_macros

_CON = duckdb.connect()
install_macros(_CON)


@pytest.fixture(scope="module", autouse=True)
def _close():
    yield
    _CON.close()


def _valid(macro: str, numbers: list[str]) -> list[bool]:
    rows = _CON.execute(
        f"SELECT list_transform(?::VARCHAR[], lambda n: {macro}(n))",
        [numbers],
    ).fetchall()
    return list(rows[0][0])


@pytest.mark.parametrize(
    ("macro", "number"),
    [
        ("uscc_is_valid", "91350100M000100Y43"),  # GB 32100-2015, annex
        ("lei_is_valid", "5493001KJTIIGC8Y1R12"),  # Bloomberg Finance L.P.
        ("lei_is_valid", "7LTWFZYICNSX8D621K86"),  # Deutsche Bank AG
        ("vat_is_valid", "DE136695976"),  # published example of ISO 7064 MOD 11,10
        ("vat_is_valid", "FR40303265045"),
        ("vat_is_valid", "GB980780684"),
        # Published examples of the national checks.
        ("vat_is_valid", "IT00743110157"),
        ("vat_is_valid", "NL004495445B01"),
        ("vat_is_valid", "PL8567346215"),
        ("vat_is_valid", "BG175074752"),
        ("vat_is_valid", "BE0428759497"),
        ("ein_is_valid", "911144442"),  # Microsoft Corporation
    ],
)
def test_published_numbers_are_valid_and_one_changed_digit_is_not(macro, number):
    assert _valid(macro, [number]) == [True]
    if macro == "ein_is_valid":
        return  # no check digit
    changed = [
        number[:position] + str((int(number[position]) + 1) % 10) + number[position + 1 :]
        for position in range(len(number))
        # The last two digits of a Dutch number count branches, under no rule of their own.
        if number[position].isdigit() and not (number.startswith("NL") and position > 10)
    ]
    assert not any(_valid(macro, changed))


def test_a_dutch_sole_traders_number_of_the_scheme_of_2020_is_valid():
    assert _valid("vat_is_valid", ["NL002455799B11", "NL002455799B12"]) == [True, False]


def test_prefixes_the_irs_never_assigned_are_invalid():
    assert _valid("ein_is_valid", ["071234567", "896543210", "000000000", "12345678"]) == [False] * 4


def test_a_number_that_is_missing_is_neither_valid_nor_invalid():
    assert _CON.execute("SELECT uscc_is_valid(NULL), lei_is_valid(NULL), vat_is_valid(NULL)").fetchall() == [
        (None, None, None)
    ]


def _uscc(body: str) -> str:
    total = sum(USCC_ALPHABET.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
    return body + USCC_ALPHABET[(31 - total % 31) % 31]


def _lei(body: str) -> str:
    digits = int("".join(str(int(sign, 36)) for sign in body + "00"))
    return body + f"{98 - digits % 97:02d}"


def _german(body: str) -> str:
    product = 10
    for digit in body:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return f"DE{body}{(11 - product) % 10}"


def _british(body: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(body, range(8, 1, -1), strict=True))
    return f"GB{body}{-total % 97:02d}"


_CASES = {
    "uscc_is_valid": st.text(USCC_ALPHABET, min_size=17, max_size=17).map(_uscc),
    "lei_is_valid": st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=18, max_size=18).map(_lei),
    "vat_is_valid": st.one_of(
        st.from_regex("[1-9][0-9]{7}", fullmatch=True).map(_german),
        st.from_regex("[1-9][0-9]{6}", fullmatch=True).map(_british),
    ),
}


@pytest.mark.parametrize("macro", _CASES)
def test_every_number_with_its_check_digit_passes_and_none_passes_with_a_slip(macro):
    @settings(max_examples=25, deadline=None)
    @given(
        numbers=st.lists(_CASES[macro], min_size=1, max_size=40),
        place=st.integers(2, 8),
        step=st.integers(1, 9),
    )
    def check(numbers, place, step):
        assert all(_valid(macro, numbers))
        slipped = [
            number[:place] + str((int(number[place]) + step) % 10) + number[place + 1 :]
            for number in numbers
            if number[place].isdigit()
        ]
        # Britain has two series 55 apart: a slip in one can be a number of the other.
        assert not any(
            valid and not number.startswith("GB")
            for valid, number in zip(_valid(macro, slipped), slipped, strict=True)
        )

    check()
