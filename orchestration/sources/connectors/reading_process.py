"""Runs ConnectorX in a process of its own, so that a query can be ended and its panics stay off the terminal.

Within the night's own process ConnectorX could be neither bounded nor watched: it keeps the interpreter's lock
while it streams, and a query that breaks in the middle is a Rust panic that writes pages to the terminal. This
file is both ends: imported it is the client; started as a script it is the process that reads.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# A frame is its kind (schema, batch, failure, end), the length of its content in bytes, and its content.
_HEAD = struct.Struct(">cQ")
_SCHEMA, _BATCH, _FAILURE, _END = b"S", b"B", b"F", b"Z"
_PANIC = "PanicException"


class ConnectorError(Exception):
    """The database, or ConnectorX, said no; the text is its cause in one line.

    `code` is the SQLSTATE where it is known, `is_lost` whether the connection broke rather than the query.
    """

    def __init__(self, said: str) -> None:
        self.code = _found(r"SqlState\(E(\w{5})\)", said)
        self.is_lost = re.search(r"kind: (Io|Closed|Connect|Timeout|UnexpectedEof)\b", said) is not None
        super().__init__(_cause(said))


class ConnectorSilent(Exception):
    """No whole answer within the time allowed; the reading process was ended."""


def read_table(url: str, query: str, *, longest: float) -> pa.Table:
    """The whole answer to a query; `longest` bounds it in seconds.

    Raises ConnectorError where the query fails and ConnectorSilent where time runs out.
    """
    import pyarrow as pa

    frames = _frames({"url": url, "query": query}, longest)
    schema = next(frames)
    return pa.Table.from_batches(frames, schema)


def read_batches(url: str, query: str, *, batch_rows: int, longest: float) -> Iterator[pa.RecordBatch]:
    """The answer to a query in batches of at most `batch_rows`; `longest` bounds all of them together in seconds.

    Raises ConnectorError where the query fails and ConnectorSilent where time runs out.
    """
    frames = _frames({"url": url, "query": query, "batch_rows": batch_rows}, longest)
    next(frames)
    yield from frames


def _frames(request: dict[str, Any], longest: float) -> Iterator[Any]:
    """The schema of an answer, then its batches."""
    import pyarrow as pa

    process = _take()
    clock = threading.Timer(longest, process.expire)
    clock.daemon = True
    clock.start()
    is_whole = False
    try:
        process.ask({**request, "longest": longest})
        schema: pa.Schema | None = None
        while True:
            kind, content = process.frame()
            if kind == _END:
                is_whole = True
                return
            if kind == _FAILURE:
                failure = json.loads(content)
                is_whole = failure["type"] != _PANIC
                raise ConnectorError(failure["said"])
            if kind == _SCHEMA:
                schema = pa.ipc.read_schema(pa.py_buffer(content))
                yield schema
            else:
                yield pa.ipc.read_record_batch(pa.py_buffer(content), schema)
    finally:
        clock.cancel()
        if is_whole and not process.is_expired:
            _idle.append(process)
        else:
            process.end()


class _Process:
    """One reading process; answers one request at a time."""

    def __init__(self) -> None:
        self.is_expired = False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            # Without -P the modules beside this file would hide libraries of the same name.
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def frame(self) -> tuple[bytes, bytes]:
        """The next frame of the answer."""
        assert self._process.stdout is not None
        head = self._process.stdout.read(_HEAD.size)
        if len(head) == _HEAD.size:
            kind, length = _HEAD.unpack(head)
            content = self._process.stdout.read(length)
            if len(content) == length:
                return kind, content
        raise self._ended()

    def expire(self) -> None:
        """End the process because its time is over."""
        self.is_expired = True
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def _ended(self) -> Exception:
        if self.is_expired:
            return ConnectorSilent()
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return ConnectorError(f"the reading process ended {how}" + (f": {lines[-1]}" if lines else ""))


_idle: list[_Process] = []
# A forked child must not speak into its parent's pipes.
os.register_at_fork(after_in_child=_idle.clear)


def _take() -> _Process:
    while _idle:
        process = _idle.pop()
        if process.is_alive:
            return process
        process.end()
    return _Process()


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


def _cause(said: str) -> str:
    """What a database said, out of the text of an error or of the debug form in which a panic shows it."""
    told = _found(r'\b(?:message|error): "((?:[^"\\]|\\.)*)"', said) or _found(
        r'Some\("((?:[^"\\]|\\.)*)"\)', said
    )
    if told and "{" in said:
        return re.sub(r"\\(.)", r"\1", told.replace("\\n", " "))
    lines = said.strip().splitlines()
    return lines[0][:500] if lines else "nothing"


def _found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match.group(1) if match else None


def _serve() -> None:
    """Answer requests until the client closes its end."""
    import connectorx
    import pyarrow as pa

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C reaches the whole group; the client ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(kind: bytes, content: Any = b"") -> None:
        answers.write(_HEAD.pack(kind, len(content)))
        answers.write(content)

    for line in sys.stdin.buffer:
        request = json.loads(line)
        # Should the client be killed meanwhile: the signal's own action ends a process that is stuck in a query.
        signal.alarm(math.ceil(request["longest"]) + 5)
        options: dict[str, Any] = {"return_type": "arrow"}
        if "batch_rows" in request:
            options = {"return_type": "arrow_stream", "batch_size": request["batch_rows"]}
        try:
            answer = connectorx.read_sql(request["url"], request["query"], **options)
            send(_SCHEMA, memoryview(answer.schema.serialize()))
            for batch in answer.to_batches() if isinstance(answer, pa.Table) else answer:
                send(_BATCH, memoryview(batch.serialize()))
            send(_END)
        except BrokenPipeError:
            break
        # A panic is no Exception.
        except BaseException as error:
            failure = {"type": type(error).__name__, "said": str(error) or type(error).__name__}
            send(_FAILURE, json.dumps(failure).encode())
        answers.flush()
        signal.alarm(0)
    os._exit(0)


if __name__ == "__main__":
    _serve()
