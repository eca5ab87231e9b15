"""What nights left behind: the key, the lock, the publication.

Belongs here: stores that can be judged without opening the warehouse. Does not belong here: what comes in (`intake`).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from data_contracts.errors import HandrailError
from pipelines import __version__
from pipelines.doctor.finding import Finding, Patient, age, size
from pipelines.home import now, told_instant
from pipelines.migrations import AREA, migrations
from pipelines.publish import BUILD_NAME
from pipelines.statements.identity import Pseudonyms, ensure_fits, load_key
from pipelines.warehouse import SCHEMA_VERSION, WITNESSES

FRESH_HOURS, STALE_HOURS = 26, 74
"""A publication is fresh for a night and two hours, and stale after three nights."""
_LONG_HOURS = 6


def key(patient: Patient) -> Iterator[Finding]:
    """Whether the pseudonym key is there and whole; a new one beside old pseudonyms would cut everybody's past off."""
    home = patient.home
    if not home.key_file.exists():
        if home.identity_file.exists() and any(home.archive.glob("*/**/*.parquet")):
            told = "gone, although pseudonyms were made with it"
            yield Finding.fail("key", told, "restore `key` from its backup; a new one would cut off everybody's past")
        else:
            yield Finding.warn("key", "none yet", "the first run makes it; back it up then, apart from the rest")
        return
    try:
        pseudonyms = Pseudonyms(load_key(home.key_file, has_identities=True))
        ensure_fits(home.key_file, pseudonyms, _witnesses(home.identity_file))
    except HandrailError as error:
        yield Finding.fail("key", str(error), "restore `key` from its backup")
    else:
        yield Finding.ok("key", "there and whole; it belongs into a backup apart from the rest")


def _witnesses(identity_file: Path) -> list[tuple[str | None, str, str]]:
    """What the identity store says of its key; nothing where there is none or a run is at work in it."""
    with suppress(duckdb.Error):
        if identity_file.exists():
            with duckdb.connect(str(identity_file), read_only=True) as con:
                return con.execute(WITNESSES.format(store="")).fetchall()
    return []


def schema(patient: Patient) -> Iterator[Finding]:
    """Whether newer code than this wrote the stores; nothing is said where a run is at work in them, or all is well."""
    newest, found = {"warehouse": SCHEMA_VERSION, "identity": SCHEMA_VERSION, AREA: len(migrations())}, {}
    with suppress(duckdb.Error):
        if patient.home.warehouse_file.exists():
            with duckdb.connect(str(patient.home.warehouse_file), read_only=True) as con:
                found = dict(con.execute("SELECT area, version FROM ops.schema_version").fetchall())
    ahead = sorted(area for area, version in found.items() if version > newest.get(area, version))
    if ahead:
        told = f"written by newer code than {__version__}: {', '.join(ahead)}"
        yield Finding.fail(
            "schema", told, "install the newer Handrail that wrote them, or restore the backup from before it"
        )


def is_held(file: Path) -> bool:
    """Whether a process holds the home's lock."""
    pid = _holder(file).get("pid")
    if not isinstance(pid, int) or not _is_alive(pid):
        # The kernel frees the lock when its holder dies.
        return False
    # The number may be another process's by now. Only where it is not held is it held for this moment.
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def lock(patient: Patient) -> Iterator[Finding]:
    """Whether a run is at work, and whether one was killed in its middle."""
    home = patient.home
    if not is_held(home.lock_file):
        if (home.path / BUILD_NAME).exists():
            told = "free, but a half-built publication lies there: a run was killed, or a gate stopped it"
            yield Finding.warn("lock", told, "`handrail run` tidies up and does the night again; nothing is lost")
        else:
            yield Finding.ok("lock", "free")
        return
    holder = _holder(home.lock_file)
    told = f"held by pid {holder.get('pid')}, {holder.get('run')}, since {holder.get('since')}"
    try:
        hours = (now() - datetime.fromisoformat(str(holder.get("since")))).total_seconds() / 3600
    except (ValueError, TypeError):
        hours = 0.0
    if hours > _LONG_HOURS:
        yield Finding.warn(
            "lock", told, f"look at its log; if it hangs, end it: kill {holder.get('pid')}, then run again"
        )
    else:
        yield Finding.ok("lock", told)


def _holder(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def published(patient: Patient) -> dict[str, Any] | None:
    """The publication's own row, from the Parquet folder that the pointer leads to; None where nothing was published."""
    file = patient.home.marts / "current" / "publication.parquet"
    return pl.read_parquet(file).row(0, named=True) if file.exists() else None


def freshness(patient: Patient) -> Iterator[Finding]:
    """How old the last publication is, and what it says of its night."""
    row = published(patient)
    if row is None:
        yield Finding.warn("publication", "none yet", "`handrail run`; `handrail run --source simulated` shows a demo")
        return
    at = row["published_at"].replace(tzinfo=UTC)
    hours = (now() - at).total_seconds() / 3600
    told = f"{row['publication_id']} of {told_instant(at)} ({age(hours)}), as of {told_instant(row['observed_at'])}"
    is_live = patient.settings is None or patient.settings.source == "inbox"
    way_out = "look at the last run in the UI; start `handrail ui`, or let cron start `handrail run`"
    if is_live and hours > STALE_HOURS:
        yield Finding.fail("publication", f"stale: {told}", way_out)
    elif is_live and hours > FRESH_HOURS:
        yield Finding.warn("publication", f"not of last night: {told}", way_out)
    else:
        yield Finding.ok("publication", told)
    if row["failed_sources"]:
        told = f"published without {row['failed_sources']}"
        yield Finding.warn(
            "sources", told, "the lines `LRS ...` here and the run's log say why; the next run asks again"
        )
    if row["code_version"] != __version__:
        told = f"published by Handrail {row['code_version']}, this is {__version__}"
        yield Finding.warn("version", told, "`handrail run` publishes anew")


def marts(patient: Patient) -> Iterator[Finding]:
    """Whether the marts open and agree with the Parquet folder."""
    file, row = patient.home.marts_file, published(patient)
    if not file.exists():
        if row is not None:
            yield Finding.fail("marts", f"{file.name} is gone", "`handrail run` writes it again")
        return
    if Path(f"{file}.wal").exists():
        told = f"{file.name}.wal lies beside {file.name}: another program wrote to it"
        yield Finding.fail("marts", told, "remove both and run again; let dashboards read only")
        return
    try:
        with duckdb.connect(str(file), read_only=True) as con:
            found = con.execute("SELECT publication_id FROM publication").fetchall()
    except duckdb.Error:
        told = f"{file.name} does not open: damaged, or open for writing in another program"
        yield Finding.fail("marts", told, "close that program, or remove the file, and run again")
        return
    if row is not None and found != [(row["publication_id"],)]:
        told = f"{file.name} and marts/current are of different publications"
        yield Finding.warn(
            "marts", told, "a run is just publishing, or was killed at it: `handrail run` puts them right"
        )
    else:
        yield Finding.ok("marts", f"{file.name} opens, {size(file.stat().st_size)}")
