"""What must hold of alerts after any night, found again from their tables alone.

Belongs here: the fold of events, minutes against capacity, one open alert at a time; each function returns what breaks
the rule, so that nothing is the good answer. Does not belong here: how an alert comes to be. Nothing from `models` is
imported here.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import polars as pl

STATE_AFTER = {
    "opened": "new",
    "reopened": "new",
    "reviewed": "reviewed",
    "acted": "acted",
    "dismissed": "dismissed",
    "resolved": "resolved",
}
OPEN = ("new", "reviewed", "acted")
_LEAST = 1e-6


@dataclass(frozen=True)
class Lived:
    """An alert as its events tell it: `spans` are the times in which it was open, an open one without end."""

    participation_id: str
    state: str
    spans: list[tuple[datetime, datetime | None]]
    resolution: str | None


def lives(events: pl.DataFrame) -> dict[str, Lived]:
    """Every alert, folded from `alerts.event` in the order of time, then of number."""
    told: dict[str, Lived] = {}
    for event in events.sort("alert_id", "happened_at", "event_number").iter_rows(named=True):
        before = told.get(event["alert_id"])
        state, resolution = _after(before, event)
        spans = list(before.spans) if before else []
        was_open, is_open = bool(before and before.state in OPEN), state in OPEN
        if is_open and not was_open:
            spans.append((event["happened_at"], None))
        elif was_open and not is_open:
            spans[-1] = (spans[-1][0], event["happened_at"])
        told[event["alert_id"]] = Lived(event["participation_id"], state, spans, resolution)
    return told


def _after(before: Lived | None, event: dict[str, Any]) -> tuple[str, str | None]:
    """State and resolution after an event: a closed alert stays closed until it is reopened; a look undoes no act."""
    kind, state = event["event_kind"], before.state if before else ""
    is_kept = kind not in STATE_AFTER or (kind == "reviewed" and state == "acted")
    if before and (is_kept or (state not in OPEN and kind not in {"opened", "reopened"})):
        return before.state, before.resolution
    return STATE_AFTER.get(kind, state), event["resolution"]


def open_twice(events: pl.DataFrame) -> list[str]:
    """Participations with two open alerts at some instant; an alert may open in the instant in which another closes."""
    spans: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for life in lives(events).values():
        spans[life.participation_id] += [(begun, ended or datetime.max) for begun, ended in life.spans]  # noqa: DTZ901
    return sorted(
        participation
        for participation, times in spans.items()
        if any(later[0] < earlier[1] for earlier, later in pairwise(sorted(times)))
    )


def shown_twice(alerts: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Participations with two open rows in one night of `alerts.alert`."""
    counted = alerts.filter(pl.col("state").is_in(OPEN)).group_by("participation_id", "observed_at").len()
    return counted.filter(pl.col("len") > 1).sort("participation_id", "observed_at").rows()


def without_reason(alerts: pl.DataFrame, events: pl.DataFrame) -> list[str]:
    """Alerts that ended in no state, were resolved for no reason, or stood open one night neither served nor unserved."""
    found = [
        f"{alert_id}: {life.state or 'no state'}, {life.resolution or 'no resolution'}"
        for alert_id, life in lives(events).items()
        if life.state not in {*OPEN, "dismissed", "resolved"} or (life.state == "resolved" and not life.resolution)
    ]
    is_open = pl.col("state").is_in(OPEN)
    is_told = pl.col("is_served").fill_null(value=False) == pl.col("unserved_reason").is_null()
    found += [
        f"{alert_id} on {at:%Y-%m-%d}: neither served nor unserved with a reason"
        for alert_id, at in alerts.filter(is_open & ~is_told).select("alert_id", "observed_at").iter_rows()
    ]
    strangers = alerts.select("alert_id").unique().join(events, on="alert_id", how="anti")["alert_id"]
    missing = events.select("alert_id").unique().join(alerts, on="alert_id", how="anti")["alert_id"]
    found += [f"{alert_id}: stands in alerts.alert and has no event" for alert_id in strangers]
    found += [f"{alert_id}: has events and stands in no night of alerts.alert" for alert_id in missing]
    return sorted(found)


def promised(tonight: pl.DataFrame) -> dict[str, float]:
    """Minutes that each mentor is asked for by the alerts of one night, a learner once by the longest."""
    served = tonight.filter(pl.col("is_served") & pl.col("mentor_id").is_not_null() & pl.col("state").is_in(OPEN))
    cards = served.group_by("mentor_id", "learner_id").agg(pl.col("due_minutes").max())
    return {
        name: float(minutes) for name, minutes in cards.group_by("mentor_id").agg(pl.sum("due_minutes")).iter_rows()
    }


def overdrawn(capacity: pl.DataFrame, tonight: pl.DataFrame) -> list[str]:
    """Mentors who are asked for minutes tonight that their week does not leave: `alerts.capacity` beside `alerts.alert`.

    Meetings, and contact that alerts led to, may take a week over what is available; then nothing may be asked.
    """
    asked = promised(tonight)
    found = []
    for row in capacity.iter_rows(named=True):
        minutes = asked.get(row["mentor_id"], 0.0)
        over = row["planned_minutes"] + row["used_minutes"] - row["available_minutes"]
        if minutes > 0 and over > _LEAST:
            found.append(f"{row['mentor_id'][:8]}: {minutes:g} minutes asked for, {over:g} more than there are")
    strangers = asked.keys() - set(capacity["mentor_id"])
    return found + [f"{name[:8]}: asked for minutes and has no capacity" for name in sorted(strangers)]


def minutes_untold(capacity: pl.DataFrame, tonight: pl.DataFrame, this_week: pl.DataFrame) -> list[str]:
    """Mentors whose `alert_minutes` are less than tonight's alerts ask for, or more than all served in the week did.

    `this_week` are rows of `alerts.alert` of the mentors' running weeks, tonight's included.
    """
    least, most = promised(tonight), promised(this_week)
    return [
        f"{mentor[:8]}: alert_minutes is {told:g}, beside {least.get(mentor, 0.0):g} and {most.get(mentor, 0.0):g}"
        for mentor, told in capacity.select("mentor_id", "alert_minutes").iter_rows()
        if not least.get(mentor, 0.0) - _LEAST <= told <= most.get(mentor, 0.0) + _LEAST
    ]


def digest_of(rows: pl.DataFrame) -> str:
    """Hash of rows in their own order: appended means that an earlier night's are still the same, byte for byte."""
    return hashlib.sha256(rows.sort(pl.all()).write_csv().encode()).hexdigest()
