"""Let the demo company live up to a day: write what its source systems show on that evening."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from demo import books, erp, exports, manifest, systems, text
from demo.world import NEVER, Ints, World, to_date, to_day

# Raised whenever the same world would give other rows; a folder made by another version cannot be continued.
GENERATOR_VERSION = 1
# The bank's history file ends this many days before the first night; daily files follow.
_DAILY_FILES_BEFORE = 7
_PARTIAL = ".partial"


class DemoError(ValueError):
    """The demo company cannot be brought to the day asked for; the message says why and what to do."""


@dataclass(frozen=True)
class DemoSummary:
    """What one call wrote: ERP rows by table, and files relative to the folder."""

    day: date
    first_day: date
    rows_written: dict[str, int] = field(default_factory=dict)
    files_written: tuple[str, ...] = ()


class _Files:
    """Files written aside and moved into place together at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []

    def holds(self, name: str) -> bool:
        return name in self._names

    def append(self, name: str, content: bytes) -> None:
        path = self._folder / (name + _PARTIAL)
        if self.holds(name):
            with path.open("ab") as file:
                file.write(content)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._names.append(name)

    def move_into_place(self) -> tuple[str, ...]:
        for name in self._names:
            os.replace(self._folder / (name + _PARTIAL), self._folder / name)
        return tuple(sorted(self._names))


def _read_state(folder: Path) -> dict[str, object] | None:
    path = folder / "state.json"
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DemoError(
            f"{path} is not valid JSON ({error}); delete the folder {folder} to make it anew"
        ) from error
    if not isinstance(state, dict):
        raise DemoError(f"{path} holds no JSON object; delete the folder {folder} to make the demo anew")
    return state


def _resolve_world(
    folder: Path,
    state: dict[str, object] | None,
    day: date,
    customers: int,
    months: int,
    seed: int,
    first: date | None,
) -> tuple[World, date | None]:
    """The world of `folder`, and the day it stands at; raises DemoError listing every mismatch."""
    problems = []
    if customers < 20:
        problems.append(f"customers is {customers}; it must be at least 20")
    if months < 6:
        problems.append(f"months is {months}; it must be at least 6")
    if seed < 0:
        problems.append(f"seed is {seed}; it must be 0 or more")
    if problems:
        raise DemoError("; ".join(problems))
    if state is None:
        world = World(seed, customers, months, first or day)
        previous = None
    else:
        asked = {
            "customers": customers,
            "months": months,
            "seed": seed,
            "generator_version": GENERATOR_VERSION,
        }
        if first is not None:
            asked["first_day"] = first.isoformat()  # type: ignore[assignment]
        different = [
            f"{key} is {state.get(key)}, asked for {value}"
            for key, value in asked.items()
            if state.get(key) != value
        ]
        if different:
            raise DemoError(
                f"the demo company in {folder} was made otherwise: {'; '.join(different)}. "
                "Ask for the same values, or delete the folder to make it anew"
            )
        world = World(seed, customers, months, date.fromisoformat(str(state["first_day"])))
        previous = date.fromisoformat(str(state["day"]))
    if previous is not None and day < previous:
        raise DemoError(
            f"the demo company in {folder} already stands at {previous}; it cannot go back to {day}. "
            f"Ask for {previous} or later, or delete the folder to make it anew"
        )
    if day < world.first_day:
        raise DemoError(f"the day {day} lies before the first day {world.first_day}")
    if to_day(day) > world.end:
        raise DemoError(
            f"the demo company lives until {to_date(world.end)}; received {day}. "
            f"Delete the folder {folder} to start over"
        )
    return world, previous


