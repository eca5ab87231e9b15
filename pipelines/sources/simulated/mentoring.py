"""What mentors and learners did together, as they logged it.

Belongs here: matches, availability, sessions, messages, goals, commitments, feedback on alerts. Does not belong here:
when contact takes place (`hazard`). Held sessions and messages by mentors lie in contact weeks alone, the first of a
week at the drawn second, so that contact in the tables is contact in the generator.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from pipelines.sources.simulated.clock import iso_date, iso_instant
from pipelines.sources.simulated.cohort import UNMATCHED, manager_of_mentor
from pipelines.sources.simulated.courses import HIPO, PROGRAMMES
from pipelines.sources.simulated.messages import draw_messages
from pipelines.sources.simulated.settings import (
    DAY_SECONDS,
    RUNNING,
    WEEK_SECONDS,
    Flags,
    Ints,
    Row,
    Tables,
    stream,
)
from pipelines.sources.simulated.world import World

_SESSION_MINUTES = 30
_LEVELS = ("methodological", "educational", "social", "technical")
_CHANNELS = ("video", "chat", "phone", "in_person")
_CHANNEL_SHARES = (0.5, 0.25, 0.15, 0.1)
_MISSED = (("missed_by_learner", 0.1), ("missed_by_mentor", 0.03), ("cancelled", 0.04), ("rescheduled", 0.03))
_HOUR = 3600


def draw_mentoring(world: World) -> Tables:
    """Write every table of mentoring."""
    matched = matched_entries(world)
    local, utc = contact_seconds(world)
    is_logged = world.trajectory.has_contact & (utc < world.settings.snapshot_second)
    is_logged[~np.isin(np.arange(len(is_logged)), matched)] = False
    is_session = _sessions_within_capacity(world, is_logged, utc)
    held = _held(world, is_session, utc)
    sessions = _number([*held, *_missed(world, matched, local, utc), *_planned(world, matched)], "session")
    alone, alone_sessions = _mentored_only(world)
    return {
        "mentor_availability": _availability(world),
        "mentoring_match": [*_matches(world, matched), *alone],
        "mentoring_session": [*map(_written, sessions), *alone_sessions],
        "mentoring_message": draw_messages(world, matched, is_logged & ~is_session, utc),
        "commitment": _commitments(world, sessions),
        "alert_feedback": _feedback(world),
    }


def matched_entries(world: World) -> Ints:
    """Participations that were still there when their match began, as known at the snapshot."""
    cohort = world.cohort
    is_known = world.clock.end_of_day(cohort.match_day, cohort.zone) < world.settings.snapshot_second
    is_there = world.trajectory.end_week >= cohort.match_week
    return np.flatnonzero((cohort.mentor != UNMATCHED) & is_there & is_known)


def contact_seconds(world: World) -> tuple[Ints, Ints]:
    """Local and UTC second of each week's contact, were there one."""
    cohort, trajectory = world.cohort, world.trajectory
    begins = (cohort.start_day[:, None] + 7 * np.arange(trajectory.weeks)) * DAY_SECONDS
    local = begins + trajectory.contact_second
    return local, world.clock.utc(local, np.broadcast_to(cohort.zone[:, None], local.shape))


def match_id(entry: int) -> str:
    """Identifier of a participation's match."""
    return f"match-{entry:06d}"


def _matches(world: World, matched: Ints) -> list[Row]:
    rng = stream(world.settings, "matches")
    cohort, ends = world.cohort, world.ends
    reasons = {"completed": "programme completed", "failed": "programme ended"}
    rows: list[Row] = []
    for entry in matched.tolist():
        mentor, kind = int(cohort.mentor[entry]), world.trajectory.end_kind[entry]
        is_ended, is_agreed = bool(ends.is_known[entry]), rng.random() < 0.8
        is_own_manager = manager_of_mentor(mentor) == cohort.manager[entry]
        rows.append(
            {
                "match_id": match_id(entry),
                "mentor_key": world.people.mentor_keys[mentor],
                "learner_key": world.people.learner_keys[cohort.person[entry]],
                "programme_id": PROGRAMMES[cohort.programme[entry]].programme_id,
                "matched_on": iso_date(cohort.match_day[entry]),
                "ended_on": iso_date(ends.day[entry]) if is_ended else None,
                "end_reason": reasons.get(kind, "learner left") if is_ended else None,
                "agreed_sessions_per_week": (0.25, 0.5, 1.0)[rng.integers(0, 3)] if is_agreed else None,
                "agreed_minutes": int(rng.choice([20, 30, 45])) if is_agreed else None,
                "agreed_channel": ("video", "chat", "phone", "email")[rng.integers(0, 4)] if is_agreed else None,
                "purpose": "performance" if is_own_manager or rng.random() < 0.3 else "career",
            }
        )
    return rows


