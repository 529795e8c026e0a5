"""Says what is wrong with the machine when an error nobody foresaw comes from it: disk, permissions, damage, memory."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

_FULL = re.compile(
    r"no space left on device|database or disk is full|disk quota exceeded|max_temp_directory_size"
    r"|could not write (?:all|file)",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(r"read-only file ?system|attempt to write a readonly database", re.IGNORECASE)
# PostgreSQL refuses a table with a small "permission denied for", which is a source's matter.
_DENIED = re.compile(r"Permission denied(?! for)|Operation not permitted|unable to open database file")
_DAMAGED = re.compile(
    r"corrupt database file|computed checksum|file is not a database|database disk image is malformed"
    r"|not a valid DuckDB database file|could not read enough bytes|replaying WAL",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"Out of Memory Error|std::bad_alloc|cannot allocate memory", re.IGNORECASE)
_LOCKED = re.compile(r"Could not set lock on file|database is locked", re.IGNORECASE)
_DEVICE = re.compile(r"Input/output error")
# SQLite says the same of a disk that is full while it extends its shared files and of one that fails.
_FULL_OR_FAILING = re.compile(r"disk I/O error", re.IGNORECASE)
_OPEN_FILES = re.compile(r"Too many open files", re.IGNORECASE)
_KINDS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOMEM: _MEMORY,
    errno.EIO: _DEVICE,
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
}
_ADVICE = {
    _FULL: (
        "The disk is full{at}.",
        "Free space (`df -h` shows where), then run again; a night needs about as much free space as "
        "warehouse.duckdb has, and `trade-credit doctor` compares them.",
    ),
    _READ_ONLY: (
        "The file system is read-only{at}.",
        "Mount it writable again, or set TRADE_CREDIT_HOME to a folder that can be written.",
    ),
    _DENIED: (
        "A file may not be opened or written{at}.",
        "`ls -ld` shows whose it is; give the whole state folder to the user who runs the nights: "
        "sudo chown -R USER FOLDER",
    ),
    _DAMAGED: (
        "A database file is damaged{at}.",
        "Run `trade-credit doctor`: it names every damaged file of the state folder and what to type for it.",
    ),
    _LOCKED: (
        "Another program has a database file open{at}.",
        "`fuser -v FILE` shows which: close it, then run again. BI tools read publication/current/mart.duckdb.",
    ),
    _MEMORY: (
        "There is not enough memory{at}.",
        "`free -h` shows what is left: end other programs or use a machine with more, then run again.",
    ),
    _DEVICE: (
        "The disk does not answer as it should{at}.",
        "`sudo dmesg | tail` shows what it said. Move the state folder to a sound disk, then run again.",
    ),
    _FULL_OR_FAILING: (
        "The disk is full or does not answer as it should{at}.",
        "`df -h` shows whether it is full: free space, then run again. Where it is not, `sudo dmesg | tail` shows what "
        "the disk said: move the state folder to a sound one.",
    ),
    _OPEN_FILES: (
        "Too many files are open{at}.",
        "Raise the limit in this shell (ulimit -n 4096), then run again.",
    ),
}
_PATH = re.compile(r"[\"'](/[^\"'\n]+)[\"']")


def explain_environment(error: BaseException) -> str | None:
    """What is wrong with the machine, on what file where that is known, and what to type; None for other errors.

    Looks at the error and at everything it came from: Dagster, dbt and SQLAlchemy wrap what the disk said.
    """
    chain = list(_chain(error))
    for link in chain:
        kind = _kind(link)
        if kind is not None:
            what, remedy = _ADVICE[kind]
            path = next(filter(None, map(_path, (link, *chain))), "")
            return f"{what.format(at=f': {path}' if path else '')} {remedy}"
        blocked = _wrong_kind_of_file(link)
        if blocked is not None:
            return blocked
    return None


def is_damage(error: BaseException) -> bool:
    """True where a database says that its file is damaged."""
    return _DAMAGED.search(str(error)) is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it came from and what it holds, each once."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions


def _kind(error: BaseException) -> re.Pattern[str] | None:
    if isinstance(error, OSError) and error.errno in _KINDS:
        return _KINDS[error.errno]
    if isinstance(error, MemoryError):
        return _MEMORY
    return next((kind for kind in _ADVICE if kind.search(str(error))), None)


def _path(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return str(error.filename)
    found = _PATH.search(str(error))
    return found[1] if found else ""


def _wrong_kind_of_file(error: BaseException) -> str | None:
    """A file where a folder belongs, or the other way round, as a restored backup may leave it."""
    if not isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError) or not error.filename:
        return None
    kind = "is a folder where a file belongs" if isinstance(error, IsADirectoryError) else "is no folder"
    return f"{error.filename} {kind}. Move it away (mv {error.filename} {error.filename}.old) and run again."
