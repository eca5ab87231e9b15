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
    "events_to_date_percentile": "events_to_date",
    "active_days_to_date_percentile": "active_days_to_date",
    "distinct_activities_28d_percentile": "distinct_activities_28d",
    "days_since_activity_percentile": "days_since_activity",
    "submitted_due_percentile": "submitted_due_share",
    "overdue_percentile": "overdue_count",
    "days_early_percentile": "days_early_mean",
    "score_last_percentile": "score_last_share",
    "score_mean_percentile": "score_mean_share",
}


def cohort_features(features: Frame) -> Frame:
    """Add family cohort to landmarks with their features, strictly between 0 and 1.

    n counts the rows of the same course, observation day and purpose (training, scoring) that have the value; the
    percentile is null where the row has none, and without a course.

    The lowest value has rank 1; equal ones share the average of theirs.

    events_28d_percentile = (average rank of events_28d - .5) / n.
    active_days_28d_percentile = (average rank of active_days_28d - .5) / n.
    events_7d_percentile = (average rank of events_7d - .5) / n.
    events_to_date_percentile = (average rank of events_to_date - .5) / n.
    active_days_to_date_percentile = (average rank of active_days_to_date - .5) / n.
    distinct_activities_28d_percentile = (average rank of distinct_activities_28d - .5) / n.
    days_since_activity_percentile = (average rank of days_since_activity - .5) / n; high is a long silence.
    submitted_due_percentile = (average rank of submitted_due_share - .5) / n.
    overdue_percentile = (average rank of overdue_count - .5) / n; high is much overdue.
    days_early_percentile = (average rank of days_early_mean - .5) / n.
    score_last_percentile = (average rank of score_last_share - .5) / n, among those with a score.
    score_mean_percentile = (average rank of score_mean_share - .5) / n, among those with a score.
    """

    def percentile(name: str) -> nw.Expr:
        value = nw.col(name)
        standing = (value.rank("average").over(*_COHORT) - 0.5) / value.count().over(*_COHORT).cast(nw.Float64())
        return nw.when(~nw.col("course_id").is_null() & ~value.is_null()).then(rounded(standing))

    return features.with_columns(**{target: percentile(source) for target, source in _RANKED.items()})
