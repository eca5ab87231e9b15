"""What comes in: the data folder, which tables are given, the Learning Record Stores.

Belongs here: what is waiting or missing, from the folders and the archive. Does not belong here: reading what waits
(`pipelines.sources`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread

import polars as pl

from data_contracts.errors import HandrailError
from data_contracts.tables.inputs import INPUTS, MINIMUM
from data_contracts.tables.without import WITHOUT
from pipelines.doctor.finding import Finding, Patient, age, listed, size
from pipelines.home import now
from pipelines.settings import LrsSettings, Settings
from pipelines.sources import locate
from pipelines.sources.inbox import STATEMENT_SUFFIXES, TABLE_SUFFIXES, unknown_folders
from pipelines.sources.lrs.client import Client, Patience
from pipelines.sources.mapping import load_mapping
from pipelines.sources.record import LRS_SOURCE

LRS_SECONDS = 15.0
"""All that a Learning Record Store has to answer within."""
_WAITED_HOURS = 48


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Files of a table's folder: how many are to be read, how many never will be."""

    table: str
    readable: tuple[Path, ...]
    other: tuple[str, ...]


def _waiting(folder: Path) -> Iterator[_Waiting]:
    """What lies in the folders of tables, by name and ending; nothing is read."""
    mapping = load_mapping(folder)
    for table in ("xapi", *INPUTS):
        place = folder / table
        suffixes = STATEMENT_SUFFIXES if table == "xapi" else TABLE_SUFFIXES
        own = sorted(place.iterdir()) if place.is_dir() else []
        found = dict.fromkeys((*own, *mapping.paths(folder, table)))
        files = [path for path in found if path.is_file() and not path.name.startswith(".")]
        readable = tuple(path for path in files if path.name.lower().endswith(suffixes))
        other = tuple(f"{table}/{path.name}" for path in files if path not in readable)
        yield _Waiting(table, readable, other)


def _folder(patient: Patient) -> Path | None:
    """The data folder of the source in force; None where a run would refuse it."""
    if patient.settings is None:
        return None
    try:
        return locate(patient.home, patient.settings)[0]
    except HandrailError:
        return None


def data_folder(patient: Patient) -> Iterator[Finding]:
    """Whether the source's folder is there, what waits in it, and what is never read."""
    settings = patient.settings
    if settings is None:
        return
    try:
        folder, _ = locate(patient.home, settings)
    except HandrailError as error:
        if settings.source == "simulated" and not patient.home.simulated.exists():
            yield Finding.warn("data", "the demo world is not simulated yet", "`handrail run` does it")
        elif settings.source == "inbox" and not settings.data and not patient.home.path.exists():
            yield Finding.warn("data", "no inbox yet", "the first `handrail run` makes it; then put files into it")
        else:
            yield Finding.fail("data", str(error), "mend the folder, or `source` and `data` in handrail.toml")
        return
    if settings.source == "oulad":
        yield Finding.ok("data", f"Open University tables in {folder}")
        return
    found = list(_waiting(folder))
    yield _files(patient, settings, folder, found)
    other = [name for one in found for name in one.other]
    if other:
        told = f"not read, by their ending: {listed(other)}"
        yield Finding.warn("data", told, "export as CSV, NDJSON, Parquet or Excel: docs/inputs.md")
    if unknown := unknown_folders(folder):
        told = f"folders that no table has: {listed(unknown)}"
        yield Finding.warn("data", told, "rename them as in docs/inputs.md, or name them in mapping.yaml")


def _files(patient: Patient, settings: Settings, folder: Path, found: list[_Waiting]) -> Finding:
    files = [path for one in found for path in one.readable]
    if not files:
        return Finding.ok("data", f"{folder}: nothing waits")
    stats = [path.stat() for path in files]
    told = f"{len(files)} files, {size(sum(stat.st_size for stat in stats))}, in {folder}"
    if not (settings.consume and settings.source == "inbox" and folder == patient.home.inbox):
        return Finding.ok("data", f"{told}; they stay there, and each is taken once")
    hours = (now().timestamp() - min(stat.st_ctime for stat in stats)) / 3600
    told = f"waiting: {told}, the oldest came {age(hours)}"
    if hours > _WAITED_HOURS:
        way_out = "`handrail run` takes them in; what it leaves, its last lines and data_quality explain"
        return Finding.warn("data", told, way_out)
    return Finding.ok("data", told)


