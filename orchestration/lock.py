"""The one-writer lock of a state folder: one night at a time, and who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from orchestration.home import WarehouseError, owner_name, usable_home

LOCK = "run.lock"
# Whoever only asks whether a night is running touches the lock for an instant.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.1


class NightInProgressError(WarehouseError):
    """Another run holds the warehouse; only one may write at a time."""


_held: dict[Path, IO[str]] = {}


def hold_night_lock(home: Path) -> None:
    """Take the one-writer lock of `home` for this process, or find that this process has it already.

    The lock is the operating system's, so it falls with the process however that ends.
    Raises NightInProgressError where another process holds it, and WarehouseError where there can be no lock.
    """
    path = (home / LOCK).resolve()
    if path in _held:
        return
    usable_home(home, write=True)
    handle = _open(path, os.O_RDWR | os.O_CREAT)
    if not _take(handle, path, fcntl.LOCK_EX, attempts=_ATTEMPTS):
        holder = handle.read(20).strip() or "unknown"
        handle.close()
        raise NightInProgressError(
            f"Another run (process {holder}) is writing to {home}. Only one night may run at a time: "
            "wait until it ends (`trade-credit status` shows it), then run again."
        )
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    _held[path] = handle


def release_night_lock(home: Path) -> None:
    """Give the one-writer lock back; does nothing where this process does not hold it."""
    handle = _held.pop((home / LOCK).resolve(), None)
    if handle is not None:
        handle.truncate(0)
        handle.close()


def is_night_running(home: Path) -> bool:
    """True while some process holds the one-writer lock of `home`; nothing is written to find out.

    Raises WarehouseError where the lock cannot be read.
    """
    return lock_holder(home) is not None


def lock_holder(home: Path) -> str | None:
    """The process that holds the one-writer lock ("unknown" where it did not say), or None.

    Raises WarehouseError where the lock cannot be read.
    """
    path = (home / LOCK).resolve()
    if path in _held:
        return str(os.getpid())
    if not path.exists():
        return None
    with _open(path, os.O_RDONLY) as handle:
        if _take(handle, path, fcntl.LOCK_SH, attempts=1):
            return None
        return handle.read(20).strip() or "unknown"


def _open(path: Path, flags: int) -> IO[str]:
    mode = "r" if flags == os.O_RDONLY else "r+"
    try:
        if path.is_dir():
            raise IsADirectoryError
        return open(os.open(path, flags, 0o600), mode, encoding="utf-8", errors="replace")
    except IsADirectoryError:
        text = f"{path} is a folder where a file belongs; move it away: mv {path} {path}.old"
    except PermissionError:
        text = (
            f"{path} cannot be opened: it belongs to {owner_name(path)}. Run as that user, or give the state folder "
            f"to yours: sudo chown -R $USER {path.parent}"
        )
    raise WarehouseError(text)


def _take(handle: IO[str], path: Path, kind: int, *, attempts: int) -> bool:
    for attempt in range(attempts):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt + 1 < attempts:
                time.sleep(_PAUSE_SECONDS)
        except OSError as error:
            raise WarehouseError(
                f"{path} cannot be locked ({error.strerror}), so two nights at once could not be prevented. "
                "Set TRADE_CREDIT_HOME to a folder on a local disk."
            ) from error
    return False
