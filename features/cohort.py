"""How a learner stands among the active of the same course on the same day.

Belongs here: percentiles within course and observation day. Does not belong here: anything fitted over time.
"""

from __future__ import annotations

import narwhals as nw

from features.contract import Frame, rounded

_COHORT = ("course_id", "observed_epoch_day", "is_scoring")
_RANKED = {
    "events_28d_percentile": "events_28d",
    "active_days_28d_percentile": "active_days_28d",
    "events_7d_percentile": "events_7d",
    "score_mean_percentile": "score_mean_share",
}


def cohort_features(features: Frame) -> Frame:
    """Add family cohort to landmarks with their features, strictly between 0 and 1.

    n counts the rows of the same course, observation day and purpose (training, scoring) that have the value; the
    percentile is null where the row has none, and without a course.

    events_28d_percentile, active_days_28d_percentile, events_7d_percentile = (average rank - .5) / n.
    score_mean_percentile = (average rank of score_mean_share - .5) / n.
    """

    def percentile(name: str) -> nw.Expr:
        value = nw.col(name)
        standing = (value.rank("average").over(*_COHORT) - 0.5) / value.count().over(*_COHORT).cast(nw.Float64())
        return nw.when(~nw.col("course_id").is_null() & ~value.is_null()).then(rounded(standing))

    return features.with_columns(**{target: percentile(source) for target, source in _RANKED.items()})
