"""What each reader sees of an alert, in the one place that decides it."""

from __future__ import annotations

from datetime import UTC

import pytest

from pipelines.marts import MART_QUERIES
from pipelines.marts.as_of import MartContext
from tests.unit.pipelines.marts_rows import OBSERVED, TONIGHT, add, agreed, at, epoch, matched, measured, promised
from tests.unit.pipelines.sinks_rows import ANA, BEN, CLEO, COL, DAN, EVA, MAX, MEG, NOA, REASON, alert, people

CONTEXT = MartContext(OBSERVED.replace(tzinfo=UTC), TONIGHT, "run-1")
FULL = {
    "kind": "risk",
    "abandonment_probability_28d": 0.283,
    "risk_band": "middle",
    "probability_change_7d": 0.121,
    "reason_1_text": REASON,
    "channel": "asynchronous",
    "expected_minutes": 20,
}
LEVEL = {"level": "methodological"}
GOALS, PROMISES = "skill: due 22 March 2024, 50 % attained", "due 17 March 2024"
AGREED = {"agreed_goals": GOALS, "open_commitments": PROMISES}


@pytest.fixture
def told(warehouse):
    people(warehouse)
    return warehouse


def cards(warehouse):
    """The mart's rows by alert, without what is null."""
    rows = warehouse.frame(f"FROM ({MART_QUERIES['alert_cards'](CONTEXT)})").to_dicts()
    return {row["alert_id"]: {name: value for name, value in row.items() if value is not None} for row in rows}


def card(alert_id, mentor_id, learner_id, audience, **seen):
    return {
        "alert_id": alert_id,
        "mentor_id": mentor_id,
        "learner_id": learner_id,
        "programme_id": "P",
        "audience": audience,
        "state": "new",
        "next_step": "work due on 20 March",
        **seen,
    }


def test_each_mentor_sees_what_is_for_them_and_of_an_unknown_one_the_strict_choice_is_made(told):
    for name, mentor_id, learner_id in (("a", MEG, ANA), ("b", MAX, BEN), ("c", EVA, CLEO), ("d", NOA, DAN)):
        alert(told, name, mentor_id=mentor_id, learner_id=learner_id)
    assert cards(told) == {
        "a": card("a", MEG, ANA, "full", **FULL, **LEVEL, **AGREED),
        "b": card("b", MAX, BEN, "agreements", **AGREED),
        "c": card("c", EVA, CLEO, "level_and_step", **LEVEL),
        "d": card("d", NOA, DAN, "level_and_step", **LEVEL),
    }


def test_a_learners_own_manager_sees_agreements_alone_whatever_kind_of_mentor_they_are(told):
    alert(told, "mine", mentor_id=MEG)
    alert(told, "not mine", mentor_id=MEG, learner_id=BEN)
    add(told, "raw.learner", learner_id=ANA, manager_id=MEG, known_at=at(3, 12))
    found = cards(told)
    assert found["mine"] == card("mine", MEG, ANA, "agreements", **AGREED)
    assert found["not mine"]["audience"] == "full"


def test_a_manager_who_is_external_too_or_of_whom_nothing_else_is_known_sees_agreements_alone(told):
    add(told, "raw.mentor", mentor_id=EVA, kind="manager", is_external=True, known_at=at(3, 12))
    add(told, "raw.learner", learner_id=DAN, manager_id=NOA, known_at=at(3, 12))
    alert(told, "c", mentor_id=EVA, learner_id=CLEO)
    alert(told, "d", mentor_id=NOA, learner_id=DAN)
    assert {row["audience"] for row in cards(told).values()} == {"agreements"}


def test_what_becomes_known_of_a_mentor_after_tonight_changes_nothing(told):
    alert(told, "a")
    add(told, "raw.mentor", mentor_id=MEG, kind="manager", is_external=False, known_at=OBSERVED)
    add(told, "raw.learner", learner_id=ANA, manager_id=MEG, known_at=OBSERVED)
    assert cards(told)["a"]["audience"] == "full"


@pytest.mark.parametrize(
    ("learner_id", "mentor_id", "is_seen"), [(ANA, MEG, True), (BEN, MAX, False), (CLEO, EVA, False), (DAN, NOA, False)]
)
def test_good_news_is_for_those_alone_who_see_everything(told, learner_id, mentor_id, is_seen):
    alert(told, "good", learner_id=learner_id, mentor_id=mentor_id, kind="good_news", rule="back_on_track")
    assert bool(cards(told)) is is_seen


def test_only_what_is_open_and_served_by_a_mentor_tonight_is_a_card(told):
    alert(told, "open", state="acted")
    alert(told, "resolved", state="resolved")
    alert(told, "dismissed", state="dismissed")
    alert(told, "unserved", is_served=False, mentor_id=None)
    alert(told, "of the coordinator", mentor_id=None, route_kind="coordinator")
    alert(told, "of yesterday", observed_at=at(3, 12, 0))
    assert list(cards(told)) == ["open"]
    assert COL not in str(cards(told))


def test_agreements_are_what_stands_tonight_in_matches_that_go_on(told):
    matched(told, "over", learner_id=ANA, mentor_id=NOA, match_ended_epoch_day=epoch(3, 1))
    who = {"match_id": "M0", "learner_id": ANA}
    agreed(told, "g0", epoch(3, 5), epoch(5, 1), version_number=2, **who)
    agreed(told, "undated", epoch(3, 2), kind="health", **who)
    for goal_id, status in (("attained", "attained"), ("dropped", "dropped")):
        agreed(told, goal_id, epoch(3, 2), **who)
        measured(told, goal_id, epoch(3, 9), 1.0, status, match_id="M0", learner_id=ANA)
    agreed(told, "of a match that is over", epoch(3, 2), match_id="over", learner_id=ANA)
    promised(told, "kept", epoch(3, 2), epoch(3, 4), "kept", **who)
    promised(told, "kept, as nobody knows yet", epoch(3, 2), TONIGHT, "kept", due_epoch_day=epoch(3, 14), **who)
    promised(told, "undated", epoch(3, 2), **who)
    promised(told, "of a match that is over", epoch(3, 2), match_id="over", learner_id=ANA)
    alert(told, "a")
    found = cards(told)["a"]
    assert found["agreed_goals"] == "skill: due 1 May 2024, 50 % attained; health"
    assert found["open_commitments"] == "due 14 March 2024; due 17 March 2024; without a due date"
