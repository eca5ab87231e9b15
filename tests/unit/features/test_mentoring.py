"""Mentoring before each landmark."""

from __future__ import annotations

import polars as pl
import pytest

from features.mentoring import mentoring_features

MATCHES = {
    "match_id": pl.String,
    "mentor_id": pl.String,
    "learner_id": pl.String,
    "programme_id": pl.String,
    "matched_epoch_day": pl.Int64,
    "known_epoch_day": pl.Int64,
    "match_ended_known_epoch_day": pl.Int64,
    "agreed_sessions_per_week": pl.Float64,
    "mentor_kind": pl.String,
    "trained_epoch_day": pl.Int64,
}
EVENTS = {
    "match_id": pl.String,
    "learner_id": pl.String,
    "programme_id": pl.String,
    "event_kind": pl.String,
    "epoch_day": pl.Int64,
    "known_epoch_day": pl.Int64,
    "channel": pl.String,
    "is_start": pl.Boolean,
    "answered_known_epoch_day": pl.Int64,
    "answer_seconds": pl.Int64,
}


def match(day, ended=None, a_week=None, **other):
    usual = {"match_id": "m", "mentor_id": "meg", "learner_id": "ana", "programme_id": "p", "mentor_kind": "peer"}
    times = {"matched_epoch_day": day, "known_epoch_day": day, "match_ended_known_epoch_day": ended}
    return usual | times | {"agreed_sessions_per_week": a_week, "trained_epoch_day": None} | other


def event(kind, day, known=None, **other):
    usual = {"match_id": "m", "learner_id": "ana", "programme_id": "p", "channel": None, "is_start": False}
    times = {"epoch_day": day, "known_epoch_day": day if known is None else known}
    return usual | {"event_kind": kind, "answered_known_epoch_day": None, "answer_seconds": None} | times | other


@pytest.fixture
def at(on_polars):
    """The features of learner ana in programme p on the days observed."""

    def rows(observed, matches=(), events=()):
        landmarks = pl.DataFrame(
            {"enrolment_id": "e", "learner_id": "ana", "programme_id": "p", "observed_epoch_day": observed}
        )
        frames = (pl.DataFrame(list(matches), MATCHES), pl.DataFrame(list(events), EVENTS))
        return on_polars(mentoring_features, landmarks, *frames).rows(named=True)

    return rows


def test_a_learner_without_a_mentor_keeps_a_row(at):
    (row,) = at([100])
    assert (row["is_matched"], row["sessions_held_28d"], row["unanswered_messages_28d"]) == (0, 0, 0)
    unknown = {name for name, value in row.items() if value is None}
    assert unknown == {
        "has_met",
        "days_until_first_meeting",
        "days_since_contact",
        "held_over_agreed_4i_share",
        "started_by_learner_28d_share",
        "response_hours_median_28d",
        "synchronous_28d_share",
        "mentor_learners_count",
        "is_mentor_trained",
    }


def test_a_match_stands_from_the_day_after_it_is_known_until_its_end_is(at):
    days = [100, 101, 105, 106, 110, 111]
    assert [row["is_matched"] for row in at(days, [match(100, 110)])] == [0, 1, 1, 1, 1, 0]
    assert [row["is_matched"] for row in at(days, [match(100, known_epoch_day=105)])] == [0, 0, 0, 1, 1, 1]


def test_a_match_in_another_programme_is_not_this_ones(at):
    (row,) = at([101], [match(100, programme_id="q")])
    assert row["is_matched"] == 0


def test_the_cadence_counts_intervals_that_are_over_and_four_at_most(at):
    held = [event("held", day) for day in (102, 106)]
    rows = at([107, 108, 115, 129, 130, 136], [match(100, a_week=1.0)], held)
    assert [row["held_over_agreed_4i_share"] for row in rows] == [None, 1.0, 1.0, 0.5, 0.5, 0.0]


def test_an_interval_is_as_long_as_was_agreed(at):
    held = [event("held", day) for day in (101, 113, 127, 155)]
    rows = at([114, 115, 129, 171], [match(100, a_week=0.5)], held)
    assert [row["held_over_agreed_4i_share"] for row in rows] == [None, 1.0, 1.0, 0.5]
    (row,) = at([108], [match(100, a_week=3.0)], [event("held", 107)])
    assert row["held_over_agreed_4i_share"] == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("a_week", [None, 0.0])
def test_without_a_cadence_nothing_is_kept_or_broken(at, a_week):
    (row,) = at([150], [match(100, a_week=a_week)], [event("held", 120)])
    assert row["held_over_agreed_4i_share"] is None
    (row,) = at([150], [match(100, a_week=a_week), match(100, a_week=1.0, match_id="n")], [event("held", 149)])
    assert row["held_over_agreed_4i_share"] == 0.0


def test_more_sessions_than_agreed_is_one_and_another_matchs_count_for_none(at):
    held = [event("held", day) for day in (101, 102, 103)]
    (row,) = at([108], [match(100, a_week=1.0)], held)
    assert row["held_over_agreed_4i_share"] == 1.0
    (row,) = at([108], [match(100, a_week=1.0)], [one | {"match_id": "n"} for one in held])
    assert row["held_over_agreed_4i_share"] == 0.0


