"""Exchange with others before each landmark: the learner's own, and that of the others in the course.

Belongs here: formulas of family peers. Does not belong here: exchange with the mentor (`mentoring`), percentiles
(`cohort`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, trailing, weekly_cells

_COHORT = ("course_id", "observed_epoch_day", "is_scoring")
_SUMS = ("active_days", "social_active_days", "social_events")
_MONTH = (28,)


def _days(enrolment_days: Frame) -> Frame:
    """Sum one row per enrolment, day and day known; a day counts on its first-known row, a social one likewise."""
    known, social = nw.col("known_epoch_day"), nw.col("social_events")
    own_day = ("enrolment_id", "epoch_day")
    return (
        enrolment_days.with_columns(
            social_events=nw.when(nw.col("strand") == "social").then(nw.col("events_count")).otherwise(nw.lit(0))
        )
        .group_by(*own_day, "known_epoch_day")
        .agg(social.sum())
        .with_columns(social_known=nw.when(social > 0).then(known))
        .with_columns(
            active_days=(known == known.min().over(*own_day)).cast(nw.Int64()),
            social_active_days=(known == nw.col("social_known").min().over(*own_day))
            .fill_null(value=False)
            .cast(nw.Int64()),
        )
    )


def peers_features(landmarks: Frame, enrolment_days: Frame) -> Frame:
    """Family peers as `features.peers`: one row per landmark, the silent included.

    `enrolment_days`: `core.enrolment_day`; days D-28 to D-1, known before D. A day or an event
    is social by its strand.

    social_days_28d_share = days with a social event / days with any; null without activity.
    peers_social_events_28d_mean = (the course's social events - one's own) / (n - 1), over the n enrolments active in
    the course at the same D; null without a course and for the only one.
    """
    counts = trailing(weekly_cells(_days(enrolment_days), landmarks, sums=_SUMS), dict.fromkeys(_SUMS, _MONTH))
    active, social = nw.col("active_days_28d"), nw.col("social_active_days_28d")
    own, others = nw.col("social_events_28d"), nw.col("others")
    features = (
        landmarks.select(*KEY, "course_id", "is_scoring")
        .join(counts, on=list(KEY), how="left")
        .with_columns(nw.col(*(f"{name}_28d" for name in _SUMS)).fill_null(0.0))
        .with_columns(others=own.count().over(*_COHORT).cast(nw.Float64()) - 1.0, course_sum=own.sum().over(*_COHORT))
        .with_columns(
            social_days_28d_share=nw.when(active > 0).then(social / active),
            peers_social_events_28d_mean=nw.when(~nw.col("course_id").is_null() & (others > 0)).then(
                (nw.col("course_sum") - own) / others
            ),
        )
    )
    return conform(features, FAMILY_TABLES["peers"].columns)
