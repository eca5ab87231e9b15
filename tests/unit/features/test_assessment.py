"""Assessed work before each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from data_contracts.tables.features import FAMILY_TABLES
from features.assessment import assessment_features


def at(on_both, observed, *works, marking_days=0):
    """The features of one enrolment; a work is (due, weight, submitted, known, score)."""
    names = ("due_epoch_day", "weight", "submitted_epoch_day", "known_epoch_day", "score_share")
    types = [pl.Int64, pl.Float64, pl.Int64, pl.Int64, pl.Float64]
    submissions = pl.DataFrame(works, dict(zip(names, types, strict=True)), orient="row").with_columns(
        enrolment_id=pl.lit("e"),
        activity_iri=pl.int_range(pl.len()).cast(pl.String),
        score_known_epoch_day=pl.col("known_epoch_day") + marking_days,
    )
    found = on_both(
        assessment_features, pl.DataFrame({"enrolment_id": "e", "observed_epoch_day": observed}), submissions
    )
    return found.rows(named=True)


def test_every_feature_of_a_world_varies_within_the_contract(world, on_both, keeps_contract):
    computed = on_both(assessment_features, world["landmarks"], world["submissions"])
    keeps_contract(computed, FAMILY_TABLES["assessment"])
    for name in computed.columns:
        assert computed[name].n_unique() > 3, name


def test_work_is_overdue_the_day_after_it_was_due(on_both):
    before, after = at(on_both, [100, 101], (100, 10.0, None, None, None))
    assert (before["due_count"], before["overdue_count"], before["submitted_due_share"]) == (0, 0, None)
    assert (before["next_due_days"], before["next_due_weight"]) == (0, 10.0)
    assert (after["due_count"], after["overdue_count"], after["submitted_due_share"]) == (1, 1, 0.0)
    assert (after["next_due_days"], after["next_due_weight"]) == (None, None)


def test_work_handed_in_today_or_not_known_yet_is_not_in(on_both):
    rows = at(on_both, [100, 101, 104], (99, 1.0, 100, 100, 0.5), (98, 1.0, 97, 103, 0.9))
    assert [row["overdue_count"] for row in rows] == [2, 1, 0]
    assert [row["score_mean_share"] for row in rows] == [None, 0.5, 0.7]
    assert [row["days_since_submission"] for row in rows] == [None, 0, 3]
    assert [row["days_early_mean"] for row in rows] == [None, -1.0, 0.0]


def test_a_score_is_seen_from_the_day_after_it_was_known(on_both):
    rows = at(on_both, [100, 110, 111], (99, 1.0, 98, 98, 0.5), marking_days=12)
    assert [row["overdue_count"] for row in rows] == [0, 0, 0]
    assert [row["score_mean_share"] for row in rows] == [None, None, 0.5]
    assert [row["score_last_share"] for row in rows] == [None, None, 0.5]


def test_the_last_score_is_of_the_last_day_with_one(on_both):
    (row,) = at(
        on_both,
        [100],
        (90, 1.0, 80, 80, 0.2),
        (90, 1.0, 85, 85, 0.6),
        (90, 1.0, 85, 85, 0.8),
        (90, 1.0, 88, 88, None),
        (90, 1.0, 87, 100, 0.1),
    )
    assert row["score_last_share"] == pytest.approx(0.7)
    assert row["score_mean_share"] == pytest.approx(1.6 / 3, abs=1e-6)
    assert row["days_since_submission"] == 11


def test_the_next_work_is_the_nearest_not_handed_in(on_both):
    (row,) = at(
        on_both,
        [100],
        (105, 10.0, 95, 95, None),
        (110, 20.0, None, None, None),
        (110, 30.0, 99, 99, None),
        (110, 5.0, None, None, None),
        (120, 50.0, None, None, None),
    )
    assert (row["next_due_days"], row["next_due_weight"]) == (10, 20.0)


def test_work_without_a_due_day_is_never_due_and_still_scored(on_both):
    (row,) = at(on_both, [100], (None, None, 90, 90, 1.0), (None, None, None, None, None))
    assert (row["due_count"], row["next_due_days"], row["days_early_mean"], row["score_mean_share"]) == (
        0,
        None,
        None,
        1.0,
    )


def test_without_any_work_the_landmark_keeps_its_row(on_both):
    (row,) = at(on_both, [100])
    assert (row["due_count"], row["overdue_count"]) == (0, 0)
    assert {row[name] for name in row if row[name] is not None} == {"e", 100, 0}
