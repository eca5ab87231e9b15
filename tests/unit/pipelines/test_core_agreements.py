"""Goals with their history, measures by the agreement then in force, commitments and their review."""

from __future__ import annotations

from datetime import date

import pytest

from data_contracts.tables.core import COMMITMENT, GOAL, GOAL_UPDATE
from pipelines.core.agreements import build_commitments, build_goal_updates, build_goals
from pipelines.core.mentoring import build_matches, build_mentoring_events


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.fixture
def pair(house):
    """Meg mentors Ana in programme p since 1 February."""
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add("raw.learner", learner_id="ana")
    house.add(
        "raw.mentoring_match",
        match_id="m1",
        mentor_id="meg",
        learner_id="ana",
        programme_id="p",
        matched_on="2024-02-01",
    )
    return house


def goal(house, **values):
    given = {"goal_id": "g1", "match_id": "m1", "agreed_on": "2024-02-02", "due_on": "2024-04-01", "kind": "skill"}
    house.add("raw.goal", **(given | values))


def measure(house, **values):
    house.add("raw.goal_update", **({"goal_id": "g1", "recorded_on": "2024-02-20"} | values))


def built(house, table, columns):
    build_matches(house.night)
    build_mentoring_events(house.night)
    build_goals(house.night)
    build_goal_updates(house.night)
    build_commitments(house.night)
    return house.rows(f"SELECT {columns} FROM {table.qualified_name} ORDER BY ALL")


def test_each_new_agreement_stands_beside_those_before_it(pair):
    goal(pair, known_at="2024-02-03 09:00:00")
    goal(pair, due_on="2024-05-01", known_at="2024-02-20 09:00:00")
    goal(pair, due_on="2024-06-01", known_at="2024-03-20 09:00:00")
    columns = "version_number, due_epoch_day, known_epoch_day, superseded_epoch_day, learner_id, mentor_id"
    assert built(pair, GOAL, columns) == [
        (1, epoch("2024-04-01"), epoch("2024-02-03"), epoch("2024-02-20"), "ana", "meg"),
        (2, epoch("2024-05-01"), epoch("2024-02-20"), None, "ana", "meg"),
    ]


def test_of_two_agreements_told_on_one_day_the_last_stands(pair):
    goal(pair, known_at="2024-02-03 09:00:00")
    goal(pair, due_on="2024-05-01", known_at="2024-02-03 15:00:00")
    assert built(pair, GOAL, "version_number, due_epoch_day") == [(1, epoch("2024-05-01"))]


def test_a_goal_gone_from_a_full_snapshot_or_of_an_unknown_match_is_not_there(pair):
    goal(pair, known_at="2024-02-03")
    goal(pair, known_at="2024-02-20", is_deleted=True)
    goal(pair, goal_id="g2", match_id="m9")
    assert built(pair, GOAL, "goal_id") == []


@pytest.mark.parametrize(
    ("measured", "share"),
    [
        ({"attained_share": 0.4, "value": 99}, 0.4),
        ({"value": 15}, 0.5),
        ({"value": 5}, 0.0),
        ({"value": 50}, 1.0),
        ({"status": "open"}, None),
    ],
)
def test_the_attained_share_is_the_one_given_else_the_way_from_baseline_to_target(pair, measured, share):
    goal(pair, baseline_value=10, target_value=20)
    measure(pair, **measured)
    assert built(pair, GOAL_UPDATE, "attained_share") == [(share,)]


def test_a_goal_without_distance_has_no_share(pair):
    goal(pair, baseline_value=10, target_value=10)
    measure(pair, value=10)
    assert built(pair, GOAL_UPDATE, "attained_share") == [(None,)]


def test_a_measure_is_taken_by_the_target_in_force_when_it_was_known(pair):
    goal(pair, baseline_value=0, target_value=10, known_at="2024-02-03 09:00:00")
    goal(pair, baseline_value=0, target_value=20, known_at="2024-02-25 09:00:00")
    measure(pair, value=5, recorded_on="2024-02-20", known_at="2024-02-20")
    measure(pair, value=10, recorded_on="2024-03-01", known_at="2024-03-02 09:00:00")
    assert built(pair, GOAL_UPDATE, "epoch_day, known_epoch_day, attained_share") == [
        (epoch("2024-02-20"), epoch("2024-02-20"), 0.5),
        (epoch("2024-03-01"), epoch("2024-03-02"), 0.5),
    ]


def met(house, name, day, **values):
    house.add("raw.mentoring_session", session_id=name, match_id="m1", held_at=f"{day} 10:00:00", **values)


def promise(house, **values):
    given = {"commitment_id": "c1", "session_id": "s1", "made_on": "2024-02-10", "status": "open"}
    house.add("raw.commitment", **(given | values))


@pytest.mark.parametrize(
    ("reviewed_on", "status", "next_day", "found"),
    [
        ("2024-02-20", "kept", "2024-02-20", True),
        ("2024-02-15", "partly", "2024-02-20", True),
        ("2024-02-21", "kept", "2024-02-20", False),
        (None, "open", "2024-02-20", False),
        ("2024-02-15", "kept", None, None),
    ],
)
def test_a_commitment_is_reviewed_at_the_next_session_or_not_or_there_was_none_yet(
    pair, reviewed_on, status, next_day, found
):
    met(pair, "s1", "2024-02-10")
    if next_day:
        met(pair, "s2", next_day)
        met(pair, "s3", "2024-03-01")
    promise(pair, reviewed_on=reviewed_on, status=status)
    assert built(pair, COMMITMENT, "is_reviewed_at_next, next_met_epoch_day") == [
        (found, epoch(next_day) if next_day else None)
    ]


def test_what_was_promised_and_what_became_of_it_are_known_each_on_its_day(pair):
    met(pair, "s1", "2024-02-10")
    promise(pair, known_at="2024-02-12 09:00:00", is_known_at_assumed=False)
    promise(pair, status="kept", reviewed_on="2024-02-20", known_at="2024-02-25 09:00:00", is_known_at_assumed=False)
    columns = "made_epoch_day, made_known_epoch_day, reviewed_epoch_day, reviewed_known_epoch_day, status"
    assert built(pair, COMMITMENT, columns) == [
        (epoch("2024-02-10"), epoch("2024-02-12"), epoch("2024-02-20"), epoch("2024-02-25"), "kept")
    ]


def test_a_commitment_told_only_after_its_review_was_known_when_it_was_made_for_want_of_better(pair):
    met(pair, "s1", "2024-02-10")
    promise(pair, status="dropped", reviewed_on="2024-02-20", known_at="2024-02-20")
    columns = "made_known_epoch_day, reviewed_known_epoch_day"
    assert built(pair, COMMITMENT, columns) == [(epoch("2024-02-10"), epoch("2024-02-20"))]


def test_agreements_hold_their_contracts(pair):
    from data_contracts.expectations import judge_rows  # noqa: PLC0415 - seconds to import

    met(pair, "s1", "2024-02-10")
    promise(pair)
    goal(pair, baseline_value=0, target_value=10)
    goal(pair, baseline_value=0, target_value=12, known_at="2024-02-25")
    measure(pair, value=5)
    for table in (GOAL, GOAL_UPDATE, COMMITMENT):
        built(pair, table, "*")
        told = judge_rows(table, pair.warehouse.con.sql(f"FROM {table.qualified_name}").df())
        assert told.is_passed, told.violations
