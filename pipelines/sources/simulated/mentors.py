"""How mentors differ: in what their contact does, how often they seek it, how they answer and how they log.

Belongs here: traits of mentors that no input shows. Does not belong here: their keys, kinds and minutes (`people`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sources.simulated.cohort import mentor_count
from pipelines.sources.simulated.settings import Flags, Floats, SimulationSettings, stream

_TRAINED_SHARE = 0.8
_TRAINED_GAIN = 0.25


@dataclass(frozen=True)
class MentorTraits:
    """Traits by mentor.

    `skill` multiplies the effect of contact (mean 1, more where trained), `habit` adds to its logit; `answer_hours` is
    the mean time to answer a message, which silent mentors never do: they write when they like. Sparse mentors leave
    fields empty and log no commitments; group mentors see their learners of a zone together.
    """

    skill: Floats
    habit: Floats
    answer_hours: Floats
    is_trained: Flags
    is_sparse: Flags
    is_group: Flags
    is_silent: Flags


def mentor_traits(settings: SimulationSettings) -> MentorTraits:
    """Draw the traits of a block's mentors."""
    rng = stream(settings, "mentor traits")
    count = mentor_count(settings)
    is_trained = rng.random(count) < _TRAINED_SHARE
    skill = 1 + _TRAINED_GAIN * (is_trained - _TRAINED_SHARE) + rng.normal(0, 0.35, count)
    is_slow = rng.random(count) < 0.3
    is_group = rng.random(count) < 0.2
    # There is one of each, however few mentors there are.
    is_group[3 % count] = True
    is_sparse = rng.random(count) < 0.3
    is_sparse[5 % count] = True
    habit = rng.normal(0, 0.3, count)
    answer_hours = np.where(is_slow, 44.0, 6.0) * np.exp(rng.normal(0, 0.3, count))
    is_silent = rng.random(count) < 0.1
    is_silent[2 % count] = True
    return MentorTraits(
        skill=np.clip(skill, 0, 2),
        habit=habit,
        answer_hours=answer_hours,
        is_trained=is_trained,
        is_sparse=is_sparse,
        is_group=is_group,
        is_silent=is_silent,
    )
