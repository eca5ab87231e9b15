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

_RUN_ID = re.compile(r"[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class MartContext:
    """The moment and the run that the marts speak of.

    `observed_at` is an aware instant; `tonight_epoch_day` the local day that begins at it; `run_id` the run whose
    checks are shown; `assumed_capacity_minutes` a mentor's minutes a week where none are stated.

    Raises:
        PermanentError: observed_at has no zone, or run_id is no identifier.
    """

    observed_at: datetime
    tonight_epoch_day: int
    run_id: str
    assumed_capacity_minutes: int = 60

    def __post_init__(self) -> None:
        """Refuse what would be read wrongly in SQL."""
        if self.observed_at.tzinfo is None:
            message = "observed_at of the marts has no time zone; give an aware instant"
            raise PermanentError(message)
        if not _RUN_ID.fullmatch(self.run_id):
            message = "run_id of the marts may hold letters, digits, '-' and '_' only"
            raise PermanentError(message)

    @property
    def observed(self) -> str:
        """observed_at as an SQL literal in UTC."""
        return f"TIMESTAMP '{self.observed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"

    @property
    def tonight(self) -> str:
        """The first local day that nothing is known of, as an SQL literal."""
        return f"{self.tonight_epoch_day:d}"

    @property
    def assumed_capacity(self) -> str:
        """Minutes a week of a mentor who stated none, as an SQL literal."""
        return f"{self.assumed_capacity_minutes:d}"

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
        """Subquery: the matches made before observed_at, with `matched_epoch_day` and `ended_epoch_day` (null: none).

        An end that lies at or after observed_at is a plan, so it is not shown.
        """
        return (
            f"(SELECT *, {to_epoch_day('matched_on')} AS matched_epoch_day, "
            f"CASE WHEN {to_epoch_day('ended_on')} < {self.tonight} THEN {to_epoch_day('ended_on')} END "
            f"AS ended_epoch_day FROM {self.current('mentoring_match')} "
            f"WHERE {to_epoch_day('matched_on')} < {self.tonight})"
        )


MartQuery = Callable[[MartContext], str]


def to_epoch_day(date: str) -> str:
    """A date as whole days since 1970-01-01."""
    return f"date_diff('day', DATE '1970-01-01', {date})"


def to_date(epoch_day: str) -> str:
    """Whole days since 1970-01-01 as a date."""
    return f"(DATE '1970-01-01' + CAST({epoch_day} AS INTEGER))"


def monday(epoch_day: str) -> str:
    """The Monday of a day's ISO week, in days since 1970-01-01 (a Thursday)."""
    return f"({epoch_day} - ({epoch_day} + 3) % 7)"


def weeks(first_epoch_day: str, last_epoch_day: str) -> str:
    """The Mondays of all ISO weeks from one day's to another's, one a row; none where either day is null."""
    return f"unnest(range({monday(first_epoch_day)}, {last_epoch_day} + 1, 7))"


def rounded(number: str) -> str:
    """A float to six places, so that the order of a sum does not show; the rounding rule of every layer."""
    return f"floor(({number}) * 1e6 + 0.5) / 1e6"
