"""Says on the screen that a source is being waited for, so that a silent night is no riddle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_SECONDS = 10.0
AGAIN_SECONDS = 60.0


class Watch:
    """Calls `notice` when what is waited for gives nothing for 10 s, and every minute from then on.

    A context manager; its thread ends with the block. Without `notice` it does nothing.
    """

    def __init__(self, notice: Callable[[str], None] | None = None) -> None:
        self._notice = notice
        self._lock = threading.Lock()
        self._waits: list[tuple[str, float]] = []
        self._heard_at = self._due_at = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source watch", daemon=True)

    def __enter__(self) -> Watch:
        if self._notice is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def over(self, what: str, longest: float) -> Iterator[None]:
        """Watch while the block waits for `what` (as "source erp, table invoices"), at most `longest` seconds."""
        with self._lock:
            self._waits.append((what, longest))
        self.heard()
        try:
            yield
        finally:
            with self._lock:
                self._waits.pop()
            self.heard()

    def heard(self) -> None:
        """Something arrived: begin to count anew."""
        with self._lock:
            self._heard_at = time.monotonic()
            self._due_at = self._heard_at + FIRST_SECONDS

    def say(self, text: str) -> None:
        """Tell something about a wait at once."""
        if self._notice is not None:
            self._notice(text)

    def _run(self) -> None:
        while not self._over.wait(min(0.5, FIRST_SECONDS)):
            with self._lock:
                now = time.monotonic()
                if not self._waits or now < self._due_at:
                    continue
                self._due_at = now + AGAIN_SECONDS
                what, longest = self._waits[-1]
                silent = now - self._heard_at
            self.say(f"{what}: no answer for {silent:.0f} s, waiting up to {longest:.0f} s")
