"""Dagster's event log in SQLite: no secrets, the cause of a failure said once, one connection a file."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.events import DagsterEvent, JobFailureData  # noqa: TID251
from dagster._core.events.log import EventLogEntry  # noqa: TID251
from dagster._core.execution.plan.objects import StepFailureData  # noqa: TID251
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage  # noqa: TID251
from dagster._serdes import deserialize_value, serialize_value  # noqa: TID251
from dagster_shared.error import SerializableErrorInfo  # noqa: TID251
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

from orchestration.masking import mask

# What identifies runs, steps and assets in a stored event. A password that is also the name of a step must not
# part the step from its events.
_IDENTITIES = {
    "__class__",
    "__enum__",
    "check_name",
    "event_type_value",
    "job_name",
    "key",
    "log_key",
    "op_name",
    "pipeline_name",
    "resource_name",
    "run_id",
    "step_key",
    "step_keys",
    "step_kind_value",
}
_IDENTIFYING_CLASSES = {
    "AssetKey",
    "AssetCheckKey",
    "SolidHandle",
    "NodeHandle",
    "StepHandle",
    "StepOutputHandle",
}


# What Dagster writes for each step after one that failed, with every input of it that is missing.
_NOT_EXECUTED = re.compile(r"Dependencies for step (\S+) .*Not executing\.", re.DOTALL)


class NightEventLog(SqliteEventLogStorage):
    """Dagster's own storage in every respect but three: secrets are masked, failures told once, connections kept.

    Errors of libraries reach an event with whatever they quote, so every event is masked before it is written. A
    reader of the web interface sees the cause of a failure first: the steps that could not run after it are notes,
    not further errors, and a failure that a step put into words comes without the lines of code it passed through.

    A night writes some two thousand events. Dagster makes an engine and a connection for each, with every new engine
    SQLAlchemy compiles each statement anew, and with every event Dagster asks anew which tables and columns its own
    file has; together that took a third of a small night. Files, tables and locking are Dagster's own, so the web
    interface and an instance without this class read the same log.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables_seen: set[str] = set()
        self._asset_key_columns_seen: set[str] = set()
        # Relative to the instance, so that a state folder may be moved or copied.
        folder = os.path.join(os.environ["DAGSTER_HOME"], base_dir)
        super().__init__(base_dir=folder, inst_data=inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> NightEventLog:
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(without_secrets(told_once(event)))

    def has_table(self, table_name: str) -> bool:
        # A file gains tables by migration and loses none, so only "not yet" has to be asked again.
        if table_name not in self._tables_seen and super().has_table(table_name):
            self._tables_seen.add(table_name)
        return table_name in self._tables_seen

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._asset_key_columns_seen and super()._has_asset_key_col_on_connection(
            conn, column_name
        ):
            self._asset_key_columns_seen.add(column_name)
        return column_name in self._asset_key_columns_seen

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


def told_once(event: EventLogEntry) -> EventLogEntry:
    """`event` so that the cause of a failure stands out; the very same object where it tells of none."""
    if event.dagster_event is None:
        left_out = _NOT_EXECUTED.fullmatch(event.user_message)
        if left_out is None:
            return event
        message = f"{left_out[1]} was not run: a step before it failed."
        return event._replace(level=logging.INFO, user_message=message)
    told = _in_words(event.dagster_event)
    return event if told is event.dagster_event else event._replace(dagster_event=told)


def _in_words(event: DagsterEvent) -> DagsterEvent:
    """A failure of a step, or of the run by it, that the step put into words: without the lines of code."""
    data = event.event_specific_data
    if isinstance(data, StepFailureData) and data.error is not None and data.user_failure_data is not None:
        said = data.user_failure_data.description or data.error.message
        return event._replace(event_specific_data=data._replace(error=SerializableErrorInfo(said, [], None)))
    if isinstance(data, JobFailureData) and data.first_step_failure_event is not None:
        first = _in_words(data.first_step_failure_event)
        if first is not data.first_step_failure_event:
            told = data._replace(first_step_failure_event=first, error=first.step_failure_data.error)
            return event._replace(event_specific_data=told)
    return event


def without_secrets(event: EventLogEntry) -> EventLogEntry:
    """`event` with every secret in its texts masked; the very same object where it holds none."""
    stored = serialize_value(event)
    # Most events hold no secret; one look at the whole spares looking at its parts.
    if mask(stored) == stored:
        return event
    return deserialize_value(json.dumps(_masked(json.loads(stored))), EventLogEntry)


def _masked(value: Any) -> Any:
    """A JSON value with its texts masked one by one, so that it stays JSON, and its identities left alone."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if not isinstance(value, dict) or value.get("__class__") in _IDENTIFYING_CLASSES:
        return value
    return {key: item if key in _IDENTITIES else _masked(item) for key, item in value.items()}
