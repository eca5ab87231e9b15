"""What is news for whom: the cards of a digest, the posts of a webhook.

Belongs here: which alerts somebody should have been told of by the end of a night, and when it is to be read. Does not
belong here: writing it down and sending it (`outbox`), who may see what of it (`pipelines.marts.cards`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines import runs
from pipelines.core.presence import READ_AFTER_HOURS
from pipelines.marts.as_of import MartContext
from pipelines.marts.cards import as_seen, served
from pipelines.resources import Night
from pipelines.sinks.words import PROHIBITED_USES
from pipelines.warehouse import current

# As routing sees the week: the day on which a night's alerts are read.
_READ_AFTER = timedelta(hours=READ_AFTER_HOURS)
# Nights that are observed so close to each other are one night, run again.
_SAME_NIGHT = timedelta(hours=12)
_BEGINNINGS, _ENDS = ("opened", "reopened"), ("resolved", "dismissed")
_OF_END = ("alert_id", "happened", "learner_id", "mentor_id", "programme_id")
_OF_ALERT = ("kind", "level", "channel", "expected_minutes", "next_step")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to tell: an alert, to whom (a pseudonym), by which way, why, and when it is to be read (UTC)."""

    sink: str
    recipient_id: str | None
    alert_id: str
    learner_id: str
    due_at: datetime
    payload: Mapping[str, object]
    about: Sequence[object]

    @property
    def delivery_id(self) -> str:
        """First 32 hexadecimal digits of the SHA-256 of the way, the alert and what makes it news."""
        words = "|".join(map(str, (self.sink, self.alert_id, *self.about)))
        return sha256(words.encode()).hexdigest()[:32]


class Calendar:
    """On which day each recipient reads the night, in their own zone, and whether it is the first one of their week.

    Whoever gave no zone reads in the organisation's, as routing has it.
    """

    def __init__(self, night: Night) -> None:
        self._night = night
        mentors = current(RAW_INPUTS["mentor"], night.observed_sql)
        self._zones: dict[str, str] = dict(
            night.warehouse.rows(f"SELECT mentor_id, timezone FROM {mentors} WHERE timezone IS NOT NULL")
        )
        self._last = runs.last_delivered(night.warehouse, night.observed_naive - _SAME_NIGHT)[0]

    def day(self, recipient_id: str) -> date:
        """The local day on which the night is read."""
        return self._read_on(self._night.observed_naive, recipient_id)

    def days(self) -> set[date]:
        """All such days."""
        return {self.day(recipient) for recipient in (*self._zones, "")}

    def due_at(self, recipient_id: str) -> datetime:
        """The digest hour of that day, in UTC without a zone."""
        day, hour = self.day(recipient_id), self._night.settings.digest_hour
        due = datetime(day.year, day.month, day.day, hour, tzinfo=self._zone(recipient_id))
        return due.astimezone(UTC).replace(tzinfo=None)

    def is_for_week(self, recipient_id: str) -> bool:
        """Whether no night of this local week was delivered before: Monday's, or the first after a gated one."""
        if self._last is None:
            return True
        before = self._read_on(self._last, recipient_id)
        return before.isocalendar()[:2] != self.day(recipient_id).isocalendar()[:2]

    def _read_on(self, observed_at: datetime, recipient_id: str) -> date:
        return (observed_at.replace(tzinfo=UTC) + _READ_AFTER).astimezone(self._zone(recipient_id)).date()

    def _zone(self, recipient_id: str) -> ZoneInfo:
        return ZoneInfo(self._zones.get(recipient_id, self._night.settings.timezone))


def digests(night: Night, known: pl.DataFrame) -> list[Delivery]:
    """Cards that belong into tonight's digests.

    The first delivered night of a recipient's week (Monday's, unless that was gated) brings all cards. Any other brings
    what cannot wait and was not told to this recipient: a high probability, never started, escalated, and alerts told to
    another before. Whoever sees agreements alone waits for the week: the day itself would say that something is urgent.
    """
    told = known.filter((pl.col("sink") == "digest") & pl.col("delivery_state").is_in(["sent", "pending"]))
    before: dict[str, dict[str, list[tuple[str, bool]]]] = {}
    columns = ("recipient_id", "alert_id", "delivery_state", "payload")
    for recipient, alert_id, state, payload in told.select(columns).drop_nulls().iter_rows():
        day = json.loads(payload)["digest_on"]
        before.setdefault(alert_id, {}).setdefault(recipient, []).append((day, state == "sent"))
    wanted = []
    calendar = Calendar(night)
    for card in readers(night):
        reader = card["reader_id"]
        today = calendar.day(reader)
        earlier = {
            who: [was_sent for day, was_sent in days if day < f"{today}"]
            for who, days in before.get(card["alert_id"], {}).items()
        }
        mine = earlier.pop(reader, [])
        # Written down for an earlier day and never sent: the run was killed.
        is_overdue = bool(mine) and not any(mine)
        is_news = not any(mine) and (card["is_urgent"] or any(any(sent) for sent in earlier.values()))
        if calendar.is_for_week(reader) or is_overdue or (is_news and card["audience"] != "agreements"):
            payload = {"digest_on": f"{today}"} | ({"mentor_id": card["mentor_id"]} if card["is_coordinator"] else {})
            due_at, about = calendar.due_at(reader), (reader, today)
            wanted.append(Delivery("digest", reader, card["alert_id"], card["learner_id"], due_at, payload, about))
    return wanted


