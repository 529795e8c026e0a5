"""What a step's libraries say, kept in a file of its own: logs of Python, dbt, Great Expectations and training."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

_KEPT_RUNS = 30
_TAIL_LINES = 40
# Great Expectations alone writes thousands of lines a night on this level; of all others warnings are heard.
_HEARD_FROM_INFO = ("orchestration", "models_ml", "splink")


class _Log(io.TextIOBase):
    """A file that takes what it can: on a full disk the log ends, and the step goes on to say so itself."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._file.write(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def close(self) -> None:
        self._file.close()
        super().close()


def step_log_folder(home: Path, as_of: str, run_id: str) -> Path:
    """The folder of one run's step logs."""
    return home / "logs" / f"{as_of}-{run_id[:8]}"


_open = ExitStack()


@contextmanager
def captured(folder: Path, step: str) -> Iterator[Path]:
    """Collect what is logged and printed during a block in `<folder>/<step>.log`; yields the file's path.

    Tried again, a step adds to its file. What goes to file descriptors past Python is not collected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{step}.log"
    end_capture()
    file = _open.enter_context(_Log(path))
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    _open.callback(logging.getLogger().removeHandler, handler)
    for logger in map(logging.getLogger, _HEARD_FROM_INFO):
        _open.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.INFO)
    _open.enter_context(redirect_stdout(file))
    _open.enter_context(redirect_stderr(file))
    try:
        yield path
    finally:
        end_capture()


def end_capture() -> None:
    """Give the terminal back; does nothing where no step holds it.

    A step is a generator that Dagster drives: where Dagster itself fails, for example on a full disk, the step is
    left where it stood, and with it what it had redirected.
    """
    _open.close()


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
