"""What a simulated world is made from: its size, its seed, its calendar.

Belongs here: settings, the dates that follow from them, named random streams, array types. Does not belong here:
anything drawn at random.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Row = dict[str, object]
Tables = dict[str, list[Row]]

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
RUNS = 3
RUNNING = RUNS - 1
PAUSE_WEEKS = 2
FEWEST_LEARNERS = 30
FEWEST_WEEKS = 8
_RUNNING_STARTS_ON = dt.date(2026, 1, 5)
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class SimulationSettings:
    """Size and seed of a world: `learners` participations a run, `weeks` weeks a run.

    There are two past runs and one that stands at its middle on the snapshot. Raises `UsageError` for a world
    too small to hold every table.
    """

    seed: int = 7
    learners: int = 1200
    weeks: int = 16

    def __post_init__(self) -> None:
        """Refuse a world that could not fill every table."""
        if self.seed < 0:
            message = f"seed is {self.seed}; give 0 or more"
            raise UsageError(message)
        if self.learners < FEWEST_LEARNERS:
            message = f"learners is {self.learners}; a world needs at least {FEWEST_LEARNERS} a run"
            raise UsageError(message)
        if self.weeks < FEWEST_WEEKS:
            message = f"weeks is {self.weeks}; a course run needs at least {FEWEST_WEEKS}"
            raise UsageError(message)

    @property
    def start_days(self) -> Ints:
        """First day of each run, in days since 1970-01-01: Mondays, two weeks after the run before."""
        running = (_RUNNING_STARTS_ON - _EPOCH).days
        return np.array([running - 7 * (self.weeks + PAUSE_WEEKS) * back for back in range(RUNS - 1, -1, -1)])

    @property
    def snapshot_day(self) -> int:
        """Day that begins at the snapshot: the Monday at the middle of the running run."""
        return int(self.start_days[RUNNING]) + 7 * (self.weeks // 2)

    @property
    def snapshot_second(self) -> int:
        """The snapshot in seconds since 1970-01-01 UTC; what happens or is known from then on is not written."""
        return self.snapshot_day * DAY_SECONDS

    @property
    def observed_at(self) -> dt.datetime:
        """The snapshot as an aware instant."""
        return dt.datetime.fromtimestamp(self.snapshot_second, dt.UTC)


@dataclass(frozen=True)
class SimulationSummary:
    """What was written, and the observation time that goes with it."""

    out: Path
    statements: int
    learners: int
    enrolments: int
    observed_at: dt.datetime


def stream(settings: SimulationSettings, name: str) -> np.random.Generator:
    """Return the random stream of one part of the world, so that a change in one part leaves the others alone."""
    return np.random.default_rng([settings.seed, crc32(name.encode())])


def uuids(rng: np.random.Generator, count: int) -> list[str]:
    """Return `count` version 4 UUIDs from the stream."""
    raw = np.frombuffer(rng.bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    text = raw.tobytes().hex()
    parts = (text[start : start + 32] for start in range(0, 32 * count, 32))
    return [f"{part[:8]}-{part[8:12]}-{part[12:16]}-{part[16:20]}-{part[20:]}" for part in parts]
