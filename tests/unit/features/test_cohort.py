"""Percentiles within course and day."""

from __future__ import annotations

import polars as pl
import pytest

from features.cohort import _RANKED, cohort_features


def percentiles(on_both, name, values, courses=None, days=None, scoring=None):
    count = len(values)
    frame = pl.DataFrame(
        {
            "row": range(count),
            "course_id": courses or ["c"] * count,
            "observed_epoch_day": days or [1] * count,
            "is_scoring": scoring or [False] * count,
            **{ranked: [0.0] * count for ranked in _RANKED.values()},
        },
        schema_overrides={"course_id": pl.String},
    ).with_columns(pl.Series(_RANKED[name], values))
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
    """Each feature has the highest value in another row, so a percentile of another's would stand elsewhere."""
    count = len(_RANKED)
    ranked = {
        value: [float((row - place) % count) for row in range(count)] for place, value in enumerate(_RANKED.values())
    }
    same = {"course_id": ["c"] * count, "observed_epoch_day": [1] * count, "is_scoring": [False] * count}
    found = on_both(cohort_features, pl.DataFrame({"row": range(count), **same, **ranked})).sort("row")
    for place, name in enumerate(_RANKED):
        assert found[name].to_list() == pytest.approx(
            [((row - place) % count + 0.5) / count for row in range(count)], abs=1e-6
        )
