"""Activity, recency and trend before each landmark."""

from __future__ import annotations

from math import log

import polars as pl
import pytest

from data_contracts.tables.features import FAMILY_TABLES
from features.activity import activity_features

DAY = {
    "enrolment_id": "e",
    "epoch_day": 0,
    "known_epoch_day": None,
    "strand": "formal",
    "activity_kind": "content",
    "events_count": 1,
    "minutes": 2.0,
    "distinct_activities_count": 1,
    "scored_count": 0,
    "first_second": 0,
    "last_second": 0,
}


def at(on_both, observed, *days, enrolled=90, away=()):
    """The features of one enrolment at each of the days given; a day away is (day, day known)."""
    rows = [DAY | row for row in days]
    rows = [row | {"known_epoch_day": row["known_epoch_day"] or row["epoch_day"]} for row in rows]
    enrolment_days = pl.DataFrame(rows or [DAY], schema_overrides={"known_epoch_day": pl.Int64})
    return on_both(
        activity_features,
        pl.DataFrame({"enrolment_id": "e", "learner_id": "ana", "observed_epoch_day": observed}),
        pl.DataFrame({"enrolment_id": ["e"], "enrolled_epoch_day": [enrolled]}),
        enrolment_days if rows else enrolment_days.clear(),
        pl.DataFrame(
            [("ana", *day) for day in away] + [("ben", 97, 97)],
            {"learner_id": pl.String, "epoch_day": pl.Int64, "known_epoch_day": pl.Int64},
            orient="row",
        ),
    ).rows(named=True)


def test_a_world_has_a_row_a_landmark_that_keeps_the_contract(world, on_both, keeps_contract):
    names = ("landmarks", "enrolments", "enrolment_days", "away_days")
    computed = on_both(activity_features, *(world[name] for name in names))
    keeps_contract(computed, FAMILY_TABLES["activity"])
    assert computed["has_never_started"].sum() > 20
    assert len(computed) == len(world["landmarks"])


def test_windows_look_back_over_whole_days_and_no_further(on_both):
    edges = ({"epoch_day": day} for day in (71, 72, 85, 86, 92, 93, 99, 100))
    (row,) = at(on_both, [100], *edges)
    assert [row[f"active_days_{days}d"] for days in (7, 14, 28)] == [2, 4, 6]
    assert [row[f"minutes_{days}d"] for days in (7, 14, 28)] == [4.0, 8.0, 12.0]
    assert (row["events_to_date"], row["minutes_to_date"]) == (7, 14.0)


def test_what_was_not_known_yet_does_not_count_and_later_counts_where_it_happened(on_both):
    rows = at(on_both, [100, 107, 114, 121], {"epoch_day": 98, "known_epoch_day": 107, "events_count": 5})
    assert [row["events_7d"] for row in rows] == [0, 0, 0, 0]
    assert [row["events_28d"] for row in rows] == [0, 0, 5, 5]
    assert [row["has_never_started"] for row in rows] == [1, 1, 0, 0]
    assert [row["days_since_activity"] for row in rows] == [10, 17, 15, 22]


def test_a_day_is_active_once_however_many_rows_it_has(on_both):
    rows = at(
        on_both,
        [100, 107],
        {"epoch_day": 95},
        {"epoch_day": 95, "strand": "social"},
        {"epoch_day": 95, "known_epoch_day": 103, "activity_kind": "quiz"},
    )
    assert [row["active_days_28d"] for row in rows] == [1, 1]
    assert [row["active_days_to_date"] for row in rows] == [1, 1]
    assert [row["events_28d"] for row in rows] == [2, 3]


def test_a_learner_who_never_started_keeps_a_row(on_both):
    early, late = at(on_both, [85, 100], enrolled=90)
    assert (early["has_never_started"], early["days_since_activity"]) == (1, 0)
    assert (late["has_never_started"], late["days_since_activity"]) == (1, 10)
    assert late["gap_to_own_mean_ratio"] is None
    assert (late["events_to_date"], late["events_slope_4w"], late["events_last_week_ratio"]) == (0, 0.0, 1.0)


def test_active_yesterday_is_no_day_of_silence(on_both):
    (row,) = at(on_both, [100], {"epoch_day": 99})
    assert row["days_since_activity"] == 0
    assert row["gap_to_own_mean_ratio"] is None


def test_leave_and_closed_days_are_no_silence(on_both):
    # Before the last activity, in the silence, told too late, and on the observed day itself.
    away = [(89, 80), (91, 91), (95, 60), (98, 104), (100, 60)]
    rows = at(on_both, [100, 107], {"epoch_day": 90}, away=away)
    assert [row["days_since_activity"] for row in rows] == [9, 16]
    assert [row["available_days_since_activity"] for row in rows] == [7, 12]


def test_who_never_started_is_silent_from_the_day_of_enrolment_on(on_both):
    (row,) = at(on_both, [100], enrolled=95, away=[(94, 94), (95, 95), (96, 96)])
    assert (row["days_since_activity"], row["available_days_since_activity"]) == (5, 3)


def test_silence_is_measured_by_the_learners_own_gaps(on_both):
    (row,) = at(on_both, [100], {"epoch_day": 81}, {"epoch_day": 83}, {"epoch_day": 87})
    assert row["days_since_activity"] == 12
    assert row["gap_to_own_mean_ratio"] == pytest.approx(12 / 3)


def test_the_trend_is_the_slope_of_the_logarithm(on_both):
    weeks = {75: 0, 80: 3, 88: 7, 99: 15}
    (row,) = at(on_both, [100], *({"epoch_day": day, "events_count": count} for day, count in weeks.items() if count))
    expected = (-0.5 * log(4) + 0.5 * log(8) + 1.5 * log(16)) / 5
    assert row["events_slope_4w"] == pytest.approx(expected, abs=1e-6)
    assert row["events_last_week_ratio"] == pytest.approx(16 / (1 + 10 / 3), abs=1e-6)


def test_kinds_and_strands_are_counted_apart(on_both):
    (row,) = at(
        on_both,
        [100],
        {"epoch_day": 99, "activity_kind": "forum", "strand": "social", "events_count": 2},
        {"epoch_day": 98, "activity_kind": "collaboration", "strand": "experiential", "events_count": 3},
        {"epoch_day": 97, "activity_kind": "quiz", "events_count": 5},
        {"epoch_day": 96, "activity_kind": "assessment", "events_count": 7, "distinct_activities_count": 4},
    )
    names = ("forum", "quiz", "formal", "social", "experiential")
    assert [row[f"{name}_events_28d"] for name in names] == [5, 12, 12, 2, 3]
    assert [row[f"{name}_minutes_28d"] for name in ("formal", "social", "experiential")] == [4.0, 2.0, 2.0]
    assert [row[f"{name}_active_days_28d"] for name in ("formal", "social", "experiential")] == [2, 1, 1]
    assert row["distinct_activities_28d"] == 7


def test_a_day_of_a_strand_counts_once_and_from_when_the_strand_is_known(on_both):
    rows = at(
        on_both,
        [100, 107],
        {"epoch_day": 95, "strand": "social"},
        {"epoch_day": 95, "known_epoch_day": 101, "activity_kind": "quiz"},
        {"epoch_day": 95, "known_epoch_day": 103},
    )
    assert [row["formal_active_days_28d"] for row in rows] == [0, 1]
    assert [row["active_days_28d"] for row in rows] == [1, 1]
