"""Goals before each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from features.goals import goals_features

GOALS = {
    "goal_id": pl.String,
    "match_id": pl.String,
    "learner_id": pl.String,
    "programme_id": pl.String,
    "agreed_epoch_day": pl.Int64,
    "due_epoch_day": pl.Int64,
    "weight": pl.Float64,
    "known_epoch_day": pl.Int64,
    "superseded_epoch_day": pl.Int64,
}
UPDATES = {
    "goal_id": pl.String,
    "epoch_day": pl.Int64,
    "known_epoch_day": pl.Int64,
    "attained_share": pl.Float64,
    "status": pl.String,
}
MATCHES = {"match_id": pl.String, "match_ended_known_epoch_day": pl.Int64}


def goal(agreed, due=None, **other):
    usual = {"goal_id": "g", "match_id": "m", "learner_id": "ana", "programme_id": "p", "weight": None}
    times = {"agreed_epoch_day": agreed, "due_epoch_day": due, "known_epoch_day": agreed, "superseded_epoch_day": None}
    return usual | times | other


def update(day, share=None, status=None, known=None, goal_id="g"):
    return {
        "goal_id": goal_id,
        "epoch_day": day,
        "known_epoch_day": day if known is None else known,
        "attained_share": share,
        "status": status,
    }


@pytest.fixture
def at(on_polars):
    """A feature of learner ana in programme p on the days observed."""

    def values(name, observed, goals=(), updates=(), ended=None):
        landmarks = pl.DataFrame(
            {"enrolment_id": "e", "learner_id": "ana", "programme_id": "p", "observed_epoch_day": observed}
        )
        frames = (
            pl.DataFrame(list(goals), GOALS),
            pl.DataFrame(list(updates), UPDATES),
            pl.DataFrame({"match_id": ["m"], "match_ended_known_epoch_day": [ended]}, MATCHES),
        )
        found = on_polars(goals_features, landmarks, *frames)
        return found.to_dicts() if name is None else found[name].to_list()

    return values


def test_without_a_goal_there_is_a_row_that_says_so(at):
    (row,) = at(None, [100])
    assert row.pop("goals_count") == 0
    assert set(row.values()) == {"e", 100, None}


def test_a_goal_stands_from_the_day_after_it_is_known_until_its_match_ends(at):
    late = goal(100, known_epoch_day=103)
    assert at("goals_count", [101, 103, 104, 110, 111], [goal(100), late | {"goal_id": "h"}], ended=110) == [
        1,
        1,
        2,
        2,
        0,
    ]
    assert at("goals_count", [101], [goal(100, programme_id="q")]) == [0]


def test_the_timeline_runs_in_even_steps_from_agreement_to_due_day(at):
    assert at("goal_expected_share", [101, 106, 111, 150], [goal(100, 110)]) == [0.0, 0.5, 1.0, 1.0]
    assert at("goal_expected_share", [101], [goal(100, 100)]) == [1.0]
    assert at("goal_expected_share", [120], [goal(100)]) == [None]


def test_a_new_agreement_counts_from_the_day_after_it_is_known(at):
    versions = [goal(100, 110, superseded_epoch_day=108), goal(104, 124, known_epoch_day=108)]
    assert at("goal_expected_share", [108, 109, 115], versions) == [0.7, 0.2, 0.5]
    assert at("goals_count", [108, 109], versions) == [1, 1]


def test_the_last_measure_known_tells_how_far_a_goal_is(at):
    updates = [update(102, 0.2), update(105, 0.5, known=112), update(108, status="open")]
    days = [102, 103, 109, 113]
    assert at("goal_attained_share", days, [goal(100, 110)], updates) == [None, 0.2, 0.2, 0.5]
    assert at("days_since_goal_update", days, [goal(100, 110)], updates) == [1, 0, 0, 4]


def test_the_gap_is_of_goals_that_have_both(at):
    goals = [goal(100, 110), goal(100, goal_id="h"), goal(100, 110, goal_id="i")]
    updates = [update(104, 0.25), update(104, 1.0, goal_id="h")]
    assert at("goal_gap_share", [106], goals, updates) == [-0.25]
    assert at("goal_attained_share", [106], goals, updates) == [0.625]
    assert at("goal_gap_share", [106], goals[1:], updates) == [None]


def test_a_heavy_goal_counts_for_more_and_one_without_weight_for_one(at):
    goals = [goal(100, 110, weight=3.0), goal(100, 120, goal_id="h")]
    assert at("goal_expected_share", [111], goals) == [pytest.approx((3 * 1 + 0.5) / 4)]
    assert at("goal_expected_share", [111], [goal(100, 110, weight=0.0)]) == [None]


def test_a_dropped_goal_stands_no_more_unless_it_is_taken_up_or_agreed_anew(at):
    updates = [update(103, status="dropped"), update(106, status="open")]
    assert at("goals_count", [103, 104, 106, 107], [goal(100)], updates) == [1, 0, 0, 1]
    versions = [goal(100, superseded_epoch_day=105), goal(105)]
    assert at("goals_count", [104, 105, 106], versions, updates[:1]) == [0, 0, 1]


def test_an_attained_goal_stands(at):
    assert at("goals_count", [105], [goal(100)], [update(104, 1.0, "attained")]) == [1]
