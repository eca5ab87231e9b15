"""A block of a world with its enrolments: everything that the writers of statements and of mentoring share.

Belongs here: the order in which the parts are drawn. Does not belong here: how a part is drawn or written.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.sources.simulated.clock import LocalClock
from pipelines.sources.simulated.cohort import draw_cohort
from pipelines.sources.simulated.courses import course_runs, course_tables
from pipelines.sources.simulated.ends import draw_ends, left_days
from pipelines.sources.simulated.enrolment import (
    Enrolments,
    draw_absences,
    draw_support_and_work,
    enrol,
    registrations,
)
from pipelines.sources.simulated.hazard import play
from pipelines.sources.simulated.people import draw_people
from pipelines.sources.simulated.played import Played
from pipelines.sources.simulated.seasons import calendar
from pipelines.sources.simulated.settings import Ints, SimulationSettings, Tables


@dataclass(frozen=True)
class World(Played):
    """`away` is each participation's course week of leave or -1; `tables` are those drawn so far."""

    enrolments: Enrolments
    away: Ints
    tables: Tables


def play_world(settings: SimulationSettings, clock: LocalClock) -> World:
    """Draw a block's people, courses, participations and what becomes of them; the first block has the courses."""
    cohort = draw_cohort(settings)
    trajectory = play(settings, cohort)
    ends = draw_ends(settings, cohort, trajectory, clock)
    people, tables = draw_people(settings, cohort, left_days(cohort, trajectory, ends))
    runs = course_runs(settings)
    played = Played(settings, clock, cohort, trajectory, ends, people, runs)
    enrolments = enrol(played)
    away, absences = draw_absences(played)
    tables |= draw_support_and_work(played, away)
    tables |= {"enrolment": enrolments.rows, "registration": registrations(played), "absence": absences}
    if settings.block == 0:
        tables |= course_tables(settings, runs) | {"calendar": calendar(settings)}
    return World(**vars(played), enrolments=enrolments, away=away, tables=tables)
