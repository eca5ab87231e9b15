"""Where the course and the learner in it stand at each landmark.

Belongs here: formulas of family context. Does not belong here: what the learner did (`activity`) and handed in
(`assessment`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, whole_weeks


def context_features(landmarks: Frame, enrolments: Frame) -> Frame:
    """Family context as `features.context`: one row per landmark.

    course_week = floor((D - start) / 7).
    course_elapsed_share = whole days gone over the course's days, start and end included, within 0..1.
    enrolled_before_start_days = start - enrolment day.
    weeks_since_enrolment = floor((D - enrolment day) / 7).
    studied_credits, previous_attempts_count = as the enrolment gives them; null where it does not.
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
            weeks_since_enrolment=whole_weeks(nw.col("observed_epoch_day") - nw.col("enrolled_epoch_day")),
        )
    )
    return conform(context, FAMILY_TABLES["context"].columns)
