"""Dagster's event log in SQLite, with one connection kept for each of its files instead of one for each event."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool


class NightEventLog(SqliteEventLogStorage):
    """Dagster's own storage in every respect but connecting.

    A night writes some two thousand events. Dagster makes an engine and a connection for each, and with every new
    engine SQLAlchemy compiles each statement anew; together that took a third of a small night. Files, tables and
    locking are Dagster's own, so the web interface and an instance without this class read the same log.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, Engine] = {}
        # Relative to the instance, so that a state folder may be moved or copied.
        folder = os.path.join(os.environ["DAGSTER_HOME"], base_dir)
        super().__init__(base_dir=folder, inst_data=inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> NightEventLog:
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # The lock lets one thread at a time use the connection.
        with self._db_lock:
            engine = self._engines.get(shard)
            if engine is None:
                engine = create_engine(
                    self.conn_string_for_shard(shard),
                    poolclass=StaticPool,
                    connect_args={"timeout": 60, "check_same_thread": False},
                )
                self._engines[shard] = engine
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def dispose(self) -> None:
        """Close the kept connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()
