"""What every source writes: statements, identities, quarantine, and the file's own row.

Belongs here: the one way into schema raw and the identity store. Does not belong here: reading any format.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts.tables.inputs import RAW_QUARANTINE, RAW_STATEMENT
from pipelines.home import now
from pipelines.warehouse import Warehouse

# A source whose `stored` lies in bulk this long after `timestamp` was migrated: `stored` says nothing of knowing.
MIGRATED_AFTER_DAYS = 30

_FAULT_SCHEMA: dict[str, Any] = {
    **dict.fromkeys((*RAW_QUARANTINE.column_names, "raw_text"), pl.String),
    "line_number": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One refused row or file; `raw_text` goes to the sealed store alone."""

    table_name: str
    line_number: int | None
    column_name: str | None
    reason: str
    requirement_id: str | None
    detail: str
    raw_text: str


@dataclass(slots=True)
class Recorder:
    """Writes to an open warehouse; counts what was taken and refused since it was made."""

    warehouse: Warehouse
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unknown_columns: list[tuple[str, str, str]] = field(default_factory=list)

    def is_taken(self, content_hash: str, table: str) -> bool:
        """Whether a file of this content was taken in before."""
        found = self.warehouse.scalar(
            "SELECT count(*) FROM raw.file WHERE file_hash = ? AND table_name = ?", [content_hash, table]
        )
        return bool(found)

    def statements(self, frame: pl.DataFrame, *, source_name: str, content_hash: str) -> None:
        """Append accepted statements; known_at is `stored`, or the event's time where that says nothing."""
        lag_days = (frame["stored_at"] - frame["happened_at"]).dt.total_seconds().median()
        is_migrated = isinstance(lag_days, int | float) and lag_days > MIGRATED_AFTER_DAYS * 86_400
        assumed = pl.lit(value=True) if is_migrated else pl.col("stored_at").is_null()
        rows = frame.with_columns(
            pl.when(assumed)
            .then("happened_at")
            .otherwise(pl.max_horizontal("stored_at", "happened_at"))
            .alias("known_at"),
            assumed.alias("is_known_at_assumed"),
            pl.lit(source_name).alias("source_name"),
            pl.lit(content_hash).alias("file_hash"),
        )
        self.warehouse.append(RAW_STATEMENT, rows)
        self.taken += rows.height

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
        rows = []
        known = {
            row[0]
            for row in self.warehouse.rows("SELECT fault_id FROM raw.quarantine WHERE file_hash = ?", [content_hash])
        }
        for fault in faults:
            text = f"{content_hash}|{fault.table_name}|{fault.line_number}|{fault.column_name}|{fault.reason}"
            fault_id = hashlib.sha256(text.encode()).hexdigest()[:32]
            if fault_id in known:
                continue
            known.add(fault_id)
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
                    fault.raw_text,
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
        self.warehouse.append(RAW_QUARANTINE, frame.drop("raw_text"))

    def file(self, content_hash: str, file_name: str, table: str, rows: int, refused: int) -> None:
        """Mark a file as taken in."""
        self.warehouse.execute(
            "INSERT INTO raw.file VALUES (?, ?, ?, ?, ?, ?)",
            [content_hash, file_name, table, rows, refused, now().replace(tzinfo=None)],
        )

    def note_unknown_column(self, table: str, file_name: str, column: str) -> None:
        """Remember a column that no contract knows; it is reported and not taken."""
        self.unknown_columns.append((table, file_name, column))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
