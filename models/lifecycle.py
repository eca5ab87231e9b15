"""The life of an alert: what happened to it, how it stands, and which one goes on tonight.

Belongs here: events and the state that they add up to, cooldown, escalation, resolution, one open alert a participation.
Does not belong here: who calls for an alert (`models.alerts`), whose minutes it takes (`models.routing`), what a person
says of it on its way in (`pipelines.alert_events`).

Events are appended and never changed; the state of an alert at any instant is what its events until then add up to. A
night says what happened since the night before. One that is run again says nothing twice; where corrected data make it
say something else, that is a further event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import polars as pl

from data_contracts.tables.alerts import ALERT, CANDIDATE, EVENT
from models.alerts import DEFAULTS, GOOD_NEWS, OPEN_STATES, AlertSettings
from models.contract import conform, schema_of

FEEDBACK = ("reviewed", "acted", "dismissed")
_SYSTEM = ("opened", "reopened", "contacted", "escalated", "resolved")
_ROUTING = ("mentor_id", "is_served", "unserved_reason", "route_kind", "ranked_by", "routing_value")
_CONTENT = tuple(name for name in CANDIDATE.column_names if name != "observed_at")
# Of reasons why an alert ended those that leave the matter open: the learner may be alerted again at once.
_UNSETTLED = ("on_leave", "opted_out", "corrected", "replaced", "told")
_GOOD_NEWS_DAYS = 7
# Good news is told once in so many days, whatever else there is.
_GOOD_NEWS_AGAIN_DAYS = 28
_FRIDAY = 5


class Tonight(NamedTuple):
    """Tonight's rows of `alerts.alert`, not yet routed, and the events that a night has to append."""

    alerts: pl.DataFrame
    events: pl.DataFrame


@dataclass(slots=True)
class _Life:
    """What the events of one alert add up to."""

    alert_id: str
    participation_id: str
    learner_id: str
    kind: str
    rule: str | None
    opened_at: datetime
    state: str = "new"
    state_at: datetime | None = None
    state_before: str = "new"
    resolution: str | None = None
    escalated_at: datetime | None = None
    last_contact_at: datetime | None = None
    last_number: int = 0

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    def take(self, event: Mapping[str, Any]) -> None:
        """Add one event, in the order in which they happened."""
        kind, at = event["event_kind"], event["happened_at"]
        if kind == "acted" or event["contacted_at"]:
            contacted = event["contacted_at"] or at
            self.last_contact_at = max(contacted, self.last_contact_at or contacted)
        if kind == "escalated":
            self.escalated_at = at
        elif kind in {"opened", "reopened"}:
            self._become(self.state_before, at)
        elif self.is_open and kind != "contacted" and not (kind == "reviewed" and self.state == "acted"):
            self._become(kind, at)
            self.resolution = event["resolution"]

    def _become(self, state: str, at: datetime) -> None:
        if state != self.state or self.state_at is None:
            self.state_before = self.state
            self.state, self.state_at, self.resolution = state, at, None


def _lives(events: pl.DataFrame) -> dict[str, _Life]:
    """Alerts by id; events of one that was never opened are left aside."""
    lives: dict[str, _Life] = {}
    for event in events.sort("alert_id", "happened_at", "event_number").iter_rows(named=True):
        life = lives.get(event["alert_id"])
        if life is None:
            if event["event_kind"] != "opened":
                continue
            life = lives[event["alert_id"]] = _Life(
                *(event[name] for name in ("alert_id", "participation_id", "learner_id", "kind", "rule", "happened_at"))
            )
        life.take(event)
        life.last_number = max(life.last_number, event["event_number"])
    return lives


def state_as_of(events: pl.DataFrame, at: datetime | None = None) -> pl.DataFrame:
    """How each alert stood at an instant, by alert_id: what was written down until then adds up to it.

    Args:
        events: rows of `alerts.event`.
        at: an instant, UTC without a zone; none is after all of them.

    Returns:
        alert_id, participation_id, learner_id, kind, rule (as it was opened), opened_at, state, state_at, resolution,
        escalated_at, last_contact_at. A closed alert stays closed whatever is said of it later; `reviewed` does not undo
        `acted`.
    """
    told = events if at is None else events.filter((pl.col("observed_at") <= at) & (pl.col("happened_at") <= at))
    names = (
        "alert_id",
        "participation_id",
        "learner_id",
        "kind",
        "rule",
        "opened_at",
        "state",
        "state_at",
        "resolution",
        "escalated_at",
        "last_contact_at",
    )
    fields = schema_of(ALERT)
    return pl.DataFrame(
        [tuple(getattr(life, name) for name in names) for life in _lives(told).values()],
        schema={name: fields[name] for name in names},
        orient="row",
    )


