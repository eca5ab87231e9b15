"""Estimates as they are usually made, to be held to the same truth as ours: they must fail where it counts.

Belongs here: rivals of the target trial, from a world's participations and weeks. Does not belong here: our estimate,
the table of figures (`effect_worlds`).

`naive`: trials with contact against trials without, as they are. `ever_mentored`: learners ever contacted against those
matched and never contacted, over the whole course: who stays longer has more weeks to be contacted in. `two_week_grace`:
contact within two weeks of the trial's beginning counts as treatment from its beginning: who leaves before it is a
control. `week_start_clock`: the outcome is counted from the Monday of the contact week: who leaves early in the week was
not contacted in it. The last two are adjusted by the very estimator that passes with the right clock (`right_clock`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from models.aipw import att
from models.effect_figures import unadjusted
from models.nuisance import LEARNERS, design
from pipelines.sources.simulated.courses import PROGRAMMES
from pipelines.sources.simulated.settings import RUNNING, Flags, Ints
from pipelines.sources.simulated.truth import OUTCOME_WEEKS, arms, first_contact_week
from pipelines.sources.simulated.world import World

GRACE_WEEKS = 2


class Rival(NamedTuple):
    """An estimate and its standard error in points, and the true effect on those contacted."""

    name: str
    effect_points: float
    standard_error_points: float
    truth_points: float


class _Weeks(NamedTuple):
    """Course weeks in which a participation was matched, never contacted before, and there when the week began."""

    entry: Ints
    week: Ints
    contact_week: Ints
    end_week: Ints
    abandons_week: Ints
    covariates: pl.DataFrame


def rivals(world: World) -> list[Rival]:
    """Estimate first contact in all the wrong ways, and once in the right way, on the past runs."""
    of = arms(world.cohort, world.trajectory)["first_contact"]
    truth = 100 * float((of.with_contact - of.without)[of.is_treated].mean())
    weeks = _weeks(world)
    in_week, there_after = weeks.contact_week == weeks.week, weeks.end_week > weeks.week
    in_grace = weeks.contact_week < weeks.week + GRACE_WEEKS
    every = np.ones(weeks.entry.size, dtype=bool)
    found = {
        "naive": _naive(weeks, in_week, there_after),
        "ever_mentored": _ever_mentored(world),
        "two_week_grace": _adjusted(weeks, in_grace, every, clock_weeks=0),
        "week_start_clock": _adjusted(weeks, in_week, every, clock_weeks=0),
        "right_clock": _adjusted(weeks, in_week, there_after, clock_weeks=1),
    }
    return [Rival(name, 100 * effect, 100 * error, truth) for name, (effect, error) in found.items()]


def _weeks(world: World) -> _Weeks:
    cohort, trajectory = world.cohort, world.trajectory
    weeks = np.arange(trajectory.weeks)
    contact = first_contact_week(trajectory)
    is_eligible = trajectory.is_matched & trajectory.is_present & (weeks <= contact[:, None])
    is_eligible &= (cohort.run < RUNNING)[:, None] & (weeks + 1 < trajectory.weeks)
    entry, week = np.nonzero(is_eligible)
    abandons = np.where(np.array(trajectory.end_kind) == "abandoned", trajectory.end_week, 10 * trajectory.weeks)
    log_events = np.log1p(np.pad(trajectory.events, ((0, 0), (4, 0))))
    covariates = pl.DataFrame(
        {
            "x_log_events_1w": log_events[entry, week + 3],
            "x_log_events_2w": log_events[entry, week + 2],
            "x_log_events_4w": log_events[entry, week] + log_events[entry, week + 1],
            "x_studied_credits": cohort.workload[entry],
            "x_previous_attempts": cohort.prior[entry],
            "x_baseline_score": cohort.ability[entry],
            "x_mentor_learners": np.bincount(cohort.mentor + 1)[cohort.mentor[entry] + 1],
            "x_weeks_since_match": week - cohort.match_week[entry],
            "c_programme": np.array([item.programme_id for item in PROGRAMMES])[cohort.programme[entry]],
            "c_org_unit": cohort.unit[entry].astype(str),
            "c_course_week": week.astype(str),
            "c_run": cohort.run[entry].astype(str),
        }
    )
    return _Weeks(entry, week, contact[entry], trajectory.end_week[entry], abandons[entry], covariates)


def _outcome(weeks: _Weeks, clock_weeks: int) -> Flags:
    """Whether the participation abandons in the eight weeks from so many weeks after the trial's Monday."""
    since = weeks.abandons_week - weeks.week - clock_weeks
    return np.asarray((since >= 0) & (since < OUTCOME_WEEKS))


def _naive(weeks: _Weeks, is_treated: Flags, used: Flags) -> tuple[float, float]:
    found = unadjusted(_outcome(weeks, 1).astype(np.float64), is_treated, used, weeks.entry)
    return found.effect, found.standard_error


def _adjusted(weeks: _Weeks, is_treated: Flags, used: Flags, *, clock_weeks: int) -> tuple[float, float]:
    found = att(
        design(weeks.covariates.filter(pl.Series(used))),
        _outcome(weeks, clock_weeks)[used].astype(np.float64),
        is_treated[used],
        np.unique(weeks.entry[used], return_inverse=True)[1],
        learner=LEARNERS["logistic"],
        repeats=1,
    )
    return found.effect, found.standard_error


def _ever_mentored(world: World) -> tuple[float, float]:
    cohort, trajectory = world.cohort, world.trajectory
    who = (cohort.run < RUNNING) & trajectory.is_matched.any(axis=1) & (trajectory.end_week >= cohort.match_week)
    abandons = (np.array(trajectory.end_kind) == "abandoned").astype(np.float64)
    is_mentored = first_contact_week(trajectory) < trajectory.weeks
    found = unadjusted(abandons, who & is_mentored, who, np.arange(cohort.size))
    return found.effect, found.standard_error
