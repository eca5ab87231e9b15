"""The compact state: what an enrolment did on a local day.

Belongs here: the sums that make `core.enrolment_day` of statements. Does not belong here: windows and features.
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.core import ENROLMENT_DAY
from features.contract import Frame, conform


def enrolment_days(statements: Frame) -> Frame:
    """Sum statements into `core.enrolment_day`; statements of no enrolment are left out.

    Needs the columns of `core.statement` named below, `minutes` (see `sessions.with_minutes`) and `first_second`,
    the second of the local day. Objects that are no activity do not count as activities.
    """
    objects = nw.col("object_iri")
    days = (
        statements.filter(~nw.col("enrolment_id").is_null())
        .group_by("enrolment_id", "epoch_day", "known_epoch_day", "strand", "activity_kind")
        .agg(
            events_count=nw.col("event_count").sum(),
            minutes=nw.col("minutes").sum(),
            # n_unique counts null as one more value; dropping nulls inside an aggregation is not portable.
            distinct_activities_count=objects.n_unique() - objects.is_null().any().cast(nw.Int64()),
            scored_count=nw.col("scaled_score").count(),
            last_second=nw.col("first_second").max(),
            first_second=nw.col("first_second").min(),
        )
    )
    return conform(days, ENROLMENT_DAY.columns)
