"""What one mentor or coordinator is told: names put back, cards in order, minutes, good news, tasks of courses.

Belongs here: a digest's content. Does not belong here: files (`digest_files`), what belongs into tonight's (`outbox`),
who may see what (`pipelines.marts.cards`: what a reader may not see is null here already).

Names and addresses are put back in this one place, from the identity store, for learners of that mentor or of the
coordinator's programme; another mentor's learner is named where the programme allows it, else told by the first eight
characters of the pseudonym.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from data_contracts.tables.inputs import RAW_INPUTS
from pipelines.core.local_time import monday
from pipelines.privacy.rows import quoted
from pipelines.resources import Night
from pipelines.sinks.words import CHANNELS, LEVELS, PROHIBITED_USES, chance, plain, trend
from pipelines.warehouse import current

SHOWN_OF_PSEUDONYM = 8

# Full audience in order of value; the others by name, so that the order tells nothing of who comes first.
_SECTIONS = (
    ("full", "Learners to support", "In order of where your time is expected to help most."),
    ("level_and_step", "Learners to support", "In the order of the alphabet."),
    ("agreements", "Learners to talk to this week", "In the order of the alphabet, with what was agreed."),
)
_TASKS = {
    "dead_resource": "Nobody opens it any more: does the link still work?",
    "documentation": "Learners asked for help with instructions: are they there and right?",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One alert of a learner, as shown: the programme, what to do, why, and the reference by which to answer."""

    programme: str
    to_do: tuple[tuple[str, str], ...]
    why: tuple[str, ...]
    reference: str


@dataclass(frozen=True, slots=True)
class Card:
    """One learner, with an alert in one programme or in several."""

    learner_id: str
    name: str
    address: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Cards of one audience."""

    title: str
    lead: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Something technical to look at in a course."""

    course: str
    what: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Digest:
    """What one recipient gets on one day; minutes are of the week, null where no card asks for any."""

    recipient_id: str
    day: date
    name: str
    is_for_week: bool
    asked_minutes: int | None
    free_minutes: int | None
    sections: tuple[Section, ...]
    good_news: tuple[Card, ...]
    unserved: tuple[str, ...]
    tasks: tuple[Task, ...]
    prohibited_uses: str = PROHIBITED_USES

    @property
    def week_starts_on(self) -> date:
        """The Monday of the week."""
        return self.day - timedelta(days=self.day.weekday())


class Builder:
    """Makes one night's digests, from cards as `pipelines.marts.cards` lets each reader see them."""

    def __init__(self, night: Night, cards: Sequence[Mapping[str, Any]]) -> None:
        self._night = night
        warehouse, before = night.warehouse, night.observed_sql
        self.unserved = _unserved(night)
        ids = {str(card[name]) for card in cards for name in ("reader_id", "learner_id", "mentor_id") if card[name]}
        self._people = {
            str(person): (plain(name or ""), plain(address or ""))
            for person, name, address in warehouse.rows(
                "SELECT person_id, display_name, contact_address FROM identity.main.person "
                "WHERE person_id IN (SELECT unnest(?))",
                [sorted(ids | self.unserved.keys())],
            )
        }
        self._minutes = dict(
            warehouse.rows(
                "SELECT mentor_id, greatest(0, available_minutes - planned_minutes - greatest(0, used_minutes - "
                f"coalesce(alert_minutes, 0))) FROM alerts.capacity WHERE observed_at = {before}"
            )
        )
        self._programmes, self._tasks = _published(night)

    def digest(self, recipient_id: str, day: date, cards: Sequence[Mapping[str, Any]], *, is_for_week: bool) -> Digest:
        """One recipient's digest of the cards that belong into it; lines for coordinators and tasks once a week."""
        good_news: list[Mapping[str, Any]] = []
        by_audience: dict[str, list[Mapping[str, Any]]] = {audience: [] for audience, _, _ in _SECTIONS}
        for card in sorted(cards, key=_by_value):
            kept = good_news if card["kind"] == "good_news" else by_audience[card["audience"]]
            kept.append(card)
        sections = tuple(
            Section(title, lead, self._by_learner(found, is_by_value=audience == "full"))
            for audience, title, lead in _SECTIONS
            if (found := by_audience[audience])
        )
        return Digest(
            recipient_id,
            day,
            self._name(recipient_id),
            is_for_week,
            _asked(cards),
            None if (free := self._minutes.get(recipient_id)) is None else round(free),
            sections,
            self._by_learner(good_news, is_by_value=True),
            self.unserved.get(recipient_id, ()) if is_for_week else (),
            tuple(self._tasks.get(recipient_id, ())) if is_for_week else (),
        )

    def _name(self, person_id: str | None) -> str:
        return self._people.get(person_id or "", ("", ""))[0]

    def _by_learner(self, cards: Sequence[Mapping[str, Any]], *, is_by_value: bool) -> tuple[Card, ...]:
        """One card a learner; one who is named in one programme and not in another has a card for each."""
        parts: dict[tuple[str, bool], list[Part]] = {}
        for card in cards:
            parts.setdefault((card["learner_id"], self._is_named(card)), []).append(self._part(card))
        found = []
        for (learner_id, is_named), theirs in parts.items():
            name, address = self._people.get(learner_id, ("", "")) if is_named else ("", "")
            told = tuple(theirs if is_by_value else sorted(theirs, key=lambda part: (part.programme, part.reference)))
            found.append(Card(learner_id, name or f"Learner {learner_id[:SHOWN_OF_PSEUDONYM]}", address, told))
        return tuple(found if is_by_value else sorted(found, key=lambda card: (card.name.casefold(), card.learner_id)))

    def _is_named(self, card: Mapping[str, Any]) -> bool:
        return bool(
            card["is_coordinator"]
            or card["route_kind"] == "own_mentor"
            or card["programme_id"] in self._night.settings.names_in_spill_over
        )

    def _part(self, card: Mapping[str, Any]) -> Part:
        minutes, due = card["expected_minutes"], card["due_minutes"]
        # Good news asks for nothing.
        level, channel = ("", "") if card["kind"] == "good_news" else (card["level"], card["channel"])
        to_do = {
            "What": LEVELS.get(level or "", ""),
            "How": CHANNELS.get(channel or "", ""),
            "Minutes": "" if not minutes else f"about {minutes}" if due != 0 else "none: you were in contact lately",
            "Next step": plain(card["next_step"] or ""),
            "Goals": plain(card["agreed_goals"] or ""),
            "Commitments": plain(card["open_commitments"] or ""),
        }
        return Part(
            self._programmes.get(card["programme_id"], plain(card["programme_id"])),
            tuple((term, text) for term, text in to_do.items() if text),
            self._why(card),
            card["alert_id"],
        )

    def _why(self, card: Mapping[str, Any]) -> tuple[str, ...]:
        """Reasons, and the probability with its trend, for those who may see them; and that nobody has looked yet."""
        why = [plain(reason) for place in (1, 2, 3) if (reason := card[f"reason_{place}_text"])]
        probability = card["abandonment_probability_28d"]
        if card["is_too_early"]:
            why.append("Too early for a probability: the course has hardly begun.")
        elif probability is not None and card["kind"] != "good_news":
            said = [
                f"Probability of leaving within 28 days: {chance(probability)}",
                trend(card["probability_change_7d"]),
            ]
            why.append(", ".join(part for part in said if part) + ".")
        if card["is_escalated"] and card["audience"] == "full":
            why.append(f"No answer from {self._name(card['mentor_id']) or 'the mentor'} yet.")
        return tuple(why)


