"""Blocks of lines shared out to processes; small files pay nothing for it.

Belongs here: starting, feeding and ending processes, and putting what they bring back in order. Does not belong here:
what becomes of a line (`bulk`, `take`), reading files (`pipelines.sources.lines`).

A worker is a new interpreter, since a process with an open DuckDB connection must not be forked, and it imports no
more than taking lines needs. It gets the pseudonym key and then blocks through a pipe, and answers each by a batch; it
ends when its pipe does, so a killed run leaves none behind.
"""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO

import polars as pl

from data_contracts.errors import PermanentError, TransientError
from pipelines.statements.blocks import FileNotReadyError, FilePart, Lines
from pipelines.statements.bulk import Bulk
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import BATCH_ROWS, Batch

# Starting processes costs about as much as taking so many bytes in without them.
ALONE_BYTES = 24 << 20

_LENGTH = struct.Struct("<Q")
# A block is sent as its bytes or as a place in a file.
_BYTES, _PART = b"b", b"p"
_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 10
# What lives in a worker is few big things; looking for cycles among them again and again costs a tenth of its time.
_GARBAGE = 500_000


def take_blocks(
    blocks: Iterable[Lines], pseudonyms: Pseudonyms, *, workers: int, alone_bytes: int = ALONE_BYTES
) -> Generator[Batch, None, None]:
    """Take blocks in, in batches of about `BATCH_ROWS` rows: the same rows in the same order for any `workers`.

    Args:
        blocks: what a file is made of, one after another.
        pseudonyms: with which identities are replaced.
        workers: how many processes share the work; below 2 there are none but this one.
        alone_bytes: so much is taken in without them.

    Raises:
        TransientError: a process was ended from outside, such as for want of memory.
        PermanentError: a process failed; the message says where, and tells nothing of what it read.
    """
    with closing(_taken(blocks, pseudonyms, workers, alone_bytes)) as batches:
        yield from _gathered(_numbered(batches))


def _taken(
    blocks: Iterable[Lines], pseudonyms: Pseudonyms, workers: int, alone_bytes: int
) -> Generator[tuple[Batch, int], None, None]:
    # Looked at before any is taken: what one process learns of lines the others would have to learn again.
    blocks, first, read = iter(blocks), list[Lines](), 0
    while workers > 1 and read < alone_bytes and (block := next(blocks, None)) is not None:
        first.append(block)
        read += block.length
    if workers < 2 or read < alone_bytes:
        bulk = Bulk(pseudonyms)
        for block in chain(first, blocks):
            yield bulk.take_block(block.content)
        return
    with _Crew(pseudonyms, workers) as crew:
        yield from crew.take(chain(first, blocks))


def _numbered(taken: Iterable[tuple[Batch, int]]) -> Iterator[Batch]:
    """Batches of blocks, their faults numbered by the whole's lines."""
    before = 0
    for batch, line_ends in taken:
        faults = [replace(fault, line_number=fault.line_number + before) for fault in batch.faults]
        yield replace(batch, faults=faults)
        before += line_ends


