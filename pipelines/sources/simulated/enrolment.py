"""Enrolments as the organisation's system shows them at the snapshot, and what stands around them.

Belongs here: the tables enrolment, registration, absence, support_ticket, work_activity. Does not belong
here: when an end was recorded (`ends`), statements, mentoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sources.simulated.clock import iso_date, iso_instant
from pipelines.sources.simulated.cohort import UNMATCHED
from pipelines.sources.simulated.courses import GROWTH, HIPO, PROGRAMMES
from pipelines.sources.simulated.hazard import ACTIVE, seconds_in_week
from pipelines.sources.simulated.played import Played
from pipelines.sources.simulated.settings import DAY_SECONDS, RUNNING, Ints, Row, Tables, stream, uuids

_TICKET_KINDS = ("technical", "access", "documentation", "content")
_WORK_KINDS = ("task", "project", "shadowing", "application")


@dataclass(frozen=True)
class Enrolments:
    """Identifiers of the required enrolment of each participation, then of the extra and the mentoring-only ones."""

    ids: list[str]
    extra: Ints
    rows: list[Row]


def enrol(played: Played) -> Enrolments:
    """Write the enrolments; an extra course shares its participation's end."""
    rng = stream(played.settings, "enrolments")
    cohort, ends, people = played.cohort, played.ends, played.people
    extra = np.flatnonzero(cohort.has_extra_course)
    ids = uuids(rng, cohort.size + len(extra) + people.mentored_only)
    rows: list[Row] = []
    for number, entry in enumerate([*range(cohort.size), *extra.tolist()]):
        programme = PROGRAMMES[cohort.programme[entry]]
        course = programme.course if number < cohort.size else programme.extra
        run = played.runs[cohort.run[entry]][course or 0]
        is_known, recorded = bool(ends.is_known[entry]), int(ends.recorded_utc[entry])
        rows.append(
            {
                "enrolment_id": ids[number],
                "learner_key": people.learner_keys[cohort.person[entry]],
                "programme_id": programme.programme_id,
                "course_id": run.course_id,
                "enrolled_on": iso_date(cohort.enrolled_day[entry]),
                "due_on": iso_date(cohort.start_day[entry] + 7 * played.settings.weeks - 1),
                "status": played.trajectory.end_kind[entry] if is_known else ACTIVE,
                "status_on": iso_date(ends.day[entry]) if is_known else None,
                "studied_credits": float(30 + 10 * np.clip(cohort.workload[entry], -2.5, 4)),
                "previous_attempts_count": int(cohort.prior[entry]) if number < cohort.size else 0,
                "recorded_at": iso_instant(recorded) if is_known and recorded >= 0 else None,
            }
        )
    rows += [
        {
            "enrolment_id": ids[cohort.size + len(extra) + number],
            "learner_key": people.learner_keys[people.participants + number],
            "programme_id": PROGRAMMES[HIPO].programme_id,
            "enrolled_on": iso_date(played.settings.start_days[RUNNING] + int(rng.integers(0, 7))),
            "status": ACTIVE,
        }
        for number in range(people.mentored_only)
    ]
    return Enrolments(ids, extra, rows)


def registrations(played: Played) -> list[Row]:
    """Write who was invited and registered, with those who did not register and those who were not taken."""
    settings, cohort, people = played.settings, played.cohort, played.people
    rng = stream(settings, "registrations")
    rows: list[Row] = []
    seen: set[tuple[str, str]] = set()
    routes = {"hipo": "nominated", "democratised": "self_registered", "mandatory": "mandatory"}
    baseline = np.round(50 + 10 * cohort.ability + rng.normal(0, 3, cohort.size), 1)
    invited = cohort.start_day - rng.integers(40, 60, cohort.size)
    for entry in range(cohort.size):
        programme = PROGRAMMES[cohort.programme[entry]]
        key = people.learner_keys[cohort.person[entry]]
        if (key, programme.programme_id) in seen:
            continue
        seen.add((key, programme.programme_id))
        day = int(invited[entry])
        rows.append(
            {
                "learner_key": key,
                "programme_id": programme.programme_id,
                "route": routes[programme.selection],
                "invited_at": iso_instant(day * DAY_SECONDS + 9 * 3600),
                "registered_at": iso_instant((day + int(rng.integers(1, 15))) * DAY_SECONDS + 13 * 3600),
                "is_hipo": programme.selection == "hipo",
                "baseline_score": float(baseline[entry]),
                "decision": "waiting" if cohort.mentor[entry] == UNMATCHED else "matched",
                "decided_at": iso_instant((day + 18) * DAY_SECONDS + 15 * 3600),
            }
        )
    first = people.participants + people.mentored_only
    for number, key in enumerate(people.learner_keys[first : first + people.not_taken]):
        programme = PROGRAMMES[HIPO if rng.random() < 0.2 else GROWTH]
        day = int(settings.start_days[RUNNING]) - int(rng.integers(40, 60))
        row: Row = {
            "learner_key": key,
            "programme_id": programme.programme_id,
            "route": routes[programme.selection],
            "invited_at": iso_instant(day * DAY_SECONDS + 9 * 3600),
            "is_hipo": programme.selection == "hipo",
        }
        if number % 2:
            row["registered_at"] = iso_instant((day + 5) * DAY_SECONDS + 13 * 3600)
            row["decision"] = "declined" if rng.random() < 0.6 else "waiting"
            row["decided_at"] = iso_instant((day + 18) * DAY_SECONDS + 15 * 3600)
        rows.append(row)
    return rows


