"""The archive: every row that entered schema raw, as Parquet, identities already replaced.

Belongs here: the archive's files: writing a unit's parts, moving them into place, sweeping, listing. Does not belong
here: transactions (`pipelines.sources.record`), replaying into a warehouse (`pipelines.rebuild`), erasing (`privacy`).

Layout: `<table>/<unit>.parquet`; statements by month of storing: `statement/<yyyy-mm>/<unit>-<part>.parquet`. A unit is
one transaction; its number orders the replay. Its parts are written and synced under `.pending/<unit>/`, then the
transaction commits with the unit's number in raw.archive_unit, then the parts move into place. A kill in between
leaves `.pending/<unit>/`: whether its unit is committed decides whether it moves or goes (`settle`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from data_contracts.tables.inputs import RAW_STATEMENT

_PENDING = ".pending"
_DIGITS = 10
# Level 1 is a third larger than 3 and twice as fast.
_LEVEL = 1


class Archive:
    """The archive of one home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pending(self, unit: int) -> Path:
        """Where the parts of a unit stand until it is committed."""
        return self.folder / _PENDING / f"{unit:0{_DIGITS}}"

    def write(self, unit: int, table: str, frame: pl.DataFrame) -> None:
        """Write rows of a raw table as parts of an open unit; rows of a statement by the month they were stored in."""
        if frame.is_empty():
            return
        if table != RAW_STATEMENT.name:
            self._write_part(unit, Path(table), frame)
            return
        stored = frame.with_columns(pl.coalesce("stored_at", "happened_at").alias("_at")).sort("_at")
        start = 0
        for count, month in stored["_at"].dt.truncate("1mo").rle().struct.unnest().rows():
            rows = stored.slice(start, count).drop("_at")
            self._write_part(unit, Path(table) / f"{month:%Y-%m}", rows)
            start += count

    def write_all(self, unit: int, table: str, frames: Iterable[pl.DataFrame]) -> None:
        """Write frame after frame as parts of an open unit."""
        for frame in frames:
            self.write(unit, table, frame)

    def _write_part(self, unit: int, place: Path, rows: pl.DataFrame) -> None:
        folder = self.pending(unit) / place
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = sum(1 for _ in folder.iterdir())
        file = folder / f"{unit:0{_DIGITS}}-{number:04}.parquet"
        rows.write_parquet(file, compression="zstd", compression_level=_LEVEL)
        sync(file)

    def commit(self, unit: int) -> None:
        """Move the parts of a committed unit into place."""
        pending = self.pending(unit)
        for file in sorted(pending.rglob("*.parquet")):
            target = self.folder / file.relative_to(pending)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.replace(file, target)
            sync(target.parent)
        self.discard(unit)

    def discard(self, unit: int) -> None:
        """Forget the parts of a unit that was not committed."""
        shutil.rmtree(self.pending(unit), ignore_errors=True)

    def settle(self, is_committed: set[int]) -> None:
        """Finish what a killed run left: parts of committed units move into place, others go."""
        for pending in sorted((self.folder / _PENDING).glob("*")):
            unit = int(pending.name)
            self.commit(unit) if unit in is_committed else self.discard(unit)

    def parts(self, table: str) -> list[Path]:
        """A table's parts in the order in which their units were taken in."""
        return sorted((self.folder / table).rglob("*.parquet"), key=lambda file: file.name)

    def tables(self) -> Iterator[str]:
        """Names of the tables that have parts."""
        for folder in sorted(self.folder.glob("*")):
            if folder.is_dir() and folder.name != _PENDING:
                yield folder.name

    def last_unit(self) -> int:
        """The highest unit number in place, 0 in an empty archive."""
        names = (file.name for table in self.tables() for file in self.parts(table))
        return max((int(name[:_DIGITS]) for name in names), default=0)


class NoArchive(Archive):
    """Keeps nothing, for a home that is thrown away with all that is in it."""

    def write(self, unit: int, table: str, frame: pl.DataFrame) -> None:
        """Do nothing."""

    def write_all(self, unit: int, table: str, frames: Iterable[pl.DataFrame]) -> None:
        """Do nothing; the frames are not even made."""


def sync(path: Path) -> None:
    """Force a file or a folder's entries onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
