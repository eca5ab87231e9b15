"""What mentors and learners did together, as they logged it.

Belongs here: matches, availability, sessions, feedback on alerts. Does not belong here: when contact takes place
(`hazard`), messages and commitments. Held sessions and messages by mentors lie in contact weeks alone, the first of a
week at the drawn second, so that contact in the tables is contact in the generator.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from pipelines.sources.simulated.clock import iso_date, iso_instant
from pipelines.sources.simulated.cohort import UNMATCHED, manager_of_mentor
from pipelines.sources.simulated.commitments import draw_commitments
from pipelines.sources.simulated.courses import HIPO, PROGRAMMES
from pipelines.sources.simulated.mentors import mentor_traits
from pipelines.sources.simulated.messages import draw_messages
from pipelines.sources.simulated.settings import (
    DAY_SECONDS,
    RUNNING,
    WEEK_SECONDS,
    Flags,
    Ints,
    Row,
    SimulationSettings,
    Tables,
    stream,
)
from pipelines.sources.simulated.world import World

_SESSION_MINUTES = 30
_GROUP_SHARE = 0.8
_LARGEST_GROUP = 8
_MOVED_SHARE = 0.1
_CADENCES, _CADENCE_SHARES = (0.25, 0.5, 1.0, 2.0), (0.2, 0.4, 0.3, 0.1)
_RATED_SHARES = (0.7, 0.5)
_APART_SHARE = 0.06
_LEVELS = ("methodological", "educational", "social", "technical")
_CHANNELS = ("video", "chat", "phone", "in_person")
_CHANNEL_SHARES = (0.5, 0.25, 0.15, 0.1)
_MISSED = (("missed_by_learner", 0.1), ("missed_by_mentor", 0.03), ("cancelled", 0.04), ("rescheduled", 0.03))
_HOUR = 3600


def draw_mentoring(world: World) -> tuple[Tables, Tables]:
    """Write every table of mentoring; the second tables state rows of the first again, as a later export does."""
    matched = matched_entries(world)
    local, utc = contact_seconds(world)
    is_logged = world.trajectory.has_contact & (utc < world.settings.snapshot_second)
    is_logged[~np.isin(np.arange(len(is_logged)), matched)] = False
    groups = _groups(world, is_logged, utc)
    is_session = _sessions_within_capacity(world, is_logged, groups, utc)
    held = _held(world, is_session, groups, utc)
    missed = [*_missed(world, matched, local, utc), *_planned(world, matched)]
    sessions = _number(world.settings, [*held, *missed])
    alone, alone_sessions = _mentored_only(world)
    matches, matches_later = _matches(world, matched)
    commitments = draw_commitments(world.settings, sessions)
    first_told, told_later = _moved(world, sessions)
    tables = {
        "mentoring_match": [*matches, *alone],
        "mentoring_session": [*map(_written, first_told), *alone_sessions],
        "mentoring_message": draw_messages(world, matched, is_logged & ~is_session, utc),
        "commitment": commitments,
    }
    if world.settings.block == 0:
        tables["alert_feedback"] = _feedback(world)
    tables["mentor_availability"] = _availability(world)
    return tables, {"mentoring_match": matches_later, "mentoring_session": [*map(_written, told_later)]}


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


def match_id(settings: SimulationSettings, entry: int) -> str:
    """Identifier of a participation's match."""
    return settings.tag("match", entry)


def _matches(world: World, matched: Ints) -> tuple[list[Row], list[Row]]:
    """Write the matches; of half of those that ended the first export knew no end, and a later one did."""
    rng = stream(world.settings, "matches")
    cohort, ends = world.cohort, world.ends
    reasons = {"completed": "programme completed", "failed": "programme ended"}
    rows: list[Row] = []
    later: list[Row] = []
    for entry in matched.tolist():
        mentor, kind = int(cohort.mentor[entry]), world.trajectory.end_kind[entry]
        is_ended, is_agreed = bool(ends.is_known[entry]), rng.random() < 0.8
        is_own_manager = manager_of_mentor(mentor) == cohort.manager[entry]
        ended: Row = {"ended_on": iso_date(ends.day[entry]), "end_reason": reasons.get(kind, "learner left")}
        match: Row = {
            "match_id": match_id(world.settings, entry),
            "mentor_key": world.people.mentor_keys[mentor],
            "learner_key": world.people.learner_keys[cohort.person[entry]],
            "programme_id": PROGRAMMES[cohort.programme[entry]].programme_id,
            "matched_on": iso_date(cohort.match_day[entry]),
            "agreed_sessions_per_week": float(rng.choice(_CADENCES, p=_CADENCE_SHARES)) if is_agreed else None,
            "agreed_minutes": int(rng.choice([20, 30, 45])) if is_agreed else None,
            "agreed_channel": ("video", "chat", "phone", "email")[rng.integers(0, 4)] if is_agreed else None,
            "purpose": "performance" if is_own_manager or rng.random() < 0.3 else "career",
        }
        is_told_later = is_ended and ends.recorded_utc[entry] >= 0 and rng.random() < 0.5
        rows.append(match if is_told_later or not is_ended else match | ended)
        if is_told_later:
            later.append(match | ended | {"recorded_at": iso_instant(ends.recorded_utc[entry])})
    return rows, later


