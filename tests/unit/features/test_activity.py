"""Activity, recency, trend and context before each landmark."""

from __future__ import annotations

from math import log

import polars as pl
import pytest

from data_contracts.features import family_names
from data_contracts.tables.features import ACTIVITY
from features.activity import activity_features, context_features

# The definitions as one range join: a row counts at D when it happened and was known before D.
ORACLE = """
WITH seen AS (
    SELECT l.enrolment_id, l.observed_epoch_day AS d, e.* EXCLUDE (enrolment_id)
    FROM landmarks l JOIN enrolment_days e
      ON e.enrolment_id = l.enrolment_id AND e.epoch_day < l.observed_epoch_day
     AND e.known_epoch_day < l.observed_epoch_day
), summed AS (
    SELECT enrolment_id, d,
        count(DISTINCT epoch_day) FILTER (epoch_day >= d - 7) AS active_days_7d,
        count(DISTINCT epoch_day) FILTER (epoch_day >= d - 14) AS active_days_14d,
        count(DISTINCT epoch_day) FILTER (epoch_day >= d - 28) AS active_days_28d,
        sum(events_count) FILTER (epoch_day >= d - 7) AS events_7d,
        sum(events_count) FILTER (epoch_day >= d - 14) AS events_14d,
        sum(events_count) FILTER (epoch_day >= d - 28) AS events_28d,
        sum(minutes) FILTER (epoch_day >= d - 7) AS minutes_7d,
        sum(minutes) FILTER (epoch_day >= d - 14) AS minutes_14d,
        sum(minutes) FILTER (epoch_day >= d - 28) AS minutes_28d,
        count(DISTINCT epoch_day) AS active_days_to_date, sum(events_count) AS events_to_date,
        sum(distinct_activities_count) FILTER (epoch_day >= d - 28) AS distinct_activities_28d,
        sum(events_count) FILTER (epoch_day >= d - 28 AND activity_kind IN ('forum', 'collaboration'))
            AS forum_events_28d,
        sum(events_count) FILTER (epoch_day >= d - 28 AND activity_kind IN ('quiz', 'assessment')) AS quiz_events_28d,
        sum(events_count) FILTER (epoch_day >= d - 28 AND strand = 'formal') AS formal_events_28d,
        sum(events_count) FILTER (epoch_day >= d - 28 AND strand = 'social') AS social_events_28d,
        sum(events_count) FILTER (epoch_day >= d - 28 AND strand = 'experiential') AS experiential_events_28d,
        d - 1 - max(epoch_day) AS silence,
        (max(epoch_day) - min(epoch_day)) / (count(DISTINCT epoch_day) - 1) AS mean_gap
    FROM seen GROUP BY enrolment_id, d
), weekly AS (
    SELECT l.enrolment_id, l.observed_epoch_day AS d, ago, coalesce(sum(s.events_count), 0) AS events
    FROM landmarks l CROSS JOIN range(4) weeks(ago)
    LEFT JOIN seen s ON s.enrolment_id = l.enrolment_id AND s.d = l.observed_epoch_day
         AND s.epoch_day BETWEEN l.observed_epoch_day - 7 * (ago + 1) AND l.observed_epoch_day - 7 * ago - 1
    GROUP BY ALL
), trend AS (
    SELECT enrolment_id, d, regr_slope(ln(1 + events), -ago) AS events_slope_4w,
        (1 + max(events) FILTER (ago = 0)) / (1 + avg(events) FILTER (ago > 0)) AS events_last_week_ratio
    FROM weekly GROUP BY enrolment_id, d
)
SELECT l.enrolment_id, l.observed_epoch_day,
    coalesce(COLUMNS(s.* EXCLUDE (enrolment_id, d, silence, mean_gap)), 0),
    coalesce(silence, greatest(0, l.observed_epoch_day - enrolled_epoch_day)) AS days_since_activity,
    silence IS NULL AS has_never_started,
    CASE WHEN active_days_to_date > 1 THEN silence / mean_gap END AS gap_to_own_mean_ratio,
    events_slope_4w, events_last_week_ratio
FROM landmarks l JOIN enrolments USING (enrolment_id)
LEFT JOIN summed s ON s.enrolment_id = l.enrolment_id AND s.d = l.observed_epoch_day
JOIN trend t ON t.enrolment_id = l.enrolment_id AND t.d = l.observed_epoch_day
"""

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


def at(on_both, observed, *days, enrolled=90):
    """The features of one enrolment at each of the days given."""
    rows = [DAY | row for row in days]
    rows = [row | {"known_epoch_day": row["known_epoch_day"] or row["epoch_day"]} for row in rows]
    enrolment_days = pl.DataFrame(rows or [DAY], schema_overrides={"known_epoch_day": pl.Int64})
    return on_both(
        activity_features,
        pl.DataFrame({"enrolment_id": "e", "observed_epoch_day": observed}),
        pl.DataFrame({"enrolment_id": ["e"], "enrolled_epoch_day": [enrolled]}),
        enrolment_days if rows else enrolment_days.clear(),
    ).rows(named=True)


def test_every_feature_of_a_world_agrees_with_the_definition_in_sql(
    world, on_both, sql, matches_oracle, keeps_contract
):
    computed = on_both(activity_features, world["landmarks"], world["enrolments"], world["enrolment_days"])
    keeps_contract(computed, ACTIVITY)
    matches_oracle(computed, sql(ORACLE, world))
    assert computed["has_never_started"].sum() > 20
    assert len(computed) == len(world["landmarks"])


def test_windows_look_back_over_whole_days_and_no_further(on_both):
    edges = ({"epoch_day": day} for day in (71, 72, 85, 86, 92, 93, 99, 100))
    (row,) = at(on_both, [100], *edges)
    assert [row[f"active_days_{days}d"] for days in (7, 14, 28)] == [2, 4, 6]
    assert [row[f"minutes_{days}d"] for days in (7, 14, 28)] == [4.0, 8.0, 12.0]
    assert row["events_to_date"] == 7


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
    assert row["distinct_activities_28d"] == 7


def test_context_is_where_the_course_and_the_learner_stand(on_both):
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
    assert found.columns == ["enrolment_id", "observed_epoch_day", *family_names("context")]
    assert found["course_week"].to_list() == [-1.0, 0.0, 1.0, 2.0]
    assert found["course_elapsed_share"].to_list() == [0.0, 0.05, 0.5, 1.0]
    assert found["enrolled_before_start_days"].to_list() == [10.0] * 4
    assert found["studied_credits"].to_list() == [60.0] * 4
    assert found["previous_attempts_count"].to_list() == [None] * 4
