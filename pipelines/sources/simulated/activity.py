"""What learners and staff do in the LMS, before it is written as statements.

Belongs here: sessions of events that follow engagement, submissions and their scores, course results, the community
after the course, staff. Does not belong here: JSON (`statements`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pipelines.sources.simulated.catalogue import DISCUSSION, FORUM_THREADS, THREADS, Catalogue
from pipelines.sources.simulated.courses import ASSESSMENT_WEIGHTS, COURSES, DEAD_HANDBOOK, HANDBOOK, HARD_WORK, SLOTS
from pipelines.sources.simulated.hazard import COMPLETED
from pipelines.sources.simulated.people import STAFF
from pipelines.sources.simulated.seasons import OPEN_SHARE_WHEN_CLOSED, WEEKDAY_SHARES, closed_days
from pipelines.sources.simulated.settings import DAY_SECONDS, RUNS, Flags, Floats, Ints, stream
from pipelines.sources.simulated.world import World

NOTHING = -1
_ADL_VERB = "http://adlnet.gov/expapi/verbs"
VERBS = {
    **{
        name: f"{_ADL_VERB}/{name}"
        for name in (
            "initialized",
            "experienced",
            "answered",
            "attempted",
            "completed",
            "passed",
            "failed",
            "scored",
            "commented",
            "shared",
            "interacted",
        )
    },
    "played": "https://w3id.org/xapi/video/verbs/played",
}
VERB_NAMES = tuple(VERBS)
_SLOT_VERBS: dict[str, dict[str, float]] = {
    "lesson-1": {"experienced": 0.6, "initialized": 0.2, "completed": 0.2},
    "lesson-2": {"experienced": 0.7, "completed": 0.3},
    "video": {"played": 0.8, "completed": 0.2},
    "question": {"answered": 0.9, "attempted": 0.1},
    "discussion": {"commented": 0.6, "shared": 0.1, "experienced": 0.3},
    "media": {"experienced": 1.0},
    "link": {"interacted": 0.6, "experienced": 0.4},
    "task": {"interacted": 0.6, "completed": 0.4},
}
_PASS_SCORE = 0.4
_TOO_HARD = 0.42
# Of what is said in a course, the share in the thread of one's org unit, and in the forum of all runs.
_UNIT_SHARE, _FORUM_SHARE = 0.5, 0.15
_STAFF_EVENTS = 30
_LONGEST_GAP_SECONDS = 25 * 60


@dataclass(frozen=True)
class Events:
    """Events as arrays of one length; indexes into actors, objects, `VERB_NAMES` and enrolment ids, -1 for none.

    `score` is NaN without one, `success` and `duration` (seconds) are -1 without one.
    """

    actor: Ints
    thing: Ints
    verb: Ints
    enrolment: Ints
    has_parent: Flags
    utc: Ints
    score: Floats
    success: Ints
    duration: Ints

    def __len__(self) -> int:
        return len(self.actor)

    def keep(self, chosen: Flags | Ints) -> Events:
        """Return the chosen events."""
        return Events(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


def concatenate(parts: list[Events]) -> Events:
    """Put events one after the other."""
    return Events(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Events)}
    )


def draw_events(world: World, catalogue: Catalogue) -> Events:
    """Draw all events that happen before the snapshot."""
    parts = [
        _sessions(world, catalogue),
        *(_submissions(world, catalogue, number) for number in range(len(ASSESSMENT_WEIGHTS))),
        _results(world, catalogue),
        _community(world, catalogue),
        _staff(world, catalogue),
    ]
    events = concatenate(parts)
    return events.keep(np.asarray(events.utc < world.settings.snapshot_second))


def _sessions(world: World, catalogue: Catalogue) -> Events:
    """Draw sessions in the evening and at noon, each a burst of events some minutes apart."""
    rng = stream(world.settings, "sessions")
    cohort, trajectory = world.cohort, world.trajectory
    sessions = trajectory.sessions * (np.arange(trajectory.weeks) <= trajectory.end_week[:, None])
    entry, week = (index.astype(np.int64) for index in np.nonzero(sessions))
    count = sessions[entry, week]
    session_entry, session_week = np.repeat(entry, count), np.repeat(week, count)
    size = 1 + _shared_out(rng, count, trajectory.events[entry, week] - count)
    habit = rng.normal(0, 1.2, cohort.size)[session_entry]
    part = rng.choice(3, len(session_entry), p=[0.6, 0.25, 0.15])
    hour = np.array([20.0, 12.6, 9.0])[part] + np.array([1.6, 0.6, 1.2])[part] * rng.standard_normal(len(part)) + habit
    day = cohort.start_day[session_entry] + 7 * session_week + _weekdays(rng, session_entry, cohort.size)
    starts = day * DAY_SECONDS + (np.clip(hour, 5.5, 23.4) * 3600).astype(np.int64)
    is_extra = cohort.has_extra_course[session_entry] & (rng.random(len(part)) < 0.25)

    row = np.repeat(np.arange(len(size)), size)
    is_first = np.concatenate([[True], row[1:] != row[:-1]])
    gap = np.where(is_first, 0, np.minimum(rng.exponential(240, len(row)), _LONGEST_GAP_SECONDS) + 5).astype(np.int64)
    passed = np.cumsum(gap)
    local = starts[row] + passed - passed[np.flatnonzero(is_first)][row]
    who, when = session_entry[row], session_week[row]
    item_week = np.where(rng.random(len(row)) < 0.75, when, (rng.random(len(row)) * (when + 1)).astype(np.int64))
    slot = rng.choice(len(SLOTS), len(row), p=[item.share for item in SLOTS])
    verb = _slot_verbs(rng, slot)
    extra_place = np.full(cohort.size, NOTHING)
    extra_place[world.enrolments.extra] = cohort.size + np.arange(len(world.enrolments.extra))
    course = np.where(is_extra[row], 1, cohort.course[who])
    is_answer = verb == VERB_NAMES.index("answered")
    score = np.clip(0.7 + 0.1 * cohort.ability[who] + rng.normal(0, 0.15, len(row)), 0, 1).round(2)
    is_loose = (slot == len(SLOTS) - 2) & (rng.random(len(row)) < 0.5)
    which = rng.choice(3, len(row), p=[0.65, 0.25, 0.1]).astype(np.int64)
    events = Events(
        actor=world.people.actor(cohort.person[who], which),
        thing=_things(world, catalogue, who, (course, item_week, slot), local // DAY_SECONDS),
        verb=verb,
        enrolment=np.where(is_loose, NOTHING, np.where(is_extra[row], extra_place[who], who)),
        has_parent=~is_loose,
        utc=world.clock.utc(local, cohort.zone[who]),
        score=np.where(is_answer, score, np.nan),
        success=np.where(is_answer, score >= _PASS_SCORE, NOTHING).astype(np.int64),
        duration=np.where(rng.random(len(row)) < 0.15, rng.integers(20, 200, len(row)), NOTHING),
    )
    is_closed = np.isin(local // DAY_SECONDS, closed_days(world.settings)) & (
        rng.random(len(row)) >= OPEN_SHARE_WHEN_CLOSED
    )
    is_kept = (
        (local < world.ends.local[who])
        & (local // DAY_SECONDS >= cohort.enrolled_day[who])
        & (when != world.away[who])
        & ~is_closed
        & (events.utc < world.settings.snapshot_second)
    )
    events, who = events.keep(is_kept), who[is_kept]
    _open_courses(world, catalogue, events, who)
    return events


def _things(world: World, catalogue: Catalogue, who: Ints, places: tuple[Ints, Ints, Ints], day: Ints) -> Ints:
    """What each event is about: the week's activity, a thread in place of its discussion, the handbook of the run.

    `places` are course, week and slot. The handbook that dies is opened no more from a day on; who looked for it finds
    the same in the week's module.
    """
    course, week, slot = places
    rng = stream(world.settings, "threads and handbooks")
    run, drawn = world.cohort.run[who], rng.random(len(who))
    thing = catalogue.slot(run, course, week, slot)
    is_talk = slot == DISCUSSION
    has_forum = np.array([item.has_forum for item in COURSES])[course]
    in_unit = is_talk & (drawn < _UNIT_SHARE)
    in_forum = is_talk & (drawn >= 1 - _FORUM_SHARE) & has_forum
    thing[in_unit] = catalogue.unit_thread(run, course, week, world.cohort.unit[who])[in_unit]
    thing[in_forum] = catalogue.forum_thread(run, course, rng.integers(0, FORUM_THREADS, len(who)))[in_forum]
    is_lookup = np.array([item.type_iri == HANDBOOK.type_iri for item in SLOTS])[slot] & (drawn < HANDBOOK.share)
    dead_run, dead_course = DEAD_HANDBOOK
    dead_from = world.runs[dead_run][dead_course].dead_from_day
    is_lookup &= (run != dead_run) | (course != dead_course) | (day < dead_from)
    thing[is_lookup] = catalogue.handbook(run, course)[is_lookup]
    return thing


def _open_courses(world: World, catalogue: Catalogue, events: Events, who: Ints) -> None:
    """Make each participation's first event the opening of its course."""
    order = np.lexsort((events.utc, who))
    opening = order[np.unique(who[order], return_index=True)[1]]
    entry = who[opening]
    events.thing[opening] = catalogue.course(world.cohort.run[entry], world.cohort.course[entry])
    events.verb[opening] = VERB_NAMES.index("initialized")
    events.enrolment[opening] = entry
    events.has_parent[opening] = False
    events.score[opening] = np.nan
    events.success[opening] = NOTHING


