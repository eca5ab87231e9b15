"""Which alerts were open at any past instant, in which state, and what was told of them.

Belongs here: the replay of alerts from what is on record. Does not belong here: what events add up to
(`models.lifecycle`), how it is printed (`commands.alerts`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from data_contracts.errors import UsageError
from data_contracts.tables.alerts import ALERT, EVENT
from models.lifecycle import state_as_of
from pipelines.alert_events import log, sql
from pipelines.home import told_instant
from pipelines.warehouse import Warehouse

LEAST_PREFIX = 8
"""So many characters of an alert_id are enough where they are one alert's alone."""

_FROM_EVENTS = ("opened_at", "state", "state_at", "resolution", "escalated_at", "last_contact_at")
_NIGHTS = "(SELECT observed_at FROM alerts.alert UNION SELECT observed_at FROM ops.run WHERE state = 'published')"


def nights(warehouse: Warehouse) -> tuple[datetime, datetime] | None:
    """The first and the latest night on record, UTC without a zone; None before the first."""
    first, last = warehouse.rows(f"SELECT min(observed_at), max(observed_at) FROM {_NIGHTS}")[0]
    return None if first is None else (first, last)


def latest(warehouse: Warehouse) -> datetime | None:
    """The instant from which on nothing more is on record: the latest night, or the latest feedback after it."""
    found: datetime | None = warehouse.scalar(
        f"SELECT max(observed_at) FROM (FROM {_NIGHTS} UNION ALL SELECT observed_at FROM alerts.event)"
    )
    return found


def night_before(warehouse: Warehouse, at: datetime) -> datetime:
    """The latest night at or before an instant, whose content holds then.

    Raises:
        UsageError: there was none yet.
    """
    found: datetime | None = warehouse.scalar(f"SELECT max(observed_at) FROM {_NIGHTS} WHERE observed_at <= ?", [at])
    if found is not None:
        return found
    known = nights(warehouse)
    if known is None:
        message = "no night has been here yet, so there are no alerts; `handrail run` is the first"
    else:
        message = f"there was no night by {told_instant(at)}; the first was that of {told_instant(known[0])}"
    raise UsageError(message)


def replay(warehouse: Warehouse, at: datetime) -> pl.DataFrame:
    """Every alert that had been opened by an instant (UTC, without a zone), in the columns of `alerts.alert`.

    State and what belongs to it are what the events written down until then add up to; everything else is what the latest
    night until then told, whose time stands in `observed_at`. Rows are ordered by alert_id.
    """
    told = warehouse.frame(
        f"FROM {ALERT.qualified_name} WHERE observed_at <= {sql(at)} "
        "QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY observed_at DESC) = 1"
    )
    states = state_as_of(log(warehouse), at).select("alert_id", *_FROM_EVENTS)
    return told.drop(_FROM_EVENTS).join(states, on="alert_id").select(ALERT.column_names).sort("alert_id")


def events_of(warehouse: Warehouse, alert_id: str, at: datetime) -> pl.DataFrame:
    """What happened to one alert and was written down by an instant, in the order in which it happened."""
    return warehouse.frame(
        f"FROM {EVENT.qualified_name} WHERE alert_id = '{alert_id}' AND observed_at <= {sql(at)} "
        "ORDER BY happened_at, event_number"
    )


def found(warehouse: Warehouse, given: str) -> str:
    """The alert_id meant by an id or its beginning.

    Raises:
        UsageError: there is none, several begin so, or so few characters could be any.
    """
    known = [
        str(row[0])
        for row in warehouse.rows(
            "SELECT DISTINCT alert_id FROM alerts.event WHERE starts_with(alert_id, ?) ORDER BY alert_id LIMIT 5",
            [given],
        )
    ]
    if given in known:
        return given
    if len(given) < LEAST_PREFIX:
        message = f"{given!r} is too short for an alert's id; give its first {LEAST_PREFIX} characters at least"
    elif not known:
        message = f"there is no alert {given!r}; `handrail alerts --all` shows every one with its id"
    elif len(known) > 1:
        message = f"several alerts begin with {given!r}: {', '.join(known)}; give more characters"
    else:
        return known[0]
    raise UsageError(message)


def learners_of(warehouse: Warehouse, alert_id: str) -> list[str]:
    """Whom an alert is about."""
    return [
        str(learner)
        for (learner,) in warehouse.rows("SELECT DISTINCT learner_id FROM alerts.event WHERE alert_id = ?", [alert_id])
    ]
