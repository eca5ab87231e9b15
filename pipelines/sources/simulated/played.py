"""A world of which it is settled who does what and how it ends, before any of it is written.

Belongs here: what every writer of rows starts from. Does not belong here: how it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.sources.simulated.clock import LocalClock
from pipelines.sources.simulated.cohort import Cohort
from pipelines.sources.simulated.courses import CourseRun
from pipelines.sources.simulated.ends import Ends
from pipelines.sources.simulated.hazard import Trajectory
from pipelines.sources.simulated.people import People
from pipelines.sources.simulated.settings import SimulationSettings


@dataclass(frozen=True)
class Played:
    """People, courses, participations and what becomes of them; `runs` are by run, then by course."""

    settings: SimulationSettings
    clock: LocalClock
    cohort: Cohort
    trajectory: Trajectory
    ends: Ends
    people: People
    runs: list[list[CourseRun]]
