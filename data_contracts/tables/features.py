"""Tables of schema `features`: landmarks, feature families, the joined feature table, labels.

Belongs here: the tables a model reads. Does not belong here: each feature's meaning (`data_contracts.features`).
"""

from __future__ import annotations

from data_contracts.features import feature_columns
from data_contracts.schema import Table
from data_contracts.tables import table

_KEY = "enrolment_id observed_epoch_day"

LANDMARK = table(
    "features.landmark",
    "Observation times: course weeks of the past to train, tonight to score; active enrolments only",
    grain="one row per enrolment and observation day",
    key=_KEY,
    level="learner",
    spec="enrolment_id course_id* learner_id programme_id observed_epoch_day week_index is_scoring",
)
ACTIVITY = table(
    "features.activity",
    "Activity, recency and trend before each landmark",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec=_KEY,
    extra=feature_columns("activity", "recency", "trend"),
)
ASSESSMENT = table(
    "features.assessment",
    "Assessed work before each landmark",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec=_KEY,
    extra=feature_columns("assessment"),
)
MENTORING = table(
    "features.mentoring",
    "Mentoring and support before each landmark",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec=_KEY,
    extra=feature_columns("mentoring", "support"),
)
ENROLMENT_WEEK = table(
    "features.enrolment_week",
    "All features of each landmark",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec="enrolment_id course_id* observed_epoch_day week_index is_scoring",
    extra=feature_columns(),
)
LABEL = table(
    "features.label",
    "What became of each landmark, as far as it is known at observed_at",
    grain="one row per landmark",
    key=_KEY,
    level="learner",
    spec=f"{_KEY} abandons_7d* abandons_28d* abandons_end* fails_or_abandons_end*",
)

FEATURE_TABLES: tuple[Table, ...] = (LANDMARK, ACTIVITY, ASSESSMENT, MENTORING, ENROLMENT_WEEK, LABEL)
