"""The objects that statements are about.

Belongs here: every object's IRI, type and title, and its number. Does not belong here: who uses it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipelines.sources.simulated.cohort import UNITS
from pipelines.sources.simulated.courses import (
    ADL_TYPE,
    ASSESSMENT_TYPE,
    ASSESSMENT_WEIGHTS,
    COMMUNITY_IRI,
    COURSE_TYPE,
    COURSES,
    DISCUSSION_TYPE,
    HANDBOOK,
    LMS,
    SLOTS,
    CourseRun,
)
from pipelines.sources.simulated.settings import Ints, SimulationSettings

THREADS = 20
FORUM_THREADS = 12
DISCUSSION = next(place for place, slot in enumerate(SLOTS) if slot.type_iri == DISCUSSION_TYPE)
PARENT_TYPES = {COMMUNITY_IRI: f"{ADL_TYPE}/meeting"}


class LearningObject(NamedTuple):
    """The object of a statement and the course or community it lies in (empty for a course itself)."""

    iri: str
    type_iri: str
    title: str
    parent_iri: str
    strand: str


class Catalogue:
    """Every object of a statement, and where it stands in `things`.

    `thread` is the number of a thing's discussion thread, -1 for what is no thread: each week's of a run, beside it one
    for each org unit, those of a course's forum that its runs share (several things, by the run that one comes from),
    and those of the community after the course. A block's learners have threads of their own.
    """

    def __init__(self, settings: SimulationSettings, runs: list[list[CourseRun]]) -> None:
        self.things: list[LearningObject] = []
        self._weeks = settings.weeks
        end = f"/group-{settings.block:03d}" if settings.block else ""
        for run in (run for courses in runs for run in courses):
            title = run.course.title
            self.things.append(LearningObject(run.iri, COURSE_TYPE, title, "", "formal"))
            self.things += [
                LearningObject(
                    run.slot_iri(week, slot) + (end if place == DISCUSSION else ""),
                    slot.type_iri,
                    f"{title}: {slot.name} {week + 1}",
                    run.iri,
                    slot.strand,
                )
                for week in range(settings.weeks)
                for place, slot in enumerate(SLOTS)
            ]
            self.things += [
                LearningObject(
                    run.assessment_iri(number), ASSESSMENT_TYPE, f"{title}: work {number + 1}", run.iri, "formal"
                )
                for number in range(len(ASSESSMENT_WEIGHTS))
            ]
            self.things.append(
                LearningObject(run.handbook_iri, HANDBOOK.type_iri, f"{title}: handbook", run.iri, HANDBOOK.strand)
            )
            self.things += [
                _thread(f"{run.slot_iri(week, SLOTS[DISCUSSION])}/{unit}{end}", f"{title}: {unit} {week + 1}", run.iri)
                for week in range(settings.weeks)
                for unit in UNITS
            ]
            self.things += [
                _thread(f"{LMS}/forum/{run.course.code}/{number:03d}{end}", f"{title}: thread {number + 1}", run.iri)
                for number in range(FORUM_THREADS)
            ]
        self.first_thread = len(self.things)
        self.things += [
            _thread(f"{COMMUNITY_IRI}/thread/{number:03d}{end}", f"Thread {number}", COMMUNITY_IRI)
            for number in range(THREADS)
        ]
        numbers: dict[str, int] = {}
        self.thread: Ints = np.array(
            [
                numbers.setdefault(thing.iri, len(numbers)) if thing.type_iri == DISCUSSION_TYPE else -1
                for thing in self.things
            ]
        )

    def course(self, run: Ints, course: Ints) -> Ints:
        """Index of the course run itself."""
        size = 1 + (len(SLOTS) + len(UNITS)) * self._weeks + len(ASSESSMENT_WEIGHTS) + 1 + FORUM_THREADS
        return (run * len(COURSES) + course) * size

    def slot(self, run: Ints, course: Ints, week: Ints, slot: Ints) -> Ints:
        """Index of an activity of a week's module."""
        return self.course(run, course) + 1 + week * len(SLOTS) + slot

    def assessment(self, run: Ints, course: Ints, number: int) -> Ints:
        """Index of an assessed work."""
        return self.course(run, course) + 1 + len(SLOTS) * self._weeks + number

    def handbook(self, run: Ints, course: Ints) -> Ints:
        """Index of a run's handbook."""
        return self.course(run, course) + 1 + len(SLOTS) * self._weeks + len(ASSESSMENT_WEIGHTS)

    def unit_thread(self, run: Ints, course: Ints, week: Ints, unit: Ints) -> Ints:
        """Index of the thread that an org unit's learners have in a week's module."""
        return self.handbook(run, course) + 1 + week * len(UNITS) + unit

    def forum_thread(self, run: Ints, course: Ints, number: Ints) -> Ints:
        """Index of a thread of the course's forum, for one who comes from a run."""
        return self.handbook(run, course) + 1 + len(UNITS) * self._weeks + number


def _thread(iri: str, title: str, parent_iri: str) -> LearningObject:
    return LearningObject(iri, DISCUSSION_TYPE, title, parent_iri, "social")
