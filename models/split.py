"""Which landmarks train, calibrate and test a model: forward in time, with a gap for open label windows.

Belongs here: masks over examples and the rule that a label counts once its window has closed. Does not
belong here: fitting (`train.py`) and judging (`metrics.py`).

A landmark of day D with horizon H looks at the days D to D + H - 1. A later part may begin at D + H at the
earliest: on that morning the label of D is complete.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from data_contracts.errors import PermanentError
from models.lookahead import Examples

Mask = npt.NDArray[np.bool_]
Days = npt.NDArray[np.int64]

HORIZONS: Mapping[str, int] = MappingProxyType({"7d": 7, "28d": 28})
"""The horizons that are scored every night, in days."""


class SplitError(PermanentError):
    """The landmarks are too close together to be told apart into parts with closed labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Masks over examples.

    train, calibration and test are disjoint. `past` is everything that is known when the test begins: train,
    calibration and the examples of the gap between them.
    """

    train: Mask
    calibration: Mask
    past: Mask
    test: Mask


def closed(frame: pl.DataFrame, horizon_column: str, tonight: int) -> pl.DataFrame:
    """Keep the rows whose label in `horizon_column` is known because its window is over, not because of what it is.

    An abandonment is known before its window ends and a stay is not, so labels of open windows would raise the
    share of abandonments. A course's landmark day therefore counts only where the window was over by `tonight` and
    every label of that course and day is known: where ends are inferred from silence, an abandonment shows weeks
    after the window too. A column without a number of days in its name (`abandons_end`) has no window of its own.
    """
    return frame.filter(is_closed(horizon_column, tonight))


def is_closed(horizon_column: str, tonight: int) -> pl.Expr:
    """Whether a landmark's label is known because its window is over; see `closed`."""
    days = re.search(r"_(\d+)d$", horizon_column)
    is_over = pl.col("observed_epoch_day") + int(days[1]) <= tonight if days else pl.lit(value=True)
    return is_over & pl.col(horizon_column).is_not_null().all().over("course_id", "observed_epoch_day")


def past_folds(frame: pl.DataFrame, *, horizon_days: int) -> int:
    """Count the folds before the latest one: landmark days that lie a horizon apart from each other, less one.

    0 where there are no landmarks or all lie within one horizon.
    """
    parts, free_from = 0, None
    for day in _distinct_days(_days(frame)):
        if free_from is None or day >= free_from:
            parts, free_from = parts + 1, int(day) + horizon_days
    return max(parts - 1, 0)


def forward_folds(
    examples: Examples, *, horizon_days: int, test_share: float = 0.2, calibration_share: float = 0.2
) -> Fold:
    """Split forward in days: train, gap, calibration, gap, test.

    Test is the latest part with at least `test_share` of the examples with the longest look-ahead, calibration the latest
    part before it, `horizon_days` away, with `calibration_share` of them; each moves later where the part before it would
    be empty. A shorter look-ahead closes earlier and reaches further into a gap. Raises `SplitError` where the landmarks
    do not reach over three parts.
    """
    days = examples.observed_on[examples.of(examples.labels[-1])]
    earliest_calibration = _first_from(days, _first_from(days, None, 0, horizon_days), horizon_days, horizon_days)
    earliest_test = _first_from(days, earliest_calibration, horizon_days, horizon_days)
    test_from = max(earliest_test, _latest_part(days, test_share * days.size))
    past = days[days <= test_from - horizon_days]
    calibration_from = max(earliest_calibration, _latest_part(past, calibration_share * past.size))
    is_past = examples.closes_on <= test_from
    return Fold(
        train=examples.closes_on <= calibration_from,
        calibration=is_past & (examples.observed_on >= calibration_from),
        past=is_past,
        test=examples.observed_on >= test_from,
    )


def given_fold(
    examples: Examples, *, is_past: Mask, is_test: Mask, horizon_days: int, calibration_share: float = 0.25
) -> Fold:
    """Split by given masks, as an evaluation on whole course runs does: train on all given past examples.

    The latest `calibration_share` of the past examples calibrates, a horizon after those it is trained on. Whether
    past labels were closed when the test began is the caller's to say. Raises `SplitError` where the past examples
    do not reach over two parts, or one is past and test at once.
    """
    if bool((is_past & is_test).any()):
        message = "rows are past and test at once; give masks that do not overlap"
        raise SplitError(message)
    days = examples.observed_on
    past_days = days[is_past]
    earliest = _first_from(past_days, _first_from(past_days, None, 0, horizon_days), horizon_days, horizon_days)
    calibration_from = max(earliest, _latest_part(past_days, calibration_share * past_days.size))
    return Fold(
        train=is_past & (days <= calibration_from - horizon_days),
        calibration=is_past & (days >= calibration_from),
        past=is_past,
        test=is_test,
    )


def _days(frame: pl.DataFrame) -> Days:
    return frame["observed_epoch_day"].to_numpy().astype(np.int64)


def _distinct_days(days: Days) -> Days:
    return np.unique(days)


def _first_from(days: Days, start: int | None, later_by: int, horizon_days: int) -> int:
    """First landmark day at or after `start + later_by` (of all where `start` is None)."""
    found = days if start is None else days[days >= start + later_by]
    if found.size == 0:
        message = (
            f"{np.unique(days).size} landmark days do not reach over parts that lie {horizon_days} days apart; "
            "wait for more history or use a shorter horizon"
        )
        raise SplitError(message)
    return int(found.min())


def _latest_part(days: Days, rows: float) -> int:
    """First day of the smallest part at the end of `days` that holds at least `rows` rows (all if there are fewer)."""
    distinct, counts = np.unique(days, return_counts=True)
    rows_from = counts[::-1].cumsum()[::-1]
    return int(distinct[rows_from >= min(rows, days.size)][-1])
