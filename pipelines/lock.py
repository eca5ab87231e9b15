"""The run lock: one run a home at a time.

Belongs here: taking and naming the lock. Does not belong here: what runs under it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_contracts.errors import LockedError

_held: set[Path] = set()


@contextmanager
def run_lock(file: Path, *, run: str, since: str) -> Iterator[None]:
    """Hold the home's lock; re-entrant within this process, since the command and the run it starts share it.

    The file tells who holds it: pid, run and since. The kernel frees the lock when its holder dies.

    Raises:
        LockedError: another process holds the lock; the message names it.
    """
    key = file.resolve()
    if key in _held:
        yield
        return
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another run holds {file}: {_holder(file)}; wait for it to end, or stop that process"
            raise LockedError(message) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "run": run, "since": since}).encode(), 0)
        _held.add(key)
        try:
            yield
        finally:
            _held.discard(key)
    finally:
        os.close(handle)


def _holder(file: Path) -> str:
    try:
        told = json.loads(file.read_text("utf-8"))
        return f"pid {told['pid']}, {told['run']}, since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its holder has not written its name yet"