def _sessions_within_capacity(world: World, is_logged: Flags, utc: Ints) -> Flags:
    """Let a contact be a session while the mentor's week has room, else a message."""
    rng = stream(world.settings, "session or message")
    wishes = rng.random(is_logged.shape) < 0.6
    is_session = np.zeros_like(is_logged)
    used: dict[tuple[int, int], int] = defaultdict(int)
    places = np.argwhere(is_logged & wishes)
    places = places[np.argsort(utc[places[:, 0], places[:, 1]], kind="stable")]
    for entry, week in places.tolist():
        mentor = int(world.cohort.mentor[entry])
        key = (mentor, int(utc[entry, week] + 3 * DAY_SECONDS) // WEEK_SECONDS)
        if used[key] + _SESSION_MINUTES <= world.people.mentor_minutes[mentor]:
            used[key] += _SESSION_MINUTES
            is_session[entry, week] = True
    return is_session


def _held(world: World, is_session: Flags, utc: Ints) -> list[Row]:
    """Held sessions; some mentors see several learners at once, some log days later."""
    rng = stream(world.settings, "held sessions")
    cohort = world.cohort
    together: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    stays = world.trajectory.end_week[:, None] > np.arange(utc.shape[1])
    for entry, week in np.argwhere(is_session & stays).tolist():
        together[int(cohort.mentor[entry]), int(cohort.run[entry]), int(cohort.zone[entry]), week].append(entry)
    group_of: dict[tuple[int, int], tuple[str, int]] = {}
    for (_, _, _, week), entries in together.items():
        if len(entries) > 1 and rng.random() < 0.15:
            at = min(int(utc[entry, week]) for entry in entries)
            group_of.update({(entry, week): (f"group-{entries[0]:06d}-{week:03d}", at) for entry in entries})
    rows: list[Row] = []
    for entry, week in np.argwhere(is_session).tolist():
        group, at = group_of.get((entry, week), (None, int(utc[entry, week])))
        recorded = at + int(rng.integers(_HOUR, 3 * DAY_SECONDS)) if rng.random() < 0.3 else None
        delay, minutes = 60 * int(rng.integers(0, 10)), int(rng.integers(15, 46))
        channel, level = rng.choice(_CHANNELS, p=_CHANNEL_SHARES), _LEVELS[rng.choice(4, p=[0.4, 0.3, 0.25, 0.05])]
        ratings = rng.integers(2, 6, 2).tolist() if rng.random() < 0.5 else [None, None]
        if recorded is not None and recorded >= world.settings.snapshot_second:
            continue
        rows.append(
            {
                "_entry": entry,
                "_at": at,
                "_local_day": _local_day(world, entry, at),
                "outcome": "held",
                "group_id": group,
                "scheduled_at": iso_instant(at - delay),
                "held_at": iso_instant(at),
                "duration_minutes": minutes,
                "channel": str(channel),
                "level": level,
                "learner_rating": ratings[0],
                "mentor_rating": ratings[1],
                "recorded_at": iso_instant(recorded) if recorded is not None else None,
                **_pair(world, entry, is_by_match=rng.random() < 0.9),
            }
        )
    return rows


def _missed(world: World, matched: Ints, local: Ints, utc: Ints) -> list[Row]:
    """Sessions that were agreed and did not take place, in weeks without contact."""
    rng = stream(world.settings, "missed sessions")
    trajectory, weeks = world.trajectory, np.arange(utc.shape[1])
    drawn = rng.random(utc.shape)
    is_open = trajectory.is_matched & ~trajectory.contact & (local < world.ends.local[:, None])
    is_open &= (weeks != world.away[:, None]) & (utc < world.settings.snapshot_second)
    is_open &= np.isin(np.arange(len(utc)), matched)[:, None]
    rows: list[Row] = []
    bounds = np.cumsum([share for _, share in _MISSED])
    for entry, week in np.argwhere(is_open & (drawn < bounds[-1])).tolist():
        outcome = _MISSED[int(np.searchsorted(bounds, drawn[entry, week], side="right"))][0]
        at = int(utc[entry, week])
        rows.append(
            {
                "_entry": entry,
                "_at": at,
                "outcome": outcome,
                "scheduled_at": iso_instant(at),
                **_pair(world, entry, is_by_match=True),
            }
        )
    return rows


def _planned(world: World, matched: Ints) -> list[Row]:
    """Sessions agreed before the snapshot for the two weeks after it."""
    rng = stream(world.settings, "planned sessions")
    settings = world.settings
    is_running = world.cohort.run[matched] == RUNNING
    rows: list[Row] = []
    for entry in matched[is_running & ~world.ends.is_known[matched]].tolist():
        day, hour = int(rng.integers(0, 14)), int(rng.integers(9, 18))
        minutes, ago = int(rng.choice([20, 30, 45])), int(rng.integers(_HOUR, 5 * DAY_SECONDS))
        if rng.random() < 0.15 or not rows:
            at = settings.snapshot_second + day * DAY_SECONDS + hour * _HOUR
            rows.append(
                {
                    "_entry": entry,
                    "_at": at,
                    "outcome": "planned",
                    "scheduled_at": iso_instant(at),
                    "duration_minutes": minutes,
                    "recorded_at": iso_instant(settings.snapshot_second - ago),
                    **_pair(world, entry, is_by_match=True),
                }
            )
    return rows


def _pair(world: World, entry: int, *, is_by_match: bool) -> Row:
    """Name mentor and learner by their match or by themselves."""
    if is_by_match:
        return {"match_id": match_id(entry)}
    return {
        "mentor_key": world.people.mentor_keys[world.cohort.mentor[entry]],
        "learner_key": world.people.learner_keys[world.cohort.person[entry]],
    }


def _number(rows: list[Row], word: str) -> list[Row]:
    """Sort by time and number the rows."""
    ordered = sorted(rows, key=lambda row: (row["_at"], row["_entry"]))
    return [{f"{word}_id": f"{word}-{number:07d}", **row} for number, row in enumerate(ordered)]


def _written(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def _local_day(world: World, entry: int, utc: int) -> int:
    zone = world.cohort.zone[entry : entry + 1]
    day = utc // DAY_SECONDS
    midnights = [int(world.clock.utc(np.array([(day + step) * DAY_SECONDS]), zone)[0]) for step in (0, 1)]
    return day - (utc < midnights[0]) + (utc >= midnights[1])


def _commitments(world: World, sessions: list[Row]) -> list[Row]:
    """Commitments end sessions; the next session of the pair reviews them."""
    rng = stream(world.settings, "commitments")
    by_entry: dict[int, list[Row]] = defaultdict(list)
    for row in sessions:
        if row["outcome"] == "held":
            by_entry[int(str(row["_entry"]))].append(row)
    last_day = world.settings.snapshot_day - 2
    rows: list[Row] = []
    for held in by_entry.values():
        for place, row in enumerate(held):
            made = int(str(row["_local_day"]))
            if rng.random() >= 0.6 or made > last_day:
                continue
            reviewed = int(str(held[place + 1]["_local_day"])) if place + 1 < len(held) else None
            is_reviewed = reviewed is not None and reviewed <= last_day
            status = ("kept", "partly", "dropped")[rng.choice(3, p=[0.6, 0.25, 0.15])]
            rows.append(
                {
                    "commitment_id": f"commitment-{len(rows):06d}",
                    "session_id": row["session_id"],
                    "made_on": iso_date(made),
                    "due_on": iso_date(made + int(rng.integers(7, 15))),
                    "reviewed_on": iso_date(reviewed) if reviewed is not None and is_reviewed else None,
                    "status": status if is_reviewed else "open",
                }
            )
    return rows


def _mentored_only(world: World) -> tuple[list[Row], list[Row]]:
    """Matches and sessions of those who have a mentor and no course."""
    rng = stream(world.settings, "mentored only")
    people, settings = world.people, world.settings
    start = int(settings.start_days[RUNNING]) + 7
    matches: list[Row] = []
    sessions: list[Row] = []
    for number in range(people.mentored_only):
        identifier = match_id(world.cohort.size + number)
        matches.append(
            {
                "match_id": identifier,
                "mentor_key": people.mentor_keys[4 * number % len(people.mentor_keys)],
                "learner_key": people.learner_keys[people.participants + number],
                "programme_id": PROGRAMMES[HIPO].programme_id,
                "matched_on": iso_date(start - 1),
                "agreed_sessions_per_week": 0.5,
                "agreed_minutes": 30,
                "agreed_channel": "in_person",
                "purpose": "career",
            }
        )
        for week in range((settings.snapshot_day - start) // 7):
            if rng.random() < 0.5:
                at = (start + 7 * week + int(rng.integers(0, 5))) * DAY_SECONDS + int(rng.integers(9, 18)) * _HOUR
                sessions.append(
                    {
                        "session_id": f"session-alone-{number:03d}-{week:03d}",
                        "match_id": identifier,
                        "held_at": iso_instant(at),
                        "duration_minutes": 30,
                        "channel": "in_person",
                        "outcome": "held",
                        "level": "educational",
                    }
                )
    return matches, sessions


def _availability(world: World) -> list[Row]:
    """Some mentors have less time around the snapshot than usual."""
    day = world.settings.snapshot_day
    return [
        {
            "mentor_key": key,
            "from_on": iso_date(day - 14),
            "to_on": iso_date(day + 13),
            "minutes_per_week": 30 * (number % 2),
            "recorded_at": iso_instant((day - 20) * DAY_SECONDS),
        }
        for number, key in enumerate(world.people.mentor_keys[::5])
    ]


def _feedback(world: World) -> list[Row]:
    """Feedback on two alerts of another system's past, which this warehouse does not know."""
    second = world.settings.snapshot_second - 10 * DAY_SECONDS
    alerts = stream(world.settings, "feedback").bytes(32).hex()
    return [
        {
            "alert_id": alerts[32 * number : 32 * number + 32],
            "state": state,
            "by": world.people.mentor_keys[number],
            "at": iso_instant(second + number * _HOUR),
            "verdict": verdict,
            "contacted_at": iso_instant(second - _HOUR) if state == "acted" else None,
        }
        for number, (state, verdict) in enumerate([("acted", "useful"), ("dismissed", "not_applicable")])
    ]
