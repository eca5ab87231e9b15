"""What becomes known after a landmark moves none of its features, from raw rows to the joined table."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines import feature_tables
from pipelines.core.agreements import build_commitments, build_goal_updates, build_goals
from pipelines.core.coverage import build_opened_activities
from pipelines.core.days import build_days, build_submissions
from pipelines.core.enrolments import build_enrolments
from pipelines.core.identities import link_identities
from pipelines.core.mentoring import build_matches, build_mentoring_events
from pipelines.core.presence import build_away_days
from pipelines.core.statements import attribute_statements

STEPS = (
    *(link_identities, attribute_statements, build_days, build_submissions, build_enrolments, build_opened_activities),
    *(build_matches, build_mentoring_events, build_goals, build_goal_updates, build_commitments, build_away_days),
)
COURSE, PAGE, QUIZ, ESSAY = (f"https://lms.test/{name}" for name in ("course", "page", "quiz", "essay"))
SUBMITTED, SCORED = "http://adlnet.gov/expapi/verbs/completed", "http://adlnet.gov/expapi/verbs/scored"
ASSESSMENT = "http://adlnet.gov/expapi/activities/assessment"
# Landmarks are 9 January and every seventh day after it.
DAY, AFTER = (date(2024, 2, 20) - date(1970, 1, 1)).days, "2024-02-20 09:00:00"

ENROLMENT = {
    "learner_id": "ana",
    "programme_id": "p",
    "course_id": "c",
    "enrolled_on": "2024-01-02",
    "status": "active",
}
MATCH = {"match_id": "m1", "mentor_id": "meg", "learner_id": "ana", "programme_id": "p", "matched_on": "2024-01-10"}
SESSION = {"match_id": "m1", "channel": "video", "outcome": "held", "duration_minutes": 30}
TICKET = {"learner_id": "ana", "opened_at": "2024-02-01 08:00:00", "kind": "access"}
MESSAGE = {"match_id": "m1", "sender": "mentor", "channel": "chat"}
GOAL = {"match_id": "m1", "agreed_on": "2024-01-15", "due_on": "2024-04-01", "kind": "skill"}
# A feature of each fact that is told.
MOVED = (
    *("events_to_date", "days_since_submission", "is_matched", "sessions_held_28d", "messages_by_mentor_28d"),
    *("open_tickets_count", "available_days_since_activity", "goals_count"),
)
ACTIVITY = {"activity_iri": ESSAY, "course_id": "c", "is_assessment": True}


def statement(statement_id, happened_at, **values):
    return "raw.statement", {
        "statement_id": statement_id,
        "happened_at": f"{happened_at} 10:00:00",
        "object_iri": PAGE,
    } | values


def essay(statement_id, happened_at, **values):
    given = {"object_iri": ESSAY, "activity_type_iri": ASSESSMENT, "verb_iri": SUBMITTED} | values
    return statement(statement_id, happened_at, **given)


@pytest.fixture
def school(house):
    """Ana and Ben in one course; Meg mentors Ana, who has handed in an essay, made goals and asked for help."""
    house.add("raw.programme", programme_id="p", name="A programme")
    house.add("raw.course", course_id="c", activity_iri=COURSE, title="A", starts_on="2024-01-08", ends_on="2024-06-30")
    house.add("raw.activity", **ACTIVITY, due_on="2024-02-14", weight=20.0)
    house.add("raw.activity", activity_iri=QUIZ, course_id="c", is_assessment=True, due_on="2024-02-26")
    house.add("raw.mentor", mentor_id="meg", kind="peer")
    for number, learner in enumerate(("ana", "ben")):
        house.add("raw.learner", learner_id=learner)
        house.warehouse.execute(f"INSERT INTO identity.main.identifier_link VALUES ('i-{learner}', '{learner}')")
        house.add("raw.enrolment", **ENROLMENT | {"enrolment_id": f"e-{learner}", "learner_id": learner})
        for day in range(10 + number, 29, 3 + number):
            table, values = statement(f"{learner}-{day}", f"2024-01-{day}", identity_id=f"i-{learner}")
            house.add(table, **values)
    for table, values in (
        # Somebody keeps statuses, so silence ends nobody.
        ("raw.enrolment", ENROLMENT | {"enrolment_id": "e-dan", "learner_id": "dan", "status": "completed"}),
        essay("essay", "2024-02-12"),
        essay("score", "2024-02-13", verb_iri=SCORED, scaled_score=0.5),
        ("raw.mentoring_match", MATCH | {"agreed_sessions_per_week": 1.0, "known_at": "2024-01-10"}),
        ("raw.mentoring_session", SESSION | {"session_id": "s1", "held_at": "2024-02-01", "known_at": "2024-02-01"}),
        ("raw.goal", GOAL | {"goal_id": "g1", "known_at": "2024-01-15"}),
        ("raw.support_ticket", TICKET | {"ticket_id": "t1", "known_at": "2024-02-01"}),
    ):
        house.add(table, **values)
    return house


def features(house):
    """Features of all landmarks, each step made anew."""
    for step in STEPS:
        step(house.night)
    feature_tables.build_all(house.night)
    return house.warehouse.frame("FROM features.enrolment_week ORDER BY enrolment_id, observed_epoch_day")


def told_late(known_at):
    """Rows about the weeks before the day, and some of the day itself, as told at an instant or, with None, always known."""
    known = {} if known_at is None else {"known_at": known_at, "is_known_at_assumed": False}
    return [
        (table, values | known)
        for table, values in (
            statement("page", "2024-02-10"),
            statement("page of the day", "2024-02-20"),
            essay("handed in", "2024-02-19", object_iri=QUIZ),
            essay("handed in earlier than was known", "2024-02-08"),
            ("raw.mentoring_match", MATCH | {"match_id": "m2", "learner_id": "ben"}),
            ("raw.mentoring_match", MATCH | {"agreed_sessions_per_week": 1.0, "ended_on": "2024-02-05"}),
            ("raw.mentoring_session", SESSION | {"session_id": "s2", "held_at": "2024-02-15"}),
            ("raw.mentoring_session", SESSION | {"session_id": "s1", "held_at": "2024-02-01", "learner_rating": 5}),
            ("raw.mentoring_message", MESSAGE | {"message_id": "w1", "sent_at": "2024-02-18"}),
            ("raw.support_ticket", TICKET | {"ticket_id": "t2", "learner_id": "ben"}),
            ("raw.support_ticket", TICKET | {"ticket_id": "t1", "resolved_at": "2024-02-03"}),
            ("raw.goal", GOAL | {"goal_id": "g2", "agreed_on": "2024-02-02"}),
            ("raw.goal_update", {"goal_id": "g1", "recorded_on": "2024-02-12", "attained_share": 0.5}),
            ("raw.absence", {"learner_id": "ana", "from_on": "2024-02-14", "to_on": "2024-02-18"}),
            ("raw.calendar", {"closed_on": "2024-02-19"}),
        )
    ]


def early(rows):
    return rows.filter(pl.col("observed_epoch_day") <= DAY)


def test_what_is_told_late_leaves_earlier_landmarks_as_they_were_and_moves_later_ones(school):
    before = features(school)
    for table, values in told_late(AFTER):
        school.add(table, **values)
    after = features(school)
    assert_frame_equal(early(before), early(after))
    assert [name for name in MOVED if before[name].equals(after[name], null_equal=True)] == []


def test_the_same_rows_told_in_time_move_them(school):
    before = features(school)
    for table, values in told_late(None):
        school.add(table, **values)
    after = features(school)
    assert [name for name in MOVED if early(before)[name].equals(early(after)[name], null_equal=True)] == []
