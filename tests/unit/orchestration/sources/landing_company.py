"""A small company in a folder, for tests that land real sources."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.night_book import note_publication
from orchestration.settings import Settings, load_settings
from orchestration.sources.landing import land
from orchestration.sources.landing.records import LandingResult
from orchestration.warehouse import prepare_warehouse

HEADER = "company: Example Ltd\nreporting_currency: USD\ntime_zone: America/New_York\n"


class Company:
    """A company in a folder: write its sources, land a night, look into the warehouse."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.settings: Settings | None = None

    def configure(self, sources: str, env: dict[str, str] | None = None) -> Settings:
        path = self.folder / "company.yml"
        path.write_text(HEADER + "sources:\n" + sources, encoding="utf-8")
        self.settings = load_settings(path, env=env or {}, home=self.home)
        prepare_warehouse(self.settings.warehouse_path)
        return self.settings

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def sql(self, statements: str, *rows: Sequence[Any]) -> None:
        """Run statements on the company's SQLite ERP; with rows, one statement for each row."""
        with closing(sqlite3.connect(self.folder / "erp.db")) as connection, connection:
            if rows:
                connection.executemany(statements, rows)
            else:
                connection.executescript(statements)

    def night(
        self, day: date, *, full_refresh: bool = False, accept_drop: Collection[str] = ()
    ) -> list[LandingResult]:
        """Land one night; `said` holds what it warned of."""
        assert self.settings is not None
        self.said: list[str] = []
        return land(
            self.settings.warehouse_path,
            self.settings,
            as_of=day,
            warn=self.said.append,
            full_refresh=full_refresh,
            accept_drop=accept_drop,
        )

    def publish(self, day: date) -> None:
        """Note that the night of `day` reached readers, as its last step would."""
        assert self.settings is not None
        with closing(duckdb.connect(str(self.settings.warehouse_path))) as connection:
            note_publication(connection, day, load_id=day.isoformat(), run_id="test")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        assert self.settings is not None
        with closing(duckdb.connect(str(self.settings.warehouse_path))) as connection:
            return connection.execute(query).fetchall()
