"""The inbox: folders of files, taken once by content; and the files of statements.

Belongs here: finding files, reading statements' lines whatever the damage. Does not belong here: rules of statements
(`pipelines.statements`), files of tables (`tables`). Nothing here stops a night.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, cast

import orjson
import pyarrow as pa

from data_contracts.tables.inputs import INPUTS
from pipelines.sources.record import FaultRow, Recorder, file_hash
from pipelines.statements.identity import Pseudonyms
from pipelines.statements.take import statements_of, take
from pipelines.warehouse import Warehouse

STATEMENT_SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz", ".json.zst", ".ndjson.zst")
TABLE_SUFFIXES = (".csv", ".ndjson", ".parquet")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GOES_ON = (b"{", b"[", b",", b":")
_DAMAGE = (OSError, EOFError, zlib.error, pa.ArrowInvalid)


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file found in the inbox: which table it is for, its path and content hash."""

    table: str
    path: Path
    content_hash: str


def scan(folder: Path, tables: Sequence[str] = ("xapi", *INPUTS)) -> list[InboxFile]:
    """The inbox's files of the given tables (all by default), in that order, then by name."""
    found = []
    for table in tables:
        suffixes = STATEMENT_SUFFIXES if table == "xapi" else TABLE_SUFFIXES
        paths = sorted(path for path in (folder / table).glob("*") if path.is_file() and path.name.endswith(suffixes))
        found += [InboxFile(table, path, file_hash(path)) for path in paths]
    return found


def unknown_folders(folder: Path) -> list[str]:
    """Folders of the inbox that are no table's; they are reported and not read."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in {"xapi", *INPUTS})


def fingerprint(folder: Path) -> str:
    """SHA-256 over the content of every file of the inbox."""
    lines = [f"{file.table}/{file.path.name}:{file.content_hash}" for file in scan(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        # Arrow's own stream reads no lines.
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd"))
    return path.open("rb")


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered statements of a file: one a line, one array, or a single one over several lines, told by content."""
    with _open(path) as stream:
        number, head = 1, stream.readline().removeprefix(BYTE_ORDER_MARK)
        while head and not head.strip():
            number, head = number + 1, stream.readline()
        is_array = head.lstrip().startswith(b"[")
        if not is_array and not head.rstrip().endswith(_GOES_ON):
            yield from statements_of(chain([head], stream), start=number)
            return
        content = head + stream.read()
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        # Either a broken array, or lines of which the first is broken.
        yield from [(number, content[:10_000])] if is_array else statements_of(io.BytesIO(content), start=number)
        return
    yield from enumerate(map(_one_line, parsed if is_array else [parsed]), start=1)


def _one_line(parsed: object) -> bytes:
    try:
        return orjson.dumps(parsed)
    except orjson.JSONEncodeError:
        return b"(nested too deep to be written on one line)"


def take_statements(files: list[InboxFile], warehouse: Warehouse, pseudonyms: Pseudonyms, record: Recorder) -> None:
    """Take statement files in, each in one transaction: rows, identities, quarantine and the file's own row."""
    for file in files:
        place = ("inbox", file.path.name, file.content_hash)
        warehouse.execute("BEGIN")
        rows = refused = 0
        damage: list[FaultRow] = []
        for batch in take(_until_damage(lines_of(file.path), damage), pseudonyms):
            record.statements(batch.frame(), source_name="inbox", content_hash=file.content_hash)
            record.identities(batch.identities)
            record.faults(
                [
                    FaultRow(
                        "statement",
                        fault.line_number,
                        None,
                        fault.reason,
                        fault.requirement_id,
                        _statement_detail(fault.reason, fault.requirement_id),
                        fault.raw_text,
                    )
                    for fault in batch.faults
                ],
                *place,
            )
            rows, refused = rows + len(batch.rows), refused + len(batch.faults)
        record.faults(damage, *place)
        record.file(file.content_hash, file.path.name, "statement", rows, refused + len(damage))
        warehouse.execute("COMMIT")


def _until_damage(lines: Iterator[tuple[int, bytes]], damage: list[FaultRow]) -> Iterator[tuple[int, bytes]]:
    """The lines before a file breaks; those rows stay, since nothing is lost and the mended file has another hash."""
    try:
        yield from lines
    except _DAMAGE:
        detail = "the file ends or breaks in the middle; deliver it again"
        damage.append(FaultRow("statement", None, None, "file_damaged", None, detail, ""))


def _statement_detail(reason: str, requirement: str | None) -> str:
    rule = f"; see {requirement} of the xAPI conformance requirements" if requirement else ""
    return f"not a valid xAPI statement: {reason.replace('_', ' ')}{rule}; mend it at its source and deliver it again"
