"""Assessed work before each landmark: what was due, handed in, scored, and what comes next.

Belongs here: formulas of family assessment. Does not belong here: quiz events (`activity`), score percentiles
(`cohort`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.windows import KEY


def _is_handed_in() -> nw.Expr:
    """Whether the work was handed in, and that was known, before D."""
    observed = nw.col("observed_epoch_day")
    return ((nw.col("submitted_epoch_day") < observed) & (nw.col("known_epoch_day") < observed)).fill_null(value=False)


def _is_scored() -> nw.Expr:
    """Whether it was handed in and its score was known before D: marking may take weeks."""
    is_known = (nw.col("score_known_epoch_day") < nw.col("observed_epoch_day")).fill_null(value=False)
    return _is_handed_in() & is_known & ~nw.col("score_share").is_null()


def _works_so_far(landmarks: Frame, submissions: Frame) -> Frame:
    """Sum each landmark's works; the pairs stay few because a course has tens of works."""
    observed, due, submitted = (nw.col(f"{name}_epoch_day") for name in ("observed", "due", "submitted"))
    is_due, is_in, is_scored = nw.col("is_due"), nw.col("is_in"), nw.col("is_scored")
    return (
        landmarks.select(*KEY)
        .join(submissions, on="enrolment_id")
        .with_columns(is_due=(due < observed).fill_null(value=False), is_in=_is_handed_in(), is_scored=_is_scored())
        .select(
            *KEY,
            due_count=is_due.cast(nw.Int64()),
            overdue_count=(is_due & ~is_in).cast(nw.Int64()),
            days_early_mean=nw.when(is_in).then(due - submitted),
            score_mean_share=nw.when(is_scored).then(nw.col("score_share")),
            submitted_day=nw.when(is_in).then(submitted),
            scored_day=nw.when(is_scored).then(submitted),
            next_due_day=nw.when((due >= observed) & ~is_in).then(due),
        )
        .group_by(*KEY)
        .agg(
            nw.col("due_count", "overdue_count").sum(),
            nw.col("days_early_mean", "score_mean_share").mean(),
            nw.col("submitted_day", "scored_day").max(),
            nw.col("next_due_day").min(),
        )
    )


def assessment_features(landmarks: Frame, submissions: Frame) -> Frame:
    """Family assessment as `features.assessment`: one row per landmark, without work too.

    A work is due at D when `due_epoch_day < D`; handed in when it was submitted, and that was known, before D. The next
    work is the one not handed in whose due day is D or next after it.

    due_count = works due.
    overdue_count = works due and not handed in.
    submitted_due_share = (due - overdue) / due, null where nothing is due.
    days_early_mean = mean of due day less submission day, over works handed in.
    score_mean_share = mean over works handed in whose score was known before D.
    score_last_share = mean over those of them of the last such day of submission.
    days_since_submission = D - 1 - last submission day; null before the first.
    next_due_days = due day of the next work - D; null where nothing more is due.
    next_due_weight = the heaviest weight due that day.
    """
    observed, key = nw.col("observed_epoch_day"), list(KEY)
    works = _works_so_far(landmarks, submissions)
    last_scored = (
        works.select(*KEY, submitted_epoch_day=nw.col("scored_day"))
        .join(submissions, on=["enrolment_id", "submitted_epoch_day"])
        .filter(_is_scored())
        .group_by(*KEY)
        .agg(score_last_share=nw.col("score_share").mean())
    )
    next_due = (
        works.select(*KEY, due_epoch_day=nw.col("next_due_day"))
        .join(submissions, on=["enrolment_id", "due_epoch_day"])
        .filter(~_is_handed_in())
        .group_by(*KEY)
        .agg(next_due_weight=nw.col("weight").max())
    )
    due_count, overdue_count = (nw.col(name).cast(nw.Float64()) for name in ("due_count", "overdue_count"))
    features = (
        landmarks.select(*KEY)
        .join(works, on=key, how="left")
        .join(last_scored, on=key, how="left")
        .join(next_due, on=key, how="left")
        .with_columns(
            nw.col("due_count", "overdue_count").fill_null(0),
            submitted_due_share=nw.when(due_count > 0).then((due_count - overdue_count) / due_count),
            days_since_submission=observed - 1 - nw.col("submitted_day"),
            next_due_days=nw.col("next_due_day") - observed,
        )
    )
    return conform(features, FAMILY_TABLES["assessment"].columns)
