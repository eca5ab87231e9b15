"""How far each goal is against the timeline in force, and how often it was set anew; tonight is 13 March."""

from __future__ import annotations

import pytest

from tests.unit.pipelines.marts_rows import agreed, epoch, matched, measured, on, rows


def progress(warehouse, *names):
    return {goal_id: rest for goal_id, *rest in rows(warehouse, "goal_progress", "goal_id", *names)}


def test_a_goal_is_measured_against_its_timeline(warehouse):
    agreed(warehouse, "running", epoch(3, 2), epoch(3, 22))
    agreed(warehouse, "late", epoch(2, 1), epoch(3, 1))
    agreed(warehouse, "no due date", epoch(3, 12))
    agreed(warehouse, "due yesterday", epoch(3, 2), epoch(3, 12))
    agreed(warehouse, "due at once", epoch(3, 12), epoch(3, 12))
    agreed(warehouse, "unmeasured", epoch(3, 12), epoch(3, 13))
    measured(warehouse, "running", epoch(3, 5), 0.2)
    measured(warehouse, "running", epoch(3, 9), 0.4)
    measured(warehouse, "running", epoch(3, 10), None, None)
    measured(warehouse, "late", epoch(3, 1), 1.0, "attained")
    measured(warehouse, "no due date", epoch(3, 12), 0.25, None)
    measured(warehouse, "due at once", epoch(3, 12), 0.0, "dropped")
    names = ("attained_share", "expected_attained_share", "timeline_gap_points", "last_measured_on", "status")
    assert progress(warehouse, *names) == {
        "running": [0.4, 0.5, -10.0, on(3, 9), "open"],
        "late": [1.0, 1.0, 0.0, on(3, 1), "attained"],
        "no due date": [0.25, None, None, on(3, 12), None],
        "due yesterday": [None, 1.0, None, None, None],
        "due at once": [0.0, 1.0, -100.0, on(3, 12), "dropped"],
        "unmeasured": [None, 0.0, None, None, None],
    }


def test_the_timeline_of_a_goal_stands_still_where_its_match_ended(warehouse):
    matched(warehouse, match_ended_epoch_day=epoch(3, 7), match_ended_known_epoch_day=epoch(3, 7))
    agreed(warehouse, "g", epoch(3, 2), epoch(3, 22))
    measured(warehouse, "g", epoch(3, 6), 0.2)
    assert progress(warehouse, "expected_attained_share", "is_behind") == {"g": [0.25, False]}


@pytest.mark.parametrize(
    ("attained_share", "status", "is_behind"),
    [
        (0.39, "open", True),
        (0.39, "rebaselined", True),
        (0.39, None, True),
        (0.4, "open", False),
        (0.39, "attained", False),
        (0.39, "dropped", False),
        (None, "open", None),
    ],
)
def test_a_goal_is_behind_by_more_than_a_tenth_unless_attained_or_dropped(warehouse, attained_share, status, is_behind):
    agreed(warehouse, "g", epoch(3, 2), epoch(3, 22))
    measured(warehouse, "g", epoch(3, 9), attained_share, status)
    assert progress(warehouse, "is_behind") == {"g": [is_behind]}


def test_the_latest_agreement_stands_beside_the_first_due_date(warehouse):
    agreed(warehouse, "g", epoch(2, 1), epoch(3, 1), weight=1.0, superseded_epoch_day=epoch(3, 2))
    later = {"known_epoch_day": epoch(3, 2), "superseded_epoch_day": epoch(3, 13)}
    agreed(warehouse, "g", epoch(2, 1), epoch(3, 22), 2, weight=0.5, mentor_id="m2", **later)
    agreed(warehouse, "g", epoch(2, 1), epoch(5, 1), 3, known_epoch_day=epoch(3, 13))
    names = ("agreed_on", "first_due_on", "due_on", "weight", "mentor_id", "expected_attained_share")
    assert progress(warehouse, *names) == {"g": [on(2, 1), on(3, 1), on(3, 22), 0.5, "m2", 0.8]}


def rebaselined(warehouse):
    return progress(warehouse, "rebaselined_count")["g"]


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"due_epoch_day": epoch(4, 1)}, 1),
        ({"due_epoch_day": None}, 1),
        ({"baseline_value": 12.0}, 1),
        ({"target_value": 25.0}, 1),
        ({"due_epoch_day": epoch(4, 1), "target_value": 25.0}, 1),
        ({"weight": 0.5}, 0),
        ({"kind": "role"}, 0),
    ],
)
def test_another_due_date_baseline_or_target_sets_a_goal_anew(warehouse, change, count):
    first = {"due_epoch_day": epoch(3, 22)}
    agreed(warehouse, "g", epoch(2, 1), **first)
    agreed(warehouse, "g", epoch(2, 1), version_number=2, known_epoch_day=epoch(3, 2), **(first | change))
    assert rebaselined(warehouse) == [count]


def test_an_update_that_says_so_sets_a_goal_anew_where_no_agreement_tells_it(warehouse):
    agreed(warehouse, "g", epoch(1, 1), epoch(3, 1))
    for day in (epoch(1, 20), epoch(2, 10)):
        measured(warehouse, "g", day, 0.2, "rebaselined")
    measured(warehouse, "g", epoch(2, 20), 0.2)
    assert rebaselined(warehouse) == [2]


@pytest.mark.parametrize(
    ("told_on", "count"), [(epoch(1, 26), 2), (epoch(1, 27), 1), (epoch(2, 24), 1), (epoch(2, 25), 2)]
)
def test_what_update_and_agreement_both_tell_within_two_weeks_counts_once(warehouse, told_on, count):
    agreed(warehouse, "g", epoch(1, 1), epoch(3, 1))
    agreed(warehouse, "g", epoch(1, 1), epoch(4, 1), 2, known_epoch_day=told_on)
    measured(warehouse, "g", epoch(2, 10), 0.2, "rebaselined")
    assert rebaselined(warehouse) == [count]


def test_an_agreement_that_changes_nothing_accounts_for_no_update(warehouse):
    agreed(warehouse, "g", epoch(1, 1), epoch(3, 1))
    agreed(warehouse, "g", epoch(1, 1), epoch(3, 1), 2, weight=0.5, known_epoch_day=epoch(2, 10))
    measured(warehouse, "g", epoch(2, 10), 0.2, "rebaselined")
    assert rebaselined(warehouse) == [1]
