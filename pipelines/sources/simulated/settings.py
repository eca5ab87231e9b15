"""What a simulated world is made from: its size, its seed, its causes, its calendar, its blocks.

Belongs here: settings, the dates that follow from them, named random streams, array types. Does not belong here:
anything drawn at random.

A world is made block by block, each with learners and mentors of its own, so that its size never decides how much
memory it takes. Numbers of persons, mentors and rows are the block's own; `tag` and `first_person` make them the
world's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Row = dict[str, object]
Tables = dict[str, list[Row]]
Propensity = Literal["linear", "nonlinear"]

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
RUNS = 3
RUNNING = RUNS - 1
PAUSE_WEEKS = 2
FEWEST_LEARNERS = 30
FEWEST_WEEKS = 8
MOST_DIRT = 0.5
MOST_EFFECT = 3
# Participations a run in a block, and how many numbers of persons and of mentors a block has to itself.
BLOCK_LEARNERS = 5_000
BLOCK_PERSONS = 4 * BLOCK_LEARNERS
BLOCK_MENTORS = 500
# Mentors and staff have numbers of their own among the seven digits of a person's.
MOST_BLOCKS = 8_000_000 // BLOCK_PERSONS
_RUNNING_STARTS_ON = dt.date(2026, 1, 5)
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class SimulationSettings:
    """A world: `learners` participations a run, `weeks` weeks a run, and what is true in it.

    There are two past runs and one that stands at its middle on the snapshot. `effect` is the log hazard ratio of
    contact at a middling risk; `confounding` scales the struggle a mentor can see in the logit of contact, `hidden`
    what a mentor senses of engagement and no log holds; `propensity` is the form of the former. `dirt` is the share of
    faulty rows beside the good ones. Raises `UsageError` for a world that cannot be.
    """

    seed: int = 7
    learners: int = 1200
    weeks: int = 16
    effect: float = -0.15
    confounding: float = 0.8
    hidden: float = 0.0
    propensity: Propensity = "linear"
    dirt: float = 0.0
    block: int = 0

    def __post_init__(self) -> None:
        """Refuse a world that could not fill every table, or cannot be."""
        message = ""
        if self.seed < 0:
            message = f"seed is {self.seed}; give 0 or more"
        elif not FEWEST_LEARNERS <= self.learners <= MOST_BLOCKS * BLOCK_LEARNERS:
            message = (
                f"learners is {self.learners}; a world needs at least {FEWEST_LEARNERS} a run "
                f"and has room for {MOST_BLOCKS * BLOCK_LEARNERS}"
            )
        elif self.weeks < FEWEST_WEEKS:
            message = f"weeks is {self.weeks}; a course run needs at least {FEWEST_WEEKS}"
        elif not 0 <= self.dirt <= MOST_DIRT:
            message = f"dirt is {self.dirt}; give a share from 0 to {MOST_DIRT}"
        elif self.propensity not in {"linear", "nonlinear"}:
            message = f"propensity is {self.propensity!r}; give linear or nonlinear"
        elif not np.isfinite([self.effect, self.confounding, self.hidden]).all() or abs(self.effect) > MOST_EFFECT:
            message = f"effect, confounding and hidden are finite; effect lies within -{MOST_EFFECT} and {MOST_EFFECT}"
        if message:
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

    @property
    def intake_weeks(self) -> int:
        """Weeks over which a programme with rolling enrolment takes learners in, a Monday each."""
        return self.weeks // 4 + 1

    def blocks(self) -> Iterator[SimulationSettings]:
        """The world's blocks: settings like these, with the block's own number and share of learners."""
        count = -(-self.learners // BLOCK_LEARNERS)
        for block in range(count):
            size = self.learners * (block + 1) // count - self.learners * block // count
            yield replace(self, learners=size, block=block)

    @property
    def first_person(self) -> int:
        """Number of the block's first person in the world."""
        return self.block * BLOCK_PERSONS

    @property
    def first_mentor(self) -> int:
        """Number of the block's first mentor, and of its first manager, in the world."""
        return self.block * BLOCK_MENTORS

    def tag(self, word: str, number: int) -> str:
        """Identifier of the block's row of that number."""
        return f"{word}-{self.block:03d}-{number:06d}"

    def told(self) -> dict[str, object]:
        """The settings as they stand in truth.json."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "block"}


PRESETS: Mapping[str, SimulationSettings] = MappingProxyType(
    {
        "demo": SimulationSettings(),
        # A quarter of a year of a large organisation: some three and a half million statements.
        "quarter": SimulationSettings(learners=20_000, weeks=13),
        # A million learners and a hundred million statements.
        "scale": SimulationSettings(learners=365_000, weeks=26),
    }
)


@dataclass(frozen=True)
class SimulationSummary:
    """What was written, and the observation time that goes with it; `faults` are planted rows."""

    out: Path
    statements: int
    learners: int
    enrolments: int
    faults: int
    observed_at: dt.datetime


def stream(settings: SimulationSettings, name: str) -> np.random.Generator:
    """Return the random stream of one part of the world, so that a change in one part leaves the others alone."""
    return np.random.default_rng([settings.seed, crc32(name.encode()), settings.block])


def uuid_bytes(rng: np.random.Generator, count: int) -> Bytes:
    """Return `count` version 4 UUIDs from the stream, 16 bytes each."""
    raw = np.frombuffer(rng.bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    return raw


def uuids(rng: np.random.Generator, count: int) -> list[str]:
    """Return `count` version 4 UUIDs from the stream as texts."""
    text = uuid_bytes(rng, count).tobytes().hex()
    parts = (text[start : start + 32] for start in range(0, 32 * count, 32))
    return [f"{part[:8]}-{part[8:12]}-{part[12:16]}-{part[16:20]}-{part[20:]}" for part in parts]
