"""What every source writes: statements, identities, quarantine, and the file's own row.

Belongs here: the one way into schema raw and the identity store. Does not belong here: reading any format.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts.errors import PermanentError
from data_contracts.schema import Table
from data_contracts.tables.inputs import RAW_FILE, RAW_QUARANTINE, RAW_STATEMENT
from pipelines.home import now
from pipelines.sources.seen import Seen
from pipelines.sources.tombstones import Tombstones
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

# What the name of a source begins with that is a Learning Record Store: its rows come in pulls, not in files.
LRS_SOURCE = "lrs:"
# Rows of a query go to the archive in slices of this many, so that memory stays bounded.
_SLICE_ROWS = 500_000
# Statements a run after which repeated ones are looked for in memory first.
_MANY_STATEMENTS = 300_000

_FAULT_SCHEMA: dict[str, Any] = {
    **dict.fromkeys((*RAW_QUARANTINE.column_names, "raw_text"), pl.String),
    "line_number": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One refused row or file; `raw_text` goes to the sealed store alone.

    `key` says which row it is where neither its file nor its line does, since it may come again in other company.
    """

    table_name: str
    line_number: int | None
    column_name: str | None
    reason: str
    requirement_id: str | None
    detail: str
    raw_text: str
    key: str | None = None

    def fault_id(self, content_hash: str) -> str:
        """The fault's id: what makes a second delivery of the same row the same fault."""
        place = self.key or f"{content_hash}|{self.table_name}|{self.line_number}|{self.column_name}"
        return hashlib.sha256(f"{place}|{self.reason}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class Recorder:
    """Writes to an open warehouse and its archive; counts what was taken and refused since it was made."""

    warehouse: Warehouse
    taken: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unknown_columns: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    erased: int = 0
    _unit: int | None = None
    _tombstones: Tombstones | None = None
    _seen: Seen | None = None

    @contextmanager
    def unit(self) -> Iterator[None]:
        """One transaction on the warehouse and its archive: all that is written inside stays, or nothing of it."""
        archive = self.warehouse.archive
        last = self.warehouse.scalar("SELECT max(unit) FROM ops.archive_unit") or archive.last_unit()
        unit = self._unit = int(last) + 1
        self.warehouse.execute("BEGIN")
        try:
            yield
            self.warehouse.execute("INSERT INTO ops.archive_unit VALUES (?)", [unit])
            self.warehouse.execute("COMMIT")
        except BaseException:
            self.warehouse.execute("ROLLBACK")
            archive.discard(unit)
            raise
        finally:
            self._unit = None
        archive.commit(unit)

    def append(self, table: Table, frame: pl.DataFrame) -> None:
        """Add rows to a table of schema raw, and to the archive when a unit is open."""
        self.warehouse.append(table, frame)
        if self._unit is not None:
            self.warehouse.archive.write(self._unit, table.name, frame.select(table.column_names))

    def insert(self, table: Table, select: str, values: Iterable[object] = ()) -> int:
        """Add the rows of a query, whose columns are the table's by name (others stay null); returns how many."""
        name = "handrail_insert"
        # Created from its columns: into a table created from a query without rows, DuckDB 2.0.0 loses what is inserted.
        self.warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({table.ddl()})")
        rows = self.warehouse.scalar(f"INSERT INTO {name} BY NAME {select}", values)
        kept = self.warehouse.scalar(f"INSERT INTO {table.qualified_name} FROM {name}")
        if rows != kept:
            message = f"{table.qualified_name}: {rows} rows were read and {kept} kept; nothing was taken, run again"
            raise PermanentError(message)
        if self._unit is not None:
            slices = self.warehouse.slices(f"FROM {name}", _SLICE_ROWS)
            self.warehouse.archive.write_all(self._unit, table.name, slices)
        self.warehouse.execute(f"DROP TABLE {name}")
        return int(kept)

    def tombstones(self, pseudonyms: Pseudonyms, *, anew: bool = False) -> Tombstones:
        """Who was erased; read once, or anew where somebody was added."""
        if self._tombstones is None or anew:
            self._tombstones = Tombstones.of(self.warehouse, pseudonyms)
        return self._tombstones

    def is_taken(self, content_hash: str, table: str) -> bool:
        """Whether a file of this content was taken in before."""
        found = self.warehouse.scalar(
            "SELECT count(*) FROM raw.file WHERE file_hash = ? AND table_name = ?", [content_hash, table]
        )
        return bool(found)

    def statements(self, frame: pl.DataFrame, *, source_name: str, content_hash: str) -> int:
        """Append accepted statements that are not there yet; returns how many.

        known_at is `stored`, or the event's time where that says nothing; a statement cannot be known before it
        happened. Whether a source's `stored` is that of a migration is decided where all of it is seen (core).
        """
        fresh = self._unseen(frame)
        rows = fresh.with_columns(
            pl.max_horizontal("stored_at", "happened_at").alias("known_at"),
            pl.col("stored_at").is_null().alias("is_known_at_assumed"),
            pl.lit(source_name).alias("source_name"),
            pl.lit(content_hash).alias("file_hash"),
        )
        if not rows.is_empty():
            self.append(RAW_STATEMENT, rows)
        self.taken += rows.height
        self.repeated += frame.height - rows.height
        return rows.height

    def _unseen(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows whose id, content and time of storing are neither in raw.statement nor earlier in the frame."""
        same = ["statement_id", "content_hash", "stored_at"]
        is_once = frame["statement_id"].hash().n_unique() == frame.height
        once = frame if is_once else frame.unique(same, keep="first", maintain_order=True)
        seen = self._seen_so_far()
        perhaps = once if seen is None else once.filter(seen.perhaps(once["statement_id"]))
        if not perhaps.is_empty():
            # Equal content has an equal time, so only row groups of these times are read: a night costs what is new.
            first, last = perhaps["happened_at"].min(), perhaps["happened_at"].max()
            with self.warehouse.lent("handrail_seen", perhaps.select("statement_id")):
                known = self.warehouse.frame(
                    f"SELECT {', '.join(same)} FROM raw.statement SEMI JOIN handrail_seen USING (statement_id) "
                    f"WHERE happened_at BETWEEN TIMESTAMP '{first!s}' AND TIMESTAMP '{last!s}'"
                )
            if not known.is_empty():
                once = once.join(known, on=same, how="anti", nulls_equal=True, maintain_order="left")
        if seen is not None:
            seen.add(once["statement_id"])
        return once

    def _seen_so_far(self) -> Seen | None:
        """The filter of what is in raw.statement, once so much was taken that asking each time would cost more."""
        if self.taken < _MANY_STATEMENTS:
            return None
        rows = self.warehouse.count(RAW_STATEMENT)
        # Where rows came in or went on another way, or it is full, it is made anew.
        if self._seen is None or self._seen.rows != rows or self._seen.is_full:
            self._seen = Seen(2 * rows)
            for slice_ in self.warehouse.slices("SELECT statement_id FROM raw.statement", _SLICE_ROWS):
                self._seen.add(slice_["statement_id"])
        return self._seen

    def identities(self, found: Mapping[str, tuple[str, str]]) -> None:
        """Remember identifiers as given, in the identity store alone."""
        if not found:
            return
        self.warehouse.write_identities(
            "INSERT INTO identity.main.identifier SELECT * FROM incoming "
            "WHERE identity_id NOT IN (SELECT identity_id FROM identity.main.identifier)",
            pl.DataFrame(
                [(identity_id, kind, value) for identity_id, (kind, value) in found.items()],
                schema=dict.fromkeys(("identity_id", "identity_type", "identity_value"), pl.String),
                orient="row",
            ),
        )

    def faults(self, faults: Sequence[FaultRow], source_name: str, file_name: str, content_hash: str) -> None:
        """Put refused rows into quarantine; the fault's id makes a second delivery of the same row one fault."""
        if not faults:
            return
        found = {fault.fault_id(content_hash): fault for fault in reversed(faults)}
        known = self.warehouse.rows(
            "SELECT fault_id FROM raw.quarantine WHERE fault_id IN (SELECT unnest(?))", [list(found)]
        )
        for (fault_id,) in known:
            del found[fault_id]
        rows = []
        for fault_id, fault in reversed(found.items()):
            rows.append(
                (
                    fault_id,
                    fault.table_name,
                    source_name,
                    file_name,
                    content_hash,
                    fault.line_number,
                    fault.column_name,
                    fault.reason,
                    fault.requirement_id,
                    fault.detail,
                    self._kept_text(fault),
                )
            )
            self.refused[f"{fault.table_name}: {fault.reason}"] += 1
        if not rows:
            return
        frame = pl.DataFrame(rows, schema=_FAULT_SCHEMA, orient="row")
        self.warehouse.write_identities(
            "INSERT INTO identity.sealed.quarantine SELECT fault_id, file_name, raw_text FROM incoming "
            "WHERE fault_id NOT IN (SELECT fault_id FROM identity.sealed.quarantine)",
            frame,
        )
        self.append(RAW_QUARANTINE, frame.drop("raw_text"))

    def _kept_text(self, fault: FaultRow) -> str:
        """A refused row's text, or nothing of it where it mentions somebody who was erased."""
        return "" if self._tombstones and self._tombstones.hides_text(fault.raw_text) else fault.raw_text

    def file(
        self, content_hash: str, file_name: str, table: str, rows: int, refused: int, *, source_name: str = "inbox"
    ) -> None:
        """Mark a file as taken in."""
        taken_at = now().replace(tzinfo=None)
        row = (content_hash, source_name, file_name, table, rows, refused, taken_at)
        self.append(RAW_FILE, pl.DataFrame([row], schema=RAW_FILE.column_names, orient="row"))

    def note_unknown_column(self, table: str, file_name: str, column: str) -> None:
        """Remember a column that no contract knows; it is reported and not taken."""
        self.unknown_columns.append((table, file_name, column))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
