"""When each participation ends, and when the organisation's system knew.

Belongs here: instants and local days of ends, time of recording. Does not belong here: why it ends (`hazard`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sources.simulated.clock import LocalClock
from pipelines.sources.simulated.cohort import Cohort
from pipelines.sources.simulated.hazard import ADMINISTRATIVE, Trajectory
from pipelines.sources.simulated.settings import (
    DAY_SECONDS,
    WEEK_SECONDS,
    Flags,
    Ints,
    SimulationSettings,
    stream,
)

# A batch of withdrawals is entered three days and nine hours after the day it bears: on the Tuesday morning.
_BATCH_LAG_SECONDS = 3 * DAY_SECONDS + 9 * 3600


@dataclass(frozen=True)
class Ends:
    """How each participation ends: the instant, its local day, and what the snapshot knows of it.

    `utc` is the true end; `recorded_utc` is -1 where no time of recording is given; `is_known` says whether the end
    is known before the snapshot.
    """

    local: Ints
    utc: Ints
    day: Ints
    recorded_utc: Ints
    is_known: Flags


def draw_ends(settings: SimulationSettings, cohort: Cohort, trajectory: Trajectory, clock: LocalClock) -> Ends:
    """Place the ends in time; most are recorded within days, a few weeks late, some without a time of recording."""
    rng = stream(settings, "ends")
    local = cohort.start_day * DAY_SECONDS + trajectory.end_week * WEEK_SECONDS + trajectory.end_second
    day = local // DAY_SECONDS
    # The course ran out: the result bears the course's last day.
    day = np.where(trajectory.end_week == trajectory.weeks, day - 1, day)
    end_of_day = clock.end_of_day(day, cohort.zone)
    lag = np.where(
        rng.random(cohort.size) < 0.88,
        rng.integers(0, 2 * DAY_SECONDS, cohort.size),
        rng.integers(3 * DAY_SECONDS, 20 * DAY_SECONDS, cohort.size),
    )
    is_batch = np.array(trajectory.end_kind) == ADMINISTRATIVE
    lag = np.where(is_batch, _BATCH_LAG_SECONDS, lag)
    has_record = (rng.random(cohort.size) < 0.75) | is_batch
    known = np.where(has_record, end_of_day + lag, end_of_day)
    return Ends(
        local=local,
        utc=clock.utc(local, cohort.zone),
        day=day,
        recorded_utc=np.where(has_record, known, -1),
        is_known=np.asarray(known < settings.snapshot_second),
    )


def left_days(cohort: Cohort, trajectory: Trajectory, ends: Ends) -> Ints:
    """Return each person's last day in the organisation where the snapshot knows it, else -1."""
    result = np.full(cohort.persons, -1, dtype=np.int64)
    left = ends.is_known & (np.array(trajectory.end_kind) == "left_organisation")
    result[cohort.person[left]] = ends.day[left]
    return result
