"""Registration numbers with right check digits, for many companies at once."""

from __future__ import annotations

import numpy as np

from demo.world import Ints, Texts

# GB 32100-2015: digits and letters without I, O, S, V, Z.
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_REGIONS = (110000, 310000, 320500, 330100, 350100, 370200, 440300, 510100)
_EIN_PREFIXES = (12, 20, 27, 33, 41, 45, 52, 61, 74, 82, 94)


def _digits(numbers: Ints, width: int) -> Ints:
    """Decimal digits, most significant first, shape (n, width)."""
    digits: Ints = (numbers[:, None] // 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)) % 10
    return digits


def _prefixed(prefix: str, texts: Texts, suffix: str = "") -> Texts:
    result: Texts = prefix + texts + suffix
    return result


def _join(values: Ints, alphabet: str = "0123456789") -> Texts:
    """Characters of `alphabet` by position, joined along axis 1."""
    table = np.frombuffer(alphabet.encode("ascii"), dtype=np.uint8)
    characters = np.ascontiguousarray(table[values])
    joined: Texts = characters.view(f"S{values.shape[1]}").ravel().astype(str).astype(object)
    return joined


def _with_check(body: Ints, check: Ints) -> Ints:
    return np.concatenate([body, check[:, None]], axis=1)


def _scramble(serial: Ints, modulus: int) -> Ints:
    """A one-to-one shuffle of 0..modulus-1 (the factor is a prime), so that neighbours do not look alike."""
    shuffled: Ints = (serial * 15_485_863 + 1_234_567) % modulus
    return shuffled


def luhn_check(body: Ints) -> Ints:
    """Check digit of the Luhn algorithm (ISO/IEC 7812-1 annex B) for digits of shape (n, k)."""
    doubled = body.copy()
    doubled[:, ::-1][:, ::2] *= 2
    total = (doubled // 10 + doubled % 10).sum(axis=1)
    check: Ints = (-total) % 10
    return check


def german_vat(serial: Ints) -> Texts:
    """DE and 9 digits; the last one by ISO 7064 MOD 11,10."""
    body = _digits(10_000_000 + _scramble(serial, 90_000_000), 8)
    product = np.full(len(serial), 10, dtype=np.int64)
    for column in range(8):
        total = (body[:, column] + product) % 10
        product = 2 * np.where(total == 0, 10, total) % 11
    return _prefixed("DE", _join(_with_check(body, (11 - product) % 10)))


def british_vat(serial: Ints) -> Texts:
    """GB and 9 digits; the last two make the weighted sum divisible by 97 (HMRC)."""
    body = _digits(1_000_000 + _scramble(serial, 9_000_000), 7)
    total = (body * np.arange(8, 1, -1)).sum(axis=1)
    return _prefixed("GB", _join(np.concatenate([body, _digits(-total % 97, 2)], axis=1)))


def french_vat(serial: Ints) -> Texts:
    """FR, a key, (12 + 3 * (SIREN mod 97)) mod 97, and the SIREN, which ends in a Luhn digit."""
    body = _digits(30_000_000 + _scramble(serial, 60_000_000), 8)
    siren_digits = _with_check(body, luhn_check(body))
    siren = (siren_digits * 10 ** np.arange(8, -1, -1, dtype=np.int64)).sum(axis=1)
    key = (12 + 3 * (siren % 97)) % 97
    return _prefixed("FR", _join(np.concatenate([_digits(key, 2), siren_digits], axis=1)))


def italian_vat(serial: Ints) -> Texts:
    """IT and 11 digits; the last one by Luhn."""
    body = np.concatenate([_digits(_scramble(serial, 9_999_991), 7), _digits(serial * 0 + 15, 3)], axis=1)
    return _prefixed("IT", _join(_with_check(body, luhn_check(body))))


def _mod_11(serial: Ints, modulus: int, width: int, weights: Ints) -> Ints:
    """Body and check digit, weighted sum mod 11, for schemes that never issue a check digit of 10.

    Two bodies that differ by one in the last digit cannot both give 10, so one of the pair is taken.
    """
    even = 2 * _scramble(serial, modulus // 2)
    body = _digits(even, width)
    check = (body * weights).sum(axis=1) % 11
    body = np.where((check == 10)[:, None], _digits(even + 1, width), body)
    return _with_check(body, (body * weights).sum(axis=1) % 11)


def dutch_vat(serial: Ints) -> Texts:
    """NL, 8 digits and their weighted mod 11 check, B01."""
    return _prefixed("NL", _join(_mod_11(serial, 99_999_980, 8, np.arange(9, 1, -1, dtype=np.int64))), "B01")


def polish_vat(serial: Ints) -> Texts:
    """PL and the NIP: 9 digits and their weighted mod 11 check."""
    weights = np.array([6, 5, 7, 2, 3, 4, 5, 6, 7], dtype=np.int64)
    return _prefixed("PL", _join(_mod_11(serial, 999_999_980, 9, weights)))


def bulgarian_vat(serial: Ints) -> Texts:
    """BG and the UIC of 9 digits: weights 1..8 mod 11; if that is 10, weights 3..10; if again 10, then 0."""
    body = _digits(10_000_000 + _scramble(serial, 89_999_990), 8)
    first = (body * np.arange(1, 9)).sum(axis=1) % 11
    second = (body * np.arange(3, 11)).sum(axis=1) % 11
    check = np.where(first == 10, np.where(second == 10, 0, second), first)
    return _prefixed("BG", _join(_with_check(body, check)))


def ein(serial: Ints) -> Texts:
    """US employer identification number NN-NNNNNNN with a prefix in use; the scheme has no check digit."""
    prefix = np.array(_EIN_PREFIXES, dtype=np.int64)[serial % len(_EIN_PREFIXES)]
    number: Texts = _join(_digits(prefix, 2)) + "-" + _join(_digits(_scramble(serial, 9_999_991), 7))
    return number


def uscc(serial: Ints) -> Texts:
    """Unified social credit code: 17 characters and the check character of GB 32100-2015.

    Characters 9-17 are the organisation code, itself closed by the check character of GB 11714-1997.
    """
    region = np.array(_USCC_REGIONS, dtype=np.int64)[serial % len(_USCC_REGIONS)]
    letter = 10 + serial % 21
    organisation = np.concatenate([letter[:, None], _digits(_scramble(serial, 9_999_991), 7)], axis=1)
    # GB 11714 counts A..Z as 10..35, with the letters left out above still counted.
    value = np.array([int(character, 36) for character in USCC_ALPHABET], dtype=np.int64)
    weighted = (value[organisation] * np.array([3, 7, 9, 10, 5, 8, 4, 2])).sum(axis=1)
    remainder = 11 - weighted % 11
    inner = np.where(remainder == 10, USCC_ALPHABET.index("X"), remainder % 11)
    head = np.concatenate([np.tile([9, 1], (len(serial), 1)), _digits(region, 6)], axis=1)
    body = np.concatenate([head, organisation, inner[:, None]], axis=1)
    weights = np.array([pow(3, position, 31) for position in range(17)], dtype=np.int64)
    check = (31 - (body * weights).sum(axis=1)) % 31
    return _join(_with_check(body, check), USCC_ALPHABET)


def lei(serial: Ints) -> Texts:
    """Legal entity identifier (ISO 17442): 18 characters and two check digits by ISO 7064 MOD 97-10."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    prefix = np.tile([5, 4, 9, 3, 0, 0], (len(serial), 1))
    letters = np.stack([10 + serial % 26, 10 + (serial // 26) % 26, 10 + (serial * 7) % 26], axis=1)
    body = np.concatenate([prefix, letters, _digits(_scramble(serial, 999_999_937), 9)], axis=1)
    remainder = np.zeros(len(serial), dtype=np.int64)
    for column in range(body.shape[1]):
        value = body[:, column]
        remainder = (remainder * np.where(value > 9, 100, 10) + value) % 97
    check = 98 - remainder * 100 % 97
    return _join(np.concatenate([body, _digits(check, 2)], axis=1), alphabet)


MAKERS = {
    "US": ("EIN", ein),
    "DE": ("VAT", german_vat),
    "GB": ("VAT", british_vat),
    "FR": ("VAT", french_vat),
    "CN": ("USCC", uscc),
    "IT": ("VAT", italian_vat),
    "NL": ("VAT", dutch_vat),
    "PL": ("VAT", polish_vat),
    "BG": ("VAT", bulgarian_vat),
}


def spoil(number: str) -> str:
    """`number` with one character wrong, so that its check digit (or, for an EIN, its length) fails."""
    if "-" in number:
        return number[:-1]
    position = len(number) - 1 if number[-3:] != "B01" else len(number) - 4
    old = number[position]
    new = str((int(old) + 1) % 10) if old.isdigit() else ("A" if old != "A" else "B")
    return number[:position] + new + number[position + 1 :]
