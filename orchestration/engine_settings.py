"""What a company lets the engine take of the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from orchestration.sources.field_mapping import Section

# Below this the engine cannot hold the rows it works on, wherever it may put the rest.
_LEAST_MIB = 256
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(MiB|GiB|MB|GB)", re.IGNORECASE)
_UNITS = {"mib": 1024**2, "gib": 1024**3, "mb": 10**6, "gb": 10**9}


class EngineSettings(Section):
    """What a night's engine may take of the machine.

    `memory_limit`: what DuckDB may hold in memory, for example `6 GiB`; half of the machine where it is left out.
    What does not fit is put aside in `temp_directory` (beside the warehouse where it is left out). `threads`: how
    many of its own it works with; one a core where it is left out.
    """

    memory_limit: str | None = None
    threads: int | None = Field(default=None, ge=1, le=1024)
    temp_directory: Path | None = None

    @field_validator("memory_limit")
    @classmethod
    def _a_size(cls, value: str | None) -> str | None:
        if value is None:
            return None
        size = _SIZE.fullmatch(value.strip())
        if size is None:
            raise ValueError(
                f"{value!r} is no size; valid is a number with MiB, GiB, MB or GB, for example 6 GiB"
            )
        if int(float(size[1]) * _UNITS[size[2].lower()]) < _LEAST_MIB * _UNITS["mib"]:
            raise ValueError(f"{value!r} is too little for the engine; valid is {_LEAST_MIB} MiB or more")
        return value.strip()

    @field_validator("temp_directory")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return value if value is None or folder is None else Path(folder, value)

    def options(self) -> dict[str, Any]:
        """The same as DuckDB is told it; what the company leaves open is left out."""
        told = {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "temp_directory": None if self.temp_directory is None else str(self.temp_directory),
        }
        return {name: value for name, value in told.items() if value is not None}
