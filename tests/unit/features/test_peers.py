"""Exchange with others before each landmark."""

from __future__ import annotations

import polars as pl

from features.peers import peers_features

DAYS = {
    "enrolment_id": pl.String,
    "epoch_day": pl.Int64,
    "known_epoch_day": pl.Int64,
    "strand": pl.String,
    "events_count": pl.Int64,
}


def at(on_polars, observed, *days, course="c"):
    """The features of enrolments a, b, c of a course; a day is (enrolment, day, day known, strand, events)."""
    landmarks = pl.DataFrame({"enrolment_id": ["a", "b", "c"]}).join(
        pl.DataFrame({"observed_epoch_day": observed}), how="cross"
    )
    landmarks = landmarks.with_columns(course_id=pl.lit(course, pl.String), is_scoring=pl.lit(value=False))
    frame = pl.DataFrame(days or None, DAYS, orient="row")
    return on_polars(peers_features, landmarks, frame).sort("observed_epoch_day", "enrolment_id").rows(named=True)


def test_a_day_counts_once_however_many_rows_it_has(on_polars):
    days = [
        ("a", 99, 99, "social", 3),
        ("a", 99, 99, "formal", 2),
        ("a", 98, 98, "formal", 1),
        ("a", 60, 60, "formal", 1),
    ]
    assert at(on_polars, [100], *days)[0]["social_days_28d_share"] == 0.5


def test_what_is_known_late_makes_a_day_social_from_then_on(on_polars):
    days = [("a", 99, 99, "formal", 2), ("a", 99, 104, "social", 3), ("a", 98, 98, "social", 1)]
    found = at(on_polars, [100, 107], *days)
    assert [row["social_days_28d_share"] for row in found if row["enrolment_id"] == "a"] == [0.5, 1.0]
    assert [row["peers_social_events_28d_mean"] for row in found if row["enrolment_id"] == "b"] == [0.5, 2.0]


def test_the_others_exclude_oneself_and_include_the_silent(on_polars):
    days = [("a", 99, 99, "social", 6), ("b", 80, 80, "social", 2), ("b", 80, 80, "formal", 9)]
    found = at(on_polars, [100], *days)
    assert [row["peers_social_events_28d_mean"] for row in found] == [1.0, 3.0, 4.0]
    assert [row["social_days_28d_share"] for row in found] == [1.0, 1.0, None]


def test_without_a_course_there_are_no_others(on_polars):
    found = at(on_polars, [100], ("a", 99, 99, "social", 6), course=None)
    assert {row["peers_social_events_28d_mean"] for row in found} == {None}
