"""What is true in the world and stands in no input: hazards with and without contact, and the effect.

Belongs here: the effect by the same random numbers with contact blocked, as differences of the product of (1 - h),
never of outcomes. Does not belong here: the generator itself (`hazard`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.sources.simulated.cohort import UNMATCHED, Cohort
from pipelines.sources.simulated.courses import PROGRAMMES
from pipelines.sources.simulated.hazard import Trajectory, contact_path, weekly_hazard
from pipelines.sources.simulated.settings import RUNNING, Flags, Floats, Ints

OUTCOME_WEEKS = 8


@dataclass(frozen=True)
class Contrast:
    """A true effect: abandonment in percent in both arms, their difference in points; NaN where nobody is treated."""

    with_contact_percent: float
    without_contact_percent: float
    effect_points: float
    treated: int

    def as_json(self) -> dict[str, float | int]:
        """The figures under the names they have in truth.json."""
        return {
            "abandonment_with_percent": round(self.with_contact_percent, 4),
            "abandonment_without_percent": round(self.without_contact_percent, 4),
            "effect_points": round(self.effect_points, 4),
            "treated_count": self.treated,
        }


def first_contact(cohort: Cohort, trajectory: Trajectory) -> tuple[Flags, Ints]:
    """Return who enters a trial of first contact in a past run, and the week of that contact.

    Treated are those contacted for the first time, still there when the contact week ends, with eight more weeks
    in the course.
    """
    has_contact = trajectory.has_contact
    week = np.where(has_contact.any(axis=1), has_contact.argmax(axis=1), trajectory.weeks).astype(np.int64)
    is_treated = (cohort.run < RUNNING) & (week + OUTCOME_WEEKS < trajectory.weeks) & (trajectory.end_week > week)
    return np.asarray(is_treated), week


def contrasts(cohort: Cohort, trajectory: Trajectory) -> dict[str, Contrast]:
    """Return the true effects of the past runs.

    `first_contact`: contact in its week against none in that week, later contact following the usual law in both
    arms. `contact_against_never`: the same learners against no contact for ever. `mentoring`: all matched learners,
    from the match to the end of the course, against no contact at all.
    """
    weeks = np.arange(trajectory.weeks)
    allowed = trajectory.is_matched
    is_treated, week = first_contact(cohort, trajectory)
    window = (weeks > week[:, None]) & (weeks <= week[:, None] + OUTCOME_WEEKS)
    hazard = weekly_hazard(trajectory.log_hazard, trajectory.contact)
    later = contact_path(trajectory.contact_logit, trajectory.contact_uniform, allowed & (weeks > week[:, None]))
    never = weekly_hazard(trajectory.log_hazard, np.zeros_like(allowed))
    is_mentored = (cohort.run < RUNNING) & (cohort.mentor != UNMATCHED) & (trajectory.end_week >= cohort.match_week)
    return {
        "first_contact": _contrast(hazard, weekly_hazard(trajectory.log_hazard, later), window, is_treated),
        "contact_against_never": _contrast(hazard, never, window, is_treated),
        "mentoring": _contrast(hazard, never, allowed, is_mentored),
    }


def hazard_table(cohort: Cohort, trajectory: Trajectory, enrolment_ids: list[str]) -> pl.DataFrame:
    """Return one row per participation's required enrolment and week: the true hazard with and without contact."""
    size, weeks = trajectory.engagement.shape
    with_contact = weekly_hazard(trajectory.log_hazard, trajectory.contact)
    without = weekly_hazard(trajectory.log_hazard, np.zeros_like(trajectory.contact))
    return pl.DataFrame(
        {
            "enrolment_id": np.repeat(np.array(enrolment_ids[:size], dtype=object), weeks).tolist(),
            "programme_id": [PROGRAMMES[index].programme_id for index in np.repeat(cohort.programme, weeks)],
            "run": np.repeat(cohort.run + 1, weeks),
            "week": np.tile(np.arange(weeks), size),
            "is_present": trajectory.is_present.ravel(),
            "is_matched": trajectory.is_matched.ravel(),
            "is_contacted": trajectory.has_contact.ravel(),
            "engagement": trajectory.engagement.ravel(),
            "hazard_probability": with_contact.ravel(),
            "hazard_blocked_probability": without.ravel(),
        }
    )


def _contrast(with_contact: Floats, without: Floats, window: Flags, who: Flags) -> Contrast:
    def abandonment_percent(hazard: Floats) -> float:
        survival = np.prod(np.where(window, 1 - hazard, 1.0), axis=1)[who]
        return float(100 * (1 - survival.mean())) if who.any() else float("nan")

    arm_1, arm_0 = abandonment_percent(with_contact), abandonment_percent(without)
    return Contrast(arm_1, arm_0, arm_1 - arm_0, int(who.sum()))
