"""Looks for texts in every file of a folder, as somebody would who has the files: an independent second opinion.

Belongs here: opening everything there is to open. Does not belong here: any code of the project.
DuckDB's and SQLite's tables as text, packed parts in them unpacked; Parquet as rows; packed files unpacked; and the raw
bytes of every file, databases' free blocks and files' names included. Case does not count.
"""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq


def places_of(folder: Path, texts: Iterable[str]) -> dict[str, list[str]]:
    """Each text with the places where it stands; an empty dictionary where none does."""
    wanted = {text: text.lower().encode() for text in texts}
    found: dict[str, set[str]] = {}
    for place, content in all_contents(folder):
        lower = content.lower()
        for text, sought in wanted.items():
            if sought in lower:
                found.setdefault(text, set()).add(place)
    return {text: sorted(places) for text, places in sorted(found.items())}


def all_contents(folder: Path, *, without: tuple[str, ...] = ()) -> Iterator[tuple[str, bytes]]:
    """(place, content) of everything in a folder's files, but for those whose path in it begins as one of `without`."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.is_symlink() and not name.startswith(without):
            yield from contents_of(path, name)


def contents_of(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """(place, content) of everything that a file holds, however packed; first its name, then its bytes."""
    content = path.read_bytes()
    yield f"{name} (its name)", name.encode()
    yield name, content
    if content[8:12] == b"DUCK":
        yield from _duckdb(path, name)
    elif content.startswith(b"SQLite format 3\0"):
        yield from _sqlite(path, name)
    else:
        yield from _unpacked(name, content)


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    inner: list[tuple[str, bytes]] = []
    if content.startswith(b"\x1f\x8b"):
        inner = [(f"{name} unpacked", gzip.decompress(content))]
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
            inner = [(f"{name} unpacked", bytes(stream.read()))]
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            inner = [(f"{name}: {entry}", packed.read(entry)) for entry in packed.namelist()]
    elif content.startswith(b"PAR1"):
        yield f"{name} as rows", str(pq.read_table(pa.BufferReader(content)).to_pylist()).encode()
    for place, piece in inner:
        yield place, piece
        yield from _unpacked(place, piece)


def _duckdb(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(str(path), read_only=True) as con:
        for schema, table in con.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
            place = f"{name}: {schema}.{table}"
            rows = con.execute(f'SELECT CAST(t AS VARCHAR) FROM "{schema}"."{table}" AS t').fetchall()
            yield place, "\n".join(str(row[0]) for row in rows).encode()
            blobs = [
                str(row[0])
                for row in con.execute(f'DESCRIBE SELECT * FROM "{schema}"."{table}"').fetchall()
                if row[1] == "BLOB"
            ]
            for column in blobs:
                for (blob,) in con.execute(f'SELECT "{column}" FROM "{schema}"."{table}"').fetchall():
                    yield from _unpacked(place, bytes(blob))


def _sqlite(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(path)) as con:
        for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            yield f"{name}: {table}", str(con.execute(f'SELECT * FROM "{table}"').fetchall()).encode()
