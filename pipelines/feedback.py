"""Feedback on alerts that is given at the command line: through the door of the inbox, and seen at once.

Belongs here: from a row or a file to rows of raw.alert_feedback and events. Does not belong here: judging and keeping rows
(`pipelines.sources.tables`), what feedback does to an alert (`models.lifecycle`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from data_contracts.errors import UsageError
from data_contracts.tables.inputs import INPUTS, RAW_INPUTS
from pipelines import alert_replay
from pipelines.alert_events import record_feedback, sql
from pipelines.archive import sync
from pipelines.home import Home, now, told_instant
from pipelines.sources.inbox import TABLE_SUFFIXES, InboxFile, stamp
from pipelines.sources.record import Recorder, file_hash
from pipelines.sources.tables import take_table
from pipelines.statements.identity import Pseudonyms
from pipelines.warehouse import Warehouse, current

TABLE = "alert_feedback"
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Given:
    """One person's word on one alert; instants are UTC without a zone, `by` is their key of the inputs."""

    alert_id: str
    state: str
    by: str
    at: datetime
    verdict: str | None = None
    contacted_at: datetime | None = None

    def row(self) -> Mapping[str, str]:
        """The row as the inbox takes it."""
        return {
            "alert_id": self.alert_id,
            "state": self.state,
            "by": self.by,
            "at": f"{self.at.isoformat()}Z",
            "verdict": self.verdict or "",
            "contacted_at": f"{self.contacted_at.isoformat()}Z" if self.contacted_at else "",
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of feedback: events that are new, rows refused, rows that wait and why, notes for people."""

    events: int
    refused: int
    unknown: int
    future: int
    notes: tuple[str, ...] = ()


def latest_instant(warehouse: Warehouse) -> datetime:
    """The instant up to which feedback may have been given: the clock, or the latest night where that is later."""
    known = alert_replay.nights(warehouse)
    clock = now().replace(tzinfo=None)
    return clock if known is None else max(clock, known[1])


def check(warehouse: Warehouse, given: Given) -> None:
    """Refuse what cannot be.

    Raises:
        UsageError: it was given before the alert opened or lies in the future, or the contact is after it.
    """
    opened_at: datetime = warehouse.scalar(
        "SELECT min(happened_at) FROM alerts.event WHERE alert_id = ? AND event_kind = 'opened'", [given.alert_id]
    )
    if given.at < opened_at:
        message = f"--at {told_instant(given.at)} is before the alert opened ({told_instant(opened_at)}); give a later instant"
    elif given.at > latest_instant(warehouse):
        message = f"--at {told_instant(given.at)} lies in the future; leave --at out to say now"
    elif given.contacted_at is not None and given.contacted_at > given.at:
        message = (
            f"--contacted-at {told_instant(given.contacted_at)} is after the feedback itself ({told_instant(given.at)}); "
            "say it when it has happened, or give --at too"
        )
    elif given.contacted_at is not None and given.contacted_at < opened_at:
        message = (
            f"--contacted-at {told_instant(given.contacted_at)} is before the alert opened ({told_instant(opened_at)}), "
            "so it was not because of it; leave it out"
        )
    else:
        return
    raise UsageError(message)


def said_before(warehouse: Warehouse, given: Given, pseudonyms: Pseudonyms) -> datetime | None:
    """When the same person last said just this of the alert, where nobody has said anything since; else None."""
    said = warehouse.rows(
        "SELECT happened_at, event_kind, by_id, verdict, contacted_at FROM alerts.event WHERE alert_id = ? "
        "AND event_kind IN ('reviewed', 'acted', 'dismissed') ORDER BY happened_at DESC, event_number DESC LIMIT 1",
        [given.alert_id],
    )
    same = (given.state, pseudonyms.person(given.by), given.verdict, given.contacted_at)
    return said[0][0] if said and said[0][1:] == same else None


def is_known(warehouse: Warehouse, person_id: str) -> bool:
    """Whether a pseudonym is a mentor's or coordinator's of the inputs."""
    return bool(
        warehouse.scalar(
            "SELECT count(*) FROM (SELECT mentor_id FROM raw.mentor UNION SELECT mentor_id FROM raw.mentoring_match "
            "UNION SELECT coordinator_id FROM raw.programme) WHERE mentor_id = ?",
            [person_id],
        )
    )


def take(home: Home, warehouse: Warehouse, pseudonyms: Pseudonyms, given: Given) -> Taken:
    """Take one word on one alert in.

    It passes the inbox's folder of feedback as a file, so that a kill loses nothing: what lies there after one is taken in
    by the next night of a home that reads its own inbox, and by the same command given again.
    """
    content = io.StringIO()
    writer = csv.DictWriter(content, [name for name in INPUTS[TABLE].column_names if name != "recorded_at"])
    writer.writeheader()
    writer.writerow(given.row())
    folder = home.inbox / TABLE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"given-{hashlib.sha256(content.getvalue().encode()).hexdigest()[:16]}.csv"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(content.getvalue())
        stream.flush()
        os.fsync(stream.fileno())
    taken = take_file(warehouse, pseudonyms, file)
    file.unlink()
    sync(folder)
    return taken


def take_file(warehouse: Warehouse, pseudonyms: Pseudonyms, path: Path) -> Taken:
    """Take a file of feedback in, once by its content, and write down what happened to alerts by it.

    Raises:
        UsageError: there is no such file, or it is of no kind that tables come in.
    """
    if not path.is_file() or not path.name.endswith(TABLE_SUFFIXES):
        message = f"there is no file {path} that ends with one of {', '.join(TABLE_SUFFIXES)}"
        raise UsageError(message)
    file = InboxFile(TABLE, path, file_hash(path), stamp(path))
    record = Recorder(warehouse)
    if not record.is_taken(file.taken_as, TABLE):
        take_table(TABLE, [file], warehouse, pseudonyms, record)
    events = sum(record_feedback(warehouse, at) for at in _instants(warehouse))
    unknown, future = warehouse.rows(
        f"SELECT count(*) FILTER (alert_id NOT IN (SELECT alert_id FROM alerts.event)), "
        f"count(*) FILTER (known_at > {sql(latest_instant(warehouse))}) FROM raw.{TABLE} WHERE file_name = ?",
        [file.shown_name],
    )[0]
    return Taken(events, sum(record.refused.values()), int(unknown), int(future), tuple(record.notes))


def _instants(warehouse: Warehouse) -> list[datetime]:
    """The instants at which what is not among the events yet is written down, so that a replay sees each from then on.

    Each is just after what it makes known, and never before the latest night, which did not know it.
    """
    nights = alert_replay.nights(warehouse)
    if nights is None:
        return []
    rows = warehouse.rows(
        f"SELECT DISTINCT greatest(known_at, {sql(nights[1])}) "
        f"FROM {current(RAW_INPUTS[TABLE], sql(latest_instant(warehouse) + _MOMENT))} AS said JOIN alerts.event AS opened "
        "ON opened.alert_id = said.alert_id AND opened.event_kind = 'opened' WHERE NOT EXISTS (FROM alerts.event AS e "
        "WHERE e.alert_id = said.alert_id AND e.event_kind = said.state "
        "AND e.happened_at = greatest(said.at, opened.happened_at)) ORDER BY 1"
    )
    return [row[0] + _MOMENT for row in rows]