def _gathered(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Batches put together until there are rows enough to be worth writing."""
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.rows.height + len(one.faults) for one in waiting) >= BATCH_ROWS:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(batches: list[Batch]) -> Batch:
    identities: dict[str, tuple[str, str]] = {}
    for batch in batches:
        identities |= batch.identities
    rows = pl.concat([batch.rows for batch in batches], rechunk=False)
    return Batch(rows, identities, [fault for batch in batches for fault in batch.faults])


class _Crew:
    """Processes that take blocks in, as long as the context is open."""

    def __init__(self, pseudonyms: Pseudonyms, workers: int) -> None:
        self._count = workers
        self._workers = [_Worker() for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            worker.begin(pseudonyms.key)
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="statements")

    def __enter__(self) -> _Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end(is_at_once=kind is not None)
        self._threads.shutdown(cancel_futures=True)

    def take(self, blocks: Iterable[Lines]) -> Iterator[tuple[Batch, int]]:
        """What the blocks bring, in the blocks' order; no more blocks are read than are in work."""
        pending: deque[Future[tuple[Batch, int]]] = deque()
        for block in blocks:
            pending.append(self._threads.submit(self._take, block))
            if len(pending) > self._count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _take(self, block: Lines) -> tuple[Batch, int]:
        worker = self._idle.get()
        try:
            return worker.take(block)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process and its two pipes."""

    def __init__(self) -> None:
        # Neither settings nor credentials are a worker's business.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HANDRAIL_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.statements.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"PYTHONPATH": str(_ROOT), "POLARS_MAX_THREADS": "1"},
            bufsize=0,
        )
        for stream in (self._process.stdin, self._process.stdout):
            _widen(self._stream(stream))

    def begin(self, key: bytes) -> None:
        self._send(key)

    def take(self, block: Lines) -> tuple[Batch, int]:
        """A block's batch and its line ends; raises where the process ended or failed."""
        where = f"of a block of {block.length:,} bytes"
        try:
            self._send(*_pieces(block))
            answer = _receive(self._stream(self._process.stdout))
        except OSError:
            answer = None
        if answer is None:
            code = self._process.wait(_PATIENCE_SECONDS)
            message = (
                f"a process that takes statements in ended (exit code {code}) in the middle {where}; nothing of the "
                "file was kept; run again, with threads = 1 in handrail.toml if memory is short"
            )
            raise TransientError(message)
        told = pickle.loads(answer)  # noqa: S301 - written by our own process
        if isinstance(told, FileNotReadyError):
            raise told
        frame = None if isinstance(told, str) else _receive(self._stream(self._process.stdout))
        if frame is None:
            message = f"taking statements in failed at {told} {where}; this is a fault of Handrail: report it"
            raise PermanentError(message)
        identities, faults, line_ends = told
        return Batch(pl.read_ipc(bytes(frame)), identities, faults), line_ends

    def end(self, *, is_at_once: bool) -> None:
        """End the process, and wait until it has ended."""
        if is_at_once:
            self._process.kill()
        self._stream(self._process.stdin).close()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stream(self._process.stdout).close()

    def _send(self, *pieces: bytes) -> None:
        _send(self._stream(self._process.stdin), *pieces)

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            message = "a worker has two pipes"
            raise PermanentError(message)
        return stream


def _pieces(block: Lines) -> tuple[bytes, ...]:
    """What a worker is sent of a block: its bytes, or where they lie."""
    if isinstance(block, FilePart):
        return _PART, pickle.dumps((str(block.path), block.start, block.end))
    return _BYTES, block.content


def _content(pieces: memoryview) -> bytes:
    """A block's bytes, from what `_pieces` sent."""
    if pieces[:1] == _BYTES:
        return bytes(pieces[1:])
    path, start, end = pickle.loads(pieces[1:])  # noqa: S301 - written by our own process
    return FilePart(Path(path), start, end).content


def _widen(stream: IO[bytes]) -> None:
    """Let a pipe hold a mebibyte, where the system can: blocks are large, and each stop costs two switches."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)


def _send(stream: IO[bytes], *pieces: bytes | memoryview) -> None:
    for piece in (_LENGTH.pack(sum(map(len, pieces))), *pieces):
        rest = memoryview(piece)
        while rest:
            rest = rest[stream.write(rest) :]


def _receive(stream: IO[bytes]) -> memoryview | None:
    """What was sent, None where the other end is gone."""
    head = _read(stream, _LENGTH.size)
    return None if head is None else _read(stream, _LENGTH.unpack(head)[0])


def _read(stream: IO[bytes], length: int) -> memoryview | None:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]  # raw streams have it
        if not count:
            return None
        rest = rest[count:]
    return memoryview(content)


def serve() -> None:
    """A worker's life: the key, then blocks, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run that is interrupted ends its workers
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    incoming, outgoing = os.fdopen(0, "rb", buffering=0), os.fdopen(1, "wb", buffering=0)
    key = _receive(incoming)
    bulk = Bulk(Pseudonyms(bytes(key or b"")))
    while (block := _receive(incoming)) is not None:
        try:
            batch, line_ends = bulk.take_block(_content(block))
            answers = [pickle.dumps((batch.identities, batch.faults, line_ends)), batch.rows.write_ipc(None).getvalue()]
        except FileNotReadyError as error:
            answers = [pickle.dumps(error)]
        except Exception as error:  # noqa: BLE001 - told to the run, which raises it
            answers = [pickle.dumps(_place_of(error))]
        try:
            for answer in answers:
                _send(outgoing, memoryview(answer))
        except BrokenPipeError:
            return


def _place_of(error: Exception) -> str:
    """Kind and place of an error, without its words, which may tell of what was read."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}, line {frames[-1].lineno},"


if __name__ == "__main__":
    serve()
