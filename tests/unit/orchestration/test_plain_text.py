"""Text from data is harmless on a terminal: one line stays one line, and nothing in it is a command."""

from __future__ import annotations

import pytest

from orchestration.plain_text import MOST_LINES, display_width, fitted, padded, plain, plain_lines
from orchestration.sources.errors import SourceError


@pytest.mark.parametrize(
    ("received", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "a\\x1b[31mred\\x1b[0m"),
        ("a\x9b31m", "a\\x9b31m"),
        ("line\nPublished: all is well\r\t", "line\\nPublished: all is well\\r\\t"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", "a\\u2028b\\u2029c\\x85d\\x0be\\x0cf"),
        (
            "\u202etxt.exe\u202c \u2066x\u2069 \u200e\u200f\u061c",
            "\\u202etxt.exe\\u202c \\u2066x\\u2069 \\u200e\\u200f\\u061c",
        ),
        ("nul\x00 del\x7f bell\x07 back\x08", "nul\\x00 del\\x7f bell\\x07 back\\x08"),
        ("half \ud800 \udcff", "half \\ud800 \\udcff"),
        ("unseen \u200b\ufeff\u2060\xad\U000e0041", "unseen \\u200b\\ufeff\\u2060\\xad\\U000e0041"),
        (None, "None"),
        (12.5, "12.5"),
    ],
)
def test_what_is_no_visible_character_shows_as_its_escape(received: object, shown: str) -> None:
    assert plain(received) == shown
    plain(received).encode("utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "Nordwind Maschinenbau GmbH & Co. KG",
        "北京贸易有限公司",
        "شركة النور للتجارة",
        "می‌خواهم",
        "חברה בע״מ",
        "क्षत्रिय",
        "Łódź Žilina Ærø ñandú",
        "e\u0301tage",
        "👩‍👩‍👧‍👦 ❤️ 🇩🇪",
        r"C:\new\table",
    ],
)
def test_names_in_any_script_stay_as_they_are(name: str) -> None:
    assert plain(name) == name


def test_megabyte_is_cut_and_says_so() -> None:
    assert plain("a" * 1_000_000) == "a" * 1_999 + "…"
    assert plain("abcdef", 4) == "abc…"


def test_lines_of_our_own_stay_lines() -> None:
    assert plain_lines("first\n  second\x1b[2J\r\n") == "first\n  second\\x1b[2J\\r\n"
    many = plain_lines("\n".join(["x"] * 10_000)).split("\n")
    assert len(many) == MOST_LINES + 1
    assert many[-1] == "… (9,500 more lines)"


def test_columns_line_up_with_wide_and_combining_characters() -> None:
    for name in ("Alder Ltd", "北京贸易有限公司有限公司有限", "e\u0301" * 30, "a\x1b[2J" * 9, ""):
        assert display_width(fitted(name, 20)) == 20
    assert fitted("北京贸易", 6) == "北京… "
    assert padded("北京", 6) == "北京  "
    assert padded("longer than six", 6) == "longer than six"


def test_name_of_a_file_or_column_cannot_forge_a_line_of_an_error() -> None:
    error = SourceError(
        "source erp, file a\nok    Publication: fine.csv",
        "no column 'x\x1b[2J'",
        valid="a\nb",
        remedy="map \u202eit",
    )
    assert str(error) == (
        "source erp, file a\\nok    Publication: fine.csv: no column 'x\\x1b[2J'; valid: a\\nb; to mend: map \\u202eit"
    )
