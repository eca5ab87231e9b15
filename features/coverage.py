"""How much of what the course offers the learner has opened.

Belongs here: formulas of family coverage. Does not belong here: how often things are opened (`activity`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, to_date, trailing, weekly_cells

_WINDOW_DAYS = 28


def _released(landmarks: Frame, activities: Frame) -> Frame:
    """How many activities each course had released before each day on which it is observed."""
    day = ("course_id", "observed_epoch_day")
    return (
        landmarks.select(*day)
        .unique()
        .join(activities, on="course_id")
        .filter(nw.col("available_epoch_day") < nw.col("observed_epoch_day"))
        .group_by(*day)
        .agg(released=nw.col("activities_count").sum().cast(nw.Float64()))
    )


def coverage_features(landmarks: Frame, openings: Frame, activities: Frame) -> Frame:
    """Family coverage as `features.coverage`: one row per landmark.

    `openings`: enrolment_id, known_epoch_day (first known to be opened), available_epoch_day, opened_count, of the
    course's own activities. `activities`: course_id, available_epoch_day, activities_count. Activities count from the
    day after their release on: available_epoch_day < D.

    opened_activities_to_date = released activities known before D to have been opened; 0 or more.
    newly_opened_activities_Nd = those of them that were first both released and known to be opened on D-N to D-1.
    opened_released_share = opened_activities_to_date / activities released; 0 to 1, null where none is.
    """
    opened = openings.select(
        "enrolment_id",
        "opened_count",
        epoch_day=nw.max_horizontal("known_epoch_day", "available_epoch_day"),
        known_epoch_day=nw.max_horizontal("known_epoch_day", "available_epoch_day"),
    )
    cells = weekly_cells(opened, landmarks, sums=("opened_count",))
    key, so_far, released = list(KEY), nw.col("opened_count_to_date"), nw.col("released")
    features = (
        landmarks.select(*KEY, "course_id")
        .join(to_date(cells, landmarks, sums=("opened_count",)), on=key)
        .join(trailing(cells, {"opened_count": (_WINDOW_DAYS,)}), on=key, how="left")
        .join(_released(landmarks, activities), on=["course_id", "observed_epoch_day"], how="left")
        .with_columns(
            opened_activities_to_date=so_far,
            newly_opened_activities_28d=nw.col("opened_count_28d").fill_null(0.0),
            opened_released_share=nw.when(released > 0).then(so_far / released),
        )
    )
    return conform(features, FAMILY_TABLES["coverage"].columns)
