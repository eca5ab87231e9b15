"""The joined feature table.

Belongs here: how the families come together. Does not belong here: any family's formulas.
"""

from __future__ import annotations

from data_contracts.tables.features import ENROLMENT_WEEK
from features.cohort import cohort_features
from features.contract import Frame, conform
from features.windows import KEY


def enrolment_week(landmarks: Frame, *families: Frame) -> Frame:
    """Join tables of families to their landmarks and add the cohort's percentiles, as `features.enrolment_week`."""
    features = landmarks
    for family in families:
        features = features.join(family, on=list(KEY), how="left")
    return conform(cohort_features(features), ENROLMENT_WEEK.columns)
