"""From core to features: landmarks, feature families, labels. Polars runs the functions of `features`.

Belongs here: which rows of core each feature function is fed with, and where its rows go. Does not belong here:
formulas (`features`), wiring (`pipelines.assets`).
Every function takes the open night, fills its table anew, is as of the night's observed_at and returns its rows.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl

from data_contracts.tables import features as tables
from data_contracts.tables.core import ENROLMENT, ENROLMENT_DAY, MENTORING_EVENT, SUBMISSION
from data_contracts.tables.inputs import RAW_INPUTS
from features.activity import activity_features, context_features
from features.assessment import assessment_features
from features.labels import labels
from features.mentoring import mentoring_features
from features.table import enrolment_week
from features.windows import landmarks
from pipelines.core.local_time import date_day, epoch_day
from pipelines.resources import Night
from pipelines.warehouse import current

_LONGEST_COURSE_WEEKS = 160

Lazy = nw.LazyFrame[Any]


def build_landmarks(night: Night) -> int:
    """Fill features.landmark: course weeks of the past, tonight for those active now."""
    weeks = nw.from_native(pl.LazyFrame({"week_index": range(_LONGEST_COURSE_WEEKS)}))
    rows = landmarks(_enrolments(night), weeks, tonight_epoch_day=night.tonight_epoch_day)
    return night.warehouse.replace_with(tables.LANDMARK, _collected(rows))


def build_activity(night: Night) -> int:
    """Fill features.activity."""
    # In one order, however the days came to stand: sums of floats would differ in their last digit.
    days = _lazy(night, f"FROM {ENROLMENT_DAY.qualified_name} ORDER BY ALL")
    return night.warehouse.replace_with(
        tables.ACTIVITY, _collected(activity_features(_landmarks(night), _enrolments(night), days))
    )


def build_assessment(night: Night) -> int:
    """Fill features.assessment."""
    submissions = _lazy(night, f"FROM {SUBMISSION.qualified_name}")
    return night.warehouse.replace_with(
        tables.ASSESSMENT, _collected(assessment_features(_landmarks(night), submissions))
    )


def build_mentoring(night: Night) -> int:
    """Fill features.mentoring."""
    before = night.observed_sql
    matches = _lazy(
        night,
        f"SELECT learner_id, programme_id, {date_day('matched_on')} AS matched_epoch_day, "
        f"{date_day('ended_on')} AS match_ended_epoch_day, agreed_sessions_per_week "
        f"FROM {current(RAW_INPUTS['mentoring_match'], before)}",
    )
    tickets = _lazy(
        night,
        f"SELECT learner_id, {epoch_day('opened_at', 'zone')} AS opened_epoch_day, "
        f"{epoch_day('resolved_at', 'zone')} AS resolved_epoch_day FROM {current(RAW_INPUTS['support_ticket'], before)} "
        f"LEFT JOIN (SELECT learner_id, any_value(timezone) AS zone FROM {ENROLMENT.qualified_name} GROUP BY learner_id) "
        "USING (learner_id)",
    )
    events = _lazy(night, f"FROM {MENTORING_EVENT.qualified_name}")
    return night.warehouse.replace_with(
        tables.MENTORING, _collected(mentoring_features(_landmarks(night), matches, events, tickets))
    )


def build_enrolment_weeks(night: Night) -> int:
    """Fill features.enrolment_week: all families joined, with the cohort's percentiles."""
    rows = enrolment_week(
        _landmarks(night),
        _lazy(night, f"FROM {tables.ACTIVITY.qualified_name}"),
        context_features(_landmarks(night), _enrolments(night)),
        _lazy(night, f"FROM {tables.ASSESSMENT.qualified_name}"),
        _lazy(night, f"FROM {tables.MENTORING.qualified_name}"),
    )
    return night.warehouse.replace_with(tables.ENROLMENT_WEEK, _collected(rows))


def build_labels(night: Night) -> int:
    """Fill features.label."""
    rows = labels(
        _landmarks(night),
        _enrolments(night),
        tonight_epoch_day=night.tonight_epoch_day,
        abandon_after_days=night.settings.abandon_after_days,
    )
    return night.warehouse.replace_with(tables.LABEL, _collected(rows))


def _lazy(night: Night, sql: str) -> Lazy:
    return nw.from_native(night.warehouse.frame(sql).lazy())


def _enrolments(night: Night) -> Lazy:
    """Enrolments of all who did not opt out: who did is neither scored nor learned from."""
    return _lazy(
        night,
        f"FROM {ENROLMENT.qualified_name} WHERE opted_out_at IS NULL OR opted_out_at >= {night.observed_sql}",
    )


def _landmarks(night: Night) -> Lazy:
    return _lazy(night, f"FROM {tables.LANDMARK.qualified_name}")


def _collected(frame: Lazy) -> pl.DataFrame:
    native = frame.to_native()
    collected = native.collect(engine="streaming")
    assert isinstance(collected, pl.DataFrame)  # noqa: S101 - tells the type checker what Polars returns
    return collected
