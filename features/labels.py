"""What became of each landmark, as far as it is known tonight.

Belongs here: abandoned, competing, censored. Does not belong here: which rule decided an end (core), purging by
contact (`models`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import LABEL
from features.contract import Frame, conform
from features.windows import KEY, ends_as_known

_HORIZONS_DAYS = (7, 28)

BATCH_LEAST_ENDS = 10
BATCH_LEAST_TIMES = 8
_BATCH_USUAL_DAYS = 28
_BATCH_LEAST_DAYS = 7


def labels(landmarks: Frame, enrolments: Frame, *, tonight_epoch_day: int, abandon_after_days: int = 28) -> Frame:
    """Labels as `features.label`: 1 abandons, 0 does not, null not yet known.

    abandons_Hd is 1 when the enrolment is known to be abandoned on a day of [D, D + H - 1]; else 0 when its end is
    known (a competing end, or one after the window), the window has closed (D + H <= tonight) or the course is over
    (last day < tonight). abandons_end and fails_or_abandons_end ask how the enrolment ended, whenever that was, and are
    known once it has or the course is over. Where ends are inferred from silence, an abandonment shows
    `abandon_after_days` late, so there windows and courses close that many days later.

    is_batch_end: the enrolment was abandoned on a day on which its course lost at least `BATCH_LEAST_ENDS`, and at least
    `BATCH_LEAST_TIMES` the mean of the 28 days before, or of as many as the course has run, at least 7: in a first week
    nothing is usual yet. Offices tidy lists on such days; nothing a learner did foretells them. Our own rule, by the past
    alone, so that what was a batch once stays one.
    """
    observed, ended = nw.col("observed_epoch_day"), nw.col("ended_epoch_day")
    is_abandoned = nw.col("ended_kind") == "abandoned"
    settled_until = nw.col("settled_until_epoch_day")
    ends = ends_as_known(enrolments, tonight_epoch_day=tonight_epoch_day)
    known = (
        landmarks.select(*KEY)
        .join(ends, on="enrolment_id")
        .join(_batches(ends), on=["course_id", "ended_epoch_day"], how="left")
        .with_columns(
            settled_until_epoch_day=nw.when(nw.col("has_recorded_outcome"))
            .then(nw.lit(tonight_epoch_day))
            .otherwise(nw.lit(tonight_epoch_day - abandon_after_days))
        )
    )
    is_settled = ~ended.is_null() | (nw.col("course_end_epoch_day") < settled_until)

    def label(event: nw.Expr, settled: nw.Expr) -> nw.Expr:
        return nw.when(event).then(nw.lit(1)).when(settled).then(nw.lit(0))

    return conform(
        known.with_columns(
            **{
                f"abandons_{days}d": label(
                    is_abandoned & (ended >= observed) & (ended < observed + days),
                    is_settled | (observed + days <= settled_until),
                )
                for days in _HORIZONS_DAYS
            },
            abandons_end=label(is_abandoned, is_settled),
            fails_or_abandons_end=label(nw.col("ended_kind").is_in(("abandoned", "failed")), is_settled),
            is_batch_end=is_abandoned.fill_null(value=False) & nw.col("is_batch").fill_null(value=False),
        ),
        LABEL.columns,
    )


def _batches(ends: Frame) -> Frame:
    """Days on which a course lost a batch: course_id, ended_epoch_day, is_batch (true)."""
    course, day = "course_id", "ended_epoch_day"
    lost = (
        ends.filter(nw.col("ended_kind") == "abandoned", ~nw.col(course).is_null(), ~nw.col(day).is_null())
        .group_by(course, day)
        .agg(lost_count=nw.len(), start=nw.col("course_start_epoch_day").min())
    )
    earlier = lost.select(course, earlier_day=nw.col(day), earlier_count=nw.col("lost_count"))
    usual = (
        lost.join(earlier, on=course)
        .filter(
            nw.col("earlier_day") < nw.col(day),
            nw.col("earlier_day") >= nw.col(day) - nw.lit(_BATCH_USUAL_DAYS),
        )
        .group_by(course, day)
        .agg(usual_sum=nw.col("earlier_count").sum())
    )
    has_run = nw.col(day) - nw.col("start")
    usual_days = nw.when(has_run < nw.lit(_BATCH_USUAL_DAYS)).then(has_run).otherwise(nw.lit(_BATCH_USUAL_DAYS))
    is_unusual = nw.col("lost_count") * usual_days >= nw.lit(BATCH_LEAST_TIMES) * nw.col("usual_sum").fill_null(0)
    return (
        lost.join(usual, on=[course, day], how="left")
        .filter(nw.col("lost_count") >= nw.lit(BATCH_LEAST_ENDS), usual_days >= nw.lit(_BATCH_LEAST_DAYS), is_unusual)
        .select(course, day, is_batch=nw.lit(value=True))
    )