def alert_id(participation_id: str, opened_at: datetime) -> str:
    """First 32 hexadecimal digits of the SHA-256 of whom the alert is about and when it opened; it stays for life.

    What it is about has no part in it: who knows the learner could try out kinds and rules and find the one that fits.
    """
    return sha256(f"{participation_id}|{opened_at.isoformat()}".encode()).hexdigest()[:32]


def feedback_events(feedback: pl.DataFrame, events: pl.DataFrame, *, observed_at: datetime) -> pl.DataFrame:
    """What people said of alerts and is not among the events yet, as rows of `alerts.event`.

    Args:
        feedback: rows of `raw.alert_feedback` known before `observed_at`: alert_id, state, by_id, at, verdict,
            contacted_at. Those of alerts that were never opened are left aside, until one is.
        events: all of `alerts.event`.
        observed_at: when it is written down, UTC without a zone.

    The same state of the same alert at the same time is one event. What is said to have happened before the alert opened
    happened when it opened.
    """
    lives = _lives(events)
    known = set(
        events.filter(pl.col("event_kind").is_in(FEEDBACK)).select("alert_id", "event_kind", "happened_at").rows()
    )
    rows: list[dict[str, Any]] = []
    for said in feedback.sort("alert_id", "at", "state").iter_rows(named=True):
        life = lives.get(said["alert_id"])
        if life is None:
            continue
        happened_at = max(said["at"], life.opened_at)
        if (said["alert_id"], said["state"], happened_at) in known:
            continue
        known.add((said["alert_id"], said["state"], happened_at))
        more = {name: said[name] for name in ("by_id", "verdict", "contacted_at")}
        rows.append(_event(life, said["state"], happened_at, observed_at, **more))
        life.last_number += 1
    return pl.DataFrame(rows, schema=schema_of(EVENT), orient="row")


def tonight(  # noqa: PLR0913 - one argument a table
    candidates: pl.DataFrame,
    facts: pl.DataFrame,
    history: pl.DataFrame,
    events: pl.DataFrame,
    *,
    observed_at: datetime,
    closed_on: Collection[date] = (),
    settings: AlertSettings = DEFAULTS,
) -> Tonight:
    """Tonight's alerts: opened, continued and resolved ones, by participation_id; and what happened.

    Args:
        candidates: what `models.alerts.candidates` returned for this night, open risk alerts given to it.
        facts: one row per active participation: participation_id, learner_id, programme_id, is_opted_out, is_on_leave,
            has_mentor, active_days_7d, last_contact_at (UTC, null: the mentors' latest meeting with or message to the
            learner). A participation without a row has ended.
        history: the latest row of `alerts.alert` of each alert that was open before this night, with `served_since` (UTC,
            null: the first night on which it was served by a mentor), and the rows that an earlier run of this night
            wrote, which serve only to end what that run began.
        events: `alerts.event`, feedback of this night included.
        observed_at: tonight, UTC without a zone.
        closed_on: dates on which the organisation is closed.
        settings: cooldown, days to escalation.

    - An open alert goes on under its id with tonight's content, while its participation is a candidate. One whose
      participation is none any more is resolved: the learner is back, the cause is gone, the participation has ended,
      the learner is on leave or has opted out. Good news is told for a week.
    - A participation whose alert was resolved or dismissed under `cooldown_days` ago gets no new one; never_started
      alone breaks the cooldown, unless a mentor dismissed an alert. After leave there is none.
    - A learner with a mentor who is back is good news.
    - An alert that a mentor has been given for `escalate_after_days` working days, and that nobody reviewed, while no
      contact came, is escalated once.
    """
    night = _Night(facts, history, events, observed_at, set(closed_on), settings)
    rows = night.live({row["participation_id"]: row for row in candidates.iter_rows(named=True)})
    return Tonight(
        conform(pl.DataFrame(rows, schema=schema_of(ALERT), orient="row"), ALERT).sort("participation_id", "alert_id"),
        pl.DataFrame(night.appended, schema=schema_of(EVENT), orient="row"),
    )


