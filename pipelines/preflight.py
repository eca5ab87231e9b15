"""Before the first byte is written: is there room for the night?

Belongs here: how much a night is expected to write. Does not belong here: what is done when a disk fills all the same
(every store is written aside and replaced in one step, so the last publication stands).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from data_contracts.errors import PermanentError, TransientError
from pipelines.home import Home
from pipelines.warehouse import Warehouse

FACTOR = 6
"""Bytes that all stores grow by for each byte of a waiting file: measured 4.4 (demo, 25 MB of files, statements packed) and
3.4 (1 GB, 10 million statements), and half as much again for what the database spills and writes twice."""


def needed_bytes(home: Home, waiting_bytes: int = 0) -> int:
    """What a night may write at most before it can give anything back.

    The databases once more (a checkpoint, a copy written aside), the Parquet copy of the marts, and what waits.
    """
    copied = (home.warehouse_file, home.identity_file, home.marts_file)
    return (
        sum(file.stat().st_size for file in copied if file.exists())
        + _folder_bytes(home.marts / "current")
        + (FACTOR * waiting_bytes)
    )


def waiting_bytes(data: Path, warehouse: Warehouse) -> int:
    """Size of the files of an inbox whose names were not taken before; contents are not read for it."""
    known = {str(row[0]) for row in warehouse.rows("SELECT DISTINCT file_name FROM raw.file")}
    found = (entry for folder in data.glob("*/") for entry in os.scandir(folder))
    return sum(entry.stat().st_size for entry in found if entry.is_file() and entry.name not in known)


def ensure_room(home: Home, *, waiting: int, floor_megabytes: int) -> None:
    """Refuse a night that would fill the disk.

    Raises:
        TransientError: the disk of the home has less free than is needed.
        PermanentError: the home cannot be written.
    """
    if not os.access(home.path, os.W_OK):
        message = f"{home.path} cannot be written; chown or chmod it, or remount its disk, and run again"
        raise PermanentError(message)
    free = shutil.disk_usage(home.path).free
    needed = needed_bytes(home, waiting) + floor_megabytes * 1_000_000
    if free < needed:
        message = (
            f"not enough room in {home.path}: {free / 1e6:,.0f} MB are free, the night may need {needed / 1e6:,.0f} MB "
            f"(of it {floor_megabytes:,} MB by free_disk_megabytes); make room, or move the home to a larger disk"
        )
        raise TransientError(message)


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
