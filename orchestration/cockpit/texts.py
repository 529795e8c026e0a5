"""The words of the cockpit in each language, by one key: a language that lacks one is refused."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("texts.yml")
LANGUAGES = ("en", "zh")


class Texts:
    """The words of one language."""

    def __init__(self, language: str, words: dict[str, str]) -> None:
        self.language = language
        self._words = words

    def __call__(self, key: str) -> str:
        """The words for `key`; raises KeyError where nobody has written them."""
        return self._words[key]

    def name(self, key: str) -> str:
        """The words for a name that comes with the data (a rule, a feature, a status); the name itself, spaced, where a
        company has added one of its own."""
        return self._words.get(f"name_{key}", key.replace("_", " "))


@functools.cache
def texts(language: str) -> Texts:
    """The words of `language`. Raises ValueError where it is none of LANGUAGES or a key is not in all of them."""
    written: dict[str, dict[str, str]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    missing = [
        f"{key}: {tongue}" for key, words in written.items() for tongue in LANGUAGES if tongue not in words
    ]
    if missing:
        raise ValueError(f"{_FILE.name} lacks words: {'; '.join(missing)}")
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is no language of the cockpit; valid: {', '.join(LANGUAGES)}")
    return Texts(language, {key: words[language] for key, words in written.items()})