def test_the_wait_for_the_first_meeting_ends_with_it(at):
    events = [event("missed_by_mentor", 103), event("held", 106), event("held", 120)]
    rows = at([101, 106, 107, 130], [match(100)], events)
    assert [row["has_met"] for row in rows] == [0, 0, 1, 1]
    assert [row["days_until_first_meeting"] for row in rows] == [0, 5, 6, 6]


def test_a_meeting_before_the_match_is_no_wait(at):
    (row,) = at([101], [match(100)], [event("held", 98)])
    assert (row["has_met"], row["days_until_first_meeting"]) == (1, 0)


def test_what_a_learner_starts_is_no_contact(at):
    events = [event("message_by_learner", 99), event("missed_by_learner", 98), event("planned", 97)]
    (row,) = at([100], events=events)
    assert row["days_since_contact"] is None
    assert (row["messages_by_learner_28d"], row["sessions_missed_by_learner_28d"]) == (1, 1)
    (row,) = at([100], events=[*events, event("message_by_mentor", 90)])
    assert row["days_since_contact"] == 9.0


def test_events_of_another_programme_are_not_this_ones_and_of_none_are(at):
    events = [event("held", 99, programme_id="q"), event("held", 95, programme_id=None), event("held", 90)]
    (row,) = at([100], events=events)
    assert (row["sessions_held_28d"], row["days_since_contact"]) == (2, 4.0)


def test_a_session_counts_from_when_it_is_known_and_for_four_weeks(at):
    rows = at([100, 107, 126, 127], [match(90)], [event("held", 98, known=103)])
    assert [row["sessions_held_28d"] for row in rows] == [0, 1, 1, 0]
    assert [row["days_since_contact"] for row in rows] == [None, 8.0, 27.0, 28.0]
    assert [row["has_met"] for row in rows] == [0, 1, 1, 1]


def test_a_conversation_is_begun_by_one_of_the_two(at):
    events = [
        event("message_by_learner", 99, is_start=True),
        event("message_by_mentor", 99),
        event("message_by_mentor", 98, is_start=True),
        event("message_by_mentor", 97, is_start=True),
    ]
    (row,) = at([100], events=events)
    assert row["started_by_learner_28d_share"] == pytest.approx(1 / 3, abs=1e-6)


def test_answers_count_once_they_are_known_and_only_the_mentors(at):
    def asked(day, answered, hours, by="learner"):
        seconds = None if hours is None else int(hours * 3600)
        return event(f"message_by_{by}", day, answered_known_epoch_day=answered, answer_seconds=seconds)

    events = [
        asked(90, 91, 1.5),
        asked(91, 95, 30),
        asked(92, 104, 99),
        asked(93, None, None),
        asked(94, 94, 4, "mentor"),
    ]
    rows = at([91, 92, 100, 105, 130], events=events)
    assert [row["response_hours_median_28d"] for row in rows] == [None, 1.5, 15.75, 30.0, None]


def test_a_message_is_unanswered_after_three_days_without_an_answer_known(at):
    (first, *rows) = at(
        [103, 104, 110, 111, 128, 129],
        events=[event("message_by_learner", 100, is_start=True, answered_known_epoch_day=110, answer_seconds=60)],
    )
    assert first["unanswered_messages_28d"] == 0
    assert [row["unanswered_messages_28d"] for row in rows] == [1, 1, 0, 0, 0]


def test_thanks_and_messages_of_the_mentor_need_no_answer(at):
    (row,) = at([110], events=[event("message_by_learner", 100), event("message_by_mentor", 100, is_start=True)])
    assert row["unanswered_messages_28d"] == 0


def test_sessions_and_chat_are_live_and_letters_are_not(at):
    events = [
        event("held", 99, channel="phone"),
        event("held", 99),
        event("message_by_mentor", 98, channel="chat"),
        event("message_by_learner", 98, channel="email"),
        event("message_by_learner", 98, channel="forum"),
        event("missed_by_learner", 97, channel="chat"),
    ]
    (row,) = at([100], events=events)
    assert row["synchronous_28d_share"] == 0.6


def test_a_mentors_load_counts_each_learner_once_over_all_programmes(at):
    others = [
        match(90, match_id="n", learner_id="ben", programme_id="q"),
        match(90, match_id="o", learner_id="ben"),
        match(90, match_id="r", learner_id="cem", ended=104),
        match(90, match_id="s", learner_id="dan", known_epoch_day=103),
        match(90, match_id="t", learner_id="eva", mentor_id="max"),
    ]
    rows = at([101, 104, 105], [match(100), *others])
    assert [row["mentor_learners_count"] for row in rows] == [3, 4, 3]


def test_a_mentor_is_trained_from_the_day_after_and_unknown_where_nobody_tells(at):
    trained = [row["is_mentor_trained"] for row in at([101, 105, 106], [match(100, trained_epoch_day=105)])]
    assert trained == [0, 0, 1]
    assert [row["is_mentor_trained"] for row in at([101], [match(100)])] == [0]
    assert [row["is_mentor_trained"] for row in at([101], [match(100, mentor_kind=None)])] == [None]
