"""The inbox: folders of files, taken once by content, and what of it is not taken now and why.

Belongs here: finding files, and telling one that is still being written. Does not belong here: reading them (`lines`,
`tables`), putting them away (`sealed`). Nothing here stops a night: a file that cannot be read is passed over.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import orjson

from data_contracts.tables.inputs import INPUTS
from pipelines.home import now
from pipelines.sources.lines import BYTE_ORDER_MARK, DamagedFileError, blocks_of, lines_of
from pipelines.sources.mapping import InboxMapping, Rule, load_mapping
from pipelines.sources.record import FaultRow, file_hash
from pipelines.statements.blocks import FileNotReadyError

__all__ = ["BYTE_ORDER_MARK", "blocks_of", "lines_of"]

Part = TypeVar("Part")

_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
STATEMENT_SUFFIXES = (*(json + packed for json in _JSON_SUFFIXES for packed in ("", ".gz", ".zst")), ".parquet")
_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
_TABLE_TEXTS = (".csv", ".tsv", ".ndjson", ".jsonl")
TABLE_SUFFIXES = (*(text + packed for text in _TABLE_TEXTS for packed in ("", ".gz")), ".parquet", *_WORKBOOKS)

# What browsers, editors and copying programs call a file that is not one yet.
_UNFINISHED_PREFIXES = (".", "~", "#")
_UNFINISHED_SUFFIXES = ("~", ".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", ".swp")

_TAIL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file found in the inbox: which table it is for, its path and content hash.

    `stamp` is what the system said of it while its hash was taken: any write, or another file in its place, shows.
    """

    table: str
    path: Path
    content_hash: str
    stamp: tuple[int, ...] = ()
    rule: Rule | None = None

    @property
    def taken_as(self) -> str:
        """What raw.file remembers it as: its content, and with it what the mapping says of it."""
        return self.rule.marked(self.content_hash) if self.rule else self.content_hash

    @property
    def is_workbook(self) -> bool:
        """Whether it is a workbook of sheets, which nothing here can write anew."""
        return self.path.name.endswith(_WORKBOOKS)

    @property
    def shown_name(self) -> str:
        """Its name, with the folder where that is not its table's own."""
        folder = self.path.parent.name
        return self.path.name if folder == self.table else f"{folder}/{self.path.name}"

    def ensure_unchanged(self) -> None:
        """Make sure that the file is still the one whose hash was taken.

        Raises:
            FileNotReadyError: it changed or went; what was read of it must not count as this content.
        """
        if self.stamp and stamp(self.path) != self.stamp:
            message = f"{self.table}/{self.path.name} changed while it was read; it waits for the next run"
            raise FileNotReadyError(message)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An entry of the inbox that is not taken now; `reason` is waiting, unreadable, no_file or unknown_format."""

    table: str
    name: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into the inbox found."""

    files: list[InboxFile]
    passed_over: list[PassedOver]


def look(folder: Path, tables: Sequence[str] = ("xapi", *INPUTS), *, settle_seconds: float = 0) -> Look:
    """The inbox's files of the given tables (all by default), in that order, then by name; and what is passed over.

    A file that changes while it is read waits for the next run. With `settle_seconds`, for folders that others write
    into at any time, so does one that a program still has open for writing, and one that was written within so many
    seconds and ends in the middle.
    """
    found, mapping = Look([], []), load_mapping(folder)
    for table in tables:
        for path in dict.fromkeys((*_entries(folder / table, found), *_mapped(mapping, folder, table))):
            taken = _judged(table, path, settle_seconds)
            if isinstance(taken, InboxFile):
                found.files.extend(_ruled(taken, mapping))
            else:
                found.passed_over.append(taken)
    return found


def _mapped(mapping: InboxMapping, folder: Path, table: str) -> list[Path]:
    return [path for path in mapping.paths(folder, table) if not _is_unfinished(path.name)]


def _ruled(file: InboxFile, mapping: InboxMapping) -> list[InboxFile]:
    """The file as each rule of the mapping reads it; as it is where none is about it."""
    rules = mapping.rules(file.table, f"{file.path.parent.name}/{file.path.name}")
    return [replace(file, rule=rule) for rule in rules] or [file]


def scan(folder: Path, tables: Sequence[str] = ("xapi", *INPUTS)) -> list[InboxFile]:
    """The files that a look at a folder finds which nobody writes into."""
    return look(folder, tables).files


def settled(folder: Path, *, settle_seconds: float) -> dict[Path, tuple[int, ...]]:
    """Files of the inbox that nobody writes any more, with what the system says of them; not one of them is read.

    A file counts once it was left alone for `settle_seconds` and no program of this machine has it open for writing.
    """
    found, mapping, files = Look([], []), load_mapping(folder), {}
    for table in ("xapi", *INPUTS):
        for path in (*_entries(folder / table, found), *_mapped(mapping, folder, table)):
            with suppress(OSError):
                if path.is_file() and not is_being_written(path) and not is_young(path, settle_seconds):
                    files[path] = stamp(path)
    return files


def unknown_folders(folder: Path) -> list[str]:
    """Folders of the inbox that are no table's and no rule's of the mapping; they are reported and not read."""
    known = {"xapi", *INPUTS, *load_mapping(folder).folders}
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in known)


