"""What a published mart may see: the moment it speaks of, and the few SQL pieces that keep to it.

Belongs here: the context of a mart's query, and days, weeks and rounding as SQL. Does not belong here: any mart.

Day arithmetic is done in whole local days since 1970-01-01 and becomes a date only in what a query returns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from data_contracts.errors import PermanentError
from data_contracts.tables.inputs import RAW_INPUTS
from pipelines import warehouse
from pipelines.core.local_time import epoch_day as local_day
from pipelines.core.local_time import monday
from pipelines.resources import Night

_RUN_ID = re.compile(r"[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class MartContext:
    """The moment and the run that the marts speak of.

    `observed_at` is an aware instant; `tonight_epoch_day` the local day that begins at it; `run_id` the run whose
    checks are shown; the days are those of the settings of the same names.

    Raises:
        PermanentError: observed_at has no zone, or run_id is no identifier.
    """

    observed_at: datetime
    tonight_epoch_day: int
    run_id: str
    first_meeting_days: int = 10
    mentor_silent_days: int = 14
    stuck_days: int = 21

    def __post_init__(self) -> None:
        """Refuse what would be read wrongly in SQL."""
        if self.observed_at.tzinfo is None:
            message = "observed_at of the marts has no time zone; give an aware instant"
            raise PermanentError(message)
        if not _RUN_ID.fullmatch(self.run_id):
            message = "run_id of the marts may hold letters, digits, '-' and '_' only"
            raise PermanentError(message)

    @classmethod
    def of(cls, night: Night) -> MartContext:
        """What the marts of a night see."""
        settings = night.settings
        return cls(
            observed_at=night.observed_at,
            tonight_epoch_day=night.tonight_epoch_day,
            run_id=night.run_id,
            first_meeting_days=settings.first_meeting_days,
            mentor_silent_days=settings.mentor_silent_days,
            stuck_days=settings.stuck_days,
        )

    @property
    def observed(self) -> str:
        """observed_at as an SQL literal in UTC."""
        return f"TIMESTAMP '{self.observed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"

    @property
    def tonight(self) -> str:
        """The first local day that nothing is known of, as an SQL literal."""
        return f"{self.tonight_epoch_day:d}"

    def current(self, name: str) -> str:
        """Subquery: the latest version of each row of an input that was known before observed_at."""
        return warehouse.current(RAW_INPUTS[name], self.observed)

    def happened(self, table: str) -> str:
        """Subquery: the rows of a core table by local day that happened and were known before observed_at."""
        return f"(SELECT * FROM core.{table} WHERE epoch_day < {self.tonight} AND known_epoch_day < {self.tonight})"

    def enrolments(self) -> str:
        """Subquery: the enrolments begun before observed_at; `last_epoch_day` is the last day in the course so far."""
        return (
            "(SELECT *, least(course_end_epoch_day, "
            f"CASE WHEN coalesce(ended_known_epoch_day, ended_epoch_day) < {self.tonight} THEN ended_epoch_day END, "
            f"{self.tonight} - 1) AS last_epoch_day "
            f"FROM core.enrolment WHERE enrolled_epoch_day < {self.tonight})"
        )

    def matches(self) -> str:
        """Subquery: the matches made before observed_at; `ended_epoch_day` is null where the end is not known yet."""
        return (
            f"(SELECT *, CASE WHEN match_ended_known_epoch_day < {self.tonight} THEN match_ended_epoch_day END "
            "AS ended_epoch_day FROM core.mentoring_match "
            f"WHERE matched_epoch_day < {self.tonight} AND known_epoch_day < {self.tonight})"
        )

    def messages(self, zone: str) -> str:
        """Subquery: messages with `answered_day` by a zone of the match, and `response_hours`; null without an answer.

        `zone` is `timezone` (the learner's) or `mentor_timezone`. An answer that was not known yet is none.
        """
        known = f"event.answered_known_epoch_day < {self.tonight}"
        answered_day = local_day("event.answered_at", f"coalesce(match.{zone}, 'UTC')")
        return (
            f"(SELECT event.*, CASE WHEN {known} THEN {answered_day} END AS answered_day, CASE WHEN {known} "
            "THEN date_diff('second', event.happened_at, event.answered_at) / 3600.0 END AS response_hours "
            f"FROM {self.happened('mentoring_event')} AS event LEFT JOIN core.mentoring_match AS match USING (match_id) "
            "WHERE starts_with(event.event_kind, 'message_by_'))"
        )


MartQuery = Callable[[MartContext], str]


def to_epoch_day(date: str) -> str:
    """A date as whole days since 1970-01-01."""
    return f"date_diff('day', DATE '1970-01-01', {date})"


def to_date(epoch_day: str) -> str:
    """Whole days since 1970-01-01 as a date."""
    return f"(DATE '1970-01-01' + CAST({epoch_day} AS INTEGER))"


def weeks(first_epoch_day: str, last_epoch_day: str) -> str:
    """The Mondays of all ISO weeks from one day's to another's, one a row; none where either day is null."""
    return f"unnest(range({monday(first_epoch_day)}, {last_epoch_day} + 1, 7))"


def weeks_seen(epoch_day: str, days: int) -> str:
    """The Mondays of all ISO weeks whose trailing window of so many days may hold a day, one a row."""
    return f"unnest(range({monday(epoch_day)}, {epoch_day} + {days}, 7))"


def rounded(number: str) -> str:
    """A float to six places, so that the order of a sum does not show; the rounding rule of every layer."""
    return f"floor(({number}) * 1e6 + 0.5) / 1e6"
