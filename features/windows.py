"""Landmarks and the windows that look back from them.

Belongs here: when enrolments are observed, and how rows of days become sums over the weeks before each
landmark and sums to date. Does not belong here: what is summed (`activity`, `mentoring`), labels.

Every landmark D sees rows with `epoch_day < D and known_epoch_day < D`. Windows are whole weeks back from D, so
a row is summed once into the week that closes at the first landmark day after it, and that weekly cell then
counts in the four landmarks from there on at which it is known. An enrolment has one weekly phase
(`observed_epoch_day` modulo 7) in training and one tonight; cells are made for each phase it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw

from data_contracts.tables.features import LANDMARK
from features.contract import Frame, conform

KEY = ("enrolment_id", "observed_epoch_day")
_WEEK_DAYS = 7
_WEEKS_BACK = 4
# A multiple of 7 far beyond any day: engines disagree on the remainder of a negative number.
_FAR_DAYS = 7_000_000


def whole_weeks(days: nw.Expr) -> nw.Expr:
    """`floor(days / 7)`, also below zero; in floating point because engines' integer quotients differ there."""
    return (days.cast(nw.Float64()) / _WEEK_DAYS).floor().cast(nw.Int64())


def ends_as_known(enrolments: Frame, *, tonight_epoch_day: int) -> Frame:
    """Return the enrolments without ends unknown before tonight; an end without a known day was known at once."""
    known = nw.coalesce("ended_known_epoch_day", "ended_epoch_day") < tonight_epoch_day
    return enrolments.with_columns(
        nw.when(known).then(nw.col(name)).alias(name) for name in ("ended_epoch_day", "ended_kind")
    )


def landmarks(enrolments: Frame, weeks: Frame, *, tonight_epoch_day: int, training: bool = True) -> Frame:
    """Observation days of active enrolments, as `features.landmark`.

    Training: D = course_start_epoch_day + 7 k + 1 before tonight, for each k in `weeks.week_index` (0, 1, 2, ... up
    to the longest course). Scoring: D = tonight. Active at D: enrolled before D, not ended before D, D no later
    than the course's last day. One row per enrolment and day.
    """
    known = ends_as_known(enrolments, tonight_epoch_day=tonight_epoch_day)
    observed = nw.col("observed_epoch_day")
    days = [known.with_columns(observed_epoch_day=nw.lit(tonight_epoch_day, nw.Int64()), is_scoring=nw.lit(True))]
    if training:
        course_weeks = known.join(weeks.select(nw.col("week_index").cast(nw.Int64())), how="cross")
        history = course_weeks.with_columns(
            observed_epoch_day=nw.col("course_start_epoch_day") + nw.col("week_index") * _WEEK_DAYS + 1,
            is_scoring=nw.lit(False),
        ).drop("week_index")
        days.append(history.filter(observed < tonight_epoch_day))
    is_active = (
        (nw.col("enrolled_epoch_day") < observed)
        & (nw.col("ended_epoch_day").is_null() | (nw.col("ended_epoch_day") >= observed))
        & (observed <= nw.col("course_end_epoch_day"))
    )
    active = nw.concat(days).filter(is_active)
    return conform(
        active.with_columns(week_index=whole_weeks(observed - nw.col("course_start_epoch_day"))), LANDMARK.columns
    )


def is_past(day: str) -> nw.Expr:
    """Whether the day lies before D; false where there is none."""
    return (nw.col(day) < nw.col("observed_epoch_day")).fill_null(value=False)


def _phase(day: nw.Expr) -> nw.Expr:
    return (day + _FAR_DAYS) % _WEEK_DAYS


def _landmark_after(day: str) -> nw.Expr:
    """Return the first day of the row's phase that lies strictly after the day: the first landmark to see it."""
    return nw.col(day) + 1 + _phase(nw.col("phase") - nw.col(day) - 1)


