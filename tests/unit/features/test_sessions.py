"""Minutes on task from gaps and durations."""

from __future__ import annotations

import polars as pl

from features.sessions import with_minutes


def minutes(on_both, rows, **settings):
    columns = ("statement_id", "learner_id", "happened_second", "duration_seconds")
    frame = pl.DataFrame(rows, columns, orient="row", schema_overrides={"duration_seconds": pl.Float64})
    found = on_both(with_minutes, frame, gap_seconds=1800, **settings)
    return dict(zip(found["statement_id"], found["minutes"], strict=True))


def test_a_gap_within_the_session_counts_and_a_longer_one_does_not(on_both):
    assert minutes(on_both, [("a", "l", 0, None), ("b", "l", 1800, None), ("c", "l", 3601, None)]) == {
        "a": 30.0,
        "b": 0.0,
        "c": 0.0,
    }


def test_the_results_own_duration_wins_over_the_gap(on_both):
    assert minutes(on_both, [("a", "l", 0, 90.0), ("b", "l", 600, None), ("c", "l", 700, 7200.0)]) == {
        "a": 1.5,
        "b": 1.666667,
        "c": 120.0,
    }


def test_a_duration_of_zero_is_a_duration(on_both):
    assert minutes(on_both, [("a", "l", 0, 0.0), ("b", "l", 600, None)]) == {"a": 0.0, "b": 0.0}


def test_gaps_do_not_run_from_one_learner_to_another(on_both):
    assert minutes(on_both, [("a", "l", 0, None), ("b", "other", 60, None)]) == {"a": 0.0, "b": 0.0}


def test_statements_of_the_same_second_follow_their_ids(on_both):
    rows = [("b", "l", 0, None), ("a", "l", 0, None), ("c", "l", 60, None)]
    assert minutes(on_both, rows) == minutes(on_both, rows[::-1]) == {"a": 0.0, "b": 1.0, "c": 0.0}


def test_the_partition_may_be_another(on_both):
    rows = pl.DataFrame(
        {
            "statement_id": ["a", "b"],
            "learner_id": ["l", "l"],
            "enrolment_id": ["e", "f"],
            "happened_second": [0, 60],
            "duration_seconds": [None, None],
        },
        schema_overrides={"duration_seconds": pl.Float64},
    )
    assert on_both(with_minutes, rows, gap_seconds=1800)["minutes"].to_list() == [1.0, 0.0]
    assert on_both(with_minutes, rows, gap_seconds=1800, partition="enrolment_id")["minutes"].to_list() == [0.0, 0.0]