def fingerprint(folder: Path) -> str:
    """SHA-256 over the content of every file of the inbox."""
    lines = [f"{file.table}/{file.path.name}:{file.taken_as}" for file in scan(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def unchanged(file: InboxFile, parts: Iterable[Part]) -> Iterator[Part]:
    """Lines or blocks of a file (`lines`), of the very content that was hashed.

    Raises:
        DamagedFileError: the file ends or breaks in the middle, after what came before has been yielded.
        FileNotReadyError: it could not be read just now, or changed meanwhile: nothing of it may be kept.
    """
    try:
        yield from parts
    except DamagedFileError:
        file.ensure_unchanged()
        raise
    file.ensure_unchanged()


def until_damage(parts: Iterable[Part], damage: list[FaultRow]) -> Iterator[Part]:
    """The lines or blocks before a file breaks; those rows stay, since nothing is lost and the mended file has another hash."""
    try:
        yield from parts
    except DamagedFileError as damaged:
        damage.append(FaultRow("statement", None, None, damaged.reason, None, str(damaged), ""))


# --- one entry ----------------------------------------------------------------------------------------------------


def _entries(folder: Path, found: Look) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not _is_unfinished(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        found.passed_over.append(PassedOver(folder.name, "", "unreadable", _cannot_be_read(error)))
        return []


def _is_unfinished(name: str) -> bool:
    return name.startswith(_UNFINISHED_PREFIXES) or name.lower().endswith(_UNFINISHED_SUFFIXES)


def _judged(table: str, path: Path, settle_seconds: float) -> InboxFile | PassedOver:
    suffixes = STATEMENT_SUFFIXES if table == "xapi" else TABLE_SUFFIXES
    # Statements are told by content, so how their ending is written does not matter.
    name = path.name.lower() if table == "xapi" else path.name
    try:
        if not path.is_file():
            return PassedOver(table, path.name, "no_file", "not a file, or a link that leads nowhere")
        if not name.endswith(suffixes):
            return PassedOver(table, path.name, "unknown_format", f"read are {', '.join(suffixes)}")
        if settle_seconds and (why := _why_waiting(table, path, settle_seconds)):
            return PassedOver(table, path.name, "waiting", why)
        before, content_hash = stamp(path), file_hash(path)
        file = InboxFile(table, path, content_hash, before)
        file.ensure_unchanged()
    except FileNotReadyError as changed:
        return PassedOver(table, path.name, "waiting", str(changed))
    except OSError as error:
        return PassedOver(table, path.name, "unreadable", _cannot_be_read(error))
    return file


def _cannot_be_read(error: OSError) -> str:
    return f"cannot be read: {(error.strerror or 'unknown error').lower()}; check who may read it"


def stamp(path: Path) -> tuple[int, ...]:
    """What changes with any write, empty where there is no file.

    The system alone sets ctime, whatever mtime a copying program restores.
    """
    try:
        told = path.stat()
    except FileNotFoundError:
        return ()
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


def _why_waiting(table: str, path: Path, settle_seconds: float) -> str:
    if is_being_written(path):
        return "still being written; it waits for the next run"
    if is_young(path, settle_seconds) and not _is_complete(table, path):
        return f"written within {settle_seconds:g} seconds, and it ends in the middle; it waits for the next run"
    return ""


def is_young(path: Path, seconds: float) -> bool:
    """Whether a file was written, or came to its place, within so many seconds."""
    return abs(now().timestamp() - path.stat().st_ctime) < seconds


def is_being_written(path: Path) -> bool | None:
    """Whether a program of this machine has the file open for writing; None where the system does not tell.

    Linux grants a read lease only on files that nobody has open for writing. It is given back at once; who opens the
    file in between makes the system send us a signal, so it is told to send one that is ignored.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        # Any other refusal (a file of another owner, a folder over the network) says nothing.
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(handle)
    return False


def _is_complete(table: str, path: Path) -> bool:
    """Whether a file does not end in the middle, as far as that can be seen."""
    if path.name.lower().endswith((".csv", ".tsv")):
        return _has_whole_last_row(path)
    if table != "xapi" and path.name.endswith(_WORKBOOKS):
        # What the newer ones are packed as tells its content at the end; the older ones tell nothing.
        return path.name.endswith(".xls") or zipfile.is_zipfile(path)
    if table != "xapi" and path.name.endswith(".parquet"):
        return _tail(path).endswith(b"PAR1")
    last = b""
    try:
        for _, line in lines_of(path):
            last = line
    except DamagedFileError:
        return False
    # A packed file has told its own end.
    tail = _tail(path)
    return not last or not tail.endswith(last) or _is_json(last)


def _has_whole_last_row(path: Path) -> bool:
    # A line's end in UTF-16 has a zero behind it.
    tail = _tail(path).removesuffix(b"\0")
    if tail.endswith((b"\n", b"\r")) or not tail:
        return True
    with path.open("rb") as stream:
        header = stream.readline(_TAIL_BYTES)
    return tail.rpartition(b"\n")[2].count(b",") >= header.count(b",")


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return stream.read()


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