def weekly_cells(rows: Frame, landmarks: Frame, *, sums: Sequence[str]) -> Frame:
    """Sum daily rows by enrolment, phase, the week they happened in and the week they were known in.

    `rows` has enrolment_id, epoch_day, known_epoch_day and the columns to sum. A week is named by the landmark
    day that closes it: `week_epoch_day` for happening, `seen_epoch_day` for being known. Sums are Float64, exact for
    whole numbers too, because DuckDB would widen those of integers with each further sum.
    """
    phases = landmarks.select("enrolment_id", phase=_phase(nw.col("observed_epoch_day"))).unique()
    return (
        rows.join(phases, on="enrolment_id")
        .with_columns(week_epoch_day=_landmark_after("epoch_day"), seen_epoch_day=_landmark_after("known_epoch_day"))
        .group_by("enrolment_id", "week_epoch_day", "seen_epoch_day")
        .agg(
            *(nw.col(name).cast(nw.Float64()).sum() for name in sums),
            first_epoch_day=nw.col("epoch_day").min(),
            last_epoch_day=nw.col("epoch_day").max(),
        )
    )


def trailing(cells: Frame, windows: Mapping[str, Sequence[int]]) -> Frame:
    """Sums over the last 7, 14, 21 or 28 days before each landmark day, named `<column>_<days>d`.

    `windows` says which lengths of each column. Only landmark days with something in the last 28 days have a row.
    """
    week = nw.col("week_epoch_day")

    def seen_after(lag: int) -> Frame:
        observed = week + _WEEK_DAYS * lag
        return cells.filter(observed >= nw.col("seen_epoch_day")).select(
            "enrolment_id",
            *(
                (nw.col(name) * float(lag * _WEEK_DAYS < days)).alias(f"{name}_{days}d")
                for name, lengths in windows.items()
                for days in lengths
            ),
            observed_epoch_day=observed,
        )

    return nw.concat([seen_after(lag) for lag in range(_WEEKS_BACK)]).group_by(*KEY).agg(nw.all().sum())


def last_four_weeks(rows: Frame, landmarks: Frame) -> Frame:
    """Each row beside every landmark day that sees it among the last 28 days, so at most four times.

    `rows` has enrolment_id, epoch_day, known_epoch_day. For what a sum by week cannot say, such as a median.
    """
    phases = landmarks.select("enrolment_id", phase=_phase(nw.col("observed_epoch_day"))).unique()
    placed = rows.join(phases, on="enrolment_id").with_columns(week_epoch_day=_landmark_after("epoch_day"))
    observed = nw.col("week_epoch_day")
    return nw.concat(
        [placed.with_columns(observed_epoch_day=observed + _WEEK_DAYS * lag) for lag in range(_WEEKS_BACK)]
    ).filter(nw.col("known_epoch_day") < nw.col("observed_epoch_day"))


def to_date(cells: Frame, landmarks: Frame, *, sums: Sequence[str]) -> Frame:
    """Per landmark: sums of all that was known, named `<column>_to_date`, and its first and last day.

    `first_epoch_day` and `last_epoch_day` are null where nothing was known.
    """
    observed, first, last = nw.col("observed_epoch_day"), nw.col("first_epoch_day"), nw.col("last_epoch_day")
    seen = cells.select("enrolment_id", first, last, *sums, observed_epoch_day=nw.col("seen_epoch_day"))
    nothing = landmarks.select(
        "enrolment_id",
        nw.lit(_FAR_DAYS, nw.Int64()).alias("first_epoch_day"),
        nw.lit(-_FAR_DAYS, nw.Int64()).alias("last_epoch_day"),
        *(nw.lit(0.0).alias(name) for name in sums),
        observed_epoch_day=observed,
    )
    grid = (
        nw.concat([seen, nothing])
        .group_by(*KEY)
        .agg(*(nw.col(name).sum() for name in sums), first.min(), last.max())
        .with_columns(phase=_phase(observed))
    )
    so_far = {"order_by": "observed_epoch_day"}
    return grid.select(
        *KEY,
        *(nw.col(name).cum_sum().over("enrolment_id", "phase", **so_far).alias(f"{name}_to_date") for name in sums),
        first.cum_min().over("enrolment_id", "phase", **so_far),
        last.cum_max().over("enrolment_id", "phase", **so_far),
    ).with_columns(
        first_epoch_day=nw.when(first < _FAR_DAYS).then(first),
        last_epoch_day=nw.when(last > -_FAR_DAYS).then(last),
    )
