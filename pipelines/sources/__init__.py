"""Where statements and tables come from: one module a source.

Belongs here: choosing the data folder and the observation time of a source. Does not belong here: reading it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from data_contracts.errors import UsageError
from pipelines import __version__
from pipelines.champions import hand_promotions
from pipelines.home import Home, observation_time
from pipelines.settings import Settings
from pipelines.sources import inbox, oulad
from pipelines.sources.mapping import load_mapping
from pipelines.sources.record import LRS_SOURCE, Recorder
from pipelines.warehouse import Warehouse


def locate(home: Home, settings: Settings, *, data: str = "", as_of: str = "") -> tuple[Path, datetime]:
    """Return the folder to read and observed_at for the source in force.

    Raises:
        UsageError: the folder is not there, or its mapping.yaml errs, with what to do about it.
    """
    given = data or settings.data
    if settings.source == "simulated":
        folder = home.simulated / "inbox"
    elif settings.source == "oulad":
        folder = Path(given).expanduser().resolve()
        if not given or not (folder / "studentVle.parquet").exists():
            message = (
                "--source oulad needs --data DIR with the Open University's tables as Parquet (studentVle.parquet ...)"
            )
            raise UsageError(message)
        return folder, observation_time(folder, settings, as_of or oulad.default_as_of(folder))
    else:
        folder = Path(given).expanduser().resolve() if given else home.inbox
    if not folder.is_dir():
        way_out = (
            "simulate one with `handrail run --source simulated`" if settings.source == "simulated" else "check --data"
        )
        message = f"there is no folder {folder}; {way_out}"
        raise UsageError(message)
    load_mapping(folder)
    return folder, observation_time(folder, settings, as_of)


def pending(settings: Settings, data: Path, record: Recorder) -> list[tuple[str, str]]:
    """(table, content hash) of everything the source in force would take in now."""
    if settings.source == "oulad":
        found = [("statement", oulad.fingerprint(data))]
    else:
        found = [("statement" if file.table == "xapi" else file.table, file.taken_as) for file in inbox.scan(data)]
    return [(table, content_hash) for table, content_hash in found if not record.is_taken(content_hash, table)]


def publication_id(
    settings: Settings, observed_at: datetime, warehouse: Warehouse, also: Iterable[tuple[str, str]] = ()
) -> str:
    """What a run publishes from what was taken in: hash of inputs, settings, code and observed_at; equal runs agree.

    Args:
        settings: in force.
        observed_at: the observation time.
        warehouse: whose schema raw counts; how its rows were cut into files or pages does not.
        also: (table, content hash) of files not yet taken in.
    """
    files = warehouse.rows(f"SELECT table_name, file_hash FROM raw.file WHERE source_name NOT LIKE '{LRS_SOURCE}%'")
    pulled = warehouse.rows(
        "SELECT source_name, count(*), bit_xor(hash(statement_id, content_hash)) FROM raw.statement "
        f"WHERE source_name LIKE '{LRS_SOURCE}%' GROUP BY source_name ORDER BY source_name"
    )
    erased = warehouse.scalar("SELECT count(*) FROM identity.main.tombstone")
    chosen = hand_promotions(warehouse)
    parts = (
        *sorted({f"{table}:{content_hash}" for table, content_hash in (*files, *also)}),
        *(str(row) for row in pulled),
        f"erased {erased}",
        *((f"champion chosen by hand {chosen}",) if chosen else ()),
        settings.public_json(),
        __version__,
        observed_at.isoformat(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
