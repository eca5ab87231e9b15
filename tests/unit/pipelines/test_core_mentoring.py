"""Matches, sessions and messages on one time line: who met whom, on which local day, known when, answered when."""

from __future__ import annotations

from datetime import date

import pytest

from data_contracts.tables.core import MENTORING_EVENT
from pipelines.core.agreements import build_commitments
from pipelines.core.mentoring import build_matches, build_mentoring_events, find_gaps


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
        pair, "match_id, mentor_id, learner_id, programme_id, event_kind, minutes, level, meeting_id, epoch_day"
    ) == {
        "s1": ("m1", "meg", "ana", "p", "held", 45.0, "social", f"g {epoch('2024-03-01')}", epoch("2024-03-01")),
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


def test_an_event_of_an_unknown_match_is_placed_by_its_persons_if_it_names_them(pair):
    message(pair, "t1", match_id="m9", mentor_id="meg", learner_id="ana")
    message(pair, "t2", match_id="m9")
    assert events(pair, "match_id, programme_id") == {"t1": ("m1", "p")}


def test_a_session_told_again_with_a_rating_is_known_since_it_was_told_first(pair):
    session(pair, "s1", held_at="2024-03-01 10:00:00", known_at="2024-03-02 09:00:00")
    session(pair, "s1", held_at="2024-03-01 10:00:00", learner_rating=4, known_at="2024-03-06 09:00:00")
    assert events(pair, "known_epoch_day, learner_rating") == {"s1": (epoch("2024-03-02"), 4.0)}


def test_a_planned_session_that_took_place_is_known_to_be_held_when_that_was_told(pair):
    session(pair, "s1", scheduled_at="2024-03-01 10:00:00", outcome="planned", known_at="2024-02-20 09:00:00")
    session(pair, "s1", held_at="2024-03-01 10:00:00", outcome="held", known_at="2024-03-04 09:00:00")
    assert events(pair, "event_kind, known_epoch_day") == {"s1": ("held", epoch("2024-03-04"))}


def test_learners_of_a_group_in_far_zones_were_in_one_meeting_of_the_mentors_day(pair):
    pair.add("raw.learner", learner_id="ben", timezone="Asia/Tokyo")
    match(pair, "m2", learner_id="ben")
    session(pair, "s1", held_at="2024-03-01 20:00:00", group_id="g")
    session(pair, "s2", held_at="2024-03-01 20:00:00", group_id="g", match_id="m2")
    session(pair, "s3", held_at="2024-03-04 20:00:00", group_id="g", match_id="m2")
    found = events(pair, "meeting_id, epoch_day, mentor_epoch_day")
    assert found["s1"][0] == found["s2"][0] != found["s3"][0]
    assert (found["s1"][1], found["s2"][1]) == (epoch("2024-03-01"), epoch("2024-03-02"))
    assert found["s1"][2] == found["s2"][2] == epoch("2024-03-01")


def answers(house):
    found = events(house, "strftime(answered_at, '%d %H'), answered_known_epoch_day")
    return {name: (at, day and day - epoch("2024-03-01")) for name, (at, day) in found.items()}


def test_an_answer_is_the_message_that_names_the_one_it_answers(pair):
    message(pair, "q1", sent_at="2024-03-01 10:00:00", sender="learner")
    message(pair, "q2", sent_at="2024-03-01 11:00:00", sender="learner")
    message(pair, "chat", sent_at="2024-03-01 12:00:00")
    message(pair, "a2", sent_at="2024-03-02 09:00:00", in_reply_to="q2", known_at="2024-03-04 09:00:00")
    message(pair, "again", sent_at="2024-03-03 09:00:00", in_reply_to="q2")
    assert answers(pair) == {
        "q1": (None, None),
        "q2": ("02 09", 3),
        "chat": (None, None),
        "a2": (None, None),
        "again": (None, None),
    }


def test_an_answer_to_oneself_or_in_another_pair_is_none(pair):
    match(pair, "m2", learner_id="ben")
    message(pair, "q1", sent_at="2024-03-01 10:00:00", sender="learner")
    message(pair, "more", sent_at="2024-03-01 11:00:00", sender="learner", in_reply_to="q1")
    message(pair, "other", sent_at="2024-03-01 11:00:00", match_id="m2", in_reply_to="q1")
    assert answers(pair)["q1"] == (None, None)


def test_where_a_programmes_log_names_no_replies_the_other_sides_next_message_within_a_fortnight_answers(pair):
    message(pair, "q1", sent_at="2024-02-10 10:00:00", sender="learner")
    message(pair, "q2", sent_at="2024-03-01 10:00:00", sender="learner")
    message(pair, "q3", sent_at="2024-03-01 15:00:00", sender="learner")
    message(pair, "a", sent_at="2024-03-02 09:00:00")
    message(pair, "thanks", sent_at="2024-03-05 09:00:00", sender="learner")
    assert answers(pair) == {
        "q1": (None, None),
        "q2": ("02 09", 1),
        "q3": ("02 09", 1),
        "a": ("05 09", 4),
        "thanks": (None, None),
    }


def test_replies_named_in_one_programme_say_nothing_of_another(pair):
    match(pair, "m2", learner_id="ben", programme_id="q")
    message(pair, "q1", sent_at="2024-03-01 10:00:00", sender="learner", match_id="m2")
    message(pair, "a1", sent_at="2024-03-01 11:00:00", match_id="m2", in_reply_to="q1")
    message(pair, "q2", sent_at="2024-03-01 10:00:00", sender="learner")
    message(pair, "a2", sent_at="2024-03-01 12:00:00")
    assert answers(pair)["q1"] == ("01 11", 0)
    assert answers(pair)["q2"] == ("01 12", 0)


def test_a_message_starts_a_conversation_after_three_silent_days_unless_it_answers(pair):
    message(pair, "first", sent_at="2024-02-10 10:00:00", sender="learner")
    session(pair, "s1", held_at="2024-02-14 10:00:00")
    message(pair, "soon", sent_at="2024-02-16 10:00:00")
    session(pair, "missed", scheduled_at="2024-02-18 10:00:00", outcome="missed_by_learner")
    message(pair, "later", sent_at="2024-02-20 10:00:00")
    message(pair, "answer", sent_at="2024-02-25 10:00:00", sender="learner", in_reply_to="later")
    assert events(pair, "is_start") == {
        "first": (True,),
        "s1": (False,),
        "soon": (False,),
        "missed": (False,),
        "later": (True,),
        "answer": (False,),
    }


def matches(house, columns):
    build_matches(house.night)
    return {name: tuple(rest) for name, *rest in house.rows(f"SELECT match_id, {columns} FROM core.mentoring_match")}


def test_a_match_and_its_end_are_known_from_the_first_version_that_told_them(pair):
    match(pair, "m2", learner_id="ben", known_at="2024-02-03 09:00:00")
    match(pair, "m2", learner_id="ben", ended_on="2024-02-20", known_at="2024-02-25 09:00:00")
    match(pair, "m2", learner_id="ben", ended_on="2024-02-20", purpose="career", known_at="2024-03-05 09:00:00")
    match(pair, "m3", learner_id="ben", ended_on="2024-02-20", known_at="2024-02-01")
    columns = "known_epoch_day, match_ended_epoch_day, match_ended_known_epoch_day"
    assert matches(pair, columns) == {
        "m1": (epoch("2024-02-01"), None, None),
        "m2": (epoch("2024-02-03"), epoch("2024-02-20"), epoch("2024-02-25")),
        "m3": (epoch("2024-02-01"), epoch("2024-02-20"), epoch("2024-02-20")),
    }


def test_a_match_of_a_later_day_is_not_there_yet(pair):
    match(pair, "today", matched_on="2024-03-12")
    match(pair, "tomorrow", matched_on="2024-03-13")
    assert set(matches(pair, "programme_id")) == {"m1", "today"}


@pytest.mark.parametrize(
    ("purpose", "kind", "fits"),
    [
        ("career", "independent", True),
        ("career", "manager", False),
        ("performance", "manager", True),
        ("performance", "peer", False),
        (None, "peer", None),
        ("career", None, None),
    ],
)
def test_a_purpose_fits_the_mentors_kind_or_does_not_or_nobody_can_say(pair, purpose, kind, fits):
    if kind:
        pair.add("raw.mentor", mentor_id="meg", kind=kind)
    match(pair, "m2", purpose=purpose)
    assert matches(pair, "is_purpose_fit")["m2"] == (fits,)


def test_reach_across_units_is_told_where_the_mentor_is_known_as_a_learner_too(pair):
    pair.add("raw.learner", learner_id="ben", org_unit="north")
    pair.add("raw.learner", learner_id="meg", org_unit="south")
    match(pair, "m2", learner_id="ben")
    match(pair, "m3", learner_id="ben", mentor_id="max")
    assert matches(pair, "is_across_org_units") == {"m1": (None,), "m2": (True,), "m3": (None,)}


def test_what_could_not_be_joined_is_counted_and_lost_in_silence_nowhere(pair):
    match(pair, "m2", learner_id="ben", matched_on="2024-02-10", ended_on="2024-02-20")
    pair.add("raw.mentor", mentor_id="meg", kind="peer")
    match(pair, "m3", learner_id="cleo", mentor_id="max")
    session(pair, "s1", match_id="gone", held_at="2024-03-01 10:00:00")
    session(pair, "s2", match_id="m2", held_at="2024-02-05 10:00:00", duration_minutes=30)
    session(pair, "s3", match_id="m2", held_at="2024-02-25 10:00:00")
    message(pair, "t1", match_id=None, mentor_id="max", learner_id="ana")
    message(pair, "t2", in_reply_to="nowhere")
    for name, told in (("c1", "s2"), ("c2", "s1")):
        pair.add("raw.commitment", commitment_id=name, session_id=told, made_on="2024-02-25", status="open")
    build_matches(pair.night)
    build_mentoring_events(pair.night)
    build_commitments(pair.night)
    find_gaps(pair.night)
    found = pair.rows(
        "SELECT finding, table_name, found_count, out_of_count FROM core.mentoring_finding WHERE found_count > 0"
    )
    assert sorted(found) == [
        ("after_match", "raw.mentoring_session", 1, 3),
        ("before_match", "raw.mentoring_session", 1, 3),
        ("matched_without_enrolment", "raw.mentoring_match", 3, 3),
        ("never_matched", "raw.mentoring_message", 1, 2),
        ("no_duration", "raw.mentoring_session", 1, 2),
        ("unknown_match", "raw.mentoring_session", 1, 3),
        ("unknown_reply", "raw.mentoring_message", 1, 1),
        ("unknown_session", "raw.commitment", 1, 2),
        ("untold_mentor", "raw.mentoring_match", 1, 3),
    ]
