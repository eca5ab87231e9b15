"""Chances of abandonment by the simulator's true law, averaged over all that logs leave open.

The true hazard needs engagement, which is latent, and that of weeks to come, which nobody knows. The best that anybody
can say from the logs is its mean over the lives that are possible after what was seen. That mean is found by a particle
filter (Gordon, Salmond and Smith 1993): many lives a learner, drawn by the law that docs/simulator.md states, weighted by
how well each explains a week's sessions and that the learner stayed, drawn anew by these weights.

It is told more of activity than logs hold: the whole law with its constants, each week's true count of sessions, workload,
earlier attempts, the site's effect, the mentor's skill, and contact with its effect. Of ability it is told nothing, or
all: scores say something of it, so the truth lies between.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.sources.simulated.cohort import Cohort
from pipelines.sources.simulated.hazard import Trajectory
from pipelines.sources.simulated.seasons import season_share

Floats = npt.NDArray[np.float64]

LIVES = 200
LEARNERS_AT_ONCE = 300
NEVER_STARTED_SHARE = 0.03
CONTACT_WORKS_WEEKS = 4


def along_the_path(hazard: Floats) -> dict[int, Floats]:
    """Chance to abandon within 7 and 28 days of a day into each week (columns), given the hazard of every week.

    Ends spread evenly over a week, so six sevenths of the week that has begun count and one seventh of the last.
    """
    weeks = hazard.shape[1]
    ahead = np.concatenate([hazard, np.zeros((len(hazard), 4))], axis=1)
    stays = (1 - hazard) / (1 - hazard / 7)
    found = {7: 1 - stays * (1 - ahead[:, 1 : 1 + weeks] / 7)}
    for week in (1, 2, 3):
        stays = stays * (1 - ahead[:, week : week + weeks])
    return found | {28: 1 - stays * (1 - ahead[:, 4:] / 7)}


def from_the_logs(
    cohort: Cohort, played: Trajectory, *, knows_ability: bool = False, seed: int = 1
) -> dict[int, Floats]:
    """The same by who sees all weeks before, and neither engagement nor strain, nor ability unless told."""
    chance = np.random.default_rng(seed)
    parts = [
        _seen(_Learners(cohort, played, slice(start, start + LEARNERS_AT_ONCE), chance), knows_ability=knows_ability)
        for start in range(0, cohort.size, LEARNERS_AT_ONCE)
    ]
    return {days: np.concatenate([part[days] for part in parts]) for days in (7, 28)}


class _Learners:
    """Some participations (rows) and their possible lives (columns)."""

    def __init__(self, cohort: Cohort, played: Trajectory, chosen: slice, chance: np.random.Generator) -> None:
        self.chance, self.weeks = chance, played.weeks
        self.ability = cohort.ability[chosen, None]
        self.workload, self.has_prior = cohort.workload[chosen, None], cohort.prior[chosen, None] > 0
        self.sessions, self.strength = played.sessions[chosen], played.strength[chosen]
        self.season = season_share(cohort.start_day[chosen, None] + 7 * np.arange(played.weeks))
        self.is_exposed = np.zeros(self.sessions.shape, dtype=bool)
        for back in range(1, CONTACT_WORKS_WEEKS + 1):
            self.is_exposed[:, back:] |= played.contact[chosen, :-back]
        strain, engagement = cohort.strain[chosen, None], played.engagement[chosen]
        self.site = np.zeros_like(self.ability)
        of_site = played.log_hazard[chosen] - np.column_stack(
            [
                self.log_hazard(engagement[:, : week + 1, None], week, self.ability, strain)[:, 0]
                for week in range(self.weeks)
            ]
        )
        np.testing.assert_allclose(of_site, np.broadcast_to(of_site[:, :1], of_site.shape), atol=1e-9)
        self.site = of_site[:, :1]

    def log_hazard(self, engagement: Floats, week: int, ability: Floats, strain: Floats) -> Floats:
        """The hazard of a week on the log scale without contact; engagement is by learner, week and life."""
        now, before = engagement[:, week], engagement[:, max(week - 3, 0)]
        personal = 0.24 * self.workload - 0.18 * ability + 0.24 * strain + 0.3 * self.has_prior + self.site
        return np.log(0.0112) - 1.05 * now - 0.2 * (now - before) + personal + 1.1 * np.exp(-week / 3)

    def hazard(self, engagement: Floats, week: int, ability: Floats, strain: Floats) -> Floats:
        log_hazard = self.log_hazard(engagement, week, ability, strain)
        added = self.strength * (1 + 0.5 * np.tanh((log_hazard - np.log(0.03)) / 0.6))
        return 1 - np.exp(-np.exp(log_hazard + added * self.is_exposed[:, week, None]))

    def next_level(self, level: Floats) -> Floats:
        drops = self.chance.random(level.shape) < 0.03
        return 0.9 * level + self.chance.normal(0, 0.3, level.shape) - 1.5 * drops

    def likelihood(self, engagement: Floats, week: int, ability: Floats, strain: Floats, has_started: Floats) -> Floats:
        """How well each life explains the week's sessions, and that the learner stayed, on the log scale."""
        observed = engagement[:, week] + self.chance.normal(0, 0.25, strain.shape)
        rate = np.maximum(1.7 * np.exp(np.minimum(observed, 2)) * self.season[:, week, None] * has_started, 1e-12)
        stays = np.log1p(-np.minimum(self.hazard(engagement, week, ability, strain), 1 - 1e-12))
        return self.sessions[:, week, None] * np.log(rate) - rate + stays


def _seen(learners: _Learners, *, knows_ability: bool) -> dict[int, Floats]:
    chance, shape = learners.chance, (len(learners.ability), LIVES)
    ability, strain = chance.standard_normal(shape), chance.standard_normal(shape)
    if knows_ability:
        ability[:] = learners.ability
    has_started = (chance.random(shape) >= NEVER_STARTED_SHARE).astype(np.float64)
    mean = 0.35 * ability - 0.25 * strain + 0.4 * chance.standard_normal(shape) - 0.8 * (1 - has_started)
    level = chance.normal(0, 0.69, shape)
    past = np.empty((shape[0], 0, LIVES))
    found = {days: np.empty((shape[0], learners.weeks)) for days in (7, 28)}
    for week in range(learners.weeks):
        engagement, future = past, level
        hazards = []
        for ahead in range(week, min(week + 5, learners.weeks)):
            engagement = np.concatenate([engagement, (mean + future - 0.01 * ahead)[:, None]], axis=1)
            hazards.append(learners.hazard(engagement, ahead, ability, strain))
            future = learners.next_level(future)
        every_life = np.stack(hazards, axis=2).reshape(-1, len(hazards))
        for days, risk in along_the_path(every_life).items():
            found[days][:, week] = risk[:, 0].reshape(shape).mean(axis=1)
        past = engagement[:, : week + 1]
        drawn = _drawn(learners.likelihood(past, week, ability, strain, has_started), chance)
        ability, strain, has_started, mean, level = (
            np.take_along_axis(one, drawn, 1) for one in (ability, strain, has_started, mean, level)
        )
        past = np.take_along_axis(past, drawn[:, None], 2)
        level = learners.next_level(level)
    return found


def _drawn(log_weight: Floats, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """Which lives go on: systematic resampling of each row."""
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    share = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    rows, lives = share.shape
    points = (np.arange(lives) + chance.random((rows, 1))) / lives
    row = np.arange(rows)[:, None]
    place = np.searchsorted((share + row).ravel(), (points + row).ravel()).reshape(rows, lives)
    return np.clip(place - row * lives, 0, lives - 1)
