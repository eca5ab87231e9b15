"""What a learner did in the course before each landmark: activity, recency, trend; and the course's context.

Belongs here: formulas of those four families. Does not belong here: windows (`windows`), assessed work
(`assessment`), comparison with others (`cohort`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.features import WINDOWS_DAYS, feature_columns
from data_contracts.fields.learning import STRANDS
from data_contracts.tables import columns
from data_contracts.tables.features import ACTIVITY
from features.contract import Frame, conform
from features.windows import KEY, to_date, trailing, weekly_cells, whole_weeks

_FORUM_KINDS = ("forum", "collaboration")
_QUIZ_KINDS = ("quiz", "assessment")
_STRAND_EVENTS = tuple(f"{strand}_events" for strand in STRANDS)
_MONTH = (28,)
_WINDOWS = {
    "active_days": WINDOWS_DAYS,
    "events": (*WINDOWS_DAYS, 21),
    "minutes": WINDOWS_DAYS,
    **dict.fromkeys(("distinct_activities", "forum_events", "quiz_events", *_STRAND_EVENTS), _MONTH),
}


def _days(enrolment_days: Frame) -> Frame:
    """Sum one row per enrolment, day and day known; `active_days` is 1 on the first-known row of each day."""
    events = nw.col("events_count")

    def of(condition: nw.Expr) -> nw.Expr:
        return nw.when(condition).then(events).otherwise(nw.lit(0))

    kind = nw.col("activity_kind")
    return (
        enrolment_days.with_columns(
            forum_events=of(kind.is_in(_FORUM_KINDS)),
            quiz_events=of(kind.is_in(_QUIZ_KINDS)),
            **{name: of(nw.col("strand") == strand) for name, strand in zip(_STRAND_EVENTS, STRANDS, strict=True)},
        )
        .group_by("enrolment_id", "epoch_day", "known_epoch_day")
        .agg(
            *(nw.col(name).sum() for name in ("minutes", "forum_events", "quiz_events", *_STRAND_EVENTS)),
            events=events.sum(),
            distinct_activities=nw.col("distinct_activities_count").sum(),
        )
        .with_columns(
            active_days=(
                nw.col("known_epoch_day") == nw.col("known_epoch_day").min().over("enrolment_id", "epoch_day")
            ).cast(nw.Int64())
        )
    )


def _weekly_events() -> tuple[nw.Expr, nw.Expr, nw.Expr, nw.Expr]:
    """Events of the last week, the one before, and so on back to the fourth."""
    sums = [nw.col(f"events_{days}d") for days in (7, 14, 21, 28)]
    return sums[0], sums[1] - sums[0], sums[2] - sums[1], sums[3] - sums[2]


def _events_slope() -> nw.Expr:
    """Least-squares slope of log(1 + weekly events) over the last four weeks, per week; 0 where nothing changes.

    With x = -1.5, -.5, .5, 1.5 from the oldest week on, sum x y / sum x^2 = sum x y / 5.
    """
    last, second, third, fourth = ((1.0 + events).log() for events in _weekly_events())
    return (1.5 * last + 0.5 * second - 0.5 * third - 1.5 * fourth) / 5.0


def activity_features(landmarks: Frame, enrolments: Frame, enrolment_days: Frame) -> Frame:
    """Families activity, recency and trend as `features.activity`: one row per landmark, never-starters included.

    Counts and minutes: sums over `core.enrolment_day` known before D. active_days: distinct days, each counted as
    soon as one of its rows is known. distinct_activities_28d: sum over days of the activities opened that day.
    days_since_activity = D - 1 - last active day (0: active yesterday), without activity max(0, D - enrolment day).
    gap_to_own_mean_ratio = days_since_activity / ((last - first) / (active_days_to_date - 1)), null under two
    active days. events_last_week_ratio = (1 + last week) / (1 + mean of the three weeks before).
    """
    cells = weekly_cells(_days(enrolment_days), landmarks, sums=tuple(_WINDOWS))
    counts = ("active_days", "events")
    observed, first, last = nw.col("observed_epoch_day"), nw.col("first_epoch_day"), nw.col("last_epoch_day")
    active_days, days_since = nw.col("active_days_to_date"), nw.col("days_since_activity")
    last_week, *weeks_before = _weekly_events()
    known = (
        landmarks.select(*KEY)
        .join(enrolments.select("enrolment_id", "enrolled_epoch_day"), on="enrolment_id")
        .join(to_date(cells, landmarks, sums=counts), on=list(KEY))
        .join(trailing(cells, _WINDOWS), on=list(KEY), how="left")
        .with_columns(nw.col(*(f"{name}_{days}d" for name in _WINDOWS for days in _WINDOWS[name])).fill_null(0.0))
        .with_columns(
            has_never_started=last.is_null(),
            days_since_activity=nw.when(last.is_null())
            .then(nw.max_horizontal(observed - nw.col("enrolled_epoch_day"), nw.lit(0)))
            .otherwise(observed - 1 - last),
        )
    )
    features = known.with_columns(
        gap_to_own_mean_ratio=nw.when(active_days > 1).then(days_since * (active_days - 1.0) / (last - first)),
        events_slope_4w=_events_slope(),
        events_last_week_ratio=(1.0 + last_week) / (1.0 + (weeks_before[0] + weeks_before[1] + weeks_before[2]) / 3.0),
    )
    return conform(features, ACTIVITY.columns)


def context_features(landmarks: Frame, enrolments: Frame) -> Frame:
    """Family context: one row per landmark, with its key.

    course_week = floor((D - start) / 7). course_elapsed_share = whole days gone over the course's days, start and end
    included, within 0..1. enrolled_before_start_days = start - enrolment day.
    """
    start, end = nw.col("course_start_epoch_day"), nw.col("course_end_epoch_day")
    gone_days = nw.col("observed_epoch_day") - start
    context = (
        landmarks.select(*KEY)
        .join(enrolments, on="enrolment_id")
        .with_columns(
            course_week=whole_weeks(gone_days),
            course_elapsed_share=(gone_days.cast(nw.Float64()) / (end - start + 1).cast(nw.Float64())).clip(0.0, 1.0),
            enrolled_before_start_days=start - nw.col("enrolled_epoch_day"),
        )
    )
    return conform(context, columns(" ".join(KEY)) + feature_columns("context"))
