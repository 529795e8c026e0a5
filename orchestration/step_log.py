"""What a step's libraries say, kept in a file of its own: logs of Python, dbt, Great Expectations and training."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

_KEPT_RUNS = 30
_TAIL_LINES = 40


def step_log_folder(home: Path, as_of: str, run_id: str) -> Path:
    """The folder of one run's step logs."""
    return home / "logs" / f"{as_of}-{run_id[:8]}"


@contextmanager
def captured(folder: Path, step: str) -> Iterator[Path]:
    """Collect what is logged and printed during a block in `<folder>/<step>.log`; yields the file's path.

    Tried again, a step adds to its file. What goes to file descriptors past Python is not collected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{step}.log"
    root = logging.getLogger()
    level = root.level
    with path.open("a", encoding="utf-8", buffering=1) as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
        root.setLevel(min(level or logging.INFO, logging.INFO))
        try:
            with redirect_stdout(file), redirect_stderr(file):
                yield path
        finally:
            root.removeHandler(handler)
            root.setLevel(level)


def tail(path: Path) -> str:
    """The last lines of a step's log; empty where it said nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


def retire_old_logs(home: Path) -> None:
    """Keep the logs of the newest runs only."""
    folders = sorted(
        (folder for folder in (home / "logs").glob("*") if folder.is_dir()),
        key=lambda folder: folder.stat().st_mtime_ns,
        reverse=True,
    )
    for folder in folders[_KEPT_RUNS:]:
        shutil.rmtree(folder)
