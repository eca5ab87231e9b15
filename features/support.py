"""Support before each landmark: technical and access problems that wait.

Belongs here: formulas of family support. Does not belong here: course issues, mentoring.
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY, is_past


def support_features(landmarks: Frame, tickets: Frame) -> Frame:
    """Family support as `features.support`: one row per landmark.

    `tickets`: learner_id, opened_epoch_day, opened_known_epoch_day, resolved_known_epoch_day (null while open). A
    ticket is open at D when it was known before D and its resolution was not.

    open_tickets_count: the learner's open tickets.
    days_since_ticket = D - 1 - day on which the oldest open ticket was opened; null without an open one.
    """
    opened = (
        landmarks.select(*KEY, "learner_id")
        .join(tickets, on="learner_id")
        .filter(is_past("opened_known_epoch_day") & ~is_past("resolved_known_epoch_day"))
        .group_by(*KEY)
        .agg(nw.col("opened_epoch_day").min(), open_tickets_count=nw.len())
    )
    features = (
        landmarks.select(*KEY)
        .join(opened, on=list(KEY), how="left")
        .with_columns(
            nw.col("open_tickets_count").fill_null(0),
            days_since_ticket=nw.col("observed_epoch_day") - 1 - nw.col("opened_epoch_day"),
        )
    )
    return conform(features, FAMILY_TABLES["support"].columns)
