"""The year: public holidays, weeks in which people have other things to do, the weekend.

Belongs here: what the calendar does to everybody alike. Does not belong here: leave, which is one person's
(`enrolment`).
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from pipelines.sources.simulated.clock import iso_date
from pipelines.sources.simulated.cohort import UNITS
from pipelines.sources.simulated.settings import Floats, Ints, Row, SimulationSettings

# Month and day of the organisation's holidays; it is closed between Christmas and the new year.
_HOLIDAYS = (
    *((1, 1), (1, 6), (5, 1), (6, 10), (8, 15), (10, 3), (11, 1), (12, 8)),
    *((12, day) for day in range(24, 32)),
)
_EPOCH = dt.date(1970, 1, 1)
# Share of the usual activity on a closed day, and by ISO week of the year where it is not all of it.
OPEN_SHARE_WHEN_CLOSED = 0.25
_SHARE_OF_WEEK = dict.fromkeys((52, 53, 1), 0.35) | dict.fromkeys(range(2, 6), 1.15) | dict.fromkeys(range(30, 35), 0.7)
# Chance by day of the week, Monday first: little on Friday and Saturday, catching up on Sunday evening.
WEEKDAY_SHARES = np.array([0.19, 0.19, 0.18, 0.16, 0.1, 0.07, 0.11])


def closed_days(settings: SimulationSettings) -> Ints:
    """Days on which the whole organisation is closed, ascending, some of them after the snapshot."""
    first, last = int(settings.start_days[0]), int(settings.start_days[-1]) + 7 * settings.weeks
    middle = settings.start_days + 7 * (settings.weeks // 2)
    holidays = [
        day for day in range(first, last) if ((on := _EPOCH + dt.timedelta(days=day)).month, on.day) in _HOLIDAYS
    ]
    return np.unique(np.concatenate([np.array(holidays, dtype=np.int64), middle - 10, middle + 4, middle + 18]))


def season_share(monday: Ints) -> Floats:
    """Activity of the week that begins on a Monday, relative to an ordinary one."""
    weeks, place = np.unique(monday, return_inverse=True)
    numbers = [(_EPOCH + dt.timedelta(days=day)).isocalendar().week for day in weeks.tolist()]
    return np.array([_SHARE_OF_WEEK.get(number, 1.0) for number in numbers])[place].reshape(monday.shape)


def calendar(settings: SimulationSettings) -> list[Row]:
    """Write the closed days, of the organisation and of one unit."""
    rows: list[Row] = [{"closed_on": iso_date(day)} for day in closed_days(settings)]
    rows += [{"org_unit": UNITS[0], "closed_on": iso_date(start + 16)} for start in settings.start_days]
    return rows