def _weekdays(rng: np.random.Generator, entry: Ints, size: int) -> Ints:
    """Draw a weekday for each session: the usual ones, and among them each participation's own habits."""
    likes = WEEKDAY_SHARES * rng.gamma(1.5, size=(size, len(WEEKDAY_SHARES)))
    bounds = np.cumsum(likes / likes.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    drawn = rng.random(len(entry))
    return np.asarray(sum((drawn >= bounds[entry, day]).astype(np.int64) for day in range(bounds.shape[1])))


def _shared_out(rng: np.random.Generator, groups: Ints, total: Ints) -> Ints:
    """Share each group's total out among its members at random; groups lie one after the other."""
    first = np.cumsum(groups) - groups
    owner = np.repeat(np.arange(len(groups)), total)
    member = first[owner] + (rng.random(len(owner)) * groups[owner]).astype(np.int64)
    return np.bincount(member, minlength=int(groups.sum())).astype(np.int64)


def _slot_verbs(rng: np.random.Generator, slot: Ints) -> Ints:
    verb = np.zeros(len(slot), dtype=np.int64)
    for index, item in enumerate(SLOTS):
        choices = _SLOT_VERBS[item.name]
        places = [VERB_NAMES.index(name) for name in choices]
        verb = np.where(slot == index, rng.choice(places, len(slot), p=list(choices.values())), verb)
    return verb


def _submissions(world: World, catalogue: Catalogue, number: int) -> Events:
    """Hand in one assessed work of the required course, earlier and better with engagement and ability."""
    rng = stream(world.settings, f"submissions {number}")
    cohort, trajectory = world.cohort, world.trajectory
    week = world.runs[0][0].assessment_weeks[number]
    engagement = trajectory.engagement[:, week]
    hands_in = rng.random(cohort.size) < 1 / (1 + np.exp(-(1.6 + 0.8 * engagement + 0.3 * cohort.ability)))
    early_days = np.clip(rng.normal(1.0 + 0.8 * engagement, 1.5), -5, 12)
    hour = np.clip(rng.normal(19, 2.5, cohort.size), 7, 23.5)
    day = cohort.start_day + 7 * week + 6 - np.floor(early_days).astype(np.int64)
    local = day * DAY_SECONDS + (hour * 3600).astype(np.int64)
    is_kept = hands_in & ~cohort.is_never_started & (local < world.ends.local)
    is_kept &= local // DAY_SECONDS >= cohort.enrolled_day
    is_kept &= local < (cohort.start_day + 7 * trajectory.weeks) * DAY_SECONDS
    who = np.flatnonzero(is_kept)
    quality = 0.66 + 0.1 * cohort.ability + 0.06 * engagement + rng.normal(0, 0.1, cohort.size)
    hard_run, hard_course, hard_number = HARD_WORK
    quality -= _TOO_HARD * ((cohort.run == hard_run) & (cohort.course == hard_course) & (number == hard_number))
    score = np.clip(quality, 0.02, 1)[who].round(2)
    is_passed = score >= _PASS_SCORE
    drawn = rng.random(len(who))
    judged = np.where(is_passed, VERB_NAMES.index("passed"), VERB_NAMES.index("failed"))
    other = np.where(drawn < 0.85, VERB_NAMES.index("scored"), VERB_NAMES.index("completed"))
    thing = catalogue.assessment(cohort.run[who], cohort.course[who], number)
    actor = world.people.actor(cohort.person[who])
    utc = world.clock.utc(local[who], cohort.zone[who])
    handed_in = Events(
        actor,
        thing,
        np.where(drawn < 0.7, judged, other),
        who,
        np.ones(len(who), dtype=bool),
        utc,
        score,
        is_passed.astype(np.int64),
        np.full(len(who), NOTHING),
    )
    tried = _plain(actor, thing, "attempted", who, utc - rng.integers(1200, 3000, len(who)))
    return concatenate([handed_in, tried.keep(rng.random(len(who)) < 0.5)])


def _results(world: World, catalogue: Catalogue) -> Events:
    """State the result of the course: completed, or failed by those who took part."""
    cohort = world.cohort
    kind = np.array(world.trajectory.end_kind)
    who = np.flatnonzero((kind == COMPLETED) | ((kind == "failed") & ~cohort.is_never_started))
    is_completed = kind[who] == COMPLETED
    events = _plain(
        world.people.actor(cohort.person[who]),
        catalogue.course(cohort.run[who], cohort.course[who]),
        "completed",
        who,
        world.ends.utc[who],
    )
    events.verb[~is_completed] = VERB_NAMES.index("failed")
    events.has_parent[:] = False
    events.success[:] = is_completed
    return events


def _community(world: World, catalogue: Catalogue) -> Events:
    """Let some of those who completed go on talking: half of it in their course's forum, with those of the next run."""
    rng = stream(world.settings, "community")
    cohort = world.cohort
    stays = (np.array(world.trajectory.end_kind) == COMPLETED) & (rng.random(cohort.size) < 0.3)
    who = np.repeat(np.flatnonzero(stays), rng.poisson(3, int(stays.sum())))
    day = world.ends.day[who] + rng.integers(2, 70, len(who))
    local = day * DAY_SECONDS + rng.integers(17 * 3600, 23 * 3600, len(who))
    thread, is_forum = rng.integers(0, THREADS, len(who)), rng.random(len(who)) < 0.5
    is_forum &= np.array([item.has_forum for item in COURSES])[cohort.course[who]]
    forum_thread = catalogue.forum_thread(cohort.run[who], cohort.course[who], thread % FORUM_THREADS)
    return _plain(
        world.people.actor(cohort.person[who]),
        np.where(is_forum, forum_thread, catalogue.first_thread + thread),
        "commented",
        np.where(is_forum, who, NOTHING),
        world.clock.utc(local, cohort.zone[who]),
    )


def _staff(world: World, catalogue: Catalogue) -> Events:
    """Let staff, who are no learners, open course material."""
    rng = stream(world.settings, "staff")
    count = STAFF * _STAFF_EVENTS
    run, week = rng.integers(0, RUNS, count), rng.integers(0, world.settings.weeks, count)
    course, slot = rng.integers(0, len(COURSES), count), rng.integers(0, 2, count)
    local = (world.settings.start_days[run] + 7 * week + rng.integers(0, 5, count)) * DAY_SECONDS
    return _plain(
        world.people.first_staff_actor + rng.integers(0, STAFF, count),
        catalogue.slot(run, course, week, slot),
        "experienced",
        np.full(count, NOTHING),
        local + rng.integers(9 * 3600, 17 * 3600, count),
    )


def _plain(actor: Ints, thing: Ints, verb: str, enrolment: Ints, utc: Ints) -> Events:
    """Events without a result."""
    size = len(actor)
    return Events(
        actor,
        thing,
        np.full(size, VERB_NAMES.index(verb)),
        enrolment,
        np.ones(size, dtype=bool),
        utc,
        np.full(size, np.nan),
        np.full(size, NOTHING),
        np.full(size, NOTHING),
    )
