"""Every file of a home, searched for a person and rewritten without them.

Belongs here: databases, Parquet, run history, texts, and the last search over all of it. Does not belong here: the rule
for a table (`rows`) or a delivered file (`deliveries`), the order of an erasure (`erase`).

Rows deleted from a DuckDB or SQLite file stay in its free blocks, so each file is written anew beside itself, synced and
put in its place in one step.
"""

from __future__ import annotations

import gzip
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from html import unescape
from pathlib import Path

import duckdb
import pyarrow as pa

from data_contracts.errors import HandrailError, PermanentError, TransientError
from data_contracts.schema import Table
from data_contracts.tables.inputs import INPUTS
from pipelines.archive import sync
from pipelines.home import Home
from pipelines.privacy import repack
from pipelines.privacy.deliveries import aliases_of, clean_file
from pipelines.privacy.person import Finder
from pipelines.privacy.rows import CONTRACTS, Hits, find_hits, quoted
from pipelines.settings import Settings
from pipelines.sources.mapping import InboxMapping, load_mapping

SCRATCH = ".erasing"
JOURNAL = "main.erasure"

_PARQUET, _SQLITE, _GZIP, _ZSTD, _ZIP = b"PAR1", b"SQLite format 3\0", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_DUCKDB, _DUCKDB_AT = b"DUCK", 8
_HEAD_BYTES = 16
# What the operator or the system writes by itself; it is searched, never changed.
_KEPT = ("key", "lock", "handrail.toml")


