"""Group 3_features: what the model reads, before each landmark. Polars runs the functions of `features`."""

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
from pipelines.assets import table_asset
from pipelines.core.local_time import date_day
from pipelines.resources import Night
from pipelines.warehouse import current

GROUP = "3_features"
_LONGEST_COURSE_WEEKS = 160

Lazy = nw.LazyFrame[Any]


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


@table_asset(tables.LANDMARK, group=GROUP, key="feat_landmark", deps=("core_enrolment",), kinds=("polars", "duckdb"))
def feat_landmark(night: Night) -> int:
    """Day 0, 7, 14 ... of each course while the enrolment is active; tonight for those active now."""
    weeks = nw.from_native(pl.LazyFrame({"week_index": range(_LONGEST_COURSE_WEEKS)}))
    rows = landmarks(_enrolments(night), weeks, tonight_epoch_day=night.tonight_epoch_day)
    return night.warehouse.replace_with(tables.LANDMARK, _collected(rows))


@table_asset(
    tables.ACTIVITY,
    group=GROUP,
    key="feat_activity",
    deps=("feat_landmark", "core_enrolment_day"),
    kinds=("polars", "duckdb"),
)
def feat_activity(night: Night) -> int:
    """Counts and minutes in 7, 14 and 28 days, silence, and the slope of the last four weeks."""
    days = _lazy(night, f"FROM {ENROLMENT_DAY.qualified_name}")
    return night.warehouse.replace_with(
        tables.ACTIVITY, _collected(activity_features(_landmarks(night), _enrolments(night), days))
    )


@table_asset(
    tables.ASSESSMENT,
    group=GROUP,
    key="feat_assessment",
    deps=("feat_landmark", "core_submission"),
    kinds=("polars", "duckdb"),
)
def feat_assessment(night: Night) -> int:
    """Due work handed in, days early or late, scores known by then, what is due next."""
    submissions = _lazy(night, f"FROM {SUBMISSION.qualified_name}")
    return night.warehouse.replace_with(
        tables.ASSESSMENT, _collected(assessment_features(_landmarks(night), submissions))
    )


@table_asset(
    tables.MENTORING,
    group=GROUP,
    key="feat_mentoring",
    deps=("feat_landmark", "core_mentoring_event"),
    kinds=("polars", "duckdb"),
)
def feat_mentoring(night: Night) -> int:
    """Sessions held over agreed, silence, who misses and who writes; open support tickets."""
    before = night.observed_sql
    matches = _lazy(
        night,
        f"SELECT learner_id, programme_id, {date_day('matched_on')} AS matched_epoch_day, "
        f"{date_day('ended_on')} AS match_ended_epoch_day, agreed_sessions_per_week "
        f"FROM {current(RAW_INPUTS['mentoring_match'], before)}",
    )
    tickets = _lazy(
        night,
        f"SELECT learner_id, {date_day('CAST(opened_at AS DATE)')} AS opened_epoch_day, "
        f"{date_day('CAST(resolved_at AS DATE)')} AS resolved_epoch_day "
        f"FROM {current(RAW_INPUTS['support_ticket'], before)}",
    )
    events = _lazy(night, f"FROM {MENTORING_EVENT.qualified_name}")
    return night.warehouse.replace_with(
        tables.MENTORING, _collected(mentoring_features(_landmarks(night), matches, events, tickets))
    )


@table_asset(
    tables.ENROLMENT_WEEK,
    group=GROUP,
    key="feat_enrolment_week",
    deps=("feat_activity", "feat_assessment", "feat_mentoring"),
    kinds=("polars", "duckdb"),
)
def feat_enrolment_week(night: Night) -> int:
    """All families joined, with percentiles among those active in the same course at the same time."""
    rows = enrolment_week(
        _landmarks(night),
        _lazy(night, f"FROM {tables.ACTIVITY.qualified_name}"),
        context_features(_landmarks(night), _enrolments(night)),
        _lazy(night, f"FROM {tables.ASSESSMENT.qualified_name}"),
        _lazy(night, f"FROM {tables.MENTORING.qualified_name}"),
    )
    return night.warehouse.replace_with(tables.ENROLMENT_WEEK, _collected(rows))


@table_asset(tables.LABEL, group=GROUP, key="feat_label", deps=("feat_landmark",), kinds=("polars", "duckdb"))
def feat_label(night: Night) -> int:
    """Abandoned within 7 and 28 days and by the end; null where the window is not closed yet."""
    rows = labels(
        _landmarks(night),
        _enrolments(night),
        tonight_epoch_day=night.tonight_epoch_day,
        abandon_after_days=night.settings.abandon_after_days,
    )
    return night.warehouse.replace_with(tables.LABEL, _collected(rows))


ASSETS = [feat_landmark, feat_activity, feat_assessment, feat_mentoring, feat_enrolment_week, feat_label]
