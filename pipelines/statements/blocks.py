"""Pieces of a file that has one statement a line, as they are shared out to processes.

Belongs here: what a piece is, and its bytes. Does not belong here: where a file is cut (`pipelines.sources.lines`), what
becomes of its lines (`bulk`). It is imported by every process that takes statements in, so it imports next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data_contracts.errors import TransientError


class FileNotReadyError(TransientError):
    """A file changed while it was read, or could not be read just now: nothing of it counts, it waits."""


def not_ready(error: OSError) -> FileNotReadyError:
    """What the system's refusal to read a file means."""
    return FileNotReadyError(f"the file cannot be read now ({error.strerror}); it stays for the next run")


class Lines(Protocol):
    """Whole lines of a file, one after another; the last may lack its end."""

    @property
    def content(self) -> bytes:
        """The lines."""

    @property
    def length(self) -> int:
        """How many bytes they are."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that were read."""

    content: bytes

    @property
    def length(self) -> int:
        """How many bytes they are."""
        return len(self.content)


@dataclass(frozen=True, slots=True)
class FilePart:
    """Lines that are not yet read: who works on them reads them, so that nobody hands them on."""

    path: Path
    start: int
    end: int

    @property
    def content(self) -> bytes:
        """The lines; raises `FileNotReadyError` where they cannot be read just now."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.start)
                return stream.read(self.length)
        except OSError as error:
            raise not_ready(error) from None

    @property
    def length(self) -> int:
        """How many bytes they are."""
        return self.end - self.start