@dataclass
class Sweep:
    """One person's way out of a home's files; counts what goes, by place. A dry run only counts."""

    home: Home
    settings: Settings
    finder: Finder
    is_dry_run: bool = False
    removed: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    _digests: set[Path] = field(default_factory=set)

    @cached_property
    def mapping(self) -> InboxMapping:
        """What the operator's mapping says; nothing where it cannot be read."""
        try:
            return load_mapping(self.home.inbox)
        except HandrailError:
            return InboxMapping({})

    @property
    def scratch(self) -> Path:
        """Where files are rewritten; on the same disk, for the owner alone."""
        return self.home.path / SCRATCH

    @contextmanager
    def working(self) -> Iterator[None]:
        """Make the folder to work in, without what a killed erasure left there, and remove it."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700)
        try:
            yield
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    # --- deliveries ---------------------------------------------------------------------------------------------

    def delivered(self) -> Iterator[tuple[Path, str]]:
        """Files waiting in the inbox, and the simulated world's: (path, table); a mapping names other folders."""
        for inbox in (self.home.inbox, self.home.simulated / "inbox"):
            for folder in sorted(path for path in inbox.glob("*") if path.is_dir()):
                table = folder.name if folder.name == "xapi" or folder.name in INPUTS else ""
                yield from ((path, table) for path in sorted(folder.iterdir()) if _is_file(path))

    def clean_delivery(self, path: Path, table: str, place: str) -> Path | None:
        """A delivered file without the person, in the folder to work in; None where it never had them."""
        aside = self.scratch / path.name
        gone: list[str] = []
        if not clean_file(path, table, self.finder, aside, on_gone=gone.append, aliases=aliases_of(self.mapping)):
            return None
        self.removed[place] += max(len(gone), 1)
        if self.is_dry_run:
            aside.unlink()
            return None
        return aside

    def put(self, aside: Path, path: Path) -> None:
        """Put a rewritten file in its place in one step, with the rights it had."""
        os.chmod(aside, path.stat().st_mode & 0o777)
        sync(aside)
        os.replace(aside, path)
        sync(path.parent)

    def remove(self, path: Path) -> None:
        """Remove a digest that named the person among others; the next week's is written without them."""
        if path not in self._digests:
            self.removed[self._place(path)] += 1
        self._digests.add(path)
        if not self.is_dry_run:
            path.unlink()
            sync(path.parent)

    # --- databases ----------------------------------------------------------------------------------------------

    def databases(self) -> list[Path]:
        """Every DuckDB file of the home but the identity store, which comes last."""
        return [path for path in self._files() if _is_duckdb(path) and path != self.home.identity_file]

    def rewrite_database(self, path: Path, *, keeps_journal: bool = False) -> Path | None:
        """Write a database anew without the person, in the folder to work in.

        Raises:
            PermanentError: a `.wal` lies beside it: its content is not all in the file.
            TransientError: another process has it open for writing.
        """
        if path.with_name(f"{path.name}.wal").exists():
            message = f"{path.name}.wal lies beside {path.name}: another program wrote to it; close it and run again"
            raise PermanentError(message)
        plain, aside = self.scratch / f"plain-{path.name}", self.scratch / path.name
        for file in (plain, aside):
            file.unlink(missing_ok=True)
        is_mart = path.parent == self.home.path and path.name.startswith("marts")
        with self._connection() as con:
            try:
                con.execute(f"ATTACH {quoted(str(path))} AS old (READ_ONLY)")
            except duckdb.IOException:
                message = f"{path.name} is open in another process; close it there and run again"
                raise TransientError(message) from None
            if not self.is_dry_run:
                con.execute("SET force_compression = 'uncompressed'")
                con.execute(f"ATTACH {quoted(str(plain))} AS new{_STORAGE if is_mart else ''}")
                con.execute("COPY FROM DATABASE old TO new (SCHEMA)")
            for schema, name in con.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'old' ORDER BY table_oid"
            ).fetchall():
                qualified = f"{schema}.{name}"
                if qualified == JOURNAL and not keeps_journal:
                    continue
                select = self._without(con, f'old."{schema}"."{name}"', qualified, path.name)
                if not self.is_dry_run:
                    con.execute(f'INSERT INTO new."{schema}"."{name}" {select}')
            con.execute("DETACH old")
            if self.is_dry_run:
                return None
            con.execute("CHECKPOINT new")
            con.execute("DETACH new")
        self._repack(plain, aside, _STORAGE if is_mart else "")
        return aside

    def _repack(self, plain: Path, aside: Path, options: str) -> None:
        """Compress in a process that has nothing of the person in its memory."""
        words = [plain, aside, options, self.settings.threads, self.settings.memory_limit]
        command = [sys.executable, "-P", Path(repack.__file__), *words]
        told = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)  # noqa: S603
        if told.returncode:
            last = told.stderr.strip().rpartition("\n")[2]
            message = f"{aside.name} could not be written anew: {last}; run again"
            raise TransientError(message)
        plain.unlink()

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": self.settings.threads,
            "memory_limit": self.settings.memory_limit,
            "temp_directory": str(self.scratch / "spill"),
        }
        old_mask = os.umask(0o077)
        try:
            with duckdb.connect(config=config) as con:
                con.execute("SET enable_progress_bar = false")
                yield con
        finally:
            os.umask(old_mask)

    def _without(self, con: duckdb.DuckDBPyConnection, relation: str, qualified: str, place: str) -> str:
        if qualified == "sealed.quarantine":
            hits = self._refused_texts(con, relation)
        elif qualified == JOURNAL:
            hits = Hits()
        else:
            hits = find_hits(con, relation, CONTRACTS.get(qualified), self.finder)
        if hits:
            self.removed[place] += int(con.execute(hits.touched(relation)).fetchall()[0][0])
        return hits.select(relation)

    def _refused_texts(self, con: duckdb.DuckDBPyConnection, relation: str) -> Hits:
        """A refused text that names the person goes whole: nobody can tell what of it is whose."""
        likely = " OR ".join(f"contains(lower(raw_text), {quoted(mark)})" for mark in self.finder.person.marks)
        rows = con.execute(
            f"SELECT fault_id, raw_text FROM {relation} WHERE contains(raw_text, '\\') OR {likely or 'false'}"
        ).fetchall()
        hits = Hits()
        gone = [str(fault) for fault, text in rows if self.finder.hides_text(str(text))]
        if gone:
            hits.rows["fault_id"] = gone
        return hits

    # --- Parquet, run history, texts ----------------------------------------------------------------------------

    def clean_others(self) -> None:
        """Everything that is neither a database nor a delivery."""
        deliveries = {path for path, _ in self.delivered()}
        with self._connection() as con:
            for path in self._files():
                if path in deliveries or _is_duckdb(path) or self._is_kept(path):
                    continue
                # An earlier file's rewriting may have taken this one along (a journal of SQLite's).
                if path.exists():
                    self._clean_other(con, path)

    def _clean_other(self, con: duckdb.DuckDBPyConnection, path: Path) -> None:
        head = _head(path)
        if self.home.outbox in path.parents:
            if self.finder.is_in(path.name) or self.finder.is_in(unescape(path.read_text("utf-8", "replace"))):
                self.remove(path)
        elif head.startswith(_PARQUET):
            self._clean_parquet(con, path)
        elif head.startswith(_SQLITE):
            self._clean_sqlite(path)
        elif head.startswith((_GZIP, _ZSTD)):
            self._clean_text(path, _unpacked(path))
        elif self._is_in_file(path):
            self._clean_text(path, path.read_bytes())

    def _clean_parquet(self, con: duckdb.DuckDBPyConnection, path: Path) -> None:
        relation = f"read_parquet({quoted(str(path))})"
        hits = find_hits(con, relation, self._contract_of(path), self.finder)
        if not hits:
            return
        self.removed[self._place(path)] += int(con.execute(hits.touched(relation)).fetchall()[0][0])
        if self.is_dry_run:
            return
        select = hits.select(relation)
        is_empty = con.execute(f"SELECT count(*) FROM ({select})").fetchall()[0][0] == 0
        if is_empty and self.home.archive in path.parents:
            path.unlink()
            sync(path.parent)
            return
        aside = self.scratch / path.name
        con.execute(f"COPY ({select}) TO {quoted(str(aside))} (FORMAT parquet, COMPRESSION zstd)")
        self.put(aside, path)

    def _contract_of(self, path: Path) -> Table | None:
        if self.home.archive in path.parents:
            return CONTRACTS.get(f"raw.{path.relative_to(self.home.archive).parts[0]}")
        return CONTRACTS.get(f"main.{path.stem}") if self.home.marts in path.parents else None

    def _clean_sqlite(self, path: Path) -> None:
        beside = [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-journal")]
        if not any(other.exists() and self._is_in_file(other) for other in beside):
            return
        self.removed[self._place(path)] += 1
        if self.is_dry_run:
            return
        try:
            with closing(sqlite3.connect(path, timeout=10)) as con:
                con.execute("PRAGMA secure_delete = on")
                for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    self._clean_sqlite_table(con, str(table))
                con.commit()
                con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                con.execute("VACUUM")
        except sqlite3.OperationalError:
            message = f"{self._place(path)} is open in another process; close the Dagster UI and run again"
            raise TransientError(message) from None

    def _clean_sqlite_table(self, con: sqlite3.Connection, table: str) -> None:
        columns = [str(row[1]) for row in con.execute(f'PRAGMA table_info("{table}")').fetchall()]
        for column in columns:
            values = con.execute(f'SELECT DISTINCT "{column}" FROM "{table}"').fetchall()
            for (value,) in values:
                cleaned: object = value
                if isinstance(value, str) and self.finder.is_in(value):
                    cleaned = self.finder.without(value)
                elif isinstance(value, bytes) and self.finder.is_in_bytes(value):
                    cleaned = self.finder.without_bytes(value)
                if cleaned is not value:
                    con.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" = ?', (cleaned, value))

    def _clean_text(self, path: Path, content: bytes) -> None:
        """Replace the mentions in a text; what is no text is left, and the last search tells of it."""
        if not self.finder.is_in_bytes(content):
            return
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return
        self.removed[self._place(path)] += 1
        if self.is_dry_run:
            return
        aside = self.scratch / path.name
        cleaned = self.finder.without_bytes(content)
        head = _head(path)
        if head.startswith(_GZIP):
            cleaned = gzip.compress(cleaned, mtime=0)
        elif head.startswith(_ZSTD):
            cleaned = pa.Codec("zstd").compress(cleaned, asbytes=True)
        aside.write_bytes(cleaned)
        self.put(aside, path)

    # --- the last search ----------------------------------------------------------------------------------------

    def search(self, paths: list[Path] | None = None) -> list[str]:
        """Places where the person is still found: every table as text, every packed file unpacked, every byte."""
        found = []
        with self._connection() as con:
            for path in self._files() if paths is None else paths:
                if path == self.home.identity_file:
                    continue
                if self._is_found(con, path):
                    found.append(self._place(path))
                elif self.finder.is_in(path.name):
                    found.append(f"{self._place(path)} (a file's name)")
        return sorted(set(found))

    def is_named_in_workbook(self, path: Path) -> bool:
        """Whether a workbook names the person; it cannot be rewritten here."""
        return _head(path).startswith(_ZIP) and self._is_in_zip(path)

    def is_found_in(self, path: Path) -> bool:
        """Whether one file still names the person."""
        with self._connection() as con:
            return self._is_found(con, path)

    def _is_found(self, con: duckdb.DuckDBPyConnection, path: Path) -> bool:
        head = _head(path)
        if _is_duckdb(path):
            return self._is_in_database(con, path) or self._is_in_file(path)
        if head.startswith(_PARQUET):
            relation = f"read_parquet({quoted(str(path))})"
            return self._is_in_relation(con, relation) or self._is_in_file(path)
        if head.startswith((_GZIP, _ZSTD)):
            return self.finder.is_in_bytes(_unpacked(path))
        if head.startswith(_ZIP):
            return self._is_in_zip(path) or self._is_in_file(path)
        return self._is_in_file(path)

    def _is_in_database(self, con: duckdb.DuckDBPyConnection, path: Path) -> bool:
        con.execute(f"ATTACH {quoted(str(path))} AS searched (READ_ONLY)")
        try:
            tables = con.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'searched'"
            ).fetchall()
            return any(
                self._is_in_relation(con, f'searched."{schema}"."{name}"')
                for schema, name in tables
                if f"{schema}.{name}" != JOURNAL
            )
        finally:
            con.execute("DETACH searched")

    def _is_in_relation(self, con: duckdb.DuckDBPyConnection, relation: str) -> bool:
        if not self.finder:
            return False
        rows = con.execute(
            f"SELECT text FROM (SELECT CAST(t AS VARCHAR) AS text FROM {relation} AS t) "
            f"WHERE regexp_matches(text, {quoted(self.finder.rough)}, 'i')"
        ).fetchall()
        return any(self.finder.is_in(str(row[0])) for row in rows)

    def _is_in_zip(self, path: Path) -> bool:
        try:
            with zipfile.ZipFile(path) as packed:
                return any(self.finder.is_in_bytes(packed.read(name)) for name in packed.namelist())
        except zipfile.BadZipFile:
            return False

    def _is_in_file(self, path: Path) -> bool:
        if path.stat().st_size == 0:
            return False
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return self.finder.is_in_bytes(content)

    # --- the home -----------------------------------------------------------------------------------------------

    def _files(self) -> list[Path]:
        return [
            path for path in sorted(self.home.path.rglob("*")) if _is_file(path) and self.scratch not in path.parents
        ]

    def _is_kept(self, path: Path) -> bool:
        return path.parent == self.home.path and path.name in _KEPT

    def _place(self, path: Path) -> str:
        """Where a file lies, without its name where that may be a person's."""
        relative = path.relative_to(self.home.path)
        if self.home.outbox in path.parents:
            return self.home.outbox.name
        if len(relative.parts) == 1:
            return relative.name
        return str(relative.parent if self.finder.is_in(relative.name) else relative)


_STORAGE = " (STORAGE_VERSION 'v1.0.0')"


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def _is_duckdb(path: Path) -> bool:
    return _head(path)[_DUCKDB_AT : _DUCKDB_AT + len(_DUCKDB)] == _DUCKDB


def _unpacked(path: Path) -> bytes:
    """A packed file's content, as far as it can be read."""
    try:
        if _head(path).startswith(_GZIP):
            with gzip.open(path, "rb") as stream:
                return stream.read()
        with pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd") as packed:
            return bytes(packed.read())
    except (OSError, EOFError, pa.ArrowException):
        return path.read_bytes()
