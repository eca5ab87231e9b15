"""Feature tables of a world, as their functions make them.

Belongs here: how each is called. Does not belong here: what they must hold (`tests.oracle`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import narwhals as nw
import polars as pl

from features.labels import labels
from features.registry import REGISTRY
from features.table import enrolment_week
from features.windows import landmarks

Frames = Mapping[str, nw.LazyFrame]

COMPUTED: dict[str, Callable[[Frames, int], nw.LazyFrame]] = {
    "landmark": lambda of, tonight: landmarks(of["enrolments"], of["weeks"], tonight_epoch_day=tonight),
    **{name: lambda of, _, family=family: family.rows(of) for name, family in REGISTRY.items()},
    "enrolment_week": lambda of, _: enrolment_week(of["landmarks"], *(family.rows(of) for family in REGISTRY.values())),
    "label": lambda of, tonight: labels(of["landmarks"], of["enrolments"], tonight_epoch_day=tonight),
}


def computed(name: str, world: Mapping[str, pl.DataFrame], tonight: int) -> pl.DataFrame:
    """A table's rows on Polars, by key."""
    frames = {frame_name: nw.from_native(frame.lazy()) for frame_name, frame in world.items()}
    return COMPUTED[name](frames, tonight).collect().to_native().sort("enrolment_id", "observed_epoch_day")
