"""Where statements and tables come from: one module a source.

Belongs here: choosing the data folder and the observation time of a source. Does not belong here: reading it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from data_contracts.errors import UsageError
from pipelines import __version__
from pipelines.home import Home, observation_time
from pipelines.settings import Settings
from pipelines.sources import inbox, oulad


def locate(home: Home, settings: Settings, *, data: str = "", as_of: str = "") -> tuple[Path, datetime]:
    """Return the folder to read and observed_at for the source in force.

    Raises:
        UsageError: the folder is not there, with what to do about it.
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
    return folder, observation_time(folder, settings, as_of)


def fingerprint(settings: Settings, data: Path) -> str:
    """SHA-256 over the content of everything the source in force would read."""
    return oulad.fingerprint(data) if settings.source == "oulad" else inbox.fingerprint(data)


def publication_id(settings: Settings, data: Path, observed_at: datetime) -> str:
    """What a run on these inputs publishes: hash of inputs, settings, code and observed_at; equal runs agree."""
    parts = (fingerprint(settings, data), settings.public_json(), __version__, observed_at.isoformat())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