def tables(patient: Patient) -> Iterator[Finding]:
    """Which tables were never given, and what that switches off."""
    settings = patient.settings
    if settings is None or settings.source == "oulad":
        return
    folder = _folder(patient)
    waiting = {one.table for one in _waiting(folder) if one.readable} if folder else set()
    given = waiting | _taken(patient)
    if not given and not settings.lrs:
        told = "nothing was given yet; a night needs statements and " + " and ".join(MINIMUM)
        yield Finding.warn("tables", told, "put files into inbox/xapi and inbox/enrolment: docs/inputs.md")
        return
    if not given & {"xapi", "statement"} and not settings.lrs:
        yield Finding.warn(
            "tables", "no statements were ever given", "name a store (docs/lrs.md), or files in inbox/xapi"
        )
    for name in MINIMUM:
        if name not in given:
            told = f"no {name}: nobody is scored, and every mart of learners is empty"
            yield Finding.warn("tables", told, f"put a file into inbox/{name}: docs/inputs.md")
    for names, told in WITHOUT.items():
        if missing := [name for name in names if name not in given]:
            there = [name for name in names if name in given]
            but = f", only {' and '.join(there)}; without both" if there else ""
            folders = ", ".join(f"inbox/{name}" for name in missing)
            yield Finding.warn("tables", f"no {', '.join(missing)}{but}: {told}", f"{folders}: docs/inputs.md")
    if given >= set(INPUTS):
        yield Finding.ok("tables", f"all {len(INPUTS)} are given")


def _taken(patient: Patient) -> set[str]:
    """Tables of which a file was taken in, as the archive remembers it."""
    archive = patient.home.archive
    files = sorted((archive / "file").glob("*.parquet"))
    if not files:
        return {path.parent.name for path in archive.glob("*/*.parquet")}
    return set(pl.scan_parquet(files).select(pl.col("table_name").unique()).collect()["table_name"])


def record_stores(patient: Patient) -> Iterator[Finding]:
    """Whether each Learning Record Store answers, with the credentials in force, within bounded time."""
    if patient.settings is None:
        return
    if patient.settings.lrs and patient.settings.source != "inbox":
        yield Finding.warn("lrs", f"not asked by source {patient.settings.source!r}", 'set source = "inbox"')
        return
    asked = [(lrs, _started(lambda lrs=lrs: _ask(lrs))) for lrs in patient.settings.lrs]  # type: ignore[misc]
    for lrs, (thread, findings) in asked:
        thread.join(LRS_SECONDS)
        if findings:
            yield findings[0]
        else:
            told = f"{lrs.endpoint} has not answered within {LRS_SECONDS:g} seconds"
            yield Finding.fail(
                f"{LRS_SOURCE}{lrs.name}", told, "is it up, and does a firewall or a proxy stand between?"
            )


def _started(ask: Callable[[], Finding]) -> tuple[Thread, list[Finding]]:
    """Ask in a thread that nobody waits for at the end: a resolver may hang for minutes."""
    findings: list[Finding] = []
    thread = Thread(target=lambda: findings.append(ask()), daemon=True)
    thread.start()
    return thread, findings


def _ask(lrs: LrsSettings) -> Finding:
    """Ask one store for one recent statement."""
    name = f"{LRS_SOURCE}{lrs.name}"
    seconds = min(lrs.timeout_seconds, LRS_SECONDS / 2)
    try:
        client = Client(_modest(lrs, seconds), Patience(retries=0, page_seconds=seconds))
    except HandrailError as error:
        return Finding.fail(name, str(error), "docs/lrs.md says where credentials go")
    try:
        answer = client.get(client.address(now() - timedelta(hours=1), None))
    except HandrailError as error:
        # What a pull would do next is no concern here.
        told = re.split(r", asked \d+ times|, \d+ times;", str(error))[0]
        return Finding.fail(name, told, "mend it there, or in handrail.toml: docs/lrs.md; nights go on without it")
    finally:
        client.close()
    consistent = f", consistent through {answer.consistent_at:%Y-%m-%d %H:%M} UTC" if answer.consistent_at else ""
    return Finding.ok(name, f"{lrs.endpoint} answers in xAPI {lrs.version}{consistent}")


def _modest(lrs: LrsSettings, seconds: float) -> LrsSettings:
    """The store's settings for one modest question; a store that sets no limit of its own is not asked for one."""
    return lrs.model_copy(update={"page_limit": 1 if lrs.page_limit else 0, "timeout_seconds": seconds})
