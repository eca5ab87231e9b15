"""What a learner did in the course before each landmark: activity, recency, trend.

Belongs here: formulas of those three families. Does not belong here: windows (`windows`), assessed work
(`assessment`), comparison with others (`cohort`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.features.entry import WINDOWS_DAYS
from data_contracts.fields.learning import STRANDS
from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, to_date, trailing, weekly_cells

_FORUM_KINDS = ("forum", "collaboration")
_QUIZ_KINDS = ("quiz", "assessment")
_STRAND_SUMS = tuple(f"{strand}_{of}" for strand in STRANDS for of in ("events", "minutes"))
_STRAND_DAYS = tuple(f"{strand}_active_days" for strand in STRANDS)
_MONTH = (28,)
_WINDOWS = {
    "active_days": WINDOWS_DAYS,
    "events": (*WINDOWS_DAYS, 21),
    "minutes": WINDOWS_DAYS,
    **dict.fromkeys(("distinct_activities", "forum_events", "quiz_events", *_STRAND_SUMS, *_STRAND_DAYS), _MONTH),
}


def _days(enrolment_days: Frame) -> Frame:
    """Sum one row per enrolment, day and day known; an active day is 1 on the first-known row of each day."""
    events, minutes, known = nw.col("events_count"), nw.col("minutes"), nw.col("known_epoch_day")
    kind, strand = nw.col("activity_kind"), nw.col("strand")

    def of(condition: nw.Expr, value: nw.Expr) -> nw.Expr:
        return nw.when(condition).then(value).otherwise(nw.lit(0))

    def first_known(day: nw.Expr) -> nw.Expr:
        return (known == day.min().over("enrolment_id", "epoch_day")).fill_null(value=False).cast(nw.Int64())

    return (
        enrolment_days.with_columns(
            forum_events=of(kind.is_in(_FORUM_KINDS), events),
            quiz_events=of(kind.is_in(_QUIZ_KINDS), events),
            **{f"{name}_events": of(strand == name, events) for name in STRANDS},
            **{f"{name}_minutes": of(strand == name, minutes) for name in STRANDS},
            **{f"{name}_known": nw.when(strand == name).then(known) for name in STRANDS},
        )
        .group_by("enrolment_id", "epoch_day", "known_epoch_day")
        .agg(
            *(nw.col(name).sum() for name in ("minutes", "forum_events", "quiz_events", *_STRAND_SUMS)),
            *(nw.col(f"{name}_known").min() for name in STRANDS),
            events=events.sum(),
            distinct_activities=nw.col("distinct_activities_count").sum(),
        )
        .with_columns(
            active_days=first_known(known),
            **{f"{name}_active_days": first_known(nw.col(f"{name}_known")) for name in STRANDS},
        )
    )


def _away(silent: Frame, away_days: Frame) -> Frame:
    """How many days of each silence the learner was on leave or the organisation closed, as known before D."""
    away = away_days.select("learner_id", away_day="epoch_day", away_known_day="known_epoch_day")
    observed = nw.col("observed_epoch_day")
    return (
        silent.filter(nw.col("days_since_activity") > 0)
        .select(*KEY, "learner_id", silent_from_day=observed - nw.col("days_since_activity"))
        .join(away, on="learner_id")
        .filter((nw.col("away_day") >= nw.col("silent_from_day")) & (nw.col("away_day") < observed))
        .filter(nw.col("away_known_day") < observed)
        .group_by(*KEY)
        .agg(away_days=nw.len())
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


def activity_features(landmarks: Frame, enrolments: Frame, enrolment_days: Frame, away_days: Frame) -> Frame:
    """Families activity, recency and trend as `features.activity`: one row per landmark, never-starters included.

    Sums are over `core.enrolment_day` known before D, on days D-N to D-1 where the name ends in _Nd; 0 or more.

    active_days_Nd, active_days_to_date = distinct days, each counted as soon as one of its rows is known.
    events_Nd, events_to_date = sum of events.
    minutes_Nd, minutes_to_date = sum of minutes on task.
    distinct_activities_Nd = sum over days of the activities opened that day.
    forum_events_Nd = events of kinds forum and collaboration.
    quiz_events_Nd = events of kinds quiz and assessment.
    formal_events_Nd, social_events_Nd, experiential_events_Nd = events of the strand.
    formal_active_days_Nd, social_active_days_Nd, experiential_active_days_Nd = days with events of the strand.
    formal_minutes_Nd, social_minutes_Nd, experiential_minutes_Nd = minutes on task of the strand.
    days_since_activity = D - 1 - last active day (0: active yesterday); max(0, D - enrolment day) without activity.
    available_days_since_activity = days_since_activity - days of `away_days` among them that were known before D.
    has_never_started = 1 where no activity is known before D, else 0.
    gap_to_own_mean_ratio = days_since_activity / ((last - first) / (active_days_to_date - 1)), null under two active
        days.
    events_slope_4w = least-squares slope of log(1 + events of the week) over the four weeks before D; 0 where flat.
    events_last_week_ratio = (1 + last week's events) / (1 + mean of the three weeks before).
    """
    cells = weekly_cells(_days(enrolment_days), landmarks, sums=tuple(_WINDOWS))
    counts = ("active_days", "events", "minutes")
    observed, first, last = nw.col("observed_epoch_day"), nw.col("first_epoch_day"), nw.col("last_epoch_day")
    active_days, days_since = nw.col("active_days_to_date"), nw.col("days_since_activity")
    last_week, *weeks_before = _weekly_events()
    known = (
        landmarks.select(*KEY, "learner_id")
        .join(enrolments.select("enrolment_id", "enrolled_epoch_day"), on="enrolment_id")
        .join(to_date(cells, landmarks, sums=counts), on=list(KEY))
        .with_columns(
            has_never_started=last.is_null(),
            days_since_activity=nw.when(last.is_null())
            .then(nw.max_horizontal(observed - nw.col("enrolled_epoch_day"), nw.lit(0)))
            .otherwise(observed - 1 - last),
        )
    )
    features = (
        known.join(trailing(cells, _WINDOWS), on=list(KEY), how="left")
        .join(_away(known, away_days), on=list(KEY), how="left")
        .with_columns(nw.col(*(f"{name}_{days}d" for name in _WINDOWS for days in _WINDOWS[name])).fill_null(0.0))
        .with_columns(
            available_days_since_activity=days_since - nw.col("away_days").fill_null(0),
            gap_to_own_mean_ratio=nw.when(active_days > 1).then(days_since * (active_days - 1.0) / (last - first)),
            events_slope_4w=_events_slope(),
            events_last_week_ratio=(1.0 + last_week)
            / (1.0 + (weeks_before[0] + weeks_before[1] + weeks_before[2]) / 3.0),
        )
    )
    return conform(features, FAMILY_TABLES["activity"].columns)
