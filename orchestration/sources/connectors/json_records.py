"""Records of a JSON answer: parsed without losing a digit, bounded, and written as lines."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from orchestration.sources.errors import SourceError

# What may stand at the end of cut JSON and is no value yet: part of a word, of a number or of an escape.
_BEGUN = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|,|-|[.]|[.]?[eE][+-]?|\\?u?[0-9a-fA-F]{0,4}")
# Levels of lists and objects within a record.
DEEPEST = 100
_TOO_DEEP = "\ud800 nested too deep"
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
# Texts up to this many characters are searched for the record that is nested too deep.
SEARCHED_CHARACTERS = 8_000_000


def endless(where: str, received: str) -> SourceError:
    """The error of a service that leads round in circles."""
    return SourceError(
        where,
        f"the service never comes to an end: {received}",
        remedy="correct `paginator`, `page_param` and `next_path` as the service's documentation says",
    )


class LineWriter:
    """Turns records into lines, and knows which pages there have been; `keys` tell records apart, where known."""

    def __init__(self, where: str, keys: Sequence[str]) -> None:
        self._where = where
        self._keys = keys
        self._pages: dict[bytes, int] = {}
        self._written = 0

    def lines(self, number: int, records: Sequence[Any]) -> list[str]:
        """A page's records as lines of JSON; raises SourceError where one is unfit or the page was there before."""
        lines = [self._line(place, record) for place, record in enumerate(records, start=self._written + 1)]
        self._written += len(lines)
        prints = [hashlib.sha256("".join(lines).encode()).digest()] if lines else []
        if self._keys and len(records) > 1:
            keys = sorted(json.dumps([record.get(key) for key in self._keys]) for record in records)
            # Where keys tell rows apart they tell pages apart too, though a time stamp in them may change.
            if len(set(keys)) == len(keys):
                prints.append(hashlib.sha256("\n".join(keys).encode()).digest())
        for fingerprint in prints:
            if fingerprint in self._pages:
                before = self._pages[fingerprint]
                raise endless(self._where, f"page {number} holds the records of page {before} again")
        self._pages.update(dict.fromkeys(prints, number))
        return lines

    def _line(self, place: int, record: Any) -> str:
        if not isinstance(record, dict):
            raise SourceError(
                self._where,
                f"a record is {kind_of(record)}, not an object (record {place})",
                valid="a list of JSON objects",
                remedy="set `records` to the JSON path of the list",
            )
        try:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
            if line.count("[") + line.count("{") > DEEPEST and _depth(line) > DEEPEST:
                raise RecursionError
            line.encode()
        except UnicodeEncodeError as error:
            names = [key for key, value in record.items() if _has_surrogate(key) or _has_surrogate(value)]
            if any(_TOO_DEEP in json.dumps(record[name], ensure_ascii=False) for name in names):
                raise self._unfit(place, record, f"is nested deeper than {DEEPEST} levels", names) from error
            raise self._unfit(place, record, "holds half a character (a lone surrogate)", names) from error
        except RecursionError as error:
            raise self._unfit(place, record, f"is nested deeper than {DEEPEST} levels") from error
        except ValueError as error:
            names = [key for key, value in record.items() if not _is_finite(value)]
            raise self._unfit(
                place, record, "holds a number that is none (NaN or infinite)", names
            ) from error
        return line + "\n"

    def _unfit(self, place: int, record: dict[str, Any], what: str, names: Sequence[str] = ()) -> SourceError:
        keys = [f"{key} {_shown_value(record[key])}" for key in self._keys if key in record]
        named = f"record {place}" + (f" ({', '.join(keys)})" if keys else "")
        inside = f" in {', '.join(map(shown_key, names))}" if names else ""
        return SourceError(
            self._where,
            f"{named} {what}{inside}",
            valid="JSON that can be stored as UTF-8",
            remedy="have the service mend that record",
        )


def is_cut_short(text: str) -> bool:
    """Whether `text` is the beginning of a JSON object or array: right as far as it goes, but ending too early."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        in_text = error.msg.startswith("Unterminated string")
        return in_text or _BEGUN.fullmatch(text[error.pos :].strip()) is not None
    return False


def parse(text: str) -> Any:
    """JSON as Python values; numbers that would lose digits stay text."""
    return json.loads(text, parse_float=_decimal, parse_int=_integer)


def _decimal(text: str) -> float | str:
    """A number with decimals; as text where a float would round it, so that money stays exact."""
    return float(text) if len(text) <= 16 else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= 1000 else text


def prune(text: str) -> str:
    """JSON text with a mark in place of whatever is nested too deep to be read."""
    kept: list[str] = []
    depth = begin = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth == DEEPEST + 10:
                kept.append(text[begin : match.start()])
        elif match[0] in "]}":
            if depth == DEEPEST + 10:
                kept.append(json.dumps(_TOO_DEEP))
                begin = match.end()
            depth -= 1
    return "".join(kept) + text[begin:]


def _depth(line: str) -> int:
    deepest = depth = 0
    for match in _STRUCTURE.finditer(line):
        depth += (match[0] in "[{") - (match[0] in "]}")
        deepest = max(deepest, depth)
    return deepest


def _has_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def kind_of(value: Any) -> str:
    """What a JSON value is, as messages name it."""
    return "null" if value is None else type(value).__name__


def shown_key(key: str) -> str:
    """A key of a record, fit for a message."""
    return key[:60] if key.isprintable() else ascii(key)[:60]


def _shown_value(value: Any) -> str:
    return repr(value)[:60]
