"""Percentiles within course and day."""

from __future__ import annotations

import polars as pl
import pytest

from features.cohort import cohort_features


def percentiles(on_both, name, values, courses=None, days=None, scoring=None):
    source = {"events_28d_percentile": "events_28d", "score_mean_percentile": "score_mean_share"}[name]
    count = len(values)
    frame = pl.DataFrame(
        {
            "row": range(count),
            "course_id": courses or ["c"] * count,
            "observed_epoch_day": days or [1] * count,
            "is_scoring": scoring or [False] * count,
            "events_28d": [0] * count,
            "active_days_28d": [0] * count,
            "events_7d": [0] * count,
            "score_mean_share": [0.5] * count,
        },
        schema_overrides={"course_id": pl.String},
    ).with_columns(pl.Series(source, values))
    return on_both(cohort_features, frame).sort("row")[name].to_list()


def test_percentiles_are_average_ranks_less_a_half(on_both):
    assert percentiles(on_both, "events_28d_percentile", [5, 0, 9, 5]) == [0.5, 0.125, 0.875, 0.5]


def test_one_learner_alone_stands_in_the_middle(on_both):
    assert percentiles(on_both, "events_28d_percentile", [3]) == [0.5]


def test_a_missing_value_has_no_rank_and_takes_none(on_both):
    assert percentiles(on_both, "score_mean_percentile", [0.9, None, 0.1]) == [0.75, None, 0.25]


def test_courses_days_and_tonight_are_cohorts_of_their_own(on_both):
    found = percentiles(
        on_both,
        "events_28d_percentile",
        [1, 2, 3, 4, 5],
        ["c", "d", "c", "c", "c"],
        [1, 1, 2, 1, 1],
        [False, False, False, True, False],
    )
    assert found == [0.25, 0.5, 0.5, 0.5, 0.75]


def test_without_a_course_there_is_no_cohort(on_both):
    assert percentiles(on_both, "events_28d_percentile", [1, 2, 3], [None, None, "c"]) == [None, None, 0.5]


def test_every_percentile_ranks_its_own_feature(on_both):
    frame = pl.DataFrame(
        {
            "course_id": ["c"] * 4,
            "observed_epoch_day": [1] * 4,
            "is_scoring": [False] * 4,
            "events_28d": [1, 2, 3, 4],
            "active_days_28d": [2, 1, 3, 4],
            "events_7d": [4, 3, 2, 1],
            "score_mean_share": [0.1, 0.1, 0.1, 0.9],
        }
    )
    found = on_both(cohort_features, frame).row(0, named=True)
    assert found["events_28d_percentile"] == 0.125
    assert found["active_days_28d_percentile"] == 0.375
    assert found["events_7d_percentile"] == 0.875
    assert found["score_mean_percentile"] == pytest.approx(0.375)
