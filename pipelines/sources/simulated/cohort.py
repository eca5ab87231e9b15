"""Who takes part in what: one entry a participation, drawn before anything happens.

Belongs here: participants' traits, programmes, mentors, days of enrolment and match. Does not belong here: names
and identifiers (`people`), what becomes of them (`hazard`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sources.simulated.courses import GROWTH, HIPO, ONBOARDING, PROGRAMMES
from pipelines.sources.simulated.settings import RUNNING, RUNS, Flags, Floats, Ints, SimulationSettings, stream

UNITS = ("operations", "sales", "finance", "engineering", "service", "people")
UNMATCHED = -1
_LEARNERS_PER_MENTOR = 30
_LEARNERS_PER_MANAGER = 25
_FEWEST_MENTORS = 8
_MANAGER_MENTOR_EVERY = 6
_MATCH_WEEK_SHARES = (0.5, 0.2, 0.15, 0.1, 0.05)
_ZONE_SHARES = {
    HIPO: (0.6, 0.3, 0.05, 0.05),
    GROWTH: (0.1, 0.05, 0.55, 0.3),
    ONBOARDING: (0.45, 0.35, 0.1, 0.1),
}


@dataclass(frozen=True)
class Cohort:
    """Participations as arrays of one length; `person` counts persons from 0, several entries may share one.

    `ability` (z1) and `strain` (z2) are latent; `workload` is known as studied credits; `start_day` is the Monday from
    which the course weeks count; `mentor` is -1 without a match, `match_week` the first course week in which the mentor
    may make contact.
    """

    person: Ints
    run: Ints
    programme: Ints
    zone: Ints
    unit: Ints
    manager: Ints
    ability: Floats
    strain: Floats
    workload: Floats
    prior: Ints
    is_never_started: Flags
    is_returning: Flags
    has_extra_course: Flags
    start_day: Ints
    enrolled_day: Ints
    mentor: Ints
    match_week: Ints
    match_day: Ints

    @property
    def size(self) -> int:
        """Number of participations."""
        return len(self.person)

    @property
    def persons(self) -> int:
        """Number of persons behind them."""
        return int(self.person.max()) + 1

    @property
    def course(self) -> Ints:
        """Index of each participation's required course."""
        return np.array([item.course for item in PROGRAMMES])[self.programme]


def mentor_count(settings: SimulationSettings) -> int:
    """Number of mentors of the whole world."""
    return max(_FEWEST_MENTORS, settings.learners // _LEARNERS_PER_MENTOR)


def manager_count(settings: SimulationSettings) -> int:
    """Number of managers; a manager leads learners of one unit."""
    return max(len(UNITS), settings.learners // _LEARNERS_PER_MANAGER)


def manager_of_mentor(mentor: int) -> int | None:
    """Which manager this mentor is, if any: every sixth mentor manages too."""
    return mentor // _MANAGER_MENTOR_EVERY if mentor % _MANAGER_MENTOR_EVERY == _MANAGER_MENTOR_EVERY // 2 else None


def draw_cohort(settings: SimulationSettings) -> Cohort:
    """Draw every participation of every run."""
    rng = stream(settings, "cohort")
    size = RUNS * settings.learners
    run = np.repeat(np.arange(RUNS), settings.learners)
    programme = rng.choice(len(PROGRAMMES), size, p=[item.share for item in PROGRAMMES]).astype(np.int64)
    person, is_returning = _persons(settings, rng, run, programme)
    persons = int(person.max()) + 1
    _, first = np.unique(person, return_index=True)
    zone = np.zeros(persons, dtype=np.int64)
    for index, shares in _ZONE_SHARES.items():
        drawn = rng.choice(len(shares), persons, p=shares)
        zone = np.where(programme[first] == index, drawn, zone)
    unit = rng.integers(0, len(UNITS), persons)
    per_unit = manager_count(settings) // len(UNITS)
    manager = unit + len(UNITS) * rng.integers(0, per_unit, persons)
    # Onboarding takes people in every Monday of its intake, with the weeks of their course counted from there.
    intake = rng.integers(0, settings.intake_weeks, size)
    start_day = settings.start_days[run] + 7 * np.where(programme == ONBOARDING, intake, 0)
    is_late = rng.random(size) < 0.05
    enrolled_day = start_day + np.where(
        is_late, rng.integers(0, 4, size), -rng.integers(1, np.where(programme == ONBOARDING, 6, 22), size)
    )
    mentor, match_week = _matches(settings, rng, programme, manager[person], is_late)
    match_day = np.maximum(start_day + 7 * match_week - rng.integers(1, 7, size), enrolled_day)
    return Cohort(
        person=person,
        run=run,
        programme=programme,
        zone=zone[person],
        unit=unit[person],
        manager=manager[person],
        ability=rng.standard_normal(size),
        strain=rng.standard_normal(size),
        workload=np.round(rng.standard_normal(size) * 2) / 2,
        prior=np.minimum(rng.poisson(0.2, size), 2).astype(np.int64),
        is_never_started=rng.random(size) < 0.03,
        is_returning=is_returning,
        has_extra_course=(programme == GROWTH) & (rng.random(size) < 0.2),
        start_day=start_day,
        enrolled_day=enrolled_day,
        mentor=mentor,
        match_week=match_week,
        match_day=match_day,
    )


def _persons(settings: SimulationSettings, rng: np.random.Generator, run: Ints, programme: Ints) -> tuple[Ints, Flags]:
    """Let some of the running run's participants have been in an earlier run, or be in two programmes at once."""
    size = len(run)
    person = np.arange(size)
    running = np.flatnonzero(run == RUNNING)
    back = rng.permutation(running)[: max(4, settings.learners // 10)]
    twice = len(back) // 5
    partners = np.concatenate(
        [
            rng.permutation(np.setdiff1d(running, back))[:twice],
            rng.permutation(np.flatnonzero(run < RUNNING))[: len(back) - twice],
        ]
    )
    fits = programme[back] != programme[partners]
    person[back[fits]] = person[partners[fits]]
    is_returning = np.zeros(size, dtype=bool)
    is_returning[back[fits]] = True
    is_returning[partners[fits]] = True
    return np.unique(person, return_inverse=True)[1].astype(np.int64), is_returning


def _matches(
    settings: SimulationSettings, rng: np.random.Generator, programme: Ints, manager: Ints, is_late: Flags
) -> tuple[Ints, Ints]:
    """Draw who is matched, with which mentor, from which week on; one's own manager is preferred where possible."""
    size = len(programme)
    mentors = np.arange(mentor_count(settings))
    serves = {
        HIPO: mentors[mentors % 4 == 0],
        ONBOARDING: mentors[mentors % 4 == 1],
        GROWTH: mentors[mentors % 4 > 1],
    }
    mentor = np.zeros(size, dtype=np.int64)
    for index, pool in serves.items():
        mentor = np.where(programme == index, rng.choice(pool, size), mentor)
    is_own = rng.random(size) < 0.5
    for candidate in mentors.tolist():
        own = manager_of_mentor(candidate)
        if own is not None:
            mentor = np.where(is_own & (manager == own), candidate, mentor)
    is_matched = rng.random(size) < np.array([item.matched_share for item in PROGRAMMES])[programme]
    week = rng.choice(len(_MATCH_WEEK_SHARES), size, p=_MATCH_WEEK_SHARES)
    return np.where(is_matched, mentor, UNMATCHED), np.where(is_late, np.maximum(week, 1), week)
