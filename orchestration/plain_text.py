"""Makes text that came with data harmless to a terminal or a log: nothing in it moves the cursor or forges a line."""

from __future__ import annotations

import re
import unicodedata

# Longer texts are cut: nobody reads on, and a megabyte would push everything else off the screen.
LONGEST_LINE = 2_000
MOST_LINES = 500
_CUT = "…"

# Control characters, line and paragraph separators, marks that turn the direction of writing, characters without a
# shape, half surrogates and noncharacters. The zero-width joiner and non-joiner stay: Persian, Hindi and emoji need
# them. Arabic number signs are of the same Unicode category, but are seen.
_UNSAFE = (
    "\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\ufffe\\uffff\\ud800-\\udfff\\U000e0000-\\U000e007f"
)
_IN_LINE = re.compile(f"[{_UNSAFE}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(value: object, longest: int = LONGEST_LINE) -> str:
    """`value` as one line of at most `longest` characters in which every unsafe character shows as its escape.

    `\\n`, `\\x1b`, `\\u202e`: written out, as Python writes them. Names in any script, and emoji, stay as they are.
    Where `longest` cuts the text, it ends in `…`; an escape counts as one character.
    """
    text = str(value)
    if len(text) > longest:
        text = text[: longest - 1] + _CUT
    return _IN_LINE.sub(_escape, text)


def plain_lines(text: str) -> str:
    """A text of several lines that the program wrote itself, each made harmless as `plain` does.

    Line breaks `\\n` stay; values from data must have gone through `plain` before they became part of the text.
    """
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"{_CUT} ({len(lines) - MOST_LINES:,} more lines)"]
    return "\n".join(plain(line) for line in lines)


def display_width(text: str) -> int:
    """The columns `text` takes in a terminal: two for East Asian wide characters, none for combining ones."""
    return sum(_columns(character) for character in text)


def padded(value: object, width: int) -> str:
    """`value` made `plain` and filled with spaces to at least `width` columns."""
    text = plain(value)
    return text + " " * (width - display_width(text))


def fitted(value: object, width: int) -> str:
    """`value` made `plain` and exactly `width` columns wide: filled with spaces, or cut and ended with `…`."""
    text = plain(value)
    if display_width(text) <= width:
        return padded(text, width)
    kept, taken = "", 0
    for character in text:
        if taken + _columns(character) > width - 1:
            break
        kept += character
        taken += _columns(character)
    return kept + _CUT + " " * (width - 1 - taken)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
