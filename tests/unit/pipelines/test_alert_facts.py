"""What alerts are told of each participation, read from core: by the same queries as the marts, as of the night."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from pipelines import alert_facts
from tests.unit.pipelines.marts_rows import (
    TONIGHT,
    acted,
    add,
    agreed,
    at,
    away,
    enrol,
    epoch,
    matched,
    measured,
    met,
    promised,
)


@pytest.fixture
def night(house):
    """l1 is enrolled, participates in P, and is mentored by m1 since 28 February."""
    enrol(house.warehouse, "e1", "l1")
    participation = {"participation_id": "P:l1", "learner_id": "l1", "programme_id": "P", "status": "active"}
    add(
        house.warehouse,
        "core.participation",
        starts_on=date(2024, 2, 20),
        match_id="M",
        mentor_id="m1",
        **participation,
    )
    return house.night


def fact(night):
    (row,) = alert_facts.facts(night).to_dicts()
    return row


def test_without_a_match_nothing_of_mentoring_is_told(night):
    found = fact(night)
    assert not found["has_mentor"]
    assert not found["is_first_meeting_overdue"]
    assert (found["days_since_match"], found["silent_days"], found["goal_gap_points"]) == (None, None, None)


def test_days_count_without_the_learners_days_away(night):
    assert fact(night)["days_since_open"] == TONIGHT - 1 - epoch(2, 26)
    away(night.warehouse, epoch(3, 1), epoch(3, 4), TONIGHT)
    found = fact(night)
    assert found["days_since_open"] == TONIGHT - 1 - epoch(2, 26) - 2
    assert found["is_on_leave"]


def test_what_is_not_known_yet_is_not_told(night):
    acted(night.warehouse, "e1", TONIGHT - 2)
    acted(night.warehouse, "e1", TONIGHT - 3, known_epoch_day=TONIGHT)
    acted(night.warehouse, "e1", TONIGHT - 9)
    assert (fact(night)["active_days_7d"], fact(night)["has_never_started"]) == (1, False)


def test_a_match_without_meeting_is_overdue_from_the_day_of_the_setting_and_the_mentor_is_silent(night):
    matched(night.warehouse)
    found = fact(night)
    assert (found["days_since_match"], found["silent_days"], found["is_first_meeting_overdue"]) == (13, 13, True)
    late = replace(night, settings=night.settings.model_copy(update={"first_meeting_days": 14}))
    assert not fact(late)["is_first_meeting_overdue"]
    silent = replace(night, settings=night.settings.model_copy(update={"mentor_silent_days": 13}))
    assert fact(silent)["is_mentor_silent"]


def test_meetings_and_messages_tell_the_latest_contact_and_what_the_learner_answers(night):
    matched(night.warehouse)
    met(night.warehouse, "s1", "held", at(3, 1))
    met(night.warehouse, "s2", "missed_by_learner", at(3, 4))
    met(night.warehouse, "w1", "message_by_mentor", at(3, 5), channel="email")
    met(night.warehouse, "w2", "message_by_mentor", at(3, 6), channel="chat", answered_at=at(3, 6, 13))
    met(night.warehouse, "w3", "message_by_mentor", at(3, 8), channel="email", known_epoch_day=TONIGHT)
    found = fact(night)
    assert found["last_contact_at"] == at(3, 6)
    assert (found["synchronous_tried_count"], found["synchronous_answered_count"]) == (3, 2)
    assert (found["asynchronous_tried_count"], found["asynchronous_answered_count"]) == (1, 0)
    assert (found["silent_days"], found["is_first_meeting_overdue"]) == (TONIGHT - 1 - epoch(3, 6), False)


def test_goals_and_commitments_stand_as_the_mart_has_them(night):
    matched(night.warehouse)
    agreed(night.warehouse, "g1", epoch(2, 28), epoch(3, 28))
    agreed(night.warehouse, "g2", epoch(2, 28), epoch(3, 20))
    measured(night.warehouse, "g1", epoch(3, 10), 0.1)
    measured(night.warehouse, "g2", epoch(3, 11), 1.0, status="attained")
    promised(night.warehouse, "c1", epoch(3, 1), due_epoch_day=epoch(3, 10))
    promised(night.warehouse, "c2", epoch(3, 1), due_epoch_day=epoch(3, 20))
    found = fact(night)
    expected = (epoch(3, 12) - epoch(2, 28)) / (epoch(3, 28) - epoch(2, 28))
    assert found["goal_gap_points"] == pytest.approx(100 * (0.1 - expected), abs=1e-3)
    assert (found["attained_goals_count"], found["overdue_commitments_count"]) == (1, 1)
    assert found["next_step"] == "commitment due on 20 March"


def test_minutes_are_learned_from_meetings_whose_level_and_length_are_known(night):
    for number in range(30):
        met(night.warehouse, f"a{number}", "held", at(3, 1), minutes=22.4, level="technical")
        met(night.warehouse, f"b{number}", "held", at(3, 1), minutes=90.0, level="social")
        met(night.warehouse, f"c{number}", "held", at(3, 1), minutes=0.0, level="educational")
    met(night.warehouse, "d", "held", at(3, 1), minutes=5.0, level="methodological")
    assert alert_facts.learned_minutes(night) == {"social": 60, "technical": 20}
    never = replace(night, settings=night.settings.model_copy(update={"minutes_learned_from": 0}))
    assert alert_facts.learned_minutes(never) == {}


def test_who_met_in_the_mentors_week_and_when_the_organisation_is_closed(night):
    met(night.warehouse, "s1", "held", at(3, 11))
    met(night.warehouse, "s2", "held", at(3, 10), learner_id="l2")
    met(night.warehouse, "s3", "missed_by_learner", at(3, 12), learner_id="l3")
    assert alert_facts.met_this_week(night).rows() == [("m1", "l1")]
    add(night.warehouse, "raw.calendar", closed_on=date(2024, 3, 4))
    add(night.warehouse, "raw.calendar", closed_on=date(2024, 3, 5), org_unit="north")
    assert alert_facts.closed_days(night) == [date(2024, 3, 4)]
