"""Local time and how instants and dates are written.

Belongs here: the zones of the world, local seconds to UTC, ISO texts. Does not belong here: when things happen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import numpy as np

from pipelines.sources.simulated.settings import DAY_SECONDS, Ints, SimulationSettings

ZONES = ("Europe/Lisbon", "Europe/Berlin", "America/New_York", "America/Sao_Paulo")
_HOUR_SECONDS = 3600
_MARGIN_DAYS = 120


class LocalClock:
    """UTC offsets of every zone, hour by hour, over the days of a world."""

    def __init__(self, settings: SimulationSettings) -> None:
        first_day = int(settings.start_days[0]) - _MARGIN_DAYS
        last_day = int(settings.start_days[-1]) + 7 * settings.weeks + _MARGIN_DAYS
        self._first_hour = first_day * 24
        naive = dt.datetime(1970, 1, 1) + dt.timedelta(days=first_day)  # noqa: DTZ001 - local, its zone comes below
        hours = (last_day - first_day) * 24
        self._offsets = np.zeros((len(ZONES), hours), dtype=np.int64)
        for row, name in enumerate(ZONES):
            zone = ZoneInfo(name)
            for hour in range(hours):
                offset = (naive + dt.timedelta(hours=hour)).replace(tzinfo=zone).utcoffset() or dt.timedelta()
                self._offsets[row, hour] = int(offset.total_seconds())

    def utc(self, local_seconds: Ints, zone: Ints) -> Ints:
        """Turn local seconds since 1970-01-01 00:00 into UTC seconds, for the zone of each."""
        return local_seconds - self._offsets[zone, local_seconds // _HOUR_SECONDS - self._first_hour]

    def local_day(self, utc_seconds: Ints, zone: Ints) -> Ints:
        """Return the local day of UTC seconds, for the zone of each."""
        day = utc_seconds // DAY_SECONDS
        is_before, is_after = utc_seconds < self.utc(day * DAY_SECONDS, zone), utc_seconds >= self.end_of_day(day, zone)
        return np.asarray(day - is_before + is_after)

    def end_of_day(self, day: Ints, zone: Ints) -> Ints:
        """Return the UTC second at which a local day ends: when a fact known by its date alone is known."""
        return self.utc((day + 1) * DAY_SECONDS, zone)


def iso_date(day: int | np.int64) -> str:
    """Write a day since 1970-01-01 as `YYYY-MM-DD`."""
    return (dt.date(1970, 1, 1) + dt.timedelta(days=int(day))).isoformat()


def iso_instant(second: int | np.int64) -> str:
    """Write a UTC second as `YYYY-MM-DDTHH:MM:SSZ`."""
    return dt.datetime.fromtimestamp(int(second), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_milliseconds(milliseconds: Ints) -> list[str]:
    """Write UTC milliseconds as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    written: Iterable[str] = np.datetime_as_string(milliseconds.astype("datetime64[ms]"), unit="ms")
    return [f"{text}Z" for text in written]