def _groups(world: World, is_logged: Flags, utc: Ints) -> dict[tuple[int, int], tuple[str, int]]:
    """Which contacts are one session of a group, by entry and week: the group's name and its second.

    A mentor who sees learners together meets up to eight of a run and zone at the earliest of their seconds.
    """
    rng = stream(world.settings, "groups")
    cohort, traits = world.cohort, mentor_traits(world.settings)
    together: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    stays = world.trajectory.end_week[:, None] > np.arange(utc.shape[1])
    is_grouped = np.where(cohort.mentor == UNMATCHED, False, traits.is_group[cohort.mentor])
    for entry, week in np.argwhere(is_logged & stays & is_grouped[:, None]).tolist():
        monday = int(cohort.start_day[entry]) + 7 * week
        together[int(cohort.mentor[entry]), int(cohort.run[entry]), int(cohort.zone[entry]), monday].append(entry)
    group_of: dict[tuple[int, int], tuple[str, int]] = {}
    for (_, _, _, monday), entries in together.items():
        if len(entries) > 1 and rng.random() < _GROUP_SHARE:
            met = [(entry, (monday - int(cohort.start_day[entry])) // 7) for entry in entries[:_LARGEST_GROUP]]
            at = min(int(utc[place]) for place in met)
            name = world.settings.tag("group", entries[0]) + f"-{monday}"
            group_of.update(dict.fromkeys(met, (name, at)))
    return group_of


def _sessions_within_capacity(
    world: World, is_logged: Flags, groups: dict[tuple[int, int], tuple[str, int]], utc: Ints
) -> Flags:
    """Let a contact be a session while the mentor's week has room, a group's once, else a message."""
    rng = stream(world.settings, "session or message")
    wishes = rng.random(is_logged.shape) < 0.6
    is_session = np.zeros_like(is_logged)
    used: dict[tuple[int, int], int] = defaultdict(int)
    for place in groups:
        wishes[place] = True
    room_for: dict[str, bool] = {}
    places = np.argwhere(is_logged & wishes)
    places = places[np.argsort(utc[places[:, 0], places[:, 1]], kind="stable")]
    for entry, week in places.tolist():
        mentor = int(world.cohort.mentor[entry])
        group, at = groups.get((entry, week), (None, int(utc[entry, week])))
        if group is not None and group in room_for:
            is_session[entry, week] = room_for[group]
            continue
        key = (mentor, (at + 3 * DAY_SECONDS) // WEEK_SECONDS)
        has_room = used[key] + _SESSION_MINUTES <= world.people.mentor_minutes[mentor]
        used[key] += _SESSION_MINUTES * has_room
        is_session[entry, week] = has_room
        if group is not None:
            room_for[group] = has_room
    return is_session


def _held(world: World, is_session: Flags, groups: dict[tuple[int, int], tuple[str, int]], utc: Ints) -> list[Row]:
    """Held sessions; some mentors log days later, some leave out all they can."""
    rng = stream(world.settings, "held sessions")
    cohort, traits = world.cohort, mentor_traits(world.settings)
    places = np.argwhere(is_session).tolist()
    size = len(places)
    delays, minutes = 60 * rng.integers(0, 10, size), rng.integers(15, 46, size)
    lags = np.where(rng.random(size) < 0.3, rng.integers(_HOUR, 3 * DAY_SECONDS, size), -1)
    channels, levels = rng.choice(4, size, p=_CHANNEL_SHARES), rng.choice(4, size, p=[0.4, 0.3, 0.25, 0.05])
    is_rated, ratings = rng.random((size, 2)) < _RATED_SHARES, _ratings(world, np.array(places)[:, 0])
    is_by_match, is_timed, is_levelled, is_numbered = rng.random((4, size))
    group_minutes: dict[str, int] = {}
    rows: list[Row] = []
    for number, (entry, week) in enumerate(places):
        group, at = groups.get((entry, week), (None, int(utc[entry, week])))
        recorded = at + int(lags[number]) if lags[number] >= 0 else None
        if recorded is not None and recorded >= world.settings.snapshot_second:
            continue
        lasted = int(minutes[number])
        if group is not None:
            lasted = group_minutes.setdefault(group, lasted)
        is_sparse = bool(traits.is_sparse[cohort.mentor[entry]])
        rows.append(
            {
                "_entry": entry,
                "_at": at,
                "_local_day": int(world.clock.local_day(np.array([at]), cohort.zone[entry : entry + 1])[0]),
                # A session that nobody numbered is known by its pair and time, and can be moved by nobody.
                "_is_numbered": not is_sparse or is_numbered[number] < 0.5,
                "_is_sparse": is_sparse,
                "outcome": "held",
                "group_id": group,
                "scheduled_at": None if is_sparse else iso_instant(at - int(delays[number])),
                "held_at": iso_instant(at),
                "duration_minutes": None if is_sparse and is_timed[number] < 0.4 else lasted,
                "channel": _CHANNELS[int(channels[number])],
                "level": None if is_sparse and is_levelled[number] < 0.6 else _LEVELS[int(levels[number])],
                "learner_rating": int(ratings[number, 0]) if is_rated[number, 0] else None,
                "mentor_rating": int(ratings[number, 1]) if is_rated[number, 1] and not is_sparse else None,
                "recorded_at": iso_instant(recorded) if recorded is not None else None,
                **_pair(world, entry, is_by_match=is_by_match[number] < 0.9),
            }
        )
    return rows


def _ratings(world: World, entries: Ints) -> Ints:
    """What learner and mentor say of each session, 1 to 5: alike, but for the few pairs who see it differently."""
    rng = stream(world.settings, "ratings")
    liking = np.tile(rng.normal(3.8, 0.5, (world.cohort.size, 1)), 2)
    liking[rng.random(world.cohort.size) < _APART_SHARE] = (1.8, 4.6)
    return np.clip(np.rint(rng.normal(liking[entries], 0.6)), 1, 5).astype(np.int64)


def _moved(world: World, sessions: list[Row]) -> tuple[list[Row], list[Row]]:
    """Sessions as first told and as told later: some held ones were planned for another time before.

    The first telling is older than the later one, whichever file is read first.
    """
    rng = stream(world.settings, "moved sessions")
    cohort = world.cohort
    first: list[Row] = []
    later: list[Row] = []
    for row in sessions:
        at, entry = int(str(row["_at"])), int(str(row["_entry"]))
        planned = at - int(rng.integers(1, 4)) * DAY_SECONDS
        told = planned - int(rng.integers(1, 3)) * DAY_SECONDS
        matched = world.clock.end_of_day(cohort.match_day[entry : entry + 1], cohort.zone[entry : entry + 1])[0]
        is_moved = row["outcome"] == "held" and row["session_id"] and not row["group_id"] and told > matched
        if not is_moved or rng.random() >= _MOVED_SHARE:
            first.append(row)
            continue
        named = {name: row.get(name) for name in ("session_id", "match_id", "mentor_key", "learner_key", "channel")}
        plan = {"outcome": "planned", "scheduled_at": iso_instant(planned), "recorded_at": iso_instant(told)}
        first.append(named | plan)
        later.append({**row, "recorded_at": row["recorded_at"] or iso_instant(at)})
    return first, later


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
        return {"match_id": match_id(world.settings, entry)}
    return {
        "mentor_key": world.people.mentor_keys[world.cohort.mentor[entry]],
        "learner_key": world.people.learner_keys[world.cohort.person[entry]],
    }


def _number(settings: SimulationSettings, rows: list[Row]) -> list[Row]:
    """Sort by time and number the rows that have a number."""
    ordered = sorted(rows, key=lambda row: (row["_at"], row["_entry"]))
    return [
        {"session_id": settings.tag("session", number) if row.get("_is_numbered", True) else None, **row}
        for number, row in enumerate(ordered)
    ]


def _written(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def _mentored_only(world: World) -> tuple[list[Row], list[Row]]:
    """Matches and sessions of those who have a mentor and no course."""
    rng = stream(world.settings, "mentored only")
    people, settings = world.people, world.settings
    start = int(settings.start_days[RUNNING]) + 7
    matches: list[Row] = []
    sessions: list[Row] = []
    for number in range(people.mentored_only):
        identifier = match_id(settings, world.cohort.size + number)
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
                        "session_id": settings.tag("session-alone", number) + f"-{week:03d}",
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
