"""Takes the source in force in, a subject of tables at a time.

Belongs here: from an open night to the source's reader, and what the night must hear of it. Does not belong here:
reading any format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import runs
from pipelines.home import Home
from pipelines.privacy.door import clean_inbox
from pipelines.settings import Settings
from pipelines.sources import inbox, oulad, sealed
from pipelines.sources.inbox import InboxFile
from pipelines.sources.intake import Blocks, Unit, take_unit
from pipelines.sources.lines import DamagedFileError, blocks_of
from pipelines.sources.lrs.pull import logged_now_and_then, pull
from pipelines.sources.record import LRS_SOURCE, FaultRow, Recorder
from pipelines.sources.tables import take_table, take_waiting
from pipelines.sources.tombstones import Tombstones
from pipelines.statements.blocks import FileNotReadyError
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.resources import Night


def take_in(night: Night, tables: Sequence[str]) -> Mapping[str, int]:
    """Take the named tables in (`xapi` for statements); files known by content are left alone.

    Returns what was new, for the asset's metadata: files, rows refused, unknown columns.
    """
    record = Recorder(night.warehouse)
    new: list[InboxFile] = []
    if night.settings.source == "oulad":
        oulad.take(night.data, night.warehouse, night.pseudonyms, record)
    else:
        new = _new_files(night, tables, record)
        for table in tables:
            if table != "xapi":
                take_waiting(table, night.warehouse, night.pseudonyms, record)
            for file in new:
                if file.table != table:
                    continue
                try:
                    _take(file, night, record)
                except FileNotReadyError as waits:
                    record.notes.append(str(waits))
        if "xapi" in tables and night.settings.source == "inbox":
            _pull(night, record)
    for note in record.notes:
        runs.note(night.warehouse, night.run_id, note)
    some = {"repeated_statements": record.repeated, "erased_rows": record.erased}
    return {
        "new_files": len(new),
        "refused_rows": sum(record.refused.values()),
        "unknown_columns": len(record.unknown_columns),
        **{name: count for name, count in some.items() if count},
    }


def put_away(
    warehouse: Warehouse, settings: Settings, home: Home, data: Path, observed_at: datetime, pseudonyms: Pseudonyms
) -> list[str]:
    """Move what was taken from the home's own inbox into sealed storage, and forget what lies there too long.

    Run it when the night's work is done, with no transaction open. Returns what stays in the inbox and why.
    """
    if not _is_own_inbox(settings, home, data):
        return []
    sealed.forget(warehouse, observed_at - timedelta(days=settings.sealed_days))
    if not settings.consume:
        return []
    files, stays = inbox.look(data, settle_seconds=settings.inbox_settle_seconds).files, []
    erased = Tombstones.of(warehouse, pseudonyms)
    if erased:
        # A file may have come since the night looked; and what cannot be cleaned must not be kept.
        clean_inbox(files, home.inbox, warehouse, erased, on_gone=lambda _: None)
        files = inbox.look(data, settle_seconds=settings.inbox_settle_seconds).files
        stays = [file.shown_name for file in files if file.is_workbook]
        files = [file for file in files if not file.is_workbook]
    done = sealed.consume(warehouse, data, files, settle_seconds=settings.inbox_settle_seconds)
    kept = [*done.kept, *((name, "a workbook cannot be cleaned of the erased; remove it") for name in stays)]
    return [f"{name} stays in the inbox: {why}" for name, why in kept]


def _is_own_inbox(settings: Settings, home: Home, data: Path) -> bool:
    return settings.source == "inbox" and data == home.inbox


def _new_files(night: Night, tables: Sequence[str], record: Recorder) -> list[InboxFile]:
    """The files that are new by content, each once a table: the first name stands."""
    is_own = _is_own_inbox(night.settings, night.home, night.data)
    settle_seconds = night.settings.inbox_settle_seconds if is_own else 0
    if is_own:
        sealed.put_back(night.data)
    found = inbox.look(night.data, tables, settle_seconds=settle_seconds)
    record.notes += [f"{over.table}/{over.name} is not read: {over.detail}" for over in found.passed_over]
    erased, gone = record.tombstones(night.pseudonyms), list[str]()
    if clean_inbox(found.files, night.home.inbox, night.warehouse, erased, on_gone=gone.append):
        found = inbox.look(night.data, tables, settle_seconds=settle_seconds)
        record.tombstones(night.pseudonyms, anew=True)
    record.erased += len(gone)
    once = {(file.table, file.taken_as): file for file in reversed(found.files)}
    return [
        file
        for file in reversed(once.values())
        if not record.is_taken(file.taken_as, "statement" if file.table == "xapi" else file.table)
    ]


def _take(file: InboxFile, night: Night, record: Recorder) -> None:
    if file.table == "xapi":
        damage: list[FaultRow] = []
        unit = Unit("inbox", file.path.name, file.content_hash)
        lines = _lines(file, damage, workers=night.settings.threads)
        take_unit(lines, unit, night.pseudonyms, record, damage=damage)
    else:
        take_table(file.table, [file], night.warehouse, night.pseudonyms, record)


def _lines(file: InboxFile, damage: list[FaultRow], *, workers: int) -> Iterable[tuple[int, bytes]] | Blocks:
    """A file's statements: in blocks, which processes can share, where they stand one a line."""
    try:
        blocks = blocks_of(file.path)
    except DamagedFileError:
        # Read line by line it tells its damage where the lines end.
        blocks = None
    if blocks is None:
        return inbox.until_damage(inbox.unchanged(file, inbox.lines_of(file.path)), damage)
    return Blocks(inbox.until_damage(inbox.unchanged(file, blocks), damage), workers)


def _pull(night: Night, record: Recorder) -> None:
    """Pull from all Learning Record Stores; one that fails is told, and the others go on."""
    for outcome in pull(night.settings.lrs, record, night.pseudonyms, on_progress=logged_now_and_then()):
        if outcome.error is not None:
            runs.source_failed(night.warehouse, night.run_id, f"{LRS_SOURCE}{outcome.lrs_name}", str(outcome.error))
        elif outcome.stopped_by:
            record.notes.append(
                f"{LRS_SOURCE}{outcome.lrs_name} stopped at its cap ({outcome.stopped_by}); the next run goes on from there"
            )
