"""Check digits of the demo company's registration numbers, each checked by its own published rule."""

from __future__ import annotations

import re

import numpy as np
import pytest

from demo import registration

SERIAL = np.arange(3_000, dtype=np.int64)


def luhn_holds(digits: str) -> bool:
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def uscc_holds(code: str) -> bool:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(character) * (3**index % 31) for index, character in enumerate(code[:17]))
    return len(code) == 18 and alphabet[(31 - total % 31) % 31] == code[17]


def lei_holds(code: str) -> bool:
    return len(code) == 20 and int("".join(str(int(character, 36)) for character in code)) % 97 == 1


def german_holds(number: str) -> bool:
    product = 10
    for character in number[2:10]:
        product = 2 * ((int(character) + product) % 10 or 10) % 11
    return len(number) == 11 and (11 - product) % 10 == int(number[10])


def british_holds(number: str) -> bool:
    body = number[2:]
    weighted = sum(
        int(character) * weight for character, weight in zip(body[:7], range(8, 1, -1), strict=True)
    )
    return len(body) == 9 and (weighted + int(body[7:])) % 97 == 0


def french_holds(number: str) -> bool:
    siren = number[4:]
    return len(siren) == 9 and luhn_holds(siren) and (12 + 3 * (int(siren) % 97)) % 97 == int(number[2:4])


def italian_holds(number: str) -> bool:
    return len(number) == 13 and luhn_holds(number[2:])


def dutch_holds(number: str) -> bool:
    body = number[2:11]
    weighted = sum(
        int(character) * weight for character, weight in zip(body[:8], range(9, 1, -1), strict=True)
    )
    return number.endswith("B01") and weighted % 11 == int(body[8])


def polish_holds(number: str) -> bool:
    body = number[2:]
    weighted = sum(int(c) * weight for c, weight in zip(body[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7), strict=True))
    return len(body) == 10 and weighted % 11 == int(body[9])


def bulgarian_holds(number: str) -> bool:
    body = number[2:]
    first = sum(int(c) * weight for c, weight in zip(body[:8], range(1, 9), strict=True)) % 11
    second = sum(int(c) * weight for c, weight in zip(body[:8], range(3, 11), strict=True)) % 11
    return len(body) == 9 and (first if first < 10 else second % 10) == int(body[8])


def ein_holds(number: str) -> bool:
    return re.fullmatch(r"\d{2}-\d{7}", number) is not None


CHECKS = {
    "uscc": uscc_holds,
    "lei": lei_holds,
    "german_vat": german_holds,
    "british_vat": british_holds,
    "french_vat": french_holds,
    "italian_vat": italian_holds,
    "dutch_vat": dutch_holds,
    "polish_vat": polish_holds,
    "bulgarian_vat": bulgarian_holds,
    "ein": ein_holds,
}


def test_checkers_accept_published_numbers() -> None:
    assert uscc_holds("91350100M000100Y43")
    assert lei_holds("5493001KJTIIGC8Y1R12")
    assert german_holds("DE136695976")
    assert french_holds("FR83404833048")
    assert dutch_holds("NL004495445B01")


@pytest.mark.parametrize("scheme", sorted(CHECKS))
def test_numbers_are_valid_and_unique(scheme: str) -> None:
    numbers = getattr(registration, scheme)(SERIAL).tolist()
    assert [number for number in numbers if not CHECKS[scheme](number)] == []
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("scheme", sorted(CHECKS))
def test_a_spoilt_number_is_always_recognisable(scheme: str) -> None:
    numbers = getattr(registration, scheme)(SERIAL[:500]).tolist()
    assert [number for number in numbers if CHECKS[scheme](registration.spoil(number))] == []