class _Night:
    """One night's bookkeeping: lives before it, what is decided, what is appended."""

    def __init__(
        self,
        facts: pl.DataFrame,
        history: pl.DataFrame,
        events: pl.DataFrame,
        observed_at: datetime,
        closed_on: set[date],
        settings: AlertSettings,
    ) -> None:
        self._at, self._closed_on, self._settings = observed_at, closed_on, settings
        self._facts = {row["participation_id"]: row for row in facts.iter_rows(named=True)}
        is_tonights = (pl.col("observed_at") == observed_at) & pl.col("event_kind").is_in(_SYSTEM)
        known = events.filter(pl.col("observed_at") <= observed_at)
        self._lives = _lives(known.filter(~is_tonights))
        self._said_tonight = _lives(known)
        for name, life in self._lives.items():
            life.last_number = self._said_tonight[name].last_number
        self._closed: defaultdict[str, list[_Life]] = defaultdict(list)
        for life in self._lives.values():
            if not life.is_open:
                self._closed[life.participation_id].append(life)
        self._logged = set(known.filter(is_tonights).select("alert_id", "event_kind").rows())
        rows = history.to_dicts()
        self._content = {row["alert_id"]: row for row in rows if row["observed_at"] < observed_at}
        self._begun = {row["alert_id"]: row for row in rows if row["observed_at"] == observed_at}
        self.appended: list[dict[str, Any]] = []

    def live(self, candidates: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        rows = []
        ended: dict[str, _Life] = {}
        for life in self._lives.values():
            if not life.is_open:
                continue
            self._see_contact(life)
            resolution = self._resolution(life, candidates.get(life.participation_id))
            if resolution:
                self._happens(life, "resolved", resolution=resolution)
                self._closed[life.participation_id].append(life)
                ended[life.participation_id] = life
                rows.append(self._row(life, self._content[life.alert_id]))
            else:
                self._escalate(life)
                rows.append(self._row(life, self._continued(life, candidates.get(life.participation_id))))
        open_now = {life.participation_id for life in self._lives.values() if life.is_open}
        for participation_id, candidate in candidates.items():
            if participation_id not in open_now and self._may_open(candidate):
                rows.append(self._opened(candidate))
                open_now.add(participation_id)
        for participation_id, life in ended.items():
            if life.resolution == "back" and participation_id not in open_now:
                rows += self._good_news(life)
        return [*rows, *self._corrected({row["alert_id"] for row in rows})]

    def _resolution(self, life: _Life, candidate: dict[str, Any] | None) -> str | None:
        """Why the alert ends tonight; None where it goes on."""
        fact = self._facts.get(life.participation_id)
        if fact is None:
            return "ended"
        for name, resolution in (("is_opted_out", "opted_out"), ("is_on_leave", "on_leave")):
            if fact[name]:
                return resolution
        content = self._content[life.alert_id]
        if content["kind"] == "good_news":
            if candidate and candidate["kind"] != "good_news" and self._may_open(candidate):
                return "replaced"
            is_fresh = life.opened_at > self._at - timedelta(days=_GOOD_NEWS_DAYS)
            return None if is_fresh and fact["has_mentor"] else "told"
        if candidate is None or candidate["kind"] == "good_news":
            return "back" if content["kind"] == "risk" else "cause_gone"
        return None

    def _continued(self, life: _Life, candidate: dict[str, Any] | None) -> dict[str, Any]:
        """Tonight's content; where tonight has no reasons, since the risk fell under the floor, those of before."""
        before = self._content[life.alert_id]
        if candidate is None or before["kind"] == "good_news":
            return before
        routing = {name: before[name] for name in _ROUTING}
        content = {name: candidate[name] for name in _CONTENT}
        if candidate["reason_1_text"] is None:
            content |= {name: before[name] for name in _CONTENT if name.startswith("reason_")} | {
                "level": before["level"]
            }
        return content | routing

    def _may_open(self, candidate: dict[str, Any]) -> bool:
        fact = self._facts[candidate["participation_id"]]
        if fact["is_opted_out"] or fact["is_on_leave"]:
            return False
        cooling = self._at - timedelta(days=self._settings.cooldown_days)
        closed = self._closed[candidate["participation_id"]]
        if candidate["kind"] == "good_news":
            again = self._at - timedelta(days=_GOOD_NEWS_AGAIN_DAYS)
            return not any(life.kind == "good_news" and life.opened_at > again for life in closed)
        blocking = [
            life
            for life in closed
            if life.resolution not in _UNSETTLED and life.state_at is not None and life.state_at > cooling
        ]
        is_dismissed = any(life.state == "dismissed" for life in blocking)
        return not blocking or (candidate["rule"] == "never_started" and not is_dismissed)

    def _opened(self, content: dict[str, Any]) -> dict[str, Any]:
        name = alert_id(content["participation_id"], self._at)
        life = _Life(
            name, content["participation_id"], content["learner_id"], content["kind"], content["rule"], self._at
        )
        if name in self._said_tonight:
            life.last_number = self._said_tonight[name].last_number
        self._happens(life, "opened")
        return self._row(life, content | dict.fromkeys(_ROUTING))

    def _good_news(self, back: _Life) -> list[dict[str, Any]]:
        """A learner with a mentor who is back, told once."""
        fact = self._facts[back.participation_id]
        if not (self._settings.has_good_news and fact["has_mentor"]):
            return []
        before = self._content[back.alert_id]
        content = {name: None if name.startswith("reason_") else before[name] for name in _CONTENT}
        days = fact["active_days_7d"] or 0
        content |= {
            "kind": "good_news",
            "rule": "back_on_track",
            "level": GOOD_NEWS["back_on_track"].level,
            "reason_1_family": GOOD_NEWS["back_on_track"].family,
            "reason_1_text": f"active again, on {days} of the last 7 days",
            "expected_minutes": 0,
        }
        return [self._opened(content)] if self._may_open(content) else []

    def _escalate(self, life: _Life) -> None:
        since = self._content[life.alert_id]["served_since"]
        if (
            since is None
            or life.state != "new"
            or life.escalated_at
            or life.last_contact_at
            or life.kind == "good_news"
        ):
            return
        if self._working_days(since.date(), self._at.date()) >= self._settings.escalate_after_days:
            self._happens(life, "escalated")

    def _working_days(self, first: date, last: date) -> int:
        days = (first + timedelta(days=number) for number in range(1, (last - first).days + 1))
        return sum(day.isoweekday() <= _FRIDAY and day not in self._closed_on for day in days)

    def _see_contact(self, life: _Life) -> None:
        """A meeting or message of a mentor that the logs know of, since the alert was first served."""
        fact = self._facts.get(life.participation_id)
        since = self._content[life.alert_id]["served_since"]
        contacted = fact["last_contact_at"] if fact else None
        if since is None or contacted is None or contacted < since:
            return
        if life.last_contact_at is None or contacted > life.last_contact_at:
            self._happens(life, "contacted", happened_at=contacted, contacted_at=contacted)

    def _happens(self, life: _Life, kind: str, *, happened_at: datetime | None = None, **more: object) -> None:
        """Let an event happen to an alert; it is appended unless an earlier run of this night has said so."""
        event = _event(life, kind, happened_at or self._at, self._at, **more)
        life.take(event)
        if (life.alert_id, kind) in self._logged:
            self._logged.discard((life.alert_id, kind))
        else:
            life.last_number += 1
            self.appended.append(event)

    def _corrected(self, told: set[str]) -> Iterable[dict[str, Any]]:
        """Undo what an earlier run of this night said and the data no longer say."""
        for name, kind in sorted(self._logged):
            life = self._said_tonight[name]
            if kind == "opened":
                if life.is_open:
                    self._happens(life, "resolved", resolution="corrected")
                if name in self._begun:
                    yield self._row(life, self._begun[name])
            elif kind == "resolved" and name in told and not life.is_open and self._lives[name].is_open:
                self._happens(life, "reopened")

    def _row(self, life: _Life, content: Mapping[str, Any]) -> dict[str, Any]:
        contacted = life.last_contact_at
        is_rested = contacted is not None and contacted > self._at - timedelta(days=self._settings.cooldown_days)
        minutes = 0 if is_rested or not life.is_open else content["expected_minutes"]
        return {name: content.get(name) for name in (*_CONTENT, *_ROUTING)} | {
            "alert_id": life.alert_id,
            "observed_at": self._at,
            "state": life.state,
            "state_at": life.state_at,
            "opened_at": life.opened_at,
            "resolution": life.resolution,
            "escalated_at": life.escalated_at,
            "last_contact_at": contacted,
            "due_minutes": minutes,
        }


def _event(life: _Life, kind: str, happened_at: datetime, observed_at: datetime, **more: object) -> dict[str, Any]:
    return {
        "alert_id": life.alert_id,
        "event_number": life.last_number + 1,
        "participation_id": life.participation_id,
        "learner_id": life.learner_id,
        "event_kind": kind,
        "happened_at": happened_at,
        "observed_at": observed_at,
        "kind": life.kind,
        "rule": life.rule,
        **dict.fromkeys(("by_id", "verdict", "contacted_at", "resolution")),
        **more,
    }
