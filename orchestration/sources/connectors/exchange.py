"""One request and its answer, read in a thread of its own so that size and duration are bounded."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests


_CHUNK_BYTES = 65_536
GOOD = (200, 201, 202, 203)


class TooLarge(Exception):
    """More bytes came than an answer may have."""


class Unreadable(Exception):
    """The bytes are not packed as the answer says."""


@dataclass
class Exchange:
    """A request under way: `run` fills it in, and `done` is set when it has ended in an answer or in `error`."""

    timeout_seconds: float
    most_bytes: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    received: int = 0
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)
    is_abandoned: bool = False

    def abandon(self) -> None:
        """Nobody waits any more: stop reading at the next byte."""
        self.is_abandoned = True

    def run(self, send: Callable[[], requests.Response]) -> None:
        try:
            response = send()
            try:
                self.status = response.status_code
                self.headers = {name.lower(): value for name, value in response.headers.items()}
                if self.status in GOOD:
                    self._read(response.raw)
            finally:
                response.close()
        # Told by the thread that waits, whatever it is.
        except BaseException as error:
            self.error = error
        self.done.set()

    def _read(self, raw: Any) -> None:
        packed = self.headers.get("content-encoding", "").strip().lower()
        if packed not in ("", "identity", "gzip", "x-gzip"):
            raise Unreadable("the answer is packed in a way that was not asked for")
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed.endswith("gzip") else None
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=False):
            if self.is_abandoned:
                return
            self.received += len(chunk)
            while unpack is not None and chunk:
                try:
                    self._keep(unpack.decompress(chunk, _CHUNK_BYTES))
                except zlib.error as error:
                    raise Unreadable("the answer says it is gzip, but cannot be unpacked") from error
                chunk = unpack.unconsumed_tail
                if unpack.eof:
                    # A file of several members goes on; anything else after the end means nothing.
                    chunk = unpack.unused_data if unpack.unused_data.startswith(b"\x1f") else b""
                    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if chunk else unpack
            if unpack is None:
                self._keep(chunk)
        if unpack is not None and not unpack.eof:
            raise EOFError

    def _keep(self, content: bytes) -> None:
        self.body += content
        if len(self.body) > self.most_bytes:
            self.body.clear()
            raise TooLarge
