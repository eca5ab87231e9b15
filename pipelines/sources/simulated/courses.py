"""Programmes, course runs and their activities.

Belongs here: what there is to learn and its IRIs. Does not belong here: who learns it, what it costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pipelines.sources.simulated.clock import ZONES, iso_date
from pipelines.sources.simulated.settings import RUNNING, RUNS, Row, SimulationSettings, Tables

LMS = "https://lms.example.org"
ADL_TYPE = "http://adlnet.gov/expapi/activities"
VIDEO_TYPE = "https://w3id.org/xapi/video/activity-type/video"
DISCUSSION_TYPE = "http://id.tincanapi.com/activitytype/discussion"


class Programme(NamedTuple):
    """A programme: `share` of the learners, `matched_share` of them with a mentor, `course` and `extra` by index."""

    programme_id: str
    name: str
    aim: str
    selection: str
    zone: int
    currency: str
    value_per_completion_amount: int | None
    learner_hour_amount: int
    mentor_hour_amount: int
    coordinator_key: str
    share: float
    matched_share: float
    course: int
    extra: int | None


HIPO, GROWTH, ONBOARDING = range(3)
PROGRAMMES = (
    Programme(
        "succession",
        "Succession: passing on what experts know",
        "tacit_transfer",
        "hipo",
        0,
        "EUR",
        4000,
        45,
        80,
        "cor-00001",
        0.20,
        0.95,
        0,
        None,
    ),
    Programme(
        "growth",
        "Growth for everyone",
        "personal_development",
        "democratised",
        2,
        "USD",
        1500,
        40,
        70,
        "cor-00002",
        0.50,
        0.65,
        0,
        1,
    ),
    Programme(
        "first-weeks",
        "First weeks in the house",
        "onboarding",
        "mandatory",
        0,
        "EUR",
        None,
        30,
        60,
        "cor-00001",
        0.30,
        0.45,
        2,
        None,
    ),
)


class Course(NamedTuple):
    """A course, before it has runs; a rolling one takes learners in over weeks, each at their own pace.

    Some courses have one forum for all their runs, beside the discussions of each run.
    """

    code: str
    title: str
    delivery: str
    expected_hours: int
    is_rolling: bool = False
    has_forum: bool = False


LEAD, DATA, SAFE = range(3)
COURSES = (
    Course("lead", "Leading with others", "online_asynchronous", 48, has_forum=True),
    Course("data", "Working with data", "online_asynchronous", 24),
    Course("safe", "Safety, systems and how we work", "online_asynchronous", 32, is_rolling=True, has_forum=True),
)


class Slot(NamedTuple):
    """What stands in each week's module: `share` of the learning events go to it."""

    name: str
    type_iri: str
    strand: str
    share: float


SLOTS = (
    Slot("lesson-1", f"{ADL_TYPE}/lesson", "formal", 0.22),
    Slot("lesson-2", f"{ADL_TYPE}/lesson", "formal", 0.14),
    Slot("video", VIDEO_TYPE, "formal", 0.18),
    Slot("question", f"{ADL_TYPE}/question", "formal", 0.14),
    Slot("discussion", DISCUSSION_TYPE, "social", 0.12),
    Slot("media", f"{ADL_TYPE}/media", "formal", 0.08),
    Slot("link", f"{ADL_TYPE}/link", "formal", 0.05),
    Slot("task", f"{ADL_TYPE}/interaction", "experiential", 0.07),
)
# Opened all through a run, beside the weeks' modules.
HANDBOOK = Slot("handbook", f"{ADL_TYPE}/media", "formal", 0.4)
ASSESSMENT_TYPE = f"{ADL_TYPE}/assessment"
COURSE_TYPE = f"{ADL_TYPE}/course"
COMMUNITY_IRI = f"{LMS}/community/after-the-course"
ASSESSMENT_WEIGHTS = (15, 25, 25, 35)

# What is wrong with courses, by run and course: the handbook that dies a third through the run, the work (its number
# from 0) that most fail, the works of which all but the first are due in one week.
DEAD_HANDBOOK = (RUNNING, LEAD)
HARD_WORK = (1, SAFE, 1)
CROWDED = (RUNNING, DATA)


