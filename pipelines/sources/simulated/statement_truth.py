"""What a reader must find in the statements: minutes by strand, exchanges between learners, what is wrong with courses.

Belongs here: counting what was written, vectorised, and its sum over blocks. Does not belong here: writing it
(`statements`), what is planted and where (`courses`, `activity`).
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipelines.sources.simulated.activity import NOTHING, Events
from pipelines.sources.simulated.catalogue import Catalogue
from pipelines.sources.simulated.clock import iso_date
from pipelines.sources.simulated.courses import COURSES, CROWDED, DATA, DEAD_HANDBOOK, HARD_WORK, PROGRAMMES, CourseRun
from pipelines.sources.simulated.people import ACTORS_PER_PERSON
from pipelines.sources.simulated.settings import DAY_SECONDS, Bytes, Flags, Ints
from pipelines.sources.simulated.world import World

UNATTRIBUTED = "unattributed"
EXCHANGE_DAYS = 7
_MILLISECONDS = 1000
# A pause longer than this ends a session; the last statement of a session stands for no time.
_SESSION_GAP_SECONDS = 30 * 60


class StatementTruth:
    """Sums over blocks of what their statements came to."""

    def __init__(self) -> None:
        self.minutes: Counter[tuple[str, str]] = Counter()
        self.exchanges: Counter[tuple[str, str]] = Counter()
        self._after_course: Counter[str] = Counter()
        self._work: Counter[str] = Counter()
        self._opened_day = 0
        self._opened: Counter[str] = Counter()

    def add(
        self, world: World, catalogue: Catalogue, events: Events, happened: Ints, ids: Bytes, is_mark: Flags
    ) -> None:
        """Count a block's statements, void ones left out; `happened` in milliseconds, `is_mark` where no learner acted."""
        person = np.where(events.actor < world.people.first_staff_actor, events.actor // ACTORS_PER_PERSON, NOTHING)
        self._add_issues(world, catalogue, events, happened, person)
        is_act = ~is_mark
        events, happened, ids, person = events.keep(is_act), happened[is_act], ids[is_act], person[is_act]
        self.minutes += _minutes(world, catalogue, events, happened, ids)
        thread = catalogue.thread[events.thing]
        talks = (thread != NOTHING) & (person != NOTHING)
        events, happened, ids, person = events.keep(talks), happened[talks], ids[talks], person[talks]
        self.exchanges += _exchanges(world, events, thread[talks], happened, ids, person)
        is_after = _local_days(world, happened, person) > _first_end(world)[person]
        self._after_course.update(events=int(is_after.sum()), learners=len(np.unique(person[is_after])))

    def _add_issues(self, world: World, catalogue: Catalogue, events: Events, happened: Ints, person: Ints) -> None:
        opens = events.thing == catalogue.handbook(*map(np.array, DEAD_HANDBOOK))
        self._opened["opened_count"] += int(opens.sum())
        if opens.any():
            self._opened_day = max(self._opened_day, int(_local_days(world, happened[opens], person[opens]).max()))
        run, course, number = HARD_WORK
        is_told = (events.thing == catalogue.assessment(np.array(run), np.array(course), number)) & (
            events.success != NOTHING
        )
        self._work["handed_in_count"] += int(is_told.sum())
        self._work["not_passed_count"] += int((events.success[is_told] == 0).sum())

    def community(self) -> dict[str, object]:
        """Section `community` of truth.json."""
        by_programme: dict[str, dict[str, int]] = {}
        totals: Counter[str] = Counter()
        for (programme, kind), count in self.exchanges.items():
            by_programme.setdefault(programme, {})[kind] = count
            totals[kind] += count
        return {
            "exchange_days": EXCHANGE_DAYS,
            "exchanges": dict(totals),
            "exchanges_by_programme": by_programme,
            "after_course": dict(self._after_course),
        }

    def course_issues(self, runs: list[list[CourseRun]], tickets: Counter[str]) -> dict[str, object]:
        """Section `course_issues` of truth.json; `runs` by run, then by course."""
        dead, hard = runs[DEAD_HANDBOOK[0]][DEAD_HANDBOOK[1]], runs[HARD_WORK[0]][HARD_WORK[1]]
        crowded = runs[CROWDED[0]][CROWDED[1]]
        days = Counter(crowded.due_day(number) for number in range(len(crowded.assessment_weeks)))
        day, count = days.most_common(1)[0]
        return {
            "dead_resources": [
                {
                    "course_id": dead.course_id,
                    "activity_iri": dead.handbook_iri,
                    "last_opened_on": iso_date(self._opened_day) if self._opened_day else None,
                    **self._opened,
                }
            ],
            "hard_assessments": [
                {"course_id": hard.course_id, "activity_iri": hard.assessment_iri(HARD_WORK[2]), **self._work}
            ],
            "crowded_weeks": [
                {"course_id": crowded.course_id, "week_starts_on": iso_date(day - 6), "works_count": count}
            ],
            "tickets_by_kind": dict(tickets),
        }


def _minutes(
    world: World, catalogue: Catalogue, events: Events, happened: Ints, ids: Bytes
) -> Counter[tuple[str, str]]:
    """Minutes by programme and strand: a result's own duration, else the gap to the person's next statement.

    Of two statements in one second the smaller id goes first.
    """
    first_staff = world.people.first_staff_actor
    person = np.where(events.actor < first_staff, events.actor // ACTORS_PER_PERSON, events.actor)
    second = happened // _MILLISECONDS
    order = _in_order(person, second, ids)
    is_same = person[order[1:]] == person[order[:-1]]
    gap = np.zeros(len(events), dtype=np.int64)
    gap[order[:-1]] = np.where(is_same, np.diff(second[order]), 0)
    gap[gap > _SESSION_GAP_SECONDS] = 0
    seconds = np.where(events.duration == NOTHING, gap, events.duration)
    names, strand = np.unique(np.array([thing.strand for thing in catalogue.things]), return_inverse=True)
    programmes = [*(item.programme_id for item in PROGRAMMES), UNATTRIBUTED]
    place = _programmes(world, events.enrolment) * len(names) + strand[events.thing]
    sums = np.bincount(place, weights=seconds, minlength=len(programmes) * len(names)) / 60
    return Counter(
        {
            (programme, str(name)): float(total)
            for programme, row in zip(programmes, sums.reshape(-1, len(names)), strict=True)
            for name, total in zip(names, row, strict=True)
        }
    )


def _exchanges(
    world: World, events: Events, thread: Ints, happened: Ints, ids: Bytes, person: Ints
) -> Counter[tuple[str, str]]:
    """Exchanges by programme of the one who answers, within and across classes.

    An exchange is an event on a thread whose preceding event on the same thread, at most seven days before, is by
    another learner; across classes, if the two are of different org units or different course runs.
    """
    cohort = world.cohort
    order = _in_order(thread, happened, ids)
    before, after = order[:-1], order[1:]
    is_exchange = (thread[before] == thread[after]) & (person[before] != person[after])
    is_exchange &= happened[after] - happened[before] <= EXCHANGE_DAYS * DAY_SECONDS * _MILLISECONDS
    unit = np.zeros(cohort.persons, dtype=np.int64)
    unit[cohort.person] = cohort.unit
    required, extra = (
        cohort.run * len(COURSES) + cohort.course,
        cohort.run[world.enrolments.extra] * len(COURSES) + DATA,
    )
    run = np.concatenate([required, extra, [NOTHING]])[events.enrolment]
    is_across = unit[person[before]] != unit[person[after]]
    is_across |= (run[before] != run[after]) & (run[before] != NOTHING) & (run[after] != NOTHING)
    place = _programmes(world, events.enrolment)[after] * 2 + is_across
    counts = np.bincount(place[is_exchange], minlength=2 * (len(PROGRAMMES) + 1)).reshape(-1, 2)
    programmes = [*(item.programme_id for item in PROGRAMMES), UNATTRIBUTED]
    return Counter(
        {
            (programme, kind): int(count)
            for programme, row in zip(programmes, counts, strict=True)
            for kind, count in zip(("within", "across"), row, strict=True)
        }
    )


def _first_end(world: World) -> Ints:
    """Last day of the first course run that each person was in to end."""
    cohort = world.cohort
    ends = np.array([[run.end_day for run in courses] for courses in world.runs])
    first = np.full(cohort.persons, np.iinfo(np.int64).max)
    np.minimum.at(first, cohort.person, ends[cohort.run, cohort.course])
    np.minimum.at(first, cohort.person[world.enrolments.extra], ends[cohort.run[world.enrolments.extra], DATA])
    return first


def _local_days(world: World, happened: Ints, person: Ints) -> Ints:
    zone = np.zeros(world.cohort.persons, dtype=np.int64)
    zone[world.cohort.person] = world.cohort.zone
    return world.clock.local_day(happened // _MILLISECONDS, np.where(person == NOTHING, 0, zone[person]))


def _programmes(world: World, enrolment: Ints) -> Ints:
    """Index of each event's programme, the last for those of no stated enrolment."""
    cohort = world.cohort
    return np.concatenate([cohort.programme, cohort.programme[world.enrolments.extra], [len(PROGRAMMES)]])[enrolment]


def _in_order(group: Ints, time: Ints, ids: Bytes) -> Ints:
    """Order by group, then time, then id."""
    high, low = np.ascontiguousarray(ids).view(">u8").T
    return np.lexsort((low, high, time, group))
