"""Sessions and messages on one time line: who met whom, of which match, on which local day, known when."""

from __future__ import annotations

from datetime import date

import pytest

from data_contracts.tables.core import MENTORING_EVENT
from pipelines.core.mentoring import build_mentoring_events


def epoch(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.fixture
def pair(house):
    """Meg mentors Ana in programme p since 1 February."""
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add("raw.learner", learner_id="ana")
    match(house, "m1")
    return house


def match(house, match_id, **values):
    given = {"mentor_id": "meg", "learner_id": "ana", "programme_id": "p", "matched_on": "2024-02-01"}
    house.add("raw.mentoring_match", match_id=match_id, **(given | values))


def session(house, session_id, **values):
    given = {"match_id": "m1", "channel": "video", "known_at": values.get("held_at", "1970-01-01")}
    house.add("raw.mentoring_session", session_id=session_id, **(given | values))


def message(house, message_id, **values):
    given = {"match_id": "m1", "sent_at": "2024-03-01 10:00:00", "sender": "mentor", "channel": "email"}
    house.add("raw.mentoring_message", message_id=message_id, **(given | values))


def events(house, columns):
    build_mentoring_events(house.night)
    return {
        event_id: tuple(rest) for event_id, *rest in house.rows(f"SELECT event_id, {columns} FROM core.mentoring_event")
    }


def test_a_session_and_a_message_of_a_match_have_its_persons_and_programme(pair):
    session(pair, "s1", held_at="2024-03-01 10:00:00", duration_minutes=45, level="social", group_id="g")
    message(pair, "t1", sent_at="2024-03-02 08:00:00", sender="learner")
    assert events(
        pair, "match_id, mentor_id, learner_id, programme_id, event_kind, minutes, level, group_id, epoch_day"
    ) == {
        "s1": ("m1", "meg", "ana", "p", "held", 45.0, "social", "g", epoch("2024-03-01")),
        "t1": ("m1", "meg", "ana", "p", "message_by_learner", 0.0, None, None, epoch("2024-03-02")),
    }


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"held_at": "2024-03-01 10:00:00"}, "held"),
        ({"scheduled_at": "2024-03-01 10:00:00"}, "planned"),
        ({"scheduled_at": "2024-03-01 10:00:00", "outcome": "missed_by_learner"}, "missed_by_learner"),
        ({"held_at": "2024-03-01 10:00:00", "outcome": "rescheduled"}, "rescheduled"),
    ],
)
def test_a_session_is_what_its_outcome_says_else_held_or_planned(pair, values, kind):
    session(pair, "s1", **values)
    assert events(pair, "event_kind") == {"s1": (kind,)}


def test_a_session_lies_when_it_was_held_and_not_when_it_was_meant_to_be(pair):
    session(pair, "s1", scheduled_at="2024-02-28 10:00:00", held_at="2024-03-01 10:00:00")
    assert events(pair, "epoch_day") == {"s1": (epoch("2024-03-01"),)}


def test_a_planned_session_of_the_future_is_on_the_line(pair):
    session(pair, "s1", scheduled_at="2024-04-01 10:00:00", outcome="planned")
    assert events(pair, "event_kind, epoch_day") == {"s1": ("planned", epoch("2024-04-01"))}


def pair_only(values):
    return {"match_id": None, "mentor_id": "meg", "learner_id": "ana"} | values


@pytest.mark.parametrize(
    ("day", "found"),
    [
        ("2024-01-31", (None, None)),
        ("2024-02-01", ("m1", "p")),
        ("2024-02-19", ("m1", "p")),
        ("2024-02-20", ("m2", "q")),
        ("2024-03-10", ("m2", "q")),
    ],
)
def test_an_event_that_names_the_two_persons_belongs_to_the_match_begun_last_before_it(pair, day, found):
    match(pair, "m2", programme_id="q", matched_on="2024-02-20")
    match(pair, "m9", learner_id="bo", matched_on="2024-02-25")
    session(pair, "s1", **pair_only({"held_at": f"{day} 10:00:00"}))
    assert events(pair, "match_id, programme_id") == {"s1": found}


def test_persons_who_were_never_matched_still_met(pair):
    session(pair, "s1", **pair_only({"mentor_id": "max", "held_at": "2024-03-01 10:00:00"}))
    message(pair, "t1", **pair_only({"learner_id": "bo"}))
    assert events(pair, "match_id, mentor_id, learner_id") == {"s1": (None, "max", "ana"), "t1": (None, "meg", "bo")}


def test_what_was_not_known_before_the_night_is_not_there_yet(pair):
    session(pair, "s1", held_at="2024-03-01 10:00:00", known_at="2024-03-13 00:00:00")
    message(pair, "t1", known_at="2024-03-12 23:59:59")
    assert set(events(pair, "event_kind")) == {"t1"}
    assert set(events(pair.observed("2024-03-14"), "event_kind")) == {"s1", "t1"}


def test_a_session_restated_stands_once_as_it_was_known_last_before_the_night(pair):
    session(pair, "s1", scheduled_at="2024-03-01 10:00:00", outcome="planned", known_at="2024-02-20")
    session(pair, "s1", scheduled_at="2024-03-01 10:00:00", outcome="missed_by_mentor", known_at="2024-03-02")
    assert events(pair.observed("2024-03-01"), "event_kind") == {"s1": ("planned",)}
    assert events(pair, "event_kind") == {"s1": ("missed_by_mentor",)}


def test_the_day_known_is_never_before_the_day_itself(pair):
    message(pair, "early", known_at="1970-01-01")
    message(pair, "late", known_at="2024-03-05 10:00:00")
    assert events(pair, "epoch_day, known_epoch_day") == {
        "early": (epoch("2024-03-01"), epoch("2024-03-01")),
        "late": (epoch("2024-03-01"), epoch("2024-03-05")),
    }


@pytest.mark.parametrize(
    ("learner", "programme", "day"),
    [
        ("Asia/Tokyo", "America/New_York", "2024-03-02"),
        (None, "Asia/Tokyo", "2024-03-02"),
        (None, None, "2024-03-01"),
    ],
)
def test_days_are_the_learners_else_the_programmes_else_the_organisations(house, learner, programme, day):
    house.add("raw.programme", programme_id="p", name="A programme", timezone=programme)
    house.add("raw.learner", learner_id="ana", timezone=learner)
    match(house, "m1")
    message(house, "t1", sent_at="2024-03-01 23:30:00")
    assert events(house, "epoch_day") == {"t1": (epoch(day),)}


def test_the_time_line_holds_its_contract(pair):
    from data_contracts.expectations import judge_rows  # noqa: PLC0415 - seconds to import

    session(pair, "s1", held_at="2024-03-01 10:00:00")
    session(pair, "s2", **pair_only({"mentor_id": "max", "held_at": "2024-03-01 10:00:00"}))
    message(pair, "t1")
    build_mentoring_events(pair.night)
    told = judge_rows(MENTORING_EVENT, pair.warehouse.con.sql("FROM core.mentoring_event").df())
    assert told.is_passed, told.violations
