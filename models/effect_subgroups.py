"""Subgroups of trials, by which effects are explored.

Belongs here: which of the trials each subgroup has, and how it is told in words. Does not belong here: estimates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import polars as pl

from models.nuisance import Floats

OF_SUBGROUP: Mapping[str, str] = MappingProxyType(
    {
        "risk": "of those in the {} third of expected abandonment",
        "dose": "of those with contacts in that week: {}",
        "channel": "of those first contacted by {}",
        "level": "of those first contacted on a matter that is {}",
        "mentor_kind": "of those whose mentor is of kind {}",
        "mentor_load": "of those whose mentor has the {} number of learners",
    }
)
RISK_NAMES = ("low", "middle", "high")

Subgroup = tuple[str, str, pl.Series]
"""Kind, name, and which of the trials."""


def of_contact(trials: pl.DataFrame, expected: Floats) -> Iterator[Subgroup]:
    """Subgroups of trials of first contact.

    By what was known of both arms before (risk, their mentor): trials of both. By what contact was (dose, channel, level):
    those of the treated, against all controls. Risk is in thirds of the treated's.

    Args:
        trials: of `first_contact`.
        expected: each trial's chance to be abandoned without contact.
    """
    control = ~trials["is_treated"]
    edges = np.quantile(expected[trials["is_treated"].to_numpy()], (1 / 3, 2 / 3))
    third = pl.Series(np.searchsorted(edges, expected, side="right"))
    for place, name in enumerate(RISK_NAMES):
        yield "risk", name, third == place
    yield from _by_mentor(trials)
    yield "dose", "1", control | (trials["contacts_count"] == 1)
    yield "dose", "2 or more", control | (trials["contacts_count"] >= 2)
    for kind in ("channel", "level"):
        for name in trials[kind].drop_nulls().unique().sort():
            yield kind, name, control | (trials[kind] == name)


def of_match(trials: pl.DataFrame) -> Iterator[Subgroup]:
    """Subgroups of trials of `matched`, by the mentor of the matched, against all who were not."""
    for kind, name, chosen in _by_mentor(trials):
        yield kind, name, ~trials["is_treated"] | chosen


def _by_mentor(trials: pl.DataFrame) -> Iterator[Subgroup]:
    for name in trials["mentor_kind"].drop_nulls().unique().sort():
        yield "mentor_kind", name, trials["mentor_kind"] == name
    load = trials["mentor_learners_count"]
    middle = trials.filter("is_treated")["mentor_learners_count"].median()
    if middle is not None:
        yield "mentor_load", "lower", load <= middle
        yield "mentor_load", "higher", load > middle
