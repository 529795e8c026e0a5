"""Knows that a person asked the process to stop, whatever a library does with the signal.

Signals become exceptions at some line of some library, and a few libraries catch everything: an interrupt has
been swallowed that way and the night published. The interpreter also writes each signal's number into a pipe
(`signal.set_wakeup_fd`), which no handler and no `except` takes away; the night asks here between its steps.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class StopSignal:
    """Remembers the first stop signal that arrives while it is watched."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._received: int | None = None

    @property
    def received(self) -> int | None:
        """Number of the stop signal received, or None."""
        try:
            for number in os.read(self._reader, 4096):
                if self._received is None and number in _NAMES:
                    self._received = number
        except BlockingIOError:
            pass
        return self._received

    @property
    def name(self) -> str | None:
        """How a person calls the signal received: `Ctrl-C`, `SIGTERM`; None where none came."""
        return None if self.received is None else _NAMES[signal.Signals(self.received)]

    @contextmanager
    def watched(self) -> Iterator[StopSignal]:
        """Listen for the length of a block; SIGTERM and SIGHUP end it like Ctrl-C does.

        Signals reach only a process's main thread; elsewhere nothing is watched.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        interrupt = signal.getsignal(signal.SIGINT)
        # A handler must stand for a signal to be written down at all; Dagster sets its own while steps run.
        replaced = {
            number: signal.signal(number, interrupt)
            for number in (signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is signal.SIG_DFL
        }
        before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        try:
            yield self
        finally:
            # What has come in is read before the pipe is left.
            _ = self.received
            signal.set_wakeup_fd(before)
            for number, handler in replaced.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reader)
        os.close(self._writer)
