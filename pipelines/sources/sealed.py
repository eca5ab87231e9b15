"""Sealed storage: files of the home's inbox as they were received, once their content is committed.

Belongs here: sealing, reading back, forgetting, and clearing the inbox of what is taken. Does not belong here: taking
files in (`take_in`); a folder given with `--data` and a simulated world, which are read in place and never touched.

What clears the inbox asks the stores alone what has been done, so it may be killed at any step and simply be run again:
a file leaves the inbox only when its content is marked as taken and has been read back from sealed storage with the
same hash. A file is cut into parts; the last one says that it is the last.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from data_contracts.errors import BadInputError, HandrailError, PermanentError
from pipelines.archive import sync
from pipelines.home import now
from pipelines.sources.inbox import InboxFile, is_being_written, is_young, stamp
from pipelines.statements.blocks import FileNotReadyError
from pipelines.warehouse import Warehouse

# The database hands out 2,048 rows at a time, so what is packed already comes in smaller parts: half a gigabyte.
PART_BYTES = {"zstd": 2 << 20, "none": 1 << 18}
_WRITE_BYTES = 16 << 20

# gzip, zstd, Parquet, and zip (as which Excel keeps its workbooks): packing them again gains nothing.
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"PK\x03\x04")
_PART_SCHEMA: dict[str, Any] = {
    "file_hash": pl.String,
    "table_name": pl.String,
    "file_name": pl.String,
    "part": pl.Int64,
    "is_last": pl.Boolean,
    "content": pl.Binary,
    "codec": pl.String,
    "sealed_at": pl.Datetime("us"),
}
Mark = tuple[str, str]
"""A file's content hash and the inbox's name of its table: what was sealed under both is one file."""

# A file on its way out of the inbox bears this before its name; what is found so was left by a kill.
_LEAVING = ".leaving-"


@dataclass(slots=True)
class Consumed:
    """What left the inbox, and what had to stay with the reason: (table/name, why)."""

    file_count: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def keeping(self, file: InboxFile) -> Iterator[None]:
        """Do something for a file; where it does not go the file is kept, and the others go on."""
        name = f"{file.table}/{file.path.name}"
        try:
            yield
        except HandrailError as refused:
            self.kept.append((name, str(refused)))
        except OSError as error:
            self.kept.append((name, f"cannot be sealed and removed: {(error.strerror or 'unknown error').lower()}"))


def consume(warehouse: Warehouse, inbox: Path, files: Iterable[InboxFile], *, settle_seconds: float) -> Consumed:
    """Seal the files whose content is committed as taken and remove them from the home's own inbox.

    Run it after the commit of what was taken, and with every file that a later look finds.

    Args:
        warehouse: with no transaction open.
        inbox: the home's own inbox; a file that lies elsewhere is left alone.
        files: everything that a look into it found, of all tables.
        settle_seconds: where the system does not say whether a program still writes into a file, one that is younger
            stays for the next run.
    """
    done = Consumed()
    taken = {(str(row[0]), str(row[1])) for row in warehouse.rows("SELECT file_hash, table_name FROM raw.file")}
    sealed = []
    for path, files_of_it in _by_path(files).items():
        file = files_of_it[0]
        # A mapping may read one file for several tables: it is done with when all of them have it.
        if path.parent.parent.resolve() == inbox.resolve() and all(_taken_mark(one) in taken for one in files_of_it):
            with done.keeping(file):
                _ensure_settled(file, settle_seconds)
                _write(warehouse, file)
                sealed.append(file)
    # One reading for all of them: it passes over everything that is sealed.
    given_back = _digests(warehouse, [_mark(file) for file in sealed])
    for file in sealed:
        with done.keeping(file):
            _ensure_given_back(warehouse, file, given_back)
            _remove(file)
            done.file_count += 1
    return done


def put_back(inbox: Path) -> None:
    """Give files that a killed run left on their way out their names back; run it before looking into the inbox."""
    for leaving in sorted(inbox.glob(f"*/{_LEAVING}*")):
        _put_back(leaving)


def seal(warehouse: Warehouse, file: InboxFile) -> None:
    """Put a file's content into sealed storage and read it back; what is there already is read back only.

    Raises:
        FileNotReadyError: the file is not, or no longer, what its hash says; nothing of it is kept.
        PermanentError: what was read back is not what was written; the file must stay where it is.
    """
    _write(warehouse, file)
    _ensure_given_back(warehouse, file, _digests(warehouse, [_mark(file)]))


def read_sealed(warehouse: Warehouse, file_hash: str, table: str) -> Iterator[bytes]:
    """A sealed file's content as it was received, in pieces.

    Raises:
        BadInputError: there is no such file in sealed storage, or no longer.
        PermanentError: its content is not what its hash says (known after the last piece).
    """
    digest, is_there = hashlib.sha256(), False
    for _, content in _parts(warehouse, [(file_hash, table)]):
        digest.update(content)
        is_there = True
        yield content
    if not is_there:
        message = f"sealed storage has no file {file_hash[:16]} of {table}; what is past its retention is deleted"
        raise BadInputError(message)
    if digest.hexdigest() != file_hash:
        message = f"sealed storage has file {file_hash[:16]} of {table} in part only; deliver the file again"
        raise PermanentError(message)


def forget(warehouse: Warehouse, older_than: datetime) -> int:
    """Delete the files sealed before an instant (an aware one), for retention; returns how many they were."""
    limit = older_than.astimezone(UTC).replace(tzinfo=None)
    old = warehouse.rows(
        "SELECT DISTINCT file_hash, table_name FROM identity.sealed.file WHERE sealed_at < ? ORDER BY ALL", [limit]
    )
    for file_hash, table in old:
        forget_file(warehouse, str(file_hash), str(table))
    return len(old)


def forget_file(warehouse: Warehouse, file_hash: str, table: str) -> None:
    """Delete one file from sealed storage."""
    warehouse.write_identities(
        "DELETE FROM identity.sealed.file USING incoming "
        "WHERE file.file_hash = incoming.file_hash AND file.table_name = incoming.table_name",
        pl.DataFrame({"file_hash": [file_hash], "table_name": [table]}),
    )


# --- parts --------------------------------------------------------------------------------------------------------


def _by_path(files: Iterable[InboxFile]) -> dict[Path, list[InboxFile]]:
    found: dict[Path, list[InboxFile]] = {}
    for file in files:
        found.setdefault(file.path, []).append(file)
    return found


def _taken_mark(file: InboxFile) -> Mark:
    return file.taken_as, "statement" if file.table == "xapi" else file.table


def _mark(file: InboxFile) -> Mark:
    return file.content_hash, file.table


def _write(warehouse: Warehouse, file: InboxFile) -> None:
    """Write the parts of a file that is not in sealed storage whole."""
    mark = _mark(file)
    found = warehouse.rows(
        "SELECT count(*) = max(part) + 1 AND bool_or(is_last) FROM identity.sealed.file "
        "WHERE file_hash = ? AND table_name = ?",
        mark,
    )
    if found[0][0]:
        return
    forget_file(warehouse, *mark)
    digest, sealed_at = hashlib.sha256(), now().replace(tzinfo=None)
    with file.path.open("rb") as stream:
        codec = "none" if stream.peek(4).startswith(_PACKED) else "zstd"
        part, content, rows, waiting_bytes = 0, stream.read(PART_BYTES[codec]), [], 0
        while content or not part:
            following = stream.read(PART_BYTES[codec])
            digest.update(content)
            packed = pa.Codec("zstd").compress(content, asbytes=True) if codec == "zstd" else content
            rows.append((*mark, file.path.name, part, not following, packed, codec, sealed_at))
            part, content, waiting_bytes = part + 1, following, waiting_bytes + len(packed)
            if waiting_bytes >= _WRITE_BYTES or not following:
                _write_rows(warehouse, rows)
                rows, waiting_bytes = [], 0
    if digest.hexdigest() != file.content_hash:
        forget_file(warehouse, *mark)
        message = f"{file.table}/{file.path.name} changed after it was taken; it waits for the next run"
        raise FileNotReadyError(message)


def _write_rows(warehouse: Warehouse, rows: Sequence[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=_PART_SCHEMA, orient="row")
    warehouse.write_identities("INSERT INTO identity.sealed.file BY NAME FROM incoming", frame)


def _parts(warehouse: Warehouse, marks: Sequence[Mark]) -> Iterator[tuple[Mark, bytes]]:
    """The parts of files in the order in which they were written, each file's one after another."""
    wanted = ", ".join("(?, ?)" for _ in marks)
    # A connection of its own, since the result is handed out bit by bit.
    with warehouse.con.cursor() as reading:
        reading.execute(
            "SELECT file_hash, table_name, content, codec FROM identity.sealed.file "
            f"WHERE (file_hash, table_name) IN ({wanted})",
            [text for mark in marks for text in mark],
        )
        while rows := reading.fetchmany(1):
            for file_hash, table, content, codec in rows:
                yield (str(file_hash), str(table)), _unpacked(content) if codec == "zstd" else content