def _open_erp(path: Path, *, fresh: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    if fresh:
        # The file is written aside and moved into place when complete, so it needs no journal of its own.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA page_size = 16384")
    connection.execute("BEGIN IMMEDIATE")
    for table, columns in erp.ERP_TABLES.items():
        declared = ", ".join(f"{column} TEXT" for column in columns)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (entry_no INTEGER PRIMARY KEY, {declared})")
    return connection


def _upsert(connection: sqlite3.Connection, table: str, entry: Ints, columns: text.Columns) -> int:
    expected = erp.ERP_TABLES[table]
    if tuple(columns) != expected:
        raise AssertionError(f"columns of {table} are {tuple(columns)}, declared are {expected}")
    marks = ", ".join("?" * (len(expected) + 1))
    rows: Iterable[tuple[object, ...]] = zip(entry.tolist(), *text.to_lists(columns), strict=True)
    connection.executemany(
        f"INSERT OR REPLACE INTO {table} (entry_no, {', '.join(expected)}) VALUES ({marks})", rows
    )
    return len(entry)


def _bank_days(world: World, window: systems.Window) -> list[tuple[int, int]]:
    """The bank's deliveries in the window as (previous day, day): one history file, then one a day."""
    history_end = to_day(world.first_day) - _DAILY_FILES_BEFORE
    deliveries = []
    if window.previous < history_end:
        deliveries.append((-NEVER, history_end))
    first = max(history_end, window.previous) + 1
    deliveries.extend((day - 1, day) for day in range(first, window.day + 1))
    return deliveries


def _write_block_files(block: systems.Block, window: systems.Window, files: _Files) -> None:
    def csv(name: str, columns: text.Columns, delimiter: str, *, quoted: bool = False) -> None:
        if len(next(iter(columns.values()))) == 0:
            return  # no receipts, no file
        content = text.csv_bytes(columns, delimiter, quoted=quoted)
        files.append(name, content.split(b"\n", 1)[1] if files.holds(name) else content)

    for previous, day in _bank_days(block.world, window):
        columns = exports.bank_file(block, previous, day)
        csv(f"bank/payments_{to_date(day)}.csv", columns, ",")
        if manifest.is_delivered_twice(block.world, day):
            csv(f"bank/payments_{to_date(day)}_resend.csv", columns, ",")
    first_export = max(window.previous + 1, to_day(block.world.first_day))
    for day in range(first_export, window.day + 1):
        csv(f"crm/customers_{to_date(day)}.csv", exports.crm_export(block, day), ";", quoted=True)
    for stem, (columns, bare) in exports.bureau_files(block, window.day).items():
        files.append(f"bureau/{stem}.jsonl", text.json_lines(columns, bare))


def advance(
    folder: Path,
    *,
    day: date,
    customers: int = 2000,
    months: int = 36,
    seed: int = 7,
    first_day: date | None = None,
) -> DemoSummary:
    """Bring the demo company in `folder` to the evening of `day`.

    The first call writes `months` months of history. A later call writes only what was written or changed
    since, and a call for the day the company already stands at changes nothing. What the systems show on an
    evening depends on nothing but (seed, customers, months, first_day) and the evening. A call that was
    killed is made good by the next one: the ERP changes in one transaction, files are written aside and
    moved, and `state.json` is written last.

    Parameters
    ----------
    folder : where the source systems live; made if missing.
    day : the evening to show.
    customers : companies that buy or may buy, 20 or more.
    months : length of the history in months, 6 or more.
    seed : of the random streams.
    first_day : day the history ends; the day of the first call where not given.

    Raises
    ------
    DemoError : values that do not fit the folder's state, or a day outside the company's life.
    """
    state = _read_state(folder)
    world, previous = _resolve_world(folder, state, day, customers, months, seed, first_day)
    if previous == day:
        return DemoSummary(day, world.first_day)
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in sorted(folder.rglob(f"*{_PARTIAL}")):
        left_over.unlink()

    window = systems.Window(-NEVER if previous is None else to_day(previous), to_day(day))
    files = _Files(folder)
    erp_path = folder / "erp.sqlite"
    erp_target = erp_path if previous is not None else folder / ("erp.sqlite" + _PARTIAL)
    if previous is not None and not erp_path.exists():
        raise DemoError(f"{erp_path} is missing; delete the folder {folder} to make the demo company anew")
    rows_written = dict.fromkeys(erp.ERP_TABLES, 0)
    truth = manifest.Manifest(world, window.day)
    connection = _open_erp(erp_target, fresh=previous is None)
    try:
        movement = None
        for number in range(world.block_count):
            block = systems.simulate(world, number)
            for table, entry, columns in erp.block_tables(block, window):
                rows_written[table] += _upsert(connection, table, entry, columns)
            block_movement = books.ledger_movement(block)
            movement = block_movement if movement is None else movement + block_movement
            _write_block_files(block, window, files)
            truth.add(block)
        assert movement is not None
        for table, entry, columns in books.company_tables(world, window, movement):
            rows_written[table] += _upsert(connection, table, entry, columns)
        connection.execute("COMMIT")
    finally:
        connection.close()
    if previous is None:
        os.replace(erp_target, erp_path)
    files.append("manifest.json", truth.to_bytes())
    written = files.move_into_place()
    state_files = _Files(folder)
    new_state = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "customers": customers,
        "months": months,
        "first_day": world.first_day.isoformat(),
        "day": day.isoformat(),
    }
    state_files.append("state.json", (json.dumps(new_state, indent=2) + "\n").encode())
    state_files.move_into_place()
    return DemoSummary(day, world.first_day, rows_written, written)
