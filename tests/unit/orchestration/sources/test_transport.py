"""Carrying feeds: whatever breaks a feed is its source's error, and only an interruption passes as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.sources import waiting
from orchestration.sources.config import DatabaseTable
from orchestration.sources.connectors.protocol import Feed
from orchestration.sources.errors import SourceError
from orchestration.sources.landing.transport import transport


class Panic(BaseException):
    """As a library written in Rust throws: no Exception."""


class StepInterrupted(BaseException):
    """As an orchestrator ends a step from outside."""


def feed(error: BaseException | None, *, seconds: float = 0.0) -> Feed:
    def batches() -> Iterator[Any]:
        time.sleep(seconds)
        if error is not None:
            raise error
        yield from ()

    return Feed(0, None, DatabaseTable(), ["a"], batches, where="source erp, table invoices", longest=60)


@pytest.mark.parametrize(
    "error", [Panic("first line\nstack"), ValueError("first line"), OSError(5, "first line")]
)
def test_whatever_breaks_a_feed_is_an_error_of_its_source(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(
        SourceError, match=r"source erp, table invoices: reading broke off .*first line"
    ) as caught:
        transport([feed(error)], tmp_path)
    assert "stack" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StepInterrupted()])
def test_an_interruption_stays_one(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        transport([feed(error)], tmp_path)


def test_a_feed_that_gives_nothing_is_told_once_and_then_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.2)
    said: list[str] = []
    transport([feed(None, seconds=1.5)], tmp_path, notice=said.append)
    assert said == ["source erp, table invoices: no answer for 0 s, waiting up to 60 s"]


def test_a_feed_that_gives_at_once_is_not_told(tmp_path: Path) -> None:
    said: list[str] = []
    transport([feed(None)], tmp_path, notice=said.append)
    assert said == []