def _unpacked(content: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())


def _digests(warehouse: Warehouse, marks: Sequence[Mark]) -> dict[Mark, str]:
    """The hash of what sealed storage has of each file."""
    digests = {mark: hashlib.sha256() for mark in marks}
    for mark, content in _parts(warehouse, marks) if marks else ():
        digests[mark].update(content)
    return {mark: digest.hexdigest() for mark, digest in digests.items()}


def _ensure_given_back(warehouse: Warehouse, file: InboxFile, given_back: Mapping[Mark, str]) -> None:
    if given_back[_mark(file)] == file.content_hash:
        return
    forget_file(warehouse, *_mark(file))
    message = (
        f"sealed storage does not give {file.table}/{file.path.name} back as it was; the file stays in the inbox: "
        "check the disk that identity.duckdb is on"
    )
    raise PermanentError(message)


# --- out of the inbox ---------------------------------------------------------------------------------------------


def _ensure_settled(file: InboxFile, settle_seconds: float) -> None:
    file.ensure_unchanged()
    is_written = is_being_written(file.path)
    if is_written or (is_written is None and is_young(file.path, settle_seconds)):
        message = f"{file.table}/{file.path.name} may still be written into; it leaves the inbox with the next run"
        raise FileNotReadyError(message)


def _remove(file: InboxFile) -> None:
    """Unlink the very file that was sealed: renamed first, so that nobody puts another in its place meanwhile."""
    file.ensure_unchanged()
    leaving = file.path.with_name(_LEAVING + file.path.name)
    file.path.rename(leaving)
    # The renaming itself sets ctime, the last of the stamp.
    is_same = file.stamp[:-1] == stamp(leaving)[: len(file.stamp[:-1])]
    if not is_same or is_being_written(leaving):
        _put_back(leaving)
        message = f"{file.table}/{file.path.name} was written into at the last moment; it waits for the next run"
        raise FileNotReadyError(message)
    leaving.unlink()
    sync(file.path.parent)


def _put_back(leaving: Path) -> None:
    """Give a file its name back, or a similar one where another file has it by now."""
    name = leaving.name.removeprefix(_LEAVING)
    names = (f"{number}-{name}" if number else name for number in count())
    free = next(path for path in map(leaving.with_name, names) if not os.path.lexists(path))
    leaving.rename(free)