def _by_value(card: Mapping[str, Any]) -> tuple[float, float, str]:
    return -(card["routing_value"] or 0.0), -(card["abandonment_probability_28d"] or 0.0), card["alert_id"]


def _asked(cards: Sequence[Mapping[str, Any]]) -> int | None:
    """Minutes that the cards ask for, a learner's once; null where none may tell. An escalated card's are the mentor's."""
    by_learner: dict[str, int] = {}
    for card in cards:
        if card["is_escalated"]:
            continue
        due = card["expected_minutes"] if card["due_minutes"] is None else card["due_minutes"]
        if due is not None:
            by_learner[card["learner_id"]] = max(due, by_learner.get(card["learner_id"], 0))
    return sum(by_learner.values()) if by_learner else None


def _unserved(night: Night) -> dict[str, tuple[str, ...]]:
    """By coordinator, a line for each programme in which nobody has the minutes for somebody."""
    rows = night.warehouse.rows(
        f"""
        SELECT coordinator_id, coalesce(name, programme_id), unserved_alerts_count, served_by_one_more_hour_count
        FROM alerts.unserved JOIN {current(RAW_INPUTS["programme"], night.observed_sql)} USING (programme_id)
        WHERE observed_at = {night.observed_sql} AND unserved_alerts_count > 0 AND coordinator_id IS NOT NULL
        ORDER BY ALL
        """
    )
    lines: dict[str, list[str]] = {}
    for coordinator, name, count, by_hour in rows:
        told = "1 learner waits for whom nobody has" if count == 1 else f"{count} learners wait for whom nobody has"
        lines.setdefault(coordinator, []).append(
            f"{plain(name)}: {told} the minutes this week. One more mentor hour would serve {by_hour or 0}."
        )
    return {coordinator: tuple(told) for coordinator, told in lines.items()}


def _published(night: Night) -> tuple[dict[str, str], dict[str, list[Task]]]:
    """Names of programmes, and by mentor the technical tasks of this week and the last, from what was published."""
    warehouse, tonight = night.warehouse, night.tonight_epoch_day
    causes = ", ".join(f"'{cause}'" for cause in _TASKS)
    warehouse.execute(f"ATTACH {quoted(str(night.home.marts_file))} AS published (READ_ONLY)")
    try:
        programmes = warehouse.rows("SELECT programme_id, name FROM published.main.dim_programme")
        tasks = warehouse.rows(
            f"""
            SELECT mentor_id, coalesce(title, course_id), cause, arg_max(evidence, week_starts_on)
            FROM (
                SELECT DISTINCT match.mentor_id, enrolment.course_id
                FROM core.mentoring_match AS match JOIN core.enrolment AS enrolment USING (learner_id, programme_id)
                WHERE coalesce(match.match_ended_epoch_day >= {tonight}, true)
                    AND coalesce(enrolment.ended_epoch_day >= {tonight}, true) AND course_end_epoch_day >= {tonight}
            )
            JOIN published.main.course_issues USING (course_id) LEFT JOIN published.main.dim_course USING (course_id)
            WHERE cause IN ({causes})
                AND week_starts_on >= DATE '1970-01-01' + CAST({monday(f"{tonight}")} - 7 AS INTEGER)
            GROUP BY ALL ORDER BY ALL
            """
        )
    finally:
        warehouse.execute("DETACH published")
    by_mentor: dict[str, list[Task]] = {}
    for mentor, course, cause, evidence in tasks:
        by_mentor.setdefault(mentor, []).append(Task(plain(course), _TASKS[cause], plain(evidence)))
    return {programme: plain(name) for programme, name in programmes}, by_mentor
