"""Where the course and the learner stand at each landmark."""

from __future__ import annotations

import polars as pl

from data_contracts.tables.features import FAMILY_TABLES
from features.context import context_features


def test_context_is_where_the_course_and_the_learner_stand(on_both, keeps_contract):
    enrolments = pl.DataFrame(
        {
            "enrolment_id": ["e"],
            "enrolled_epoch_day": [90],
            "course_start_epoch_day": [100],
            "course_end_epoch_day": [119],
            "studied_credits": [60.0],
            "previous_attempts_count": [None],
        },
        schema_overrides={"previous_attempts_count": pl.Int64},
    )
    observed = pl.DataFrame({"enrolment_id": ["e"] * 4, "observed_epoch_day": [95, 101, 110, 120]})
    found = on_both(context_features, observed, enrolments)
    keeps_contract(found, FAMILY_TABLES["context"])
    assert found["course_week"].to_list() == [-1.0, 0.0, 1.0, 2.0]
    assert found["course_elapsed_share"].to_list() == [0.0, 0.05, 0.5, 1.0]
    assert found["enrolled_before_start_days"].to_list() == [10.0] * 4
    assert found["weeks_since_enrolment"].to_list() == [0.0, 1.0, 2.0, 4.0]
    assert found["studied_credits"].to_list() == [60.0] * 4
    assert found["previous_attempts_count"].to_list() == [None] * 4
