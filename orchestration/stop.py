"""Knows that a person asked this process to stop, whatever a library does with the signal.

Signals become exceptions at some line of some library, and a few libraries catch everything: an interrupt has
been swallowed that way and the night published. The interpreter also writes each signal's number into a pipe
(`signal.set_wakeup_fd`), which no handler and no `except` takes away; the night asks here between its steps.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class _Watch:
    """The pipe that signals are written to while a night runs, and the first that was read from it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)
        self.received: str | None = None

    def look(self) -> str | None:
        with suppress(BlockingIOError):
            for number in os.read(self.reader, 4096):
                self.received = self.received or _NAMES.get(signal.Signals(number))
        return self.received

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


_watch: _Watch | None = None


def stopped_by() -> str | None:
    """How a person calls the stop signal received (`Ctrl-C`, `SIGTERM`); None where none came or none is watched."""
    return _watch.look() if _watch is not None else None


@contextmanager
def watching() -> Iterator[None]:
    """Listen for stop signals for the length of a block; SIGTERM and SIGHUP end it like Ctrl-C does.

    Within another such block nothing changes. Signals reach only a process's main thread; elsewhere nothing is
    watched.
    """
    global _watch
    if _watch is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler must stand for a signal to be written down at all; Dagster sets its own while steps run. What the
    # process was started to ignore (SIGHUP under nohup, SIGINT in a script's background) stays ignored.
    replaced = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    }
    watch = _watch = _Watch()
    before = signal.set_wakeup_fd(watch.writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in replaced.items():
            signal.signal(number, handler)
        _watch = None
        watch.close()