def readers(night: Night) -> list[dict[str, Any]]:
    """Tonight's cards by reader: mentors', those that a coordinator serves, and escalated ones for the coordinator too.

    A coordinator who is the mentor as well gets one card. Whoever has opted out by now is left out.
    """
    rows = f"""
        SELECT alert.*, reader_id, is_coordinator,
            coalesce(risk_band = 'high' OR rule = 'never_started' OR escalated_at IS NOT NULL, false) AS is_urgent,
            is_coordinator AND coalesce(route_kind, '') <> 'coordinator' AS is_escalated
        FROM {served(MartContext.of(night))} AS alert
        LEFT JOIN {current(RAW_INPUTS["programme"], night.observed_sql)} AS programme USING (programme_id),
        LATERAL (
            SELECT alert.mentor_id AS reader_id, false AS is_coordinator WHERE alert.mentor_id IS NOT NULL
            UNION ALL
            SELECT programme.coordinator_id, true WHERE programme.coordinator_id IS NOT NULL
                AND programme.coordinator_id IS DISTINCT FROM alert.mentor_id
                AND (alert.route_kind = 'coordinator' OR alert.escalated_at IS NOT NULL)
        )
        WHERE alert.learner_id NOT IN ({opted_out()})
    """
    seen = as_seen(
        MartContext.of(night), rows, "mentor_id", "is_coordinator", "is_urgent", "is_escalated", "route_kind"
    )
    found: list[dict[str, Any]] = night.warehouse.frame(f"FROM ({seen}) ORDER BY reader_id, alert_id").to_dicts()
    return found


def opted_out() -> str:
    """Query: learners who have opted out as far as anybody knows now, whatever the night knew."""
    return f"SELECT learner_id FROM {current(RAW_INPUTS['learner'])} WHERE opted_out_at IS NOT NULL"


def posts(night: Night, known: pl.DataFrame) -> list[Delivery]:
    """What a receiver should have heard of by now: openings and escalations of served alerts, and ends of what it heard.

    An alert that was opened again is news again. Only an end of which the receiver heard the beginning is told, or may
    have: a request that was tried can have arrived. Each as the mentor, or else the coordinator, may see it.
    """
    happened = pl.DataFrame(
        _happened(night, known), schema=dict.fromkeys(("alert_id", "happened", "number"), pl.String), orient="row"
    )
    rows = f"""
        SELECT alert.*, coalesce(alert.mentor_id, programme.coordinator_id) AS reader_id,
            alert.mentor_id IS NULL AS is_coordinator, happened, number
        FROM handrail_happened
        JOIN (
            SELECT * FROM alerts.alert WHERE observed_at <= {night.observed_sql}
            QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY observed_at DESC) = 1
        ) AS alert USING (alert_id)
        LEFT JOIN {current(RAW_INPUTS["programme"], night.observed_sql)} AS programme
            ON programme.programme_id = alert.programme_id
        WHERE alert.learner_id NOT IN ({opted_out()})
    """
    seen = as_seen(MartContext.of(night), rows, "mentor_id", "happened", "number")
    with night.warehouse.lent("handrail_happened", happened):
        told = night.warehouse.frame(f"FROM ({seen}) ORDER BY alert_id, number").to_dicts()
    wanted = []
    for row in told:
        names = (*_OF_END, *(() if row["happened"] in _ENDS else _OF_ALERT))
        payload = {name: row[name] for name in names if row[name] is not None} | {"prohibited_uses": PROHIBITED_USES}
        about = (row["happened"], row["number"])
        post = Delivery(
            "webhook", row["reader_id"], row["alert_id"], row["learner_id"], night.observed_naive, payload, about
        )
        wanted.append(post)
    return wanted


def _happened(night: Night, known: pl.DataFrame) -> list[tuple[str, str, str]]:
    """(alert, what happened, number of that event), from the events of alerts served tonight or heard of before."""
    was_tried = (pl.col("delivery_state") == "sent") | (pl.col("attempts_count") > 0)
    posted = known.filter((pl.col("sink") == "webhook") & was_tried & (pl.col("delivery_state") != "refused"))
    heard = set(posted["alert_id"])
    now_served = {row[0] for row in night.warehouse.rows(f"SELECT alert_id FROM {served(MartContext.of(night))}")}
    events = night.warehouse.rows(
        "SELECT alert_id, event_kind, event_number, state FROM alerts.event JOIN alerts.current USING (alert_id) "
        f"WHERE observed_at <= {night.observed_sql} AND alert_id IN (SELECT unnest(?)) "
        "ORDER BY alert_id, happened_at, event_number",
        [sorted(now_served | heard)],
    )
    found = []
    for alert_id, life in groupby(events, key=lambda event: str(event[0])):
        since_opening: dict[str, str] = {}
        state = ""
        for _, kind, number, state in life:  # noqa: B007 - the same in each row
            if kind in _BEGINNINGS:
                since_opening = {}
            since_opening.setdefault(kind, str(number))
        told: tuple[str, ...] = ()
        if state in _ENDS:
            told = (state,) if alert_id in heard else ()
        elif alert_id in now_served:
            told = (*_BEGINNINGS, "escalated")
        found += [(alert_id, kind, number) for kind, number in since_opening.items() if kind in told]
    return found
