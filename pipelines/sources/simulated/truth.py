"""What is true in the world and stands in no input: hazards with and without contact, and the effects.

Belongs here: effects by the same random numbers with contact blocked, as differences of the product of (1 - h), never
of outcomes; the table of hazards; sums over blocks. Does not belong here: the generator itself (`hazard`).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.simulated.cohort import UNMATCHED, Cohort
from pipelines.sources.simulated.courses import PROGRAMMES
from pipelines.sources.simulated.hazard import Trajectory, contact_path, weekly_hazard
from pipelines.sources.simulated.settings import RUNNING, Flags, Floats, Ints

OUTCOME_WEEKS = 8
ALL = "all"


class Arms(NamedTuple):
    """One question in both arms, by participation: who is asked about, and their chance to abandon in the window."""

    is_treated: Flags
    with_contact: Floats
    without: Floats


def first_contact_week(trajectory: Trajectory) -> Ints:
    """Return the course week of each participation's first contact, the number of weeks where there is none."""
    has_contact = trajectory.has_contact
    return np.where(has_contact.any(axis=1), has_contact.argmax(axis=1), trajectory.weeks).astype(np.int64)


def arms(cohort: Cohort, trajectory: Trajectory) -> dict[str, Arms]:
    """Play every past participation in both arms of each question of `Contrasts`.

    Competing ends and completion come when they come in both arms: from that week on nobody abandons, as estimation
    counts them as no. In a week itself abandonment goes before them.
    """
    weeks = np.arange(trajectory.weeks)
    is_open = weeks <= trajectory.competing_week[:, None]
    is_past, is_matched = cohort.run < RUNNING, cohort.mentor != UNMATCHED
    week = first_contact_week(trajectory)
    # After the last week nothing is left that contact could change.
    is_contacted = is_past & (trajectory.end_week > week) & (week + 1 < trajectory.weeks)
    match_week = (cohort.match_day - cohort.start_day) // 7
    is_mentored = is_past & is_matched & (trajectory.end_week > match_week)
    nobody = np.zeros_like(trajectory.contact)
    later = contact_path(
        trajectory.contact_logit, trajectory.contact_uniform, trajectory.is_matched & (weeks > week[:, None])
    )
    contacted, not_now, never = (
        weekly_hazard(trajectory.log_hazard, contact, trajectory.strength)
        for contact in (trajectory.contact, later, nobody)
    )
    after_contact, after_match = _window(weeks, week) & is_open, _window(weeks, match_week) & is_open
    since_match = (weeks > match_week[:, None]) & is_open
    return {
        name: Arms(who, _abandonment(contacted, window), _abandonment(without, window))
        for name, without, window, who in (
            ("first_contact", not_now, after_contact, is_contacted),
            ("contact_against_never", never, after_contact, is_contacted),
            ("matched", never, after_match, is_mentored),
            ("mentoring", never, since_match, is_mentored),
        )
    }


class Contrasts:
    """True effects of the past runs, over all blocks, of all programmes together and of each.

    `first_contact`: contact in its week against none in that week, later contact following the usual law in both
    arms; those still there when the contact week ends, over the eight weeks after it. `contact_against_never`: the same
    learners against no contact for ever. `matched`: being matched against not yet matched: those still there when the
    calendar week of their match ends, over the eight weeks after it, against no contact in them. `mentoring`: the same
    learners, from then to the end of the course, against no contact at all.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Floats] = defaultdict(lambda: np.zeros(3))

    def add(self, cohort: Cohort, trajectory: Trajectory) -> None:
        """Add a block's learners."""
        for name, (is_treated, with_contact, without) in arms(cohort, trajectory).items():
            self._add(name, cohort, is_treated, with_contact, without)

    def _add(self, name: str, cohort: Cohort, who: Flags, with_contact: Floats, without: Floats) -> None:
        for index, item in enumerate(PROGRAMMES):
            chosen = who & (cohort.programme == index)
            sums = np.array([with_contact[chosen].sum(), without[chosen].sum(), chosen.sum()])
            self._sums[name, item.programme_id] += sums
            self._sums[name, ALL] += sums

    def told(self) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """Effects by contrast and programme: percent abandoning in both arms, the difference in points, the treated.

        Null where nobody is treated.
        """
        result: dict[str, dict[str, dict[str, float | int | None]]] = {}
        for (name, programme), (one, other, count) in sorted(self._sums.items()):
            shares = (100 * one / count, 100 * other / count) if count else (None, None)
            result.setdefault(name, {})[programme] = {
                "abandonment_with_percent": _rounded(shares[0]),
                "abandonment_without_percent": _rounded(shares[1]),
                "effect_points": _rounded(100 * (one - other) / count if count else None),
                "treated_count": int(count),
            }
        return result


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _window(weeks: Ints, week: Ints) -> Flags:
    return np.asarray((weeks > week[:, None]) & (weeks <= week[:, None] + OUTCOME_WEEKS))


def _abandonment(hazard: Floats, window: Flags) -> Floats:
    """Chance of each participation to abandon inside its window."""
    return np.asarray(1 - np.prod(np.where(window, 1 - hazard, 1.0), axis=1))


class HazardTable:
    """truth.parquet: one row per participation's required enrolment and week, block after block."""

    _SCHEMA = pa.schema(
        [
            ("enrolment_id", pa.string()),
            ("programme_id", pa.string()),
            ("run", pa.int64()),
            ("week", pa.int64()),
            ("week_starts_on", pa.date32()),
            ("is_present", pa.bool_()),
            ("is_matched", pa.bool_()),
            ("is_contacted", pa.bool_()),
            ("engagement", pa.float64()),
            ("contact_probability", pa.float64()),
            ("hazard_probability", pa.float64()),
            ("hazard_blocked_probability", pa.float64()),
        ]
    )

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, self._SCHEMA, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, cohort: Cohort, trajectory: Trajectory, enrolment_ids: list[str]) -> None:
        """Append a block: the true hazard with contact as it was and with all contact blocked."""
        size, weeks = trajectory.engagement.shape
        entry, week = np.repeat(np.arange(size), weeks), np.tile(np.arange(weeks), size)
        before = np.cumsum(trajectory.contact, axis=1) - trajectory.contact > 0
        probability = trajectory.is_matched / (1 + np.exp(-(trajectory.contact_logit + before)))
        blocked = weekly_hazard(trajectory.log_hazard, np.zeros_like(trajectory.contact), trajectory.strength)
        hazard = weekly_hazard(trajectory.log_hazard, trajectory.contact, trajectory.strength)
        names = pa.array([item.programme_id for item in PROGRAMMES])
        self._writer.write_table(
            pa.table(
                [
                    pa.array(enrolment_ids[:size]).take(pa.array(entry)),
                    names.take(pa.array(cohort.programme[entry])),
                    pa.array(cohort.run[entry] + 1),
                    pa.array(week),
                    pa.array((cohort.start_day[entry] + 7 * week).astype(np.int32)).cast(pa.date32()),
                    *(
                        pa.array(column.ravel())
                        for column in (
                            trajectory.is_present,
                            trajectory.is_matched,
                            trajectory.has_contact,
                            trajectory.engagement,
                            probability,
                            hazard,
                            blocked,
                        )
                    ),
                ],
                schema=self._SCHEMA,
            )
        )
