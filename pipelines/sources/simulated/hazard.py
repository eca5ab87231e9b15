"""The generator of abandonment and of contact, whose effect is known.

Belongs here: engagement, the weekly hazard, the confounded propensity of contact, how a participation ends. Does
not belong here: any row or statement made of it, and the effect itself (`truth`).

Weekly discrete hazard on the complementary log-log scale, h = 1 - exp(-exp(lp)), with
lp = log .0112 - 1.05 e_t - .2 (e_t - e_{t-3}) + .24 workload - .18 z1 + .24 z2 + .3 prior + 1.1 exp(-t/3) + site.
Contact within the last four weeks adds effect x skill of the mentor x (1 + .5 tanh((lp - log .03) / .6)). Contact
depends on what a mentor can see (events of past weeks, workload, prior attempts, own load, the season) and, where
`hidden` is not 0, on latent engagement itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sources.simulated.cohort import UNITS, UNMATCHED, Cohort, mentor_count
from pipelines.sources.simulated.mentors import MentorTraits, mentor_traits
from pipelines.sources.simulated.seasons import season_share
from pipelines.sources.simulated.settings import (
    DAY_SECONDS,
    RUNS,
    Flags,
    Floats,
    Ints,
    SimulationSettings,
    stream,
)

CONTACT_WORKS_WEEKS = 4
_BASE_HAZARD = 0.0112
_MIDDLING_HAZARD = 0.03
_ENGAGEMENT_WEIGHT = 1.05
_DIP_WEIGHT = 0.2
# Sessions a week of a learner of average engagement, and how much faster they come with it.
_SESSIONS_A_WEEK = 1.7
_SESSIONS_WEIGHT = 1.0
_EVENTS_PER_SESSION = 1.9
_DAY_BEGINS_HOUR = 8
_DAY_ENDS_HOUR = 21

ACTIVE, COMPLETED, ABANDONED, ADMINISTRATIVE = "active", "completed", "abandoned", "withdrawn_administratively"
_COMPETING = (("left_organisation", 0.0015), ("transferred", 0.0006), ("cancelled", 0.0004))
# In two weeks of a course the administration withdraws, in one batch, many who never started and a few others.
_BATCH_NEVER_STARTED_SHARE = 0.3
_BATCH_SHARE = 0.006
BATCH_SECOND = 4 * DAY_SECONDS + 17 * 3600


@dataclass(frozen=True)
class Trajectory:
    """What becomes of each participation (rows) in each course week (columns).

    `sessions` and `events` are counts of learning activity; `contact` is the contact that would take place if
    nobody left, `contact_second` and `end_second` seconds inside the week. `end_week` is the week of the end,
    or the number of weeks where the course ran out; `competing_week` the week in which a competing end or completion
    would come if nobody abandoned, likewise. `log_hazard` is lp without contact, `strength` what contact adds
    to it at a middling risk, a column.
    """

    engagement: Floats
    sessions: Ints
    events: Ints
    log_hazard: Floats
    strength: Floats
    contact_logit: Floats
    contact_uniform: Floats
    is_matched: Flags
    contact: Flags
    contact_second: Ints
    end_week: Ints
    end_second: Ints
    end_kind: list[str]
    competing_week: Ints

    @property
    def weeks(self) -> int:
        """Number of course weeks."""
        return int(self.engagement.shape[1])

    @property
    def is_present(self) -> Flags:
        """Whether the participation had not ended when the week began."""
        return np.asarray(np.arange(self.weeks) <= self.end_week[:, None])

    @property
    def has_contact(self) -> Flags:
        """Contact that took place: before the end, at a second before it in the week of the end."""
        weeks = np.arange(self.weeks)
        is_before_end = (weeks < self.end_week[:, None]) | (
            (weeks == self.end_week[:, None]) & (self.contact_second < self.end_second[:, None])
        )
        return np.asarray(self.contact & is_before_end)


def contact_path(logit: Floats, uniform: Floats, is_allowed: Flags) -> Flags:
    """Play contact week by week: earlier contact adds 1 to the logit; no contact where it is not allowed."""
    contact = np.zeros(logit.shape, dtype=bool)
    before = np.zeros(len(logit), dtype=bool)
    for week in range(logit.shape[1]):
        probability = 1 / (1 + np.exp(-(logit[:, week] + before)))
        contact[:, week] = (uniform[:, week] < probability) & is_allowed[:, week]
        before |= contact[:, week]
    return contact


def batch_weeks(weeks: int) -> tuple[int, int]:
    """Return the course weeks at whose end the administration withdraws people."""
    return 2, 3 * weeks // 8


def weekly_hazard(log_hazard: Floats, contact: Flags, strength: Floats | float) -> Floats:
    """Return h for every week, given the contact of the weeks before it and what contact adds at a middling risk."""
    is_exposed = np.zeros(contact.shape, dtype=bool)
    for back in range(1, CONTACT_WORKS_WEEKS + 1):
        is_exposed[:, back:] |= contact[:, :-back]
    added = strength * (1 + 0.5 * np.tanh((log_hazard - np.log(_MIDDLING_HAZARD)) / 0.6))
    return np.asarray(1 - np.exp(-np.exp(log_hazard + added * is_exposed)))


def seconds_in_week(rng: np.random.Generator, shape: tuple[int, ...]) -> Ints:
    """Draw a second of the week in waking hours: the same law for contact and for ends, so their order is random."""
    day = rng.integers(0, 7, shape)
    return day * DAY_SECONDS + rng.integers(_DAY_BEGINS_HOUR * 3600, _DAY_ENDS_HOUR * 3600, shape)


def play(settings: SimulationSettings, cohort: Cohort) -> Trajectory:
    """Play every participation through its course."""
    rng = stream(settings, "hazard")
    shape = (cohort.size, settings.weeks)
    weeks = np.arange(settings.weeks)
    traits = mentor_traits(settings)
    season = season_share(cohort.start_day[:, None] + 7 * weeks)
    engagement = _engagement(rng, cohort, shape)
    observed = engagement + rng.normal(0, 0.25, shape)
    rate = _SESSIONS_A_WEEK * np.exp(_SESSIONS_WEIGHT * np.minimum(observed, 2)) * season
    sessions = rng.poisson(rate * ~cohort.is_never_started[:, None])
    events = sessions + rng.poisson(_EVENTS_PER_SESSION * sessions)
    before = np.concatenate([np.repeat(engagement[:, :1], 3, axis=1), engagement[:, :-3]], axis=1)
    site = rng.normal(0, 0.15, len(UNITS))[cohort.unit]
    personal = 0.24 * cohort.workload - 0.18 * cohort.ability + 0.24 * cohort.strain + 0.3 * (cohort.prior > 0) + site
    log_hazard = (
        np.log(_BASE_HAZARD)
        - _ENGAGEMENT_WEIGHT * engagement
        - _DIP_WEIGHT * (engagement - before)
        + personal[:, None]
        + 1.1 * np.exp(-weeks / 3)
    )
    strength = np.where(cohort.mentor == UNMATCHED, 0.0, settings.effect * traits.skill[cohort.mentor])[:, None]
    is_matched = (cohort.mentor != UNMATCHED)[:, None] & (weeks >= cohort.match_week[:, None])
    logit = _contact_logit(settings, cohort, traits, events) - settings.hidden * engagement + np.log(season)
    uniform = rng.random(shape)
    contact = contact_path(logit, uniform, is_matched)
    ends = _ends(rng, cohort, engagement, weekly_hazard(log_hazard, contact, strength))
    end_week, end_second, end_kind, competing_week = ends
    return Trajectory(
        engagement=engagement,
        sessions=sessions,
        events=events,
        log_hazard=log_hazard,
        strength=strength,
        contact_logit=logit,
        contact_uniform=uniform,
        is_matched=is_matched,
        contact=contact,
        contact_second=seconds_in_week(rng, shape),
        end_week=end_week,
        end_second=end_second,
        end_kind=end_kind,
        competing_week=competing_week,
    )


def _engagement(rng: np.random.Generator, cohort: Cohort, shape: tuple[int, int]) -> Floats:
    """Latent engagement: mean .35 z1 - .25 z2 + .4 N; autoregressive .9, sd .3; drift -.01 a week; sudden drops.

    In three weeks of a hundred something comes between and takes 1.5 away, which heals as slowly as all else.
    """
    mean = 0.35 * cohort.ability - 0.25 * cohort.strain + 0.4 * rng.standard_normal(shape[0])
    mean = mean - 0.8 * cohort.is_never_started
    level = rng.normal(0, 0.69, shape[0])
    engagement = np.empty(shape)
    for week in range(shape[1]):
        engagement[:, week] = mean + level - 0.01 * week
        level = 0.9 * level + rng.normal(0, 0.3, shape[0]) - 1.5 * (rng.random(shape[0]) < 0.03)
    return engagement


def _contact_logit(settings: SimulationSettings, cohort: Cohort, traits: MentorTraits, events: Ints) -> Floats:
    """Logit of contact before any: struggle as it can be seen, less where the mentor is loaded.

    Linear: as it is. Nonlinear: those who struggle most and those who shine are both sought, the middle is left alone.
    """
    level = (np.log1p(events) - 1.6) / 1.0
    last = np.concatenate([np.zeros((cohort.size, 1)), level[:, :-1]], axis=1)
    earlier = np.concatenate([np.zeros((cohort.size, 2)), level[:, :-2]], axis=1)
    struggle = (
        -0.6 * last + 0.3 * (earlier - last) + 0.25 * cohort.workload[:, None] + 0.3 * (cohort.prior > 0)[:, None]
    )
    if settings.propensity == "nonlinear":
        struggle = 0.5 * struggle + 1.2 * (np.minimum(struggle**2, 4) - 0.6)
    mentors = mentor_count(settings)
    key = cohort.mentor * RUNS + cohort.run
    loads = np.bincount(key[cohort.mentor != UNMATCHED], minlength=mentors * RUNS).astype(float)
    load = (loads - loads.mean()) / max(float(loads.std()), 1.0)
    own = np.where(cohort.mentor == UNMATCHED, 0.0, traits.habit[cohort.mentor] - 0.5 * load[key])
    return np.asarray(-2.0 + settings.confounding * struggle + own[:, None])


def _ends(
    rng: np.random.Generator, cohort: Cohort, engagement: Floats, hazard: Floats
) -> tuple[Ints, Ints, list[str], Ints]:
    """End every participation: abandonment goes before competing ends, these before completion.

    Returns week, second and kind of the end, and the week in which it would end if it could not be abandoned.
    """
    size, weeks = hazard.shape
    end_week, competing_week = (np.full(size, weeks, dtype=np.int64) for _ in range(2))
    kind = np.full(size, "", dtype=object)
    early = rng.random(hazard.shape)
    abandons = rng.random(hazard.shape) < hazard
    competing, batch = rng.random(hazard.shape), rng.random(hazard.shape)
    withdrawn_share = np.where(cohort.is_never_started, _BATCH_NEVER_STARTED_SHARE, _BATCH_SHARE)
    bounds = np.cumsum([share for _, share in _COMPETING])
    for week in range(weeks):
        is_open = kind == ""
        now = np.full(size, "", dtype=object)
        if week >= weeks - 4:
            now[(early[:, week] < 0.15) & (engagement[:, week] > 0.3)] = COMPLETED
        for index in range(len(_COMPETING) - 1, -1, -1):
            now[competing[:, week] < bounds[index]] = _COMPETING[index][0]
        if week in batch_weeks(weeks):
            now[(batch[:, week] < withdrawn_share) & (now == "")] = ADMINISTRATIVE
        now[cohort.is_returning & (now == "left_organisation")] = ""
        competing_week[(now != "") & (competing_week == weeks)] = week
        now[abandons[:, week]] = ABANDONED
        ends = is_open & (now != "")
        kind[ends] = now[ends]
        end_week[ends] = week
    is_open = kind == ""
    fails = rng.random(size) < 1 / (1 + np.exp(1.8 + 1.2 * engagement[:, -1] + 0.4 * cohort.ability))
    fails |= cohort.is_never_started
    kind[is_open] = np.where(fails[is_open], "failed", COMPLETED)
    second = seconds_in_week(rng, (size,))
    second[kind == ADMINISTRATIVE] = BATCH_SECOND
    # The course ran out: the result stands from the morning after its last day.
    second[is_open] = 9 * 3600
    return end_week, second, [str(item) for item in kind], competing_week
