"""What contact prevents in a simulated world, by its true law, and when its participations end.

Belongs here: the same participations played with contact in a given week and without, as in
`pipelines.sources.simulated.truth`. Does not belong here: whom anybody would contact.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.sources.simulated.clock import LocalClock
from pipelines.sources.simulated.cohort import UNMATCHED
from pipelines.sources.simulated.courses import PROGRAMMES
from pipelines.sources.simulated.hazard import ABANDONED, CONTACT_WORKS_WEEKS, contact_path, weekly_hazard
from pipelines.sources.simulated.mentors import mentor_traits
from pipelines.sources.simulated.settings import SimulationSettings
from pipelines.sources.simulated.world import play_world
from pipelines.statements.identity import Pseudonyms

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_EPOCH = date(1970, 1, 1)
NEVER = float("inf")


class Truth:
    """The world of one block, played again, under the pseudonyms of a home.

    `entry` gives a participation's place by participation_id, `mentor` a mentor's by mentor_id; `person` counts persons
    from 0, `abandons_at` is the true end in days since 1970-01-01 UTC, infinite where it is no abandonment.
    """

    def __init__(self, settings: SimulationSettings, pseudonyms: Pseudonyms) -> None:
        (block,) = settings.blocks()
        world = play_world(block, LocalClock(block))
        self._cohort, self._played = world.cohort, world.trajectory
        self._added = settings.effect * mentor_traits(block).skill
        people = [pseudonyms.person(key) for key in world.people.learner_keys]
        self.entry = {
            f"{PROGRAMMES[programme].programme_id}:{people[person]}": place
            for place, (programme, person) in enumerate(
                zip(self._cohort.programme.tolist(), self._cohort.person.tolist(), strict=True)
            )
        }
        self.mentor = {pseudonyms.person(key): place for place, key in enumerate(world.people.mentor_keys)}
        self.person = self._cohort.person
        self.own_mentor = self._cohort.mentor
        is_abandoned = np.array(self._played.end_kind) == ABANDONED
        self.abandons_at = np.where(is_abandoned, world.ends.utc / 86_400, NEVER)
        self._paths: dict[int, tuple[Flags, Flags]] = {}

    def preventable(self, entries: Ints, day: date, mentors: Ints | None = None) -> Floats:
        """By how much contact in the course week that holds `day` lowers the chance to abandon in the four weeks after."""
        with_contact, without = self.chances(entries, day, mentors)
        return without - with_contact

    def chances(self, entries: Ints, day: date, mentors: Ints | None = None) -> tuple[Floats, Floats]:
        """Chance to abandon in the four weeks after this one with contact in this one, and without.

        1 less the product of (1 - h) over those weeks, for these participations with these mentors (their own by default);
        earlier contact as it was, later contact by the usual law. Contact works from the week after it on. Both are 0
        before the course, after it, and for who has no mentor.
        """
        cohort, played = self._cohort, self._played
        week = ((day - _EPOCH).days - cohort.start_day[entries]) // 7
        own = cohort.mentor[entries]
        chosen = own if mentors is None else mentors
        found = np.zeros((2, len(entries)))
        for one in np.unique(week[(week >= 0) & (week < played.weeks - 1)]).tolist():
            rows = np.flatnonzero((week == one) & (own != UNMATCHED))
            with_contact, without = (path[entries[rows]] for path in self._exposed(one))
            # What contact of now adds is this mentor's; what earlier contact still does is the own mentor's.
            usual, added = self._added[own[rows], None], self._added[chosen[rows], None]
            log_hazard = played.log_hazard[entries[rows]]
            for arm, strength in enumerate((np.where(without, usual, added * with_contact), usual * without)):
                found[arm, rows] = 1 - np.prod(1 - _hazard(log_hazard, strength, one), axis=1)
        return found[0], found[1]

    def _exposed(self, week: int) -> tuple[Flags, Flags]:
        """In which weeks earlier contact is at work, with contact in `week` and without."""
        if week not in self._paths:
            played, weeks = self._played, np.arange(self._played.weeks)
            certain = np.where(weeks == week, np.inf, played.contact_logit)
            self._paths[week] = (
                _at_work(contact_path(certain, played.contact_uniform, played.is_matched | (weeks == week))),
                _at_work(
                    contact_path(played.contact_logit, played.contact_uniform, played.is_matched & (weeks != week))
                ),
            )
        return self._paths[week]


def _at_work(contact: Flags) -> Flags:
    exposed = np.zeros_like(contact)
    for back in range(1, CONTACT_WORKS_WEEKS + 1):
        exposed[:, back:] |= contact[:, :-back]
    return exposed


def _hazard(log_hazard: Floats, strength: Floats, week: int) -> Floats:
    """The world's own hazard of the weeks in which contact of `week` is at work, where `strength` is at work."""
    after = slice(week + 1, week + 1 + CONTACT_WORKS_WEEKS)
    # `weekly_hazard` asks for contact; all of it lies in the strength here.
    always = np.ones((len(log_hazard), log_hazard.shape[1] + CONTACT_WORKS_WEEKS), dtype=np.bool_)
    ahead = np.pad(log_hazard, ((0, 0), (CONTACT_WORKS_WEEKS, 0)))
    wide = np.pad(strength, ((0, 0), (CONTACT_WORKS_WEEKS, 0)))
    return weekly_hazard(ahead, always, wide)[:, CONTACT_WORKS_WEEKS:][:, after]
