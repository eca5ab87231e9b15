"""The objects that statements are about.

Belongs here: every object's IRI, type and title, and its number. Does not belong here: who uses it.
"""

from __future__ import annotations

from typing import NamedTuple

from pipelines.sources.simulated.courses import (
    ADL_TYPE,
    ASSESSMENT_TYPE,
    ASSESSMENT_WEIGHTS,
    COMMUNITY_IRI,
    COURSE_TYPE,
    COURSES,
    DISCUSSION_TYPE,
    SLOTS,
    CourseRun,
)
from pipelines.sources.simulated.settings import Ints, SimulationSettings

THREADS = 20
PARENT_TYPES = {COMMUNITY_IRI: f"{ADL_TYPE}/meeting"}


class LearningObject(NamedTuple):
    """The object of a statement and the course or community it lies in (empty for a course itself)."""

    iri: str
    type_iri: str
    title: str
    parent_iri: str
    strand: str


class Catalogue:
    """Every object of a statement, and where it stands in `things`."""

    def __init__(self, settings: SimulationSettings, runs: list[list[CourseRun]]) -> None:
        self.things: list[LearningObject] = []
        self._weeks = settings.weeks
        for run in (run for courses in runs for run in courses):
            title = run.course.title
            self.things.append(LearningObject(run.iri, COURSE_TYPE, title, "", "formal"))
            self.things += [
                LearningObject(
                    run.slot_iri(week, slot), slot.type_iri, f"{title}: {slot.name} {week + 1}", run.iri, slot.strand
                )
                for week in range(settings.weeks)
                for slot in SLOTS
            ]
            self.things += [
                LearningObject(
                    run.assessment_iri(number), ASSESSMENT_TYPE, f"{title}: work {number + 1}", run.iri, "formal"
                )
                for number in range(len(ASSESSMENT_WEIGHTS))
            ]
        self.first_thread = len(self.things)
        self.things += [
            LearningObject(
                f"{COMMUNITY_IRI}/thread/{number:03d}", DISCUSSION_TYPE, f"Thread {number}", COMMUNITY_IRI, "social"
            )
            for number in range(THREADS)
        ]

    def course(self, run: Ints, course: Ints) -> Ints:
        """Index of the course run itself."""
        return (run * len(COURSES) + course) * (1 + len(SLOTS) * self._weeks + len(ASSESSMENT_WEIGHTS))

    def slot(self, run: Ints, course: Ints, week: Ints, slot: Ints) -> Ints:
        """Index of an activity of a week's module."""
        return self.course(run, course) + 1 + week * len(SLOTS) + slot

    def assessment(self, run: Ints, course: Ints, number: int) -> Ints:
        """Index of an assessed work."""
        return self.course(run, course) + 1 + len(SLOTS) * self._weeks + number
