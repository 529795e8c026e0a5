"""What landing is told of a company's configuration: the settings are one such, and landing knows no more of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from orchestration.sources.config import Source


class DropLimits(Protocol):
    """How many known rows a night may lose."""

    def drop_limit_of(self, table: str) -> tuple[float, int]:
        """The share and the number of its rows that contract table `table` may lose in a night."""


class Told(Protocol):
    """The sources, and all else of a configuration that their landing depends on."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """The configured sources by name."""

    @property
    def time_zone(self) -> str:
        """The company's time zone, by its IANA name."""

    @property
    def landing(self) -> DropLimits: ...

    @property
    def landing_dir(self) -> Path:
        """Working folder; emptied by every landing."""

    @property
    def config_option(self) -> str:
        """What the command line needs to read the same configuration again."""
