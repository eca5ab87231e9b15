"""Group 3_features: what the model reads, before each landmark."""

from __future__ import annotations

from data_contracts.tables import features as tables
from pipelines import feature_tables
from pipelines.assets import table_asset
from pipelines.resources import Night

GROUP = "3_features"
_KINDS = ("polars", "duckdb")


@table_asset(tables.LANDMARK, group=GROUP, key="feat_landmark", deps=("core_enrolment",), kinds=_KINDS)
def feat_landmark(night: Night) -> int:
    """Day 0, 7, 14 ... of each course while the enrolment is active; tonight for those active now."""
    return feature_tables.build_landmarks(night)


@table_asset(
    tables.ACTIVITY, group=GROUP, key="feat_activity", deps=("feat_landmark", "core_enrolment_day"), kinds=_KINDS
)
def feat_activity(night: Night) -> int:
    """Counts and minutes in 7, 14 and 28 days, silence, and the slope of the last four weeks."""
    return feature_tables.build_activity(night)


@table_asset(
    tables.ASSESSMENT, group=GROUP, key="feat_assessment", deps=("feat_landmark", "core_submission"), kinds=_KINDS
)
def feat_assessment(night: Night) -> int:
    """Due work handed in, days early or late, scores known by then, what is due next."""
    return feature_tables.build_assessment(night)


@table_asset(
    tables.MENTORING, group=GROUP, key="feat_mentoring", deps=("feat_landmark", "core_mentoring_event"), kinds=_KINDS
)
def feat_mentoring(night: Night) -> int:
    """Sessions held over agreed, silence, who misses and who writes; open support tickets."""
    return feature_tables.build_mentoring(night)


@table_asset(
    tables.ENROLMENT_WEEK,
    group=GROUP,
    key="feat_enrolment_week",
    deps=("feat_activity", "feat_assessment", "feat_mentoring"),
    kinds=_KINDS,
)
def feat_enrolment_week(night: Night) -> int:
    """All families joined, with percentiles among those active in the same course at the same time."""
    return feature_tables.build_enrolment_weeks(night)


@table_asset(tables.LABEL, group=GROUP, key="feat_label", deps=("feat_landmark",), kinds=_KINDS)
def feat_label(night: Night) -> int:
    """Abandoned within 7 and 28 days and by the end; null where the window is not closed yet."""
    return feature_tables.build_labels(night)


ASSETS = [feat_landmark, feat_activity, feat_assessment, feat_mentoring, feat_enrolment_week, feat_label]
