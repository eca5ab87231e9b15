"""Commitments before each landmark: what was promised, kept, and looked at again.

Belongs here: formulas of family commitments. Does not belong here: goals (`goals`), work due in the course
(`assessment`).
"""

from __future__ import annotations

import narwhals as nw

from data_contracts.tables.features import FAMILY_TABLES
from features.contract import Frame, conform
from features.mentoring import of_programme
from features.windows import KEY, is_past


def _met_again(commitments: Frame, events: Frame) -> Frame:
    """When it was first known that the match met again after the day of the commitment."""
    return (
        commitments.select("commitment_id", "match_id", "made_epoch_day")
        .join(
            events.filter(nw.col("event_kind") == "held").select(
                "match_id", held_epoch_day="epoch_day", met_known_epoch_day="known_epoch_day"
            ),
            on="match_id",
        )
        .filter(nw.col("held_epoch_day") > nw.col("made_epoch_day"))
        .group_by("commitment_id")
        .agg(nw.col("met_known_epoch_day").min())
    )


def commitments_features(landmarks: Frame, commitments: Frame, events: Frame, matches: Frame) -> Frame:
    """Family commitments as `features.commitments`: one row per landmark, learners without commitments included.

    `commitments`, `events`, `matches`: `core.commitment`, `core.mentoring_event`, `core.mentoring_match`. Commitments
    of the learner in the programme made, and known, before D; reviewed at D when the review was known before D.

    commitments_made_to_date: commitments made.
    commitments_kept_share = kept / reviewed; kept in part is not kept; null before the first review.
    commitments_reviewed_share = reviewed / made, of those due before D or whose match is known to have held a session
    after the day they were made; null where there are none.
    overdue_commitments_count: due before D and not reviewed, in matches not known to have ended.
    """
    observed = nw.col("observed_epoch_day")
    is_due, is_reviewed = is_past("due_epoch_day"), is_past("reviewed_known_epoch_day")
    is_asked = is_due | is_past("met_known_epoch_day")
    counted = {
        "made": nw.lit(value=True),
        "reviewed": is_reviewed,
        "kept": is_reviewed & (nw.col("status") == "kept"),
        "asked": is_asked,
        "answered": is_asked & is_reviewed,
        "overdue": is_due & ~is_reviewed & ~is_past("match_ended_known_epoch_day"),
    }
    reviewed, kept, asked, answered = (
        nw.col(name).cast(nw.Float64()) for name in ("reviewed", "kept", "asked", "answered")
    )
    told = commitments.join(_met_again(commitments, events), on="commitment_id", how="left").join(
        matches.select("match_id", "match_ended_known_epoch_day"), on="match_id", how="left"
    )
    summed = (
        landmarks.select(*KEY)
        .join(of_programme(landmarks, told), on="enrolment_id")
        .filter((nw.col("made_epoch_day") < observed) & (nw.col("made_known_epoch_day") < observed))
        .with_columns(condition.cast(nw.Int64()).alias(name) for name, condition in counted.items())
        .group_by(*KEY)
        .agg(nw.col(name).sum() for name in counted)
    )
    features = (
        landmarks.select(*KEY)
        .join(summed, on=list(KEY), how="left")
        .with_columns(
            commitments_made_to_date=nw.col("made").fill_null(0),
            commitments_kept_share=nw.when(reviewed > 0).then(kept / reviewed),
            commitments_reviewed_share=nw.when(asked > 0).then(answered / asked),
            overdue_commitments_count=nw.col("overdue").fill_null(0),
        )
    )
    return conform(features, FAMILY_TABLES["commitments"].columns)