@dataclass(frozen=True)
class CourseRun:
    """One run of a course; `assessment_weeks` are the weeks on whose last day its works are due.

    In a rolling course, they are the weeks of each learner's own course.
    """

    course: Course
    course_id: str
    iri: str
    start_day: int
    end_day: int
    assessment_weeks: tuple[int, ...]

    def slot_iri(self, week: int, slot: Slot) -> str:
        """IRI of one activity of a week's module."""
        return f"{self.iri}/module/{week + 1:02d}/{slot.name}"

    @property
    def handbook_iri(self) -> str:
        """IRI of what learners look things up in all through the run."""
        return f"{self.iri}/library/{HANDBOOK.name}"

    def assessment_iri(self, number: int) -> str:
        """IRI of an assessed work, counted from 0."""
        return f"{self.iri}/assessment/{number + 1:02d}"

    @property
    def dead_from_day(self) -> int:
        """Day from which on a handbook that dies is gone: while the run goes on, and before its middle."""
        weeks = (self.end_day + 1 - self.start_day) // 7
        return self.start_day + 7 * (weeks // 3)

    def due_day(self, number: int) -> int:
        """Day on which an assessed work is due."""
        return self.start_day + 7 * self.assessment_weeks[number] + 6


def course_runs(settings: SimulationSettings) -> list[list[CourseRun]]:
    """Return the runs, by run and then by course."""
    weeks = settings.weeks
    due_weeks = tuple((weeks * quarter) // 4 - 1 for quarter in range(1, 5))
    crowded_weeks = (due_weeks[0], *[due_weeks[1]] * (len(due_weeks) - 1))
    result = []
    for number, start in enumerate(settings.start_days.tolist()):
        month = iso_date(start)[:7].replace("-", "")
        result.append(
            [
                CourseRun(
                    course,
                    f"{course.code}-{month}",
                    f"{LMS}/course/{course.code}-{month}",
                    start,
                    start + 7 * (weeks + (settings.intake_weeks - 1) * course.is_rolling) - 1,
                    crowded_weeks if (number, index) == CROWDED else due_weeks,
                )
                for index, course in enumerate(COURSES)
            ]
        )
    return result


def course_tables(settings: SimulationSettings, runs: list[list[CourseRun]]) -> Tables:
    """Return the tables programme, course, programme_course and activity."""
    first = runs[0][0]
    programmes: list[Row] = [
        {
            "programme_id": item.programme_id,
            "name": item.name,
            "aim": item.aim,
            "selection": item.selection,
            "starts_on": iso_date(first.start_day - 30),
            "ends_on": iso_date(runs[-1][item.course].end_day),
            "timezone": ZONES[item.zone],
            "currency": item.currency,
            "value_per_completion_amount": item.value_per_completion_amount,
            "learner_hour_amount": item.learner_hour_amount,
            "mentor_hour_amount": item.mentor_hour_amount,
            "target_formal_share": 0.1,
            "target_social_share": 0.2,
            "target_experiential_share": 0.7,
            "coordinator_key": item.coordinator_key,
        }
        for item in PROGRAMMES
    ]
    courses: list[Row] = []
    used: list[Row] = []
    activities: list[Row] = []
    for number in range(RUNS):
        for index, run in enumerate(runs[number]):
            courses.append(
                {
                    "course_id": run.course_id,
                    "activity_iri": run.iri,
                    "title": run.course.title,
                    "delivery": run.course.delivery,
                    "starts_on": iso_date(run.start_day),
                    "ends_on": iso_date(run.end_day),
                    "expected_hours": run.course.expected_hours,
                    "owner_key": f"own-{index + 1:05d}",
                }
            )
            used += [
                {"programme_id": item.programme_id, "course_id": run.course_id, "is_required": index == item.course}
                for item in PROGRAMMES
                if index in (item.course, item.extra)
            ]
            activities += _activities(settings, run)
    return {"programme": programmes, "course": courses, "programme_course": used, "activity": activities}


def _activities(settings: SimulationSettings, run: CourseRun) -> list[Row]:
    rows: list[Row] = [
        {
            "activity_iri": run.slot_iri(week, slot),
            "course_id": run.course_id,
            "activity_type_iri": slot.type_iri,
            "strand": slot.strand,
            "available_on": iso_date(run.start_day + 7 * week * (not run.course.is_rolling)),
            "is_assessment": False,
        }
        for week in range(settings.weeks)
        for slot in SLOTS
    ]
    rows.append(
        {
            "activity_iri": run.handbook_iri,
            "course_id": run.course_id,
            "activity_type_iri": HANDBOOK.type_iri,
            "strand": HANDBOOK.strand,
            "available_on": iso_date(run.start_day),
            "is_assessment": False,
        }
    )
    rows += [
        {
            "activity_iri": run.assessment_iri(number),
            "course_id": run.course_id,
            "activity_type_iri": ASSESSMENT_TYPE,
            "strand": "formal",
            "available_on": iso_date(
                run.start_day if run.course.is_rolling else max(run.start_day, run.due_day(number) - 20)
            ),
            "due_on": None if run.course.is_rolling else iso_date(run.due_day(number)),
            "weight": weight,
            "is_assessment": True,
        }
        for number, weight in enumerate(ASSESSMENT_WEIGHTS)
    ]
    return rows