def draw_absences(played: Played) -> tuple[Ints, list[Row]]:
    """Give a few learners leave of some days in a week without contact; return its course week per entry, or -1."""
    settings, cohort, trajectory = played.settings, played.cohort, played.trajectory
    rng = stream(settings, "absences")
    week = rng.integers(1, settings.weeks, cohort.size)
    entries = np.arange(cohort.size)
    first = cohort.start_day + 7 * week
    is_away = (
        (rng.random(cohort.size) < 0.05)
        & (trajectory.end_week > week)
        & ~trajectory.contact[entries, week]
        & ~cohort.is_returning
        & (first < settings.snapshot_day)
    )
    is_away[np.flatnonzero(~cohort.is_returning & (cohort.run == 0))[0]] = True
    away = np.where(is_away, week, -1)
    rows: list[Row] = [
        {
            "learner_key": played.people.learner_keys[cohort.person[entry]],
            "from_on": iso_date(first[entry]),
            "to_on": iso_date(first[entry] + 6),
            "recorded_at": iso_instant((int(cohort.start_day[entry]) - 3) * DAY_SECONDS),
        }
        for entry in np.flatnonzero(is_away).tolist()
    ]
    return away, rows


def draw_support_and_work(played: Played, away: Ints) -> Tables:
    """Write support tickets and what learners logged of learning at work."""
    settings, cohort, trajectory, people = played.settings, played.cohort, played.trajectory, played.people
    rng = stream(settings, "support and work")
    shape = (cohort.size, trajectory.weeks)
    is_worker = rng.random(cohort.size) < 0.5
    work_rate = 1 / (1 + np.exp(1.3 - 0.5 * trajectory.engagement)) * is_worker[:, None]
    begins = (cohort.start_day[:, None] + 7 * np.arange(trajectory.weeks)) * DAY_SECONDS
    local = begins + seconds_in_week(rng, shape)
    utc = played.clock.utc(local, np.broadcast_to(cohort.zone[:, None], shape))
    is_written = trajectory.is_present & (local < played.ends.local[:, None]) & (utc < settings.snapshot_second)
    is_written &= local // DAY_SECONDS >= cohort.enrolled_day[:, None]
    is_written &= np.arange(trajectory.weeks) != away[:, None]
    has_ticket = is_written & (rng.random(shape) < 0.02)
    has_work = is_written & (rng.random(shape) < work_rate) & (local // DAY_SECONDS < settings.snapshot_day - 1)
    tickets: list[Row] = []
    for number, (entry, week) in enumerate(np.argwhere(has_ticket).tolist()):
        opened = int(utc[entry, week])
        resolved = opened + int(rng.exponential(3 * DAY_SECONDS)) + 1800
        tickets.append(
            {
                "ticket_id": settings.tag("ticket", number),
                "learner_key": people.learner_keys[cohort.person[entry]],
                "opened_at": iso_instant(opened),
                "kind": _TICKET_KINDS[rng.choice(4, p=[0.45, 0.2, 0.15, 0.2])],
                "resolved_at": iso_instant(resolved) if resolved < settings.snapshot_second else None,
            }
        )
    work: dict[tuple[str, str, str], Row] = {}
    for entry, week in np.argwhere(has_work).tolist():
        key = people.learner_keys[cohort.person[entry]]
        row: Row = {
            "learner_key": key,
            "programme_id": PROGRAMMES[cohort.programme[entry]].programme_id,
            "happened_on": iso_date(local[entry, week] // DAY_SECONDS),
            "kind": _WORK_KINDS[rng.integers(0, 4)],
            "minutes": int(rng.integers(3, 25)) * 10,
            "confirmed_by": ("self", "mentor", "manager")[rng.integers(0, 3)],
        }
        work.setdefault((key, str(row["happened_on"]), str(row["kind"])), row)
    return {"support_ticket": tickets, "work_activity": list(work.values())}
