"""Minutes on task of statements.

Belongs here: the one rule that turns times of statements into minutes. Does not belong here: sums by day
(`enrolment_day`), mentoring sessions.
"""

from __future__ import annotations

import narwhals as nw

from features.contract import Frame, rounded


def with_minutes(statements: Frame, *, gap_seconds: int, partition: str = "learner_id") -> Frame:
    """Add `minutes` (Float64, >= 0) to statements.

    The result's own duration where it gives one; else the gap to the next statement of the same `partition` when it
    is no longer than `gap_seconds`; else 0, as for the last statement of a session (Kovanovic et al. 2015,
    "Penetrating the black box of time-on-task estimation", LAK). Needs statement_id, `partition`, happened_second
    (epoch seconds) and duration_seconds (may be null).
    """
    second = nw.col("happened_second")
    gap = second.shift(-1).over(partition, order_by=["happened_second", "statement_id"]) - second
    seconds = (
        nw.when(~nw.col("duration_seconds").is_null())
        .then(nw.col("duration_seconds").cast(nw.Float64()))
        .when(gap <= gap_seconds)
        .then(gap.cast(nw.Float64()))
        .otherwise(nw.lit(0.0))
    )
    return statements.with_columns(minutes=rounded(seconds / 60.0))
